"""The certain sets of shadow mode: a healthy board is inside them, whatever its phase and noise.

The boards here are told apart from the fold that judges them: each is the trade's rule written out
once more, cell by cell, on readings of its own.
"""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.none import NoBalancing
from hil.balancing.strategy import Bools, Bounded, Floats, Observation, Tolerance
from hil.core.instants import SECOND
from hil.verdict.shadow import Certain, Envelope

CELLS = 4
TICK = SECOND
EVERY = 10
"""Ticks between two decisions of a board."""
LATE = 2
"""Ticks that a decision may take until it is in a report."""
WINDOW = (EVERY + LATE + 1) * TICK
TOLERANCE = Tolerance(0.003, 0.1)
START_V, STOP_V = 0.050, 0.030


def observe(volts: Floats, current_a: float = 0.0) -> Observation:
    return Observation(
        time_s=np.array(0.0),
        cell_v=volts,
        current_a=np.array(current_a),
        ntc_degc=np.full(4, 25.0),
        pcb_degc=np.array(25.0),
        age_s=np.array(0.0),
        valid=np.isfinite(volts),
    )


@dataclass
class Board:
    """A board that decides every ``EVERY`` ticks and reports ``late`` ticks after that."""

    phase: int = 0
    late: int = 0
    start_v: float = START_V
    stop_v: float = STOP_V
    bleeding: list[bool] = field(default_factory=lambda: [False] * CELLS)
    reports: list[list[bool]] = field(default_factory=list)

    def report(self, tick: int, volts: Floats) -> Bools:
        """Return what a host is told at ``tick``, with ``volts`` at the board's inputs."""
        if (tick - self.phase) % EVERY == 0:
            low = min(v for v in volts if not np.isnan(v))
            for k, v in enumerate(volts):
                over = v - low
                stays = self.bleeding[k] and over >= self.stop_v
                self.bleeding[k] = bool(over > self.start_v or stays)
        self.reports.append(list(self.bleeding))
        return np.array(self.reports[max(0, len(self.reports) - 1 - self.late)])


