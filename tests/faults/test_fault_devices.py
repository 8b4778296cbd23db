"""Fault cases 9 to 13, 15 and 16 in virtual time: links and devices that fail in mid-run."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from fault_table import SEEDS, Hold
from faulted import EMULATORS, drawn, ended, faulted, instant, left_out, safe_after_ms
from invariants import Sight
from plan import Disturbed, Happening, Plan
from world import PROFILE, Watched

from drivers.links.faulty_plan import Kind, LinkFault
from hil.core.instants import HOUR, MILLISECOND, SECOND, Instant
from hil.core.records import (
    BadMeasurement,
    BenchFailed,
    Deviation,
    DeviceIdentified,
    LinkFaulted,
    Record,
    SafeStateReached,
    Tick,
    Tripped,
)

Profile = Callable[..., Path]

FAST = "bench.tick=100 ms"
CYCLE_NS = 100 * MILLISECOND
FOR_EVER = 1_000 * SECOND


def happens(seed: int, at: Instant, device: str, what: str, lasts: int = FOR_EVER) -> Plan:
    """Return a plan in which one thing happens."""
    return Plan(seed=seed, lab=(Happening(at, device, what, 0, lasts),))


def told_at(sight: Sight, since: Instant, device: str) -> Instant:
    """Return when something was first recorded against a device after an instant."""
    told = [(one.at, one.device) for one in sight.of(BadMeasurement)]
    told += [(one.at, "board") for one in sight.of(Deviation)]
    told += [(one.at, "board") for one in sight.of(Tripped)]
    return min(at for at, name in told if name == device and at >= since)


# --- the board's bus -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("what", ["silent", "mute", "bus-off", "cut"])
def test_case_9_a_bus_that_fails(what: str, seed: int, hold: Hold) -> None:
    at = instant(drawn(seed, 9), 2.0, 20.0)
    sight = faulted(happens(seed, at, "board", what), PROFILE, FAST)
    flagged = told_at(sight, at, "board")
    trips = [one.at for one in sight.of(Tripped)] + [one.at for one in sight.of(BenchFailed)]
    hold(
        9,
        {
            "flagged, periods after": (flagged - at) / CYCLE_NS,
            "emulators and load off, from the trip": safe_after_ms(sight, trips[0], EMULATORS),
        },
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_case_9_a_bus_that_comes_back(seed: int, hold: Hold) -> None:
    """A cycle without frames is no silent board yet: it is heard again, and not blamed."""
    at = instant(drawn(seed, 9), 2.0, 20.0)
    sight = faulted(happens(seed, at, "board", "mute", 100 * MILLISECOND), PROFILE, FAST)
    age = sight.layout.index("board.age_s")
    later = [one.values[age] for one in sight.of(Tick) if one.at > at + SECOND]
    hold(9, {"not heard again": sum(one > 0.2 for one in later) + (ended(sight).verdict != "PASS")})


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("what", ["bad-crc", "frozen"])
def test_case_10_frames_that_are_wrong(what: str, seed: int, hold: Hold) -> None:
    """No wrong frame's value gets into a row: what was read before stays, and grows older."""
    at = instant(drawn(seed, 10), 2.0, 20.0)
    sight = faulted(happens(seed, at, "board", what), PROFILE, FAST)
    [found] = [one for one in sight.of(Deviation) if one.name == "rejected-frames"]
    age, cells = sight.layout.index("board.age_s"), sight.layout.columns("board.cell_v")
    rows = [one.values for one in sight.of(Tick) if one.at > at + CYCLE_NS]
    taken = sum(after[cells] != rows[0][cells] for after in rows)
    younger = sum(b[age] <= a[age] for a, b in pairwise(rows))
    hold(
        10,
        {
            "looks of the bench until it is flagged": -(-(found.at - at) // CYCLE_NS),
            "rows with a wrong frame's value, or not marked by its age": taken + younger,
        },
    )


# --- instruments ---------------------------------------------------------------------------------

HANGS = [
    *[("emulator-1", what) for what in ("silent", "late")],
    ("chamber", "silent"),
    ("chamber", "mute"),
]


CUT_SHORT: tuple[Kind, ...] = ("late", "partial", "lost")


def off_the_grid_ms(sight: Sight, period: int = SECOND) -> float:
    """Return how far the worst tick lies off the schedule of the first."""
    at = [one.at for one in sight.of(Tick)]
    off = [abs((one - at[0] + period // 2) % period - period // 2) for one in at]
    return max(off) / MILLISECOND


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("device", "what"), HANGS)
def test_case_11_an_instrument_that_hangs(device: str, what: str, seed: int, hold: Hold) -> None:
    at = instant(drawn(seed, 11), 2.0, 15.0)
    sight = faulted(happens(seed, at, device, what))
    assert told_at(sight, at, device) <= at + 2 * SECOND
    hold(11, {"ticks moved": off_the_grid_ms(sight), "ticks missed": missed(sight)})


def missed(sight: Sight) -> int:
    """Return how many ticks the schedule had and the run had not, up to its last one."""
    at = [one.at for one in sight.of(Tick)]
    return round((at[-1] - at[0]) / SECOND) + 1 - len(at)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", CUT_SHORT)
def test_case_11_an_answer_that_is_not_whole(kind: Kind, seed: int, hold: Hold) -> None:
    """The watch at every record sees an answer that is filed under another query."""
    random = drawn(seed, 11)
    device = random.choice((*EMULATORS, "chamber"))
    amount = {"late": random.randrange(SECOND // 5, 3 * SECOND), "partial": 3, "lost": 0}[kind]
    fault = LinkFault("to host", random.randrange(12, 30), kind, amount)
    sight = faulted(Plan(seed=seed, links=(Disturbed(device, fault),)))
    assert sight.of(LinkFaulted), "the fault was never put in"
    assert left_out(sight) == 0
    again = device in {one.device for one in sight.of(SafeStateReached) if one.ok}
    hold(11, {"ticks moved": off_the_grid_ms(sight), "not spoken with again": not again})


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("device", ["emulator-1", "chamber"])
def test_case_12_a_stranger_comes_back(device: str, seed: int, hold: Hold) -> None:
    at = instant(drawn(seed, 12), 2.0, 20.0)
    sight = faulted(happens(seed, at, device, "swapped", 2 * SECOND), PROFILE, "bench.tick=500 ms")
    others = [one for one in (*EMULATORS, "chamber") if one != device]
    safe = [one for one in sight.of(SafeStateReached) if one.device == device and one.ok]
    hold(
        12,
        {
            "the others off, tick 0.5 s": safe_after_ms(sight, at, others),
            "strangers taken for ours, in virtual time": len(safe),
        },
    )
    assert len(sight.of(DeviceIdentified)) == 4


@pytest.fixture(name="hours")
def _hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run take hours: air and cells do."""
    monkeypatch.setattr("world.LONGEST", 5 * HOUR)


# --- limits --------------------------------------------------------------------------------------


def crossing_ms(sight: Sight, signal: str, limit: float, devices: Sequence[str]) -> float:
    """Return how long after the first row beyond a limit these devices were off."""
    columns = sight.layout.columns(signal)
    first = next(one.at for one in sight.of(Tick) if max(one.values[columns]) > limit)
    return safe_after_ms(sight, first, devices)


@pytest.mark.parametrize("seed", SEEDS)
def test_case_16_a_cell_voltage(seed: int, profile: Profile, hold: Hold) -> None:
    limit_v = drawn(seed, 16).uniform(3.38, 3.42)
    steps = "  - charge: {current: 60 A, until: [after: 1 h]}\n"
    path = profile(steps, limits=f"{{cell.voltage: {{max: {limit_v:.4f} V}}}}")
    sight = faulted(Plan(seed=seed), path, "pack.soc=90 %")
    [tripped] = sight.of(Tripped)
    assert tripped.subject.startswith("cell.voltage[")
    assert tripped.value > tripped.bound
    off_ms = crossing_ms(sight, "emulator.read_v", float(f"{limit_v:.4f}"), EMULATORS)
    hold(16, {"outputs off, from the row that showed it": off_ms})


@pytest.mark.usefixtures("hours")
@pytest.mark.parametrize("seed", SEEDS)
def test_case_16_a_cell_temperature(seed: int, profile: Profile, hold: Hold) -> None:
    limit_degc = drawn(seed, 16).uniform(23.8, 25.0)
    steps = "  - soak: {chamber: 60 degC, for: 2 h}\n"
    path = profile(steps, limits=f"{{cell.temperature: {{max: {limit_degc:.4f} degC}}}}")
    sight = faulted(Plan(seed=seed), path)
    [tripped] = sight.of(Tripped)
    assert tripped.subject.startswith("cell.temperature[")
    off_ms = crossing_ms(sight, "plant.cell_degc", float(f"{limit_degc:.4f}"), EMULATORS)
    hold(16, {"outputs off, from the row that showed it": off_ms})


@pytest.mark.usefixtures("hours")
@pytest.mark.parametrize("seed", SEEDS)
def test_case_15_a_chamber_that_runs_away(seed: int, profile: Profile, hold: Hold) -> None:
    """Its heater is stuck: the software's limit ends it, by the next tick."""
    random = drawn(seed, 15)
    limit_degc = random.uniform(45.0, 60.0)
    path = profile(
        "  - soak: {chamber: 30 degC, within: 20 K, for: 1 s}\n  - rest: 2 h\n",
        limits=f"{{chamber.temperature: {{max: {limit_degc:.4f} degC}}}}",
    )
    sight = faulted(happens(seed, instant(random, 3.0, 60.0), "chamber", "heater-stuck"), path)
    [tripped] = sight.of(Tripped)
    column = sight.layout.index("chamber.air_degc")
    bound = float(f"{limit_degc:.4f}")
    first = next(one.at for one in sight.of(Tick) if one.values[column] > bound)
    hold(15, {"ticks from the first row beyond to the trip": (tripped.at - first) / SECOND})


@pytest.mark.usefixtures("hours")
@pytest.mark.parametrize("seed", SEEDS)
def test_case_15_a_chamber_that_nobody_sees_run_away(
    seed: int, profile: Profile, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sensor stands still as well: only the limiter of its own is left, and it stays out."""
    random = drawn(seed, 15)
    limiter_degc = random.uniform(45.0, 60.0)
    path = profile("  - soak: {chamber: 30 degC, within: 20 K, for: 1 s}\n  - rest: 12 min\n")
    at = instant(random, 3.0, 60.0)
    plan = Plan(
        seed=seed,
        lab=tuple(
            Happening(at, "chamber", what, 0, FOR_EVER * 10)
            for what in ("sensor-stuck", "heater-stuck")
        ),
    )
    key = f"bench.devices.chamber.virtual.limiter={limiter_degc:.3f} degC"
    peaks: list[float] = []
    look = Watched._look

    def looked(run: Watched, record: Record) -> None:
        look(run, record)
        assert run.sight is not None
        peaks.append(run.sight.witness.twins["chamber"].truth()["air_degc"])

    monkeypatch.setattr(Watched, "_look", looked)
    sight = faulted(plan, path, key, "bench.tick=2 s")
    assert not sight.of(Tripped), "no software saw it"
    truth = sight.witness.twins[sight.witness.rig.chamber.name].truth()
    hold(
        15,
        {
            "air above its limiter, at the most": max(peaks) - limiter_degc,
            "limiter not latched": not truth["limited"],
        },
    )
