"""The sense harness as somebody wired it: leads in any order, shorts, reversed cells, limits.

``hil.physics.wiring`` solves the ladder of a harness that is as it should be, in microseconds. This
is the general network behind it, for a harness that is not, and for emulators in their current
limit: nodes of the stack 0 to N, pins of the board 0 to N, and between them

    source k    stack node k -> k + 1: a voltage, until its current reaches a limit; then a current
    lead l      stack node order[l] -> pin l
    short l     pin l -> pin l + 1, where two leads touch
    input k     pin k -> k + 1: what it draws, its bleed while that is on, and the body diode of
                the bleed's transistor, which conducts through the bleed resistor when a cell is
                reversed (every MOSFET has one; 0.7 V is silicon's)

Solved by modified nodal analysis; the state of each diode and limit is found by trying. Plain
NumPy: 0.3 ms for 16 cells, and asked for only where something is wrong.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.physics.wiring import OPEN_OHM, Ladder, Row

DIODE_V = 0.7
"""Forward voltage of the body diode of a bleed's transistor [A: silicon, some tens of mA]."""
SHORT_OHM = 0.01
"""Two leads that touch [A]."""

_ROUNDS = 200
_TOGETHER = 8
_EXACT_V, _EXACT_A = 1e-9, 1e-12


Matrix = NDArray[np.float64]


class _Places(NamedTuple):
    """Where in the vector of unknowns each kind of them begins."""

    stack: int
    pins: int
    sources: int
    leads: int


@dataclass(frozen=True, slots=True)
class Faulty:
    """What is wrong with a harness; numbers from 0.

    ``order[l]`` is the stack node to which lead l goes, ``shorted`` the leads that touch the next
    one, ``reversed_cells`` the sources connected the wrong way round.
    """

    order: Sequence[int]
    shorted: Sequence[int] = ()
    reversed_cells: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Solution:
    """Currents out of the sources and their terminal voltages, and the voltages at the inputs."""

    source_a: Row
    source_v: Row
    input_v: Row