def envelope_of(strategy: Bounded, walk: list[Floats]) -> list[Certain]:
    """Return what is certain at each tick."""
    envelope = Envelope(CELLS, WINDOW, TICK + TICK // 2)
    return [
        Certain(
            *(one.copy() for one in envelope.look(tick * TICK, strategy.bounds(seen, TOLERANCE)))
        )
        for tick, seen in enumerate(map(observe, walk))
    ]


millivolts = st.integers(3200, 3300)
rows = st.lists(millivolts, min_size=CELLS, max_size=CELLS)


@st.composite
def walks(draw: st.DrawFn) -> list[Floats]:
    """Draw cell voltages that stand for a while, drift and jump, as under load steps."""
    walk: list[Floats] = []
    now = np.array(draw(rows)) / 1000
    for _ in range(draw(st.integers(1, 6))):
        then = np.array(draw(rows)) / 1000
        ticks = draw(st.integers(1, 3 * EVERY))
        drifts = draw(st.booleans())
        steps = [k / ticks if drifts else 1.0 for k in range(ticks)]
        walk += [now + (then - now) * share for share in steps]
        now = then
    return walk


@given(
    walk=walks(),
    phase=st.integers(0, EVERY - 1),
    late=st.integers(0, LATE),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_healthy_board_is_accused_at_any_phase(
    walk: list[Floats], phase: int, late: int, seed: int
) -> None:
    """Its readings differ from those it sent by noise, so two excesses by up to the tolerance."""
    draw, board = np.random.default_rng(seed), Board(phase, late)
    half_v = 0.499 * TOLERANCE.excess_v
    certain = envelope_of(FixedThreshold(START_V, STOP_V), walk)
    for tick, (volts, sure) in enumerate(zip(walk, certain, strict=True)):
        reported = board.report(tick, volts + draw.uniform(-half_v, half_v, CELLS))
        assert not (sure.must & ~reported).any()
        assert not (reported & ~sure.may).any()


@given(walk=walks())
def test_what_a_board_must_bleed_it_may_bleed(walk: list[Floats]) -> None:
    for sure in envelope_of(FixedThreshold(START_V, STOP_V), walk):
        assert not (sure.must & ~sure.may).any()


def ramp(peak_v: float, cell: int, hold: int = 3 * EVERY) -> list[Floats]:
    """Return a cell that climbs from the others to ``peak_v`` above them, stays, and comes back."""
    up = np.linspace(0.0, peak_v, 60)
    excess_v = [*[0.0] * (2 * EVERY), *up, *[peak_v] * hold, *up[::-1], *[0.0] * (3 * EVERY)]
    base = np.full(CELLS, 3.300)
    unit = np.eye(CELLS)[cell]
    return [base + one * unit for one in excess_v]


def accused(board: Board, walk: list[Floats], change: dict[int, int | None]) -> set[str]:
    """Return what a board is accused of; ``change`` is the cell that it bleeds in place of another.

    None is no cell at all.
    """
    found = set()
    certain = envelope_of(FixedThreshold(START_V, STOP_V), walk)
    for tick, (volts, sure) in enumerate(zip(walk, certain, strict=True)):
        decided = board.report(tick, volts)
        reported = decided.copy()
        for cell, instead in change.items():
            reported[cell] = False
            if instead is not None:
                reported[instead] |= decided[cell]
        found |= {"missing"} if (sure.must & ~reported).any() else set()
        found |= {"unexpected"} if (reported & ~sure.may).any() else set()
    return found


cells = st.integers(0, CELLS - 1)
phases = st.integers(0, EVERY - 1)


@given(cell=cells, phase=phases, peak_mv=st.integers(55, 80))
def test_a_board_that_ignores_a_cell_is_accused(cell: int, phase: int, peak_mv: int) -> None:
    walk = ramp(peak_mv / 1000, cell)
    assert accused(Board(phase), walk, {}) == set()
    assert accused(Board(phase), walk, {cell: None}) == {"missing"}


@given(cell=cells, phase=phases, other=cells)
def test_a_board_that_bleeds_the_wrong_cell_is_accused_of_both(
    cell: int, phase: int, other: int
) -> None:
    assume(cell != other)
    assert accused(Board(phase), ramp(0.070, cell), {cell: other}) == {"missing", "unexpected"}


OFF_V = 2.1 * TOLERANCE.excess_v


@given(cell=cells, phase=phases)
def test_thresholds_off_by_more_than_twice_the_tolerance_are_accused(cell: int, phase: int) -> None:
    """Each by a peak that lies between the two thresholds, or long enough on the way down."""
    too_late = Board(phase, start_v=START_V + OFF_V)
    assert accused(too_late, ramp(START_V + 0.6 * OFF_V, cell), {}) == {"missing"}
    too_early = Board(phase, start_v=START_V - OFF_V)
    assert accused(too_early, ramp(START_V - 0.6 * OFF_V, cell), {}) == {"unexpected"}

    def settling(at_v: float) -> list[Floats]:
        """Climb past the start, then stay at a level about the stop."""
        unit = np.eye(CELLS)[cell]
        levels = [0.0] * (2 * EVERY) + [0.070] * (3 * EVERY) + [at_v] * (4 * EVERY)
        return [3.3 + level * unit for level in levels]

    lingers = Board(phase, stop_v=STOP_V - OFF_V)
    assert accused(lingers, settling(STOP_V - 0.6 * OFF_V), {}) == {"unexpected"}
    gives_up = Board(phase, stop_v=STOP_V + OFF_V)
    assert accused(gives_up, settling(STOP_V + 0.6 * OFF_V), {}) == {"missing"}


def test_nobody_is_accused_of_what_was_before_the_first_window_or_in_a_gap() -> None:
    strategy, volts = FixedThreshold(START_V, STOP_V), np.array([3.3, 3.3, 3.3, 3.4])
    bounds = strategy.bounds(observe(volts), TOLERANCE)
    envelope = Envelope(CELLS, WINDOW, TICK + TICK // 2)
    first = [envelope.look(tick * TICK, bounds) for tick in range(EVERY + LATE + 2)]
    assert all(sure.may.all() and not sure.must.any() for sure in first)
    later = envelope.look((EVERY + LATE + 2) * TICK, bounds)
    assert later.must.tolist() == later.may.tolist() == [False, False, False, True]
    after_gap = envelope.look((EVERY + LATE + 4) * TICK, bounds)
    assert after_gap.may.all()
    assert not after_gap.must.any()


@given(volts=rows, seen=st.integers(0, CELLS - 1))
def test_of_an_unknown_cell_nothing_is_certain_but_that_it_could_stop(
    volts: list[int], seen: int
) -> None:
    row = np.array(volts) / 1000
    row[seen] = np.nan
    for strategy in (
        FixedThreshold(),
        FixedThreshold(compare="adjacent"),
        FixedThreshold(gate_v=3.25, gate_a=5.0),
    ):
        bounds = strategy.bounds(observe(row), TOLERANCE)
        told = [bool(one[seen]) for one in bounds]
        assert told == [False, False, True, False]


@given(volts=rows, off=st.lists(st.floats(-0.499, 0.499), min_size=CELLS, max_size=CELLS),
       bleeding=st.lists(st.booleans(), min_size=CELLS, max_size=CELLS),
       current_a=st.floats(4.8, 5.2), off_a=st.floats(-0.099, 0.099))  # fmt: skip
def test_every_decision_on_nearly_the_same_readings_lies_within_the_bounds(
    volts: list[int], off: list[float], bleeding: list[bool], current_a: float, off_a: float
) -> None:
    """What must start does, what must stop does, and nothing else changes than could; gates too."""
    row = np.array(volts) / 1000
    near = row + np.array(off) * TOLERANCE.excess_v
    for strategy in (
        FixedThreshold(0.03, 0.02),
        FixedThreshold(0.03, 0.02, compare="adjacent"),
        FixedThreshold(0.03, 0.02, gate_v=3.26),
        FixedThreshold(0.03, 0.02, gate_a=5.0),
    ):
        bounds = strategy.bounds(observe(row, current_a), TOLERANCE)
        state = strategy.initial(CELLS)._replace(bleeding=np.array(bleeding))
        _, decision = strategy.step(state, observe(near, current_a + off_a))
        on = decision.duty > 0.0
        assert not (bounds.must_start & ~on).any()
        assert not (bounds.must_stop & on).any()
        assert not (on & ~state.bleeding & ~bounds.could_start).any()
        assert not (~on & state.bleeding & ~bounds.could_stop).any()


def test_a_board_that_may_not_balance_may_bleed_nothing() -> None:
    seen = observe(np.array([3.3, 3.3, 3.3, 3.5]))
    envelope, strategy = Envelope(CELLS, WINDOW, TICK + TICK // 2), NoBalancing()
    for tick in range(EVERY + LATE + 3):
        sure = envelope.look(tick * TICK, strategy.bounds(seen, TOLERANCE))
    assert not sure.may.any()
    assert not sure.must.any()
