"""Each strategy in C decides as the one in Python does: on random readings, and on recorded ones.

The C counts in whole tenths of a millivolt, so the Python is given thresholds that lie between two
counts, where no reading can: then they have to agree on every bit. Where the C rounds
(polarisation, charge) they may differ on a cell that stands within the rounding of a threshold: the
Python, asked again with thresholds moved by that much either way, must change its mind too.
"""

from collections.abc import Callable, Iterator
from ctypes import c_int32
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_strategies import (
    CELLS,
    NTCS,
    UNKNOWN_CURRENT,
    UNKNOWN_TEMPERATURE,
    UNKNOWN_VOLTAGE,
    Counted,
    CStrategy,
    bits,
    file_of,
    parts,
    shared_library,
)
from chip_cost import STRATEGIES as IN_C
from chip_day import chip_day
from strategy_tables import PARTS, written

from hil.balancing import STRATEGIES
from hil.balancing.charge_ledger import ChargeLedger
from hil.balancing.polarisation import LFP
from hil.balancing.strategy import AnyStrategy, Decision
from hil.balancing.temperatures import cell_degc

DECISIONS = 2500
HALF_V = 0.5e-4
EDGE_V = 1e-9
"""What volts may be off the counts that they are made of."""
ROUNDED_V = 0.3e-3
"""What the polarisation of two cells may be off in C, up to 100 A; measured below."""
MOST_ODD = 0.003
"""Of the bleeds: how often a cell stands within rounding of a threshold."""
MOST_ODD_LEDGER = 0.03
"""0.2 mV are 15 mAh where the ledger begins to see charge: ten periods of a bleed, once a visit."""
STEPS_S = (1, 30, 59, 60, 90, 120, 600, 3600, 200_000)
STEPS_SHARE = (0.05, 0.15, 0.05, 0.05, 0.1, 0.5, 0.05, 0.048, 0.002)
"""Shorter and longer than what has to last for a minute, for half an hour, for an hour."""

Builder = Callable[[str], CStrategy]


@dataclass(frozen=True, slots=True)
class Weather:
    """What random readings are drawn from: a pack's level, its unevenness, current, temperature."""

    level: int
    spread: int
    milliamps: int
    degc: float


def weathers(random: np.random.Generator) -> Iterator[Weather]:
    """Go through what packs do, in runs of a few decisions: plateau, knee, full, cold, load."""
    levels = (33000, 33200, 33400, 33700, 33900, 34100, 34400, 34550, 35500)
    currents = (0, 0, 0, -1500, -2500, -4000, -9000, -11000, -25000, 1500, 30000)
    while True:
        weather = Weather(
            level=int(random.choice(levels)),
            spread=int(random.choice([20, 60, 200, 600])),
            milliamps=int(random.choice(currents) * random.uniform(0.5, 1.2)),
            degc=float(random.choice([-15.0, 0.0, 10.0, 25.0, 45.0])),
        )
        for _ in range(random.integers(1, 60)):
            yield weather


def random_readings(seed: int) -> list[Counted]:
    """Draw readings, one in fifty of them unknown; time goes on by seconds, minutes, or days."""
    random = np.random.Generator(np.random.PCG64(seed))
    time_s, falling = 1000, 1.0
    of, readings = weathers(random), list[Counted]()
    while len(readings) < DECISIONS:
        weather = next(of)
        falling = 0.9 * falling if random.random() < 0.7 else 1.0  # so that charges taper
        cells = weather.level + random.integers(-weather.spread, weather.spread + 1, CELLS)
        ntcs = np.round(10.0 * (weather.degc + random.uniform(-4.0, 4.0, NTCS)))
        cells = np.where(random.random(CELLS) < 0.02, UNKNOWN_VOLTAGE, cells)
        ntcs = np.where(random.random(NTCS) < 0.02, UNKNOWN_TEMPERATURE, ntcs)
        milliamps = int(weather.milliamps * falling)
        if random.random() < 0.02:
            milliamps = UNKNOWN_CURRENT
        readings.append(
            Counted(time_s, milliamps, *(tuple(map(int, row)) for row in (cells, ntcs)))
        )
        time_s += int(random.choice(STEPS_S, p=STEPS_SHARE))
    return readings


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    folder = tmp_path_factory.mktemp("strategies")
    built = dict[str, CStrategy]()

    def begun(name: str) -> CStrategy:
        if name not in built:
            built[name] = CStrategy(file_of(name), folder / f"{name}.so")
        built[name].start()
        return built[name]

    return begun


