"""Thousands of packs of one kind, each with a board of its own, moved from decision to decision.

The same compiled source as the bench's one pack. A study asks a ``Batch`` what the boards read,
lets a strategy decide (NumPy over (packs, cells)), and moves all packs on by a leg.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.physics.legs import (
    ANSWERED,
    CURRENT,
    FLOWS_A,
    FULL,
    HELD,
    HIGHEST_V,
    LOWEST_V,
    POWER,
    SUMS,
    Fleet,
    Leg,
    Paces,
    age_packs,
    impose_packs,
    run_packs,
    show_packs,
)
from hil.physics.pack import Overrides, ThermalNetwork, age_stack, make_stack, pace_of
from hil.physics.parameters import PackParameters
from hil.physics.protection import QUIET, rules_of
from hil.physics.stack import CAPACITY_AH, LEAKED_AS, MAX_SUBSTEP_S, SOC, Floats, Stack
from hil.physics.tables import tabulate
from hil.physics.termination import Termination
from hil.physics.wear import AGED_ROWS, CADENCE_S, COUNTER_LENGTH, Ageing, Laws

FINEST = 7
"""Error control cuts a leg into at most 2^7 steps: under a second of a leg of two minutes."""

LONGEST_S = 120.0
"""A longer leg is cut first: temperatures in the tables and bleeds are taken at a step's start."""


class BatchTruth(NamedTuple):
    """What only the physics knows of every pack; (packs, cells) but for ``current_a`` (packs,)."""

    soc: Floats
    capacity_ah: Floats
    cell_v: Floats
    cell_degc: Floats
    bled_ah: Floats
    current_a: Floats


@dataclass(frozen=True, slots=True)
class Cut:
    """How a leg is cut into steps: all alike, or as long as the error allows.

    ``step_s``: the length of all steps. ``tolerance``: the state of charge that a step may be off
    by for having taken its current as constant; steps are then halves of halves of the leg.
    """

    step_s: float | None = None
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        """Refuse what cuts nothing. Raises ValueError."""
        if self.step_s is not None and not 0.0 < self.step_s < math.inf:
            raise ValueError(f"step_s {self.step_s}: expected a finite time above zero")
        if self.step_s is None and not 0.0 < self.tolerance < 1.0:
            raise ValueError(f"tolerance {self.tolerance}: expected between 0 and 1")


EVERY_SECOND = Cut(step_s=1.0)


