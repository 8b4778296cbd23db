"""Each strategy in C decides as the one in Python does: on random readings, and on recorded ones.

Where both count in whole numbers they agree but for a cell that stands on the very edge of a count,
which volts cannot say. Where the C rounds (polarisation, charge) they may differ on a cell that
stands within the rounding of a threshold: the Python, asked again with thresholds moved by that
much either way, must change its mind too.
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

DECISIONS = 4000
EDGE_V = 1e-9
"""A difference of two counts is no exact number of volts: as far as those may be off an edge."""
ROUNDED_V = 0.3e-3
"""What the polarisation of two cells may be off in C, up to 100 A; measured below."""
MOST_ODD = 0.003
"""Of the bleeds: how often a cell stands within rounding of a threshold."""
MOST_ODD_LEDGER = 0.03
"""0.2 mV are 15 mAh where the ledger begins to see charge: ten periods of a bleed, once a visit."""
STEPS_S = (1, 30, 120, 900, 7200, 200_000)
STEPS_SHARE = (0.1, 0.1, 0.6, 0.1, 0.098, 0.002)

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
    currents = (0, -1500, -2500, -4000, -9000, -11000, -25000, 1500, 30000)
    while True:
        weather = Weather(
            level=int(random.choice(levels)),
            spread=int(random.choice([20, 60, 200, 600])),
            milliamps=int(random.choice(currents) * random.uniform(0.5, 1.2)),
            degc=float(random.choice([-15.0, 0.0, 10.0, 25.0, 45.0])),
        )
        for _ in range(random.integers(1, 40)):
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


@pytest.mark.parametrize(
    ("name", "slack_v"),
    [
        ("fixed-threshold", EDGE_V),
        ("compensated-trade", EDGE_V),
        ("top-balance", EDGE_V),
        ("state-aware", EDGE_V),
        ("compensated-physics", ROUNDED_V),
        ("compensated-float", EDGE_V),
    ],
)
def test_c_decides_as_python_but_for_cells_on_the_edge(
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
