"""What holds for the metrics of every run, and the same metrics worked out the slow way."""

import math
from typing import NamedTuple

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hil.core.instants import DAY, HOUR, MINUTE
from hil.core.records import Record, RunStarted, StepEnded, StepStarted, Tick
from hil.core.signals import tick_layout
from hil.core.spec import Accuracy
from hil.verdict.metrics import Metrics, MetricValue, Uncertainties

CELLS = 6
LAYOUT = tick_layout(CELLS, 2)
UNCERTAINTIES = Uncertainties(
    set_v=Accuracy(0.001), read_v=Accuracy(0.002), read_a=Accuracy(0.001, 0.002)
)
PER_CELL = [signal.name for signal in LAYOUT.signals if signal.width == CELLS]
STEPS = ("1.charge", "2.hold", "3.rest", "4.repeat/1.discharge", "5.follow")

Floats = NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)


class Made(NamedTuple):
    """A made-up run: the records, and the same numbers as arrays."""

    records: list[Record]
    rows: Floats
    at: list[int]
    capacity_ah: Floats

    def column(self, name: str) -> Floats:
        return self.rows[:, LAYOUT.columns(name)]


def make(seed: int, ticks: int = 90, order: list[int] | None = None) -> Made:
    """Draw a run of random walks with gaps in the readings, steps that come and go, lost slots."""
    draw = np.random.default_rng(seed)
    rows = np.zeros((ticks, LAYOUT.width))
    walk = draw.normal(0.0, 0.002, (ticks, CELLS)).cumsum(axis=0)
    rows[:, LAYOUT.columns("plant.soc")] = np.clip(0.5 + walk + draw.normal(0, 0.01, CELLS), 0, 1)
    rows[:, LAYOUT.columns("plant.cell_v")] = 3.3 + 5.0 * walk
    rows[:, LAYOUT.columns("plant.cell_degc")] = 25.0 + draw.normal(0, 3, (ticks, CELLS))
    rows[:, LAYOUT.columns("emulator.read_v")] = 3.3 + 5.0 * walk
    bleeding = np.repeat(draw.random((ticks // 10 + 1, CELLS)) < 0.2, 10, axis=0)[:ticks]
    rows[:, LAYOUT.columns("emulator.read_a")] = 0.05 * bleeding
    rows[:, LAYOUT.columns("board.duty")] = bleeding * draw.choice([0.5, 1.0])
    for name in ("emulator.read_a", "board.duty", "plant.cell_v"):
        gaps = draw.random((ticks, CELLS)) < 0.03
        rows[:, LAYOUT.columns(name)] = np.where(gaps, np.nan, rows[:, LAYOUT.columns(name)])
    rows[:, LAYOUT.index("pack.current_a")] = np.repeat(
        draw.choice([-20.0, -3.0, 0.0, 30.0], ticks // 7 + 1), 7
    )[:ticks]
    if order is not None:
        for name in PER_CELL:
            rows[:, LAYOUT.columns(name)] = rows[:, LAYOUT.columns(name)][:, order]
    capacity_ah = draw.normal(100.0, 1.0, CELLS)
    capacity_ah = capacity_ah if order is None else capacity_ah[order]
    return _recorded(draw, rows, capacity_ah)


def _recorded(draw: np.random.Generator, rows: Floats, capacity_ah: Floats) -> Made:
    """Write the rows down as a run with steps."""
    signals = tuple((s.name, s.unit, s.width) for s in LAYOUT.signals)
    constants = {"plant.capacity_ah": tuple(capacity_ah.tolist())} | UNCERTAINTIES.constants()
    records: list[Record] = [RunStarted(0, "p", "b", 1, 10 * MINUTE, "", signals, constants)]
    times, at, step = [], 0, -1
    for k, row in enumerate(rows):
        at += 10 * MINUTE * int(draw.choice([1, 1, 1, 3]))
        if k % 13 == 0:
            if step >= 0:
                records.append(StepEnded(at, step, STEPS[step], ""))
            step = int(draw.integers(len(STEPS)))
            records.append(StepStarted(at, step, STEPS[step], ""))
        row[LAYOUT.index("step")] = step
        times.append(at)
        records.append(Tick(at, tuple(row.tolist()), ""))
    return Made(records, rows, times, capacity_ah)


def fold(records: list[Record], block: int = 512) -> dict[str, MetricValue]:
    metrics = Metrics(block)
    for record in records:
        metrics.feed(record)
    return metrics.result()


@given(seed=seeds, block=st.integers(1, 60), asked=st.sets(st.integers(0, 90), max_size=5))
def test_neither_block_size_nor_asking_in_between_changes_a_bit(
    seed: int, block: int, asked: set[int]
) -> None:
    made = make(seed)
    metrics = Metrics(block)
    for k, record in enumerate(made.records):
        metrics.feed(record)
        if k in asked:
            metrics.result()
    assert repr(metrics.result()) == repr(fold(made.records))


@given(seed=seeds, order=st.permutations(range(CELLS)))
def test_the_order_of_the_cells_does_not_matter(seed: int, order: list[int]) -> None:
    straight, turned = fold(make(seed).records), fold(make(seed, order=order).records)
    for name, value in straight.items():
        other = turned[name]
        assert math.isclose(value.value, other.value, rel_tol=1e-9, abs_tol=1e-12) or (
            math.isnan(value.value) and math.isnan(other.value)
        ), name
        assert value.read_at == other.read_at


def slowly(made: Made) -> dict[str, float]:
    """Work out what bleeding came to, tick by tick and cell by cell, as the definitions say it."""
    read_a, duty = made.column("emulator.read_a"), made.column("board.duty")
    soc = made.column("plant.soc")
    qmin_ah = float(made.capacity_ah.min())
    bled_ah = bleed_ns = wrong_ns = onsets = edges = missed_ns = 0.0
    for cell in range(CELLS):
        on, read_at, neglected_ns, last_at = False, 0, 0, 0
        read_at = last_at = made.at[0] - 10 * MINUTE
        for k, at in enumerate(made.at):
            dt = at - last_at
            if not math.isnan(read_a[k, cell]):
                bled_ah += read_a[k, cell] * (at - read_at) / HOUR
                read_at = at
            was_on = on
            on = on if math.isnan(duty[k, cell]) else duty[k, cell] > 0.0
            edges += on != was_on
            to_full_ah = (1.0 - soc[k]) * made.capacity_ah
            need = (to_full_ah.max() - to_full_ah[cell]) / qmin_ah
            bleed_ns += dt if on else 0
            wrong_ns += dt if on and need < 0.002 else 0
            onsets += on and not was_on and need < 0.002
            neglected_ns = neglected_ns + dt if need > 0.01 and not on else 0
            if neglected_ns >= DAY:
                missed_ns += dt if neglected_ns - dt >= DAY else neglected_ns
            last_at = at
    days = (made.at[-1] - made.at[0] + 10 * MINUTE) / DAY
    return {
        "bled_charge": bled_ah,
        "switch_cycles": edges / days,
        "wrong_cell_share": wrong_ns / max(bleed_ns, 1),
        "false_triggers": onsets / days / CELLS,
        "missed_triggers": missed_ns / DAY,
    }


@given(seed=seeds)
def test_blocks_of_arrays_come_to_the_same_as_one_tick_and_cell_at_a_time(seed: int) -> None:
    made = make(seed, ticks=200)
    # every command is unknown here, so that an unknown duty is the last known one
    made.rows[:, LAYOUT.columns("command.duty")] = np.nan
    made = _recorded(np.random.default_rng(seed), made.rows, made.capacity_ah)
    metrics = fold(made.records)
    for name, value in slowly(made).items():
        assert math.isclose(metrics[name].value, value, rel_tol=1e-9, abs_tol=1e-12), name


# --- the state of the pack ---------------------------------------------------------------------

socs = st.lists(st.floats(0.05, 0.95), min_size=CELLS, max_size=CELLS).map(np.array)


def state(soc: Floats, capacity_ah: Floats) -> tuple[float, float]:
    """Return spread and usable capacity of a pack in this state."""
    row = np.zeros(LAYOUT.width)
    row[LAYOUT.columns("plant.soc")] = soc
    made = _recorded(np.random.default_rng(1), row[np.newaxis], capacity_ah)
    result = fold(made.records)
    return result["soc_spread"].value, result["usable_capacity"].value


@given(soc=socs, capacity_ah=st.lists(st.floats(80.0, 120.0), min_size=CELLS, max_size=CELLS))
def test_usable_capacity_lies_between_nothing_and_that_of_the_smallest_cell(
    soc: Floats, capacity_ah: list[float]
) -> None:
    spread, usable = state(soc, np.array(capacity_ah))
    assert spread >= 0.0
    assert 0.0 < usable <= 1.0 + 1e-12


@given(soc=socs, cell=st.integers(0, CELLS - 1), share=st.floats(0.0, 1.0))
def test_charging_the_fullest_cell_never_narrows_and_the_emptiest_never_widens_up_to_the_rest(
    soc: Floats, cell: int, share: float
) -> None:
    assume(soc.max() - soc.min() > 1e-6)
    same_ah = np.full(CELLS, 100.0)
    spread, usable = state(soc, same_ah)
    fuller = soc.copy()
    fuller[soc.argmax()] += share * (1.0 - soc.max())
    wider, less = state(fuller, same_ah)
    assert wider >= spread - 1e-12
    assert less <= usable + 1e-12
    helped = soc.copy()
    helped[soc.argmin()] += share * (soc.max() - soc.min())
    narrower, more = state(helped, same_ah)
    assert narrower <= spread + 1e-12
    assert more >= usable - 1e-12
    # bleeding any cell down to the emptiest never widens either
    bled = soc.copy()
    bled[cell] -= share * (soc[cell] - soc.min())
    assert state(bled, same_ah)[0] <= spread + 1e-12


@given(soc=socs, capacity_ah=st.lists(st.floats(95.0, 105.0), min_size=CELLS, max_size=CELLS))
def test_charging_all_cells_alike_changes_no_spread(soc: Floats, capacity_ah: list[float]) -> None:
    q_ah = np.array(capacity_ah)
    spread, usable = state(soc, q_ah)
    moved_spread, moved_usable = state(soc + 2.0 / q_ah, q_ah)
    assert math.isclose(moved_spread, spread, abs_tol=1e-9)
    assert math.isclose(moved_usable, usable, abs_tol=1e-9)


# --- an oracle ---------------------------------------------------------------------------------


@given(seed=seeds, ticks=st.integers(2, 100))
def test_who_bleeds_only_cells_that_have_to_give_is_never_wrong_and_all_of_it_useful(
    seed: int, ticks: int
) -> None:
    draw = np.random.default_rng(seed)
    rows = np.zeros((ticks, LAYOUT.width))
    q_ah = draw.normal(100.0, 1.0, CELLS)
    to_full_ah = draw.uniform(10.0, 12.0, CELLS)
    rows[:, LAYOUT.columns("emulator.read_v")] = 3.3
    for k in range(ticks):
        need_ah = to_full_ah.max() - to_full_ah
        on = need_ah > 0.01 * q_ah.min()
        rows[k, LAYOUT.columns("plant.soc")] = 1.0 - to_full_ah / q_ah
        rows[k, LAYOUT.columns("board.duty")] = on
        rows[k, LAYOUT.columns("emulator.read_a")] = 0.1 * on
        to_full_ah = to_full_ah + on * 0.1 / 6.0
    result = fold(_recorded(draw, rows, q_ah).records)
    assert result["wrong_cell_share"].value == 0.0
    assert result["false_triggers"].value == 0.0
    if result["bled_charge"].value > 0.0:
        assert result["useful_share"].value > 0.99


@given(seed=seeds)
def test_who_bleeds_only_the_neediest_cell_is_always_wrong_and_never_useful(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = np.zeros((20, LAYOUT.width))
    q_ah = np.full(CELLS, 100.0)
    soc = draw.uniform(0.4, 0.6, CELLS)
    rows[:, LAYOUT.columns("plant.soc")] = soc
    rows[:, LAYOUT.index("board.duty") + int(soc.argmin())] = 1.0
    rows[:, LAYOUT.index("emulator.read_a") + int(soc.argmin())] = 0.1
    result = fold(_recorded(draw, rows, q_ah).records)
    assert result["wrong_cell_share"].value == 1.0
    assert result["useful_share"].value == 0.0