class Batch:
    """Packs of one kind drawn from ``seeds``. Arrays handed out are copies."""

    def __init__(
        self,
        pack: PackParameters,
        seeds: Sequence[int],
        termination: Termination | None = None,
        overrides: Overrides | None = None,
    ) -> None:
        """Draw every pack as the bench would. Raises ValueError for none, or an override amiss."""
        if not seeds:
            raise ValueError("seeds: a batch needs at least one pack")
        self.pack, self.seeds = pack, tuple(seeds)
        self.termination = termination or Termination()
        self.time_s = 0.0
        self._unaged_s = 0.0
        self._network = ThermalNetwork.of_pack(pack)
        self._tables = tabulate(pack.cell)
        self._paces: dict[tuple[float, int], Paces] = {}
        stacks, lives = [], []
        for seed in seeds:
            stack = make_stack(pack, self._tables, seed, overrides)
            lives.append(age_stack(pack, stack, seed))
            stacks.append(stack)
        self._fleet = _fleet_of(stacks, lives)
        self._rules = rules_of(self.termination)

    def __len__(self) -> int:
        """Return how many packs there are."""
        return len(self.seeds)

    def run_leg(
        self,
        duration_s: float,
        demand: float | Floats,
        ambient_degc: float | Floats,
        bleed_s: Floats | None = None,
        *,
        kind: Literal["current", "power"] = "current",
        cut: Cut = EVERY_SECOND,
        part: slice = slice(None),
    ) -> None:
        """Move the packs of ``part`` on by ``duration_s``.

        ``demand`` (A or W, + in discharge) and ``ambient_degc`` are one for all or (packs,);
        ``bleed_s`` (packs, cells) is the mean conductance of the bleeds, in siemens. Threads may
        each move another part; call ``finish_leg`` once all are done. Raises ValueError for inputs
        that are not finite or do not fit.
        """
        leg = self._leg(demand, ambient_degc, bleed_s, kind)
        if not 0.0 < duration_s < math.inf:
            raise ValueError(f"a leg of {duration_s} s: it must be finite and above zero")
        first, last, _ = part.indices(len(self))
        legs = max(1, math.ceil(duration_s / LONGEST_S)) if cut.step_s is None else 1
        for _ in range(legs):
            self._run(leg, duration_s / legs, cut, first, last)
        if part == slice(None):
            self.finish_leg(duration_s)

    def impose(
        self, duration_s: float, current_a: Floats, bleed_a: Floats, ambient_degc: float | Floats
    ) -> None:
        """Move all packs on at the currents (packs,) and bleeds (packs, cells) that are given.

        As ``Plant.step`` does: what was recorded on a bench, once more. Raises ValueError.
        """
        if not 0.0 < duration_s < math.inf:
            raise ValueError(f"a step of {duration_s} s: it must be finite and above zero")
        packs = len(self)
        bled_a = np.array(np.broadcast_to(bleed_a, (packs, self.pack.cells)), float)
        flow_a, air = (
            np.array(np.broadcast_to(x, packs), float) for x in (current_a, ambient_degc)
        )
        if not np.isfinite(flow_a + air + bled_a.sum(axis=1)).all():
            raise ValueError("not finite: current, bleed or ambient")
        steps = math.ceil(duration_s / MAX_SUBSTEP_S)
        pace = pace_of(self._tables, self._network, duration_s / steps)
        share = self.pack.bleed_heat_ratio
        impose_packs(self._fleet, pace, flow_a, bled_a, air, share, steps)
        self.finish_leg(duration_s)

    def voltage_at(self, current_a: Floats, bleed_a: Floats) -> Floats:
        """Return what cells (packs, cells) would show at these currents at this instant."""
        packs = len(self)
        bled_a = np.array(np.broadcast_to(bleed_a, (packs, self.pack.cells)), float)
        out_v = np.empty_like(bled_a)
        flow_a = np.array(np.broadcast_to(current_a, packs), float)
        show_packs(self._fleet, flow_a, bled_a, out_v)
        return out_v

    def finish_leg(self, duration_s: float) -> None:
        """Account for the time of a leg once all its parts are done; packs age at their cadence."""
        self.time_s += duration_s
        if not self._fleet.counter.shape[0]:
            return
        self._unaged_s += duration_s
        if self._unaged_s >= CADENCE_S:
            age_packs(self._fleet, self._unaged_s, 0, len(self))
            self._unaged_s = 0.0

    def _run(self, leg: Leg, duration_s: float, cut: Cut, first: int, last: int) -> None:
        if cut.step_s is None:
            paces = self._paces_of(duration_s, FINEST)
            run_packs(self._fleet, leg, paces, 2**FINEST, cut.tolerance, first, last)
            return
        steps = max(1, round(duration_s / cut.step_s))
        run_packs(self._fleet, leg, self._paces_of(duration_s / steps, 0), steps, 0.0, first, last)

    def _paces_of(self, duration_s: float, finest: int) -> Paces:
        key = (duration_s, finest)
        if key not in self._paces:
            paces = [
                pace_of(self._tables, self._network, duration_s / 2**level)
                for level in range(finest + 1)
            ]
            dt_s = np.array([pace.dt_s for pace in paces])
            self._paces[key] = Paces(
                dt_s, *(np.array(rows) for rows in list(zip(*paces, strict=True))[1:])
            )
        return self._paces[key]

    def _leg(
        self,
        demand: float | Floats,
        ambient_degc: float | Floats,
        bleed_s: Floats | None,
        kind: str,
    ) -> Leg:
        packs, cells = len(self), self.pack.cells
        conductance = np.zeros((packs, cells)) if bleed_s is None else np.asarray(bleed_s, float)
        if conductance.shape != (packs, cells) or not (conductance >= 0.0).all():
            raise ValueError(
                f"bleed_s {conductance.shape}: expected ({packs}, {cells}), not negative"
            )
        wanted, air = (np.array(np.broadcast_to(x, packs), float) for x in (demand, ambient_degc))
        if not np.isfinite(wanted + air).all() or not np.isfinite(conductance).all():
            raise ValueError("not finite: demand, ambient or bleed")
        ends = self.termination
        return Leg(
            {"current": CURRENT, "power": POWER}[kind],
            wanted,
            air,
            np.ascontiguousarray(conductance),
            self.pack.bleed_heat_ratio,
            ends.hold_v,
            ends.cell_max_v,
            ends.under_voltage_v,
            ends.taper_per_h,
            self._rules,
        )

    # --- what it came to -------------------------------------------------------------------------

    def truth(self) -> BatchTruth:
        """Return what the physics knows now."""
        fleet = self._fleet
        return BatchTruth(
            fleet.state[:, SOC].copy(),
            fleet.cells[:, CAPACITY_AH].copy(),
            fleet.seen_v.copy(),
            fleet.degc[:, :-1].copy(),
            fleet.bled_as / 3600.0,
            fleet.flow[:, FLOWS_A].copy(),
        )

    @property
    def seen_v(self) -> NDArray[np.float64]:
        """Voltages of all cells (packs, cells) now: a view that must not change."""
        return self._fleet.seen_v

    @property
    def current_a(self) -> NDArray[np.float64]:
        """What flows in every pack (packs,) now: a view that must not change."""
        return self._fleet.flow[:, FLOWS_A]

    @property
    def charge_ended(self) -> NDArray[np.bool_]:
        """Which packs (packs,) had a charge ended by its taper and were not discharged since."""
        return self._fleet.latches[:, FULL] > 0.0

    @property
    def bled_as(self) -> NDArray[np.float64]:
        """What every cell (packs, cells) has given to its board so far: not to be changed."""
        return self._fleet.bled_as

    @property
    def leaked_as(self) -> NDArray[np.float64]:
        """What every cell (packs, cells) has lost by itself so far: not to be changed."""
        return self._fleet.state[:, LEAKED_AS]

    @property
    def cell_degc(self) -> NDArray[np.float64]:
        """Temperatures of all cells (packs, cells) now: a view that must not change."""
        return self._fleet.degc[:, :-1]

    @property
    def enclosure_degc(self) -> NDArray[np.float64]:
        """The air of every pack's box (packs,): a view that must not change."""
        return self._fleet.degc[:, -1]

    @property
    def sums(self) -> NDArray[np.float64]:
        """What legs added up, (packs, 7), columns as in ``legs``: a view that must not change."""
        return self._fleet.sums