def asked(strategy: AnyStrategy, state: Any, one: Counted) -> tuple[Any, Decision]:
    with np.errstate(invalid="ignore"):
        return strategy.step(state, one.observation())


def moved(strategy: Any, volt: float) -> AnyStrategy:
    """Return the strategy with its thresholds moved, those too that twice the error lifts."""
    lifted = {"board_error_v": 0.5} if hasattr(strategy, "board_error_v") else {}
    shares = {"start_v": 1.0, "stop_v": 1.0, **lifted}
    there = {name: getattr(strategy, name) + share * volt for name, share in shares.items()}
    after: AnyStrategy = replace(strategy, **there)
    return after


def between_counts(strategy: Any) -> AnyStrategy:
    """Return the strategy with thresholds that no difference of counts can meet.

    The C starts above its count and stops below it, so half a count more and half a count less are
    the same to it.
    """
    after: AnyStrategy = replace(
        strategy, start_v=strategy.start_v + HALF_V, stop_v=strategy.stop_v - HALF_V
    )
    return after


def duties(decided: Any) -> tuple[float, ...]:
    return tuple(decided.percent / 100.0 if one else 0.0 for one in bits(decided.bleeding))


def differing(
    strategy: AnyStrategy, other: CStrategy, readings: list[Counted], slack_v: float
) -> tuple[int, int]:
    """Return how many cells were decided on otherwise, and how many bled at all.

    Both begin each decision from what the C bled last, so that one cell at an edge is counted once
    and not for as long as it bleeds. Fails where a difference is more than an edge's.
    """
    state, odd, bled = strategy.initial(CELLS), 0, 0
    narrow, wide = moved(strategy, -slack_v), moved(strategy, slack_v)
    for one in readings:
        after, decision = asked(strategy, state, one)
        decided = other.step(one)
        found = duties(decided)
        bled += sum(duty > 0.0 for duty in found)
        for cell in np.flatnonzero(decision.duty != np.array(found)):
            odd += 1
            either = [asked(each, state, one)[1].duty[cell] for each in (narrow, wide)]
            assert either[0] != either[1], (one, cell, found[cell], decision.duty[cell])
        state = after._replace(bleeding=np.array(bits(decided.bleeding)))
    return odd, bled


@pytest.mark.parametrize("name", ["fixed-threshold", "compensated-trade", "top-balance"])
def test_what_counts_in_whole_numbers_decides_as_python_does(name: str, in_c: Builder) -> None:
    strategy = between_counts(STRATEGIES[name]())
    for readings in (random_readings(1), chip_day()):
        odd, bled = differing(strategy, in_c(name), readings, 0.0)
        assert bled > 100
        assert odd == 0


@pytest.mark.parametrize(
    ("name", "slack_v"),
    [
        ("state-aware", EDGE_V),  # one of its four thresholds is half the sum of two others
        ("compensated-physics", ROUNDED_V),
        ("compensated-float", EDGE_V),
    ],
)
def test_what_rounds_decides_as_python_but_for_cells_on_the_edge(
    name: str, slack_v: float, in_c: Builder
) -> None:
    strategy = STRATEGIES[name.replace("float", "physics")]()
    for readings in (random_readings(1), chip_day()):
        odd, bled = differing(strategy, in_c(name), readings, slack_v)
        assert bled > 100
        assert odd <= MOST_ODD * bled


def test_every_strategy_in_c_is_one_that_is_measured() -> None:
    assert {file_of(name) for name in IN_C} == set(PARTS.parent.glob("*.c"))


def days(count: int) -> list[Counted]:
    """Return the recorded day, again and again."""
    return [
        one._replace(time_s=one.time_s + 86400 * day) for day in range(count) for one in chip_day()
    ]