@dataclass(slots=True)
class Network:
    """A ladder with its faults; ``limits_a`` is the most that each source gives and takes (cells,).

    The arrays of ``ladder`` are looked at anew in each solution. What is on or limiting is
    remembered from one solution to the next, which mostly is the same.
    """

    ladder: Ladder
    faulty: Faulty
    source_limit_a: Row
    sink_limit_a: Row
    diode_v: float = DIODE_V
    _limited: NDArray[np.int8] = field(init=False)
    _conducts: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no source in its limit and no diode conducting."""
        cells = self.ladder.source_v.shape[0]
        self._limited = np.zeros(cells, np.int8)
        self._conducts = np.zeros(cells, np.bool_)

    # --- one state ---------------------------------------------------------------------------

    def solve(self, bleeding: NDArray[np.bool_], drawn_a: Row | None = None) -> Solution:
        """Return what settles while ``bleeding`` (cells,) is on.

        ``drawn_a`` (cells,) is drawn from the inputs beside their loads, from upper to lower pin.
        Raises RuntimeError if no consistent state of diodes and limits is found: a bug.
        """
        for number in range(_ROUNDS):
            solution = self._linear(bleeding, drawn_a)
            wrong = self._wrong(solution)
            if not wrong:
                return solution
            # all together is quick and mostly right; one after the other cannot go in circles with
            # what it has just put right
            for change in wrong if number < _TOGETHER else wrong[:1]:
                self._flip(*change)
        raise RuntimeError("no consistent state of the harness found")

    def _linear(self, bleeding: NDArray[np.bool_], drawn_a: Row | None) -> Solution:
        """Solve with diodes and limits as they are taken to be: A x = b.

        x holds the stack nodes, the pins, the currents of sources and of leads; pin 0 is ground.
        """
        n = self.ladder.source_v.shape[0]
        places = _Places(stack=0, pins=n + 1, sources=2 * n + 2, leads=3 * n + 2)
        a, b = np.zeros((4 * n + 3, 4 * n + 3)), np.zeros(4 * n + 3)
        signs = np.ones(n)
        signs[list(self.faulty.reversed_cells)] = -1.0
        self._put_sources(a, b, places, signs)
        self._put_leads(a, places)
        self._put_inputs(a, b, places.pins, bleeding)
        if drawn_a is not None:
            b[places.pins + 1 : places.sources] -= drawn_a
            b[places.pins : places.sources - 1] += drawn_a
        a[places.pins, :], b[places.pins] = 0.0, 0.0  # ground takes the place of one balance
        a[places.pins, places.pins] = 1.0
        x = np.linalg.solve(a, b)
        stack_v, pin_v = x[places.stack : places.pins], x[places.pins : places.sources]
        source_a = signs * x[places.sources : places.leads]
        return Solution(source_a, signs * np.diff(stack_v), np.diff(pin_v))

    def _put_sources(self, a: Matrix, b: Row, places: _Places, signs: Row) -> None:
        """Put each source in: a voltage, a current in its limit, or next to nothing."""
        ladder = self.ladder
        for k in range(signs.shape[0]):
            minus, plus, row = places.stack + k, places.stack + k + 1, places.sources + k
            a[plus, row] -= 1.0  # the source's current enters the stack at its upper node
            a[minus, row] += 1.0
            volt = signs[k] * ladder.source_v[k]
            if ladder.source_ohm[k] >= OPEN_OHM:
                a[row, row], b[row] = 1.0, volt / OPEN_OHM
                a[row, plus], a[row, minus] = 1.0 / OPEN_OHM, -1.0 / OPEN_OHM
            elif self._limited[k]:
                limit_a = self.source_limit_a[k] if self._limited[k] > 0 else -self.sink_limit_a[k]
                a[row, row], b[row] = 1.0, signs[k] * limit_a
            else:
                a[row, plus], a[row, minus], b[row] = 1.0, -1.0, volt

    def _put_leads(self, a: Matrix, places: _Places) -> None:
        """Put each lead in, and where two of them touch."""
        for lead, ohm in enumerate(self.ladder.lead_ohm):
            node, pin = places.stack + self.faulty.order[lead], places.pins + lead
            row, over = places.leads + lead, max(1.0, ohm)
            a[node, row] += 1.0
            a[pin, row] -= 1.0
            a[row, node], a[row, pin], a[row, row] = 1.0 / over, -1.0 / over, -ohm / over
        for lead in self.faulty.shorted:
            _conduct(a, places.pins + lead + 1, places.pins + lead, 1.0 / SHORT_OHM)

    def _put_inputs(self, a: Matrix, b: Row, pins: int, bleeding: NDArray[np.bool_]) -> None:
        """Put in what each input draws, its bleed, or the body diode behind the bleed resistor."""
        for k in range(bleeding.shape[0]):
            siemens = 1.0 / self.ladder.input_ohm[k]
            bleed_s = 1.0 / max(SHORT_OHM, self.ladder.bleed_ohm[k])
            if bleeding[k] or self._conducts[k]:
                siemens += bleed_s
            if self._conducts[k] and not bleeding[k]:
                b[pins + k + 1] -= self.diode_v * bleed_s
                b[pins + k] += self.diode_v * bleed_s
            _conduct(a, pins + k + 1, pins + k, siemens)

    def _wrong(self, solution: Solution) -> list[tuple[str, int, int]]:
        """Return each part whose state does not fit the solution, and the state that it asks for.

        The worst comes first.
        """
        found: list[tuple[float, tuple[str, int, int]]] = []
        for k in range(self.ladder.source_v.shape[0]):
            state, by = self._fitting(k, float(solution.source_a[k]), float(solution.source_v[k]))
            if state != self._limited[k]:
                found.append((by, ("source", k, state)))
            forward_v = -float(solution.input_v[k]) - self.diode_v
            if self._conducts[k] != (forward_v > 0.0) and abs(forward_v) > _EXACT_V:
                found.append((abs(forward_v), ("diode", k, int(forward_v > 0.0))))
        return [change for _, change in sorted(found, key=lambda one: -one[0])]

    def _fitting(self, k: int, current_a: float, volt: float) -> tuple[int, float]:
        """Return in which limit source ``k`` belongs (1, -1, 0: none), and how far it is off."""
        state = int(self._limited[k])
        if self.ladder.source_ohm[k] >= OPEN_OHM:
            return 0, 1.0
        if state:
            over_v = state * (volt - float(self.ladder.source_v[k]))
            return (0, over_v) if over_v > _EXACT_V else (state, 0.0)
        over_a, under_a = current_a - self.source_limit_a[k], -current_a - self.sink_limit_a[k]
        if over_a > _EXACT_A:
            return 1, float(over_a)
        return (-1, float(under_a)) if under_a > _EXACT_A else (0, 0.0)

    def _flip(self, what: str, index: int, state: int) -> None:
        if what == "diode":
            self._conducts[index] = bool(state)
        else:
            self._limited[index] = state

    # --- a board's cycle, and its probes -----------------------------------------------------

    def currents_at(self, on_until_s: Row, at_s: float, out_a: Row) -> None:
        """Do what ``wiring.currents_at`` does."""
        out_a[:] = self.solve(on_until_s > at_s).source_a

    def limited_v(self, index: int, on_until_s: Row, at_s: float) -> float | None:
        """Return the terminal voltage of a source in its limit, None for one that is not."""
        solution = self.solve(on_until_s > at_s)
        return float(solution.source_v[index]) if self._limited[index] else None

    def advance(
        self,
        on_until_s: Row,
        span_s: tuple[float, float],
        filter_tau_s: float,
        charge_as: Row,
        filtered_v: Row,
    ) -> None:
        """Do what ``wiring.advance`` does from the begin to the end of ``span_s``."""
        at_s, to_s = span_s
        while at_s < to_s:
            bleeding = on_until_s > at_s
            next_s = min([to_s, *on_until_s[bleeding].tolist()])
            settled = self.solve(bleeding)
            charge_as += settled.source_a * (next_s - at_s)
            left = math.exp((at_s - next_s) / filter_tau_s)
            filtered_v[:] = settled.input_v + (filtered_v - settled.input_v) * left
            at_s = next_s

    def find_open_leads(self, pull_a: float, threshold_v: float, adc_max_v: float) -> list[bool]:
        """Do what ``wiring.find_open_leads`` does."""
        n = self.ladder.source_v.shape[0]
        off = np.zeros(n, np.bool_)

        def seen(drawn_a: Row | None = None) -> Row:
            return np.clip(self.solve(off, drawn_a).input_v, 0.0, adc_max_v)

        at_rest_v = seen()
        out = [False] * (n + 1)
        for i in range(n):
            pull = np.zeros(n)
            pull[i] = pull_a
            rise_v = seen(pull) - at_rest_v
            below = i > 0 and bool(rise_v[i - 1] > threshold_v)
            above = i < n - 1 and bool(rise_v[i + 1] > threshold_v)
            out[i] |= below
            out[i + 1] |= above
            if i in (0, n - 1):
                floats = bool(seen(-pull)[i] - at_rest_v[i] > threshold_v)
                out[0] |= i == 0 and floats and not above
                out[n] |= i == n - 1 and floats and not below
        return out

    def probed_voltages(self, on_until_s: Row, at_s: float, chip_cells: int, pin_a: float) -> Row:
        """Do what ``wiring.probed_voltages`` does."""
        n, bleeding = self.ladder.source_v.shape[0], on_until_s > at_s
        found = np.empty(n)
        for i in range(n):
            first = i // chip_cells * chip_cells
            passed = range(first, i) if pin_a < 0.0 else range(i + 1, min(first + chip_cells, n))
            pull = np.zeros(n)
            pull[list(passed)] = 2.0 * abs(pin_a)
            pull[i] = abs(pin_a)
            found[i] = self.solve(bleeding, pull).input_v[i]
        return found

    def slotted_voltages(self, bleeding: NDArray[np.bool_], left_ratio: float) -> Row:
        """Do what ``wiring.slotted_voltages`` does."""
        before_v = self.solve(bleeding).input_v
        out_v = np.empty_like(before_v)
        for slot in range(before_v.shape[0]):
            others = bleeding.copy()
            others[max(0, slot - 1) : slot + 2] = False
            settled_v = self.solve(others).input_v[slot]
            out_v[slot] = settled_v + (before_v[slot] - settled_v) * left_ratio
        return out_v


def _conduct(a: NDArray[np.float64], plus: int, minus: int, siemens: float) -> None:
    """Put a conductance between two nodes."""
    a[plus, plus] += siemens
    a[minus, minus] += siemens
    a[plus, minus] -= siemens
    a[minus, plus] -= siemens