_NO_LAWS = Laws(*(1.0 for _ in Laws._fields))


def _fleet_of(stacks: Sequence[Stack], lives: Sequence[Ageing | None]) -> Fleet:
    """Put packs side by side. Those of one kind all age, or none does."""
    packs, cells = len(stacks), stacks[0].state.shape[1]
    latches = np.zeros((packs, HELD + 1))
    latches[:, 1] = latches[:, 3] = QUIET
    sums = np.zeros((packs, SUMS))
    sums[:, HIGHEST_V], sums[:, LOWEST_V] = -math.inf, math.inf
    flow = np.zeros((packs, ANSWERED + 1))
    flow[:, ANSWERED] = math.nan
    ageing = [life for life in lives if life is not None]
    laws, aged, counter = _NO_LAWS, np.zeros((0, AGED_ROWS, cells)), np.zeros((0, COUNTER_LENGTH))
    if ageing:
        laws = ageing[0].laws
        aged = np.array([life.aged for life in ageing])
        counter = np.array([life.counter for life in ageing])
    terminals = np.array([stack.terminals for stack in stacks])
    return Fleet(
        state=np.array([stack.state for stack in stacks]),
        slow=np.array([stack.slow for stack in stacks]),
        degc=np.array([stack.degc for stack in stacks]),
        terminals=terminals,
        cells=np.array([stack.cells for stack in stacks]),
        tables=stacks[0].tables,
        latches=latches,
        sums=sums,
        flow=flow,
        bled_as=np.zeros((packs, cells)),
        seen_v=terminals[:, 0].copy(),
        level=np.zeros(packs),
        laws=laws,
        aged=aged,
        counter=counter,
    )