@pytest.mark.parametrize("readings", [random_readings(3), days(3), days(1)[::3]])
def test_the_ledger_counts_and_spends_as_python_does(
    readings: list[Counted], in_c: Builder
) -> None:
    """Both run freely: what one of them counted wrong would stay wrong until the next visit."""
    ledger, other = ChargeLedger(), in_c("charge-ledger")
    state, odd, bled, visits = ledger.initial(CELLS), 0, 0, 0
    for one in readings:
        state, decision = asked(ledger, state, one)
        decided = other.step(one)
        found = np.array(duties(decided))
        odd += int((found != decision.duty).sum())
        bled += int((found > 0.0).sum())
        visits += bool(state.visiting)
        assert decided.wants_full == bool(decision.wants_full)
    assert visits > 20
    assert bled > 300
    assert odd <= MOST_ODD_LEDGER * bled


def two_levels(low: int, high: int, milliamps: int, count: int) -> list[Counted]:
    """Return readings half a minute apart, every other cell high."""
    cells = (low, high) * (CELLS // 2)
    return [Counted(30 * k, milliamps, cells, (250,) * NTCS) for k in range(count)]


def test_states_end_where_those_in_python_do(in_c: Builder) -> None:
    """A float that has sunk to just above where it ends, and a rest of just over an hour."""
    strategy, other = between_counts(STRATEGIES["state-aware"]()), in_c("state-aware")
    floats = [*two_levels(34000, 34200, 0, 10), *two_levels(33650, 33770, 0, 10)]
    rests = [*two_levels(33400, 33500, -25000, 10), *two_levels(33800, 33950, 0, 150)]
    told = [one._replace(time_s=30 * k) for k, one in enumerate([*floats, *rests])]
    odd, bled = differing(strategy, other, told, 0.0)
    assert odd == 0
    # all of the float, and what is left of the rest behind its first hour
    assert bled == (len(floats) + 150 - 120) * CELLS // 2


def test_slow_currents_follow_as_in_python_over_any_time(tmp_path: Path) -> None:
    library = shared_library(parts(), tmp_path / "parts.so")
    library.slowed_milliamps.restype = c_int32
    memory, slow_a, time_s = (c_int32 * 3)(0, 0, 0), np.array(np.nan), 0
    random = np.random.Generator(np.random.PCG64(8))
    for passed_s in [0, *map(int, np.exp(random.uniform(0.0, 9.0, 300)))]:
        time_s += passed_s
        milliamps = int(random.integers(-100_000, 100_000))
        library.slowed_follow(memory, time_s, milliamps)
        slow_a = LFP.slowed(slow_a, np.array(milliamps / 1e3), np.array(float(passed_s)))
        assert library.slowed_milliamps(memory) == pytest.approx(1e3 * slow_a, abs=25)


@pytest.mark.parametrize(
    ("milliamps", "ntc", "top", "most"), [(0, 250, 34900, 1), (-9000, -100, 35200, 6)]
)
def test_a_ledger_bleeds_for_as_long_as_python_does_after_one_look(
    milliamps: int, ntc: int, top: int, most: int, in_c: Builder
) -> None:
    """Without a current nothing rounds: to the last decision of a day and a half of bleeding."""
    ledger, other = ChargeLedger(), in_c("charge-ledger")
    cells = tuple(top - 100 * cell for cell in range(CELLS))
    visit = Counted(1000, milliamps, cells, (ntc,) * NTCS)
    plateau = [Counted(1120 + 120 * k, 0, (33000,) * CELLS, (250,) * NTCS) for k in range(1500)]
    state, in_python, found = ledger.initial(CELLS), np.zeros(CELLS), np.zeros(CELLS)
    for one in [visit, *plateau]:
        state, decision = asked(ledger, state, one)
        in_python += decision.duty
        found += np.array(duties(other.step(one)))
    assert in_python.max() > 200
    assert np.abs(found - in_python).max() <= most


def test_a_ledger_forgets_after_thirty_days_and_not_before(in_c: Builder) -> None:
    def bleeds(days: float) -> int:
        ledger = in_c("charge-ledger")
        visit = Counted(1000, 0, (34900, *[33900] * (CELLS - 1)), (250,) * NTCS)
        # bleeding nothing meanwhile: a board that cannot see its cells
        ledger.step(visit)
        ledger.step(Counted(1001, 0, (UNKNOWN_VOLTAGE,) * CELLS, (250,) * NTCS))
        later = Counted(1000 + round(86400 * days), 0, (33000,) * CELLS, (250,) * NTCS)
        return int(ledger.step(later).bleeding)

    assert bleeds(29.99) == bleeds(30.0) == 1
    assert bleeds(30.01) == 0


def test_a_full_charge_is_wanted_ten_days_after_the_last_and_no_sooner(in_c: Builder) -> None:
    ledger = in_c("charge-ledger")
    last_visit_s = max(one.time_s for one in chip_day() if max(one.cells) > 34000)
    for one in chip_day():
        assert not ledger.step(one).wants_full
    later = chip_day()[-1]
    assert not ledger.step(later._replace(time_s=last_visit_s + 10 * 86400 - 7200)).wants_full
    assert ledger.step(later._replace(time_s=last_visit_s + 10 * 86400)).wants_full


@pytest.mark.parametrize(
    ("low_degc", "most_ma", "most_v", "most_apart_v"),
    [(-25.0, 200_000, 0.55e-3, 0.45e-3), (5.0, 50_000, ROUNDED_V, ROUNDED_V)],
)
def test_polarisation_in_integers_is_that_of_the_model(
    low_degc: float, most_ma: int, most_v: float, most_apart_v: float, tmp_path: Path
) -> None:
    library = shared_library(parts(), tmp_path / "parts.so")
    random = np.random.Generator(np.random.PCG64(5))
    currents = [0, 1, -1, most_ma, -most_ma]
    currents += [int(one) for one in np.exp(random.uniform(0.0, np.log(most_ma), 2000))]
    for sign, milliamps in zip(random.choice([-1, 1], len(currents)), currents, strict=True):
        centi = random.integers(int(100 * low_degc), 6500, CELLS)
        slow_ma = int(random.integers(-most_ma, most_ma + 1))
        eta = (c_int32 * CELLS)()
        library.polarisation_of_cells(
            int(sign) * milliamps, slow_ma, (c_int32 * CELLS)(*map(int, centi)), eta
        )
        current_a, slow_a = np.array(sign * milliamps / 1e3), np.array(slow_ma / 1e3)
        off_v = np.array(eta) / 1e5 - LFP.voltage_v(current_a, slow_a, centi / 100.0, 100.0)
        assert np.abs(off_v).max() <= most_v
        assert np.ptp(off_v) <= most_apart_v


def test_temperatures_lie_between_thermistors_as_in_python(tmp_path: Path) -> None:
    library = shared_library(parts(), tmp_path / "parts.so")
    for one in random_readings(6)[:500]:
        centi = (c_int32 * CELLS)()
        seen = one.seen()
        assert library.temperatures_of_cells(seen.ntcs, centi)
        expected = cell_degc(one.observation().ntc_degc, (), CELLS)
        assert np.array(centi) / 100.0 == pytest.approx(expected, abs=0.02)  # two roundings down


def test_nothing_bleeds_on_a_board_that_knows_nothing(in_c: Builder) -> None:
    blind = Counted(
        9000, UNKNOWN_CURRENT, (UNKNOWN_VOLTAGE,) * CELLS, (UNKNOWN_TEMPERATURE,) * NTCS
    )
    for name in IN_C:
        strategy = in_c(name)
        for one in chip_day()[:300]:
            strategy.step(one)
        assert strategy.step(blind).bleeding == 0, name


def test_a_ledger_decided_every_second_follows_slow_currents_to_the_end(tmp_path: Path) -> None:
    """In whole milliamperes nothing would be added any more 400 mA short of the current."""
    library = shared_library(parts(), tmp_path / "parts.so")
    library.slowed_milliamps.restype = c_int32
    memory = (c_int32 * 3)(0, 0, 0)
    for time_s in range(6000):
        library.slowed_follow(memory, time_s, 5000)
    assert library.slowed_milliamps(memory) == pytest.approx(5000, abs=2)


def test_tables_are_those_of_the_parameters_in_python(tmp_path: Path) -> None:
    written(tmp_path)
    for made in tmp_path.glob("*.h"):
        assert made.read_text() == (PARTS / made.name).read_text()
    assert len(list(tmp_path.glob("*.h"))) == 2
