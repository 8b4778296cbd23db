"""Thousands of packs of one cell type, each with a board of its own, moved from leg to leg.

The same compiled source as the bench's one pack. A study asks a ``Batch`` what the boards read,
lets a strategy decide (NumPy over (packs, cells)), and moves all packs on by a leg.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.physics.fleet import draw_fleet, one_each, paces_of, same_kind
from hil.physics.legs import (
    CURRENT,
    FLOWS_A,
    FULL,
    POWER,
    Leg,
    Transfer,
    age_packs,
    impose_packs,
    run_packs,
    show_packs,
)
from hil.physics.pack import Overrides
from hil.physics.parameters import PackParameters
from hil.physics.protection import rules_of
from hil.physics.stack import CAPACITY_AH, LEAKED_AS, MAX_SUBSTEP_S, SOC, Floats
from hil.physics.termination import Termination
from hil.physics.wear import CADENCE_S

FINEST = 7
"""Error control cuts a leg into at most 2^7 steps: under a second of a leg of two minutes."""

LONGEST_S = 120.0
"""A longer leg is cut first: temperatures in the tables and bleeds are taken at a step's start."""

WHOLE_S = 900.0
"""So long may steps be in studies of months: measured in docs/performance.md against 15 s."""

MOST_LEGS = 16
"""How many lengths of legs are remembered: what belongs to one is some 4 MB of a diffusion cell."""

_KINDS = {"current": CURRENT, "power": POWER}


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
    by for having taken its current as constant; steps are then halves of halves of the leg, or of
    the ``longest_s`` that a leg is cut into first.
    """

    step_s: float | None = None
    tolerance: float = 1e-6
    longest_s: float = LONGEST_S

    def __post_init__(self) -> None:
        """Refuse what cuts nothing. Raises ValueError."""
        if self.step_s is not None and not 0.0 < self.step_s < math.inf:
            raise ValueError(f"step_s {self.step_s}: expected a finite time above zero")
        if self.step_s is None and not 0.0 < self.tolerance < 1.0:
            raise ValueError(f"tolerance {self.tolerance}: expected between 0 and 1")
        if not 0.0 < self.longest_s < math.inf:
            raise ValueError(f"longest_s {self.longest_s}: expected a finite time above zero")


EVERY_SECOND = Cut(step_s=1.0)


class Batch:
    """Packs of one cell type drawn from ``seeds``. Arrays handed out are copies."""

    def __init__(
        self,
        packs: PackParameters | Sequence[PackParameters],
        seeds: Sequence[int],
        termination: Termination | None = None,
        overrides: Overrides | Sequence[Overrides] | None = None,
    ) -> None:
        """Draw every pack as the bench would.

        ``packs`` and ``overrides`` are one for all, or one a seed. Packs may differ in everything
        but how many cells they have, of which type, and whether they go on ageing; in their cell
        types, leakage may. ``pack`` is the first one. Raises ValueError for none, for packs that
        differ in more, or an override amiss.
        """
        if not seeds:
            raise ValueError("seeds: a batch needs at least one pack")
        each = one_each("packs", packs, len(seeds))
        same_kind(each)
        self.packs, self.pack, self.seeds = each, each[0], tuple(seeds)
        self.termination = termination or Termination()
        self.time_s = 0.0
        self._unaged_s = 0.0
        own = one_each("overrides", overrides or {}, len(seeds))
        self._fleet, networks = draw_fleet(each, self.seeds, own)
        self._paces_of = lru_cache(MOST_LEGS)(partial(paces_of, self._fleet.tables, networks))
        self._rules = rules_of(self.termination)
        none = np.zeros((0, self.pack.cells))
        self._nothing = Transfer(none, none, 1.0)

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
        transfer: Transfer | None = None,
    ) -> None:
        """Move the packs of ``part`` on by ``duration_s``.

        ``demand`` (A or W, + in discharge) and ``ambient_degc`` are one for all or (packs,);
        ``bleed_s`` (packs, cells) is the mean conductance of the bleeds, in siemens, ``transfer``
        what active balancers carry. Threads may each move another part; call ``finish_leg`` once
        all are done. Raises ValueError for inputs that are not finite or do not fit.
        """
        leg = self._leg(demand, ambient_degc, bleed_s, kind, transfer)
        if not 0.0 < duration_s < math.inf:
            raise ValueError(f"a leg of {duration_s} s: it must be finite and above zero")
        first, last, _ = part.indices(len(self))
        legs = max(1, math.ceil(duration_s / cut.longest_s)) if cut.step_s is None else 1
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
        impose_packs(self._fleet, self._paces_of(duration_s / steps, 0), flow_a, bled_a, air, steps)
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
            finest = FINEST + max(0, math.ceil(math.log2(duration_s / LONGEST_S)))
            paces = self._paces_of(duration_s, finest)
            learns = duration_s > LONGEST_S
            run_packs(self._fleet, leg, paces, 2**finest, cut.tolerance, learns, first, last)
            return
        steps = max(1, round(duration_s / cut.step_s))
        paces = self._paces_of(duration_s / steps, 0)
        run_packs(self._fleet, leg, paces, steps, 0.0, False, first, last)  # noqa: FBT003 - compiled

    def _leg(
        self,
        demand: float | Floats,
        ambient_degc: float | Floats,
        bleed_s: Floats | None,
        kind: str,
        transfer: Transfer | None,
    ) -> Leg:
        packs, cells = len(self), self.pack.cells
        if kind not in _KINDS:
            raise ValueError(f"kind {kind!r}: expected {' or '.join(map(repr, _KINDS))}")
        conductance = np.zeros((packs, cells)) if bleed_s is None else np.asarray(bleed_s, float)
        if conductance.shape != (packs, cells) or not conductance.min() >= 0.0:
            raise ValueError(
                f"bleed_s {conductance.shape}: expected ({packs}, {cells}), not negative"
            )
        wanted, air = np.empty((2, packs))
        wanted[:], air[:] = demand, ambient_degc
        if not (np.isfinite(wanted + air).all() and conductance.max() < math.inf):
            raise ValueError("not finite: demand, ambient or bleed")
        ends = self.termination
        return Leg(
            _KINDS[kind],
            wanted,
            air,
            np.ascontiguousarray(conductance),
            self._carried(transfer),
            ends.hold_v,
            ends.cell_max_v,
            ends.under_voltage_v,
            ends.taper_per_h,
            self._rules,
        )

    def _carried(self, transfer: Transfer | None) -> Transfer:
        """Return a transfer as the compiled loops take it. Raises ValueError for one amiss."""
        packs, cells = len(self), self.pack.cells
        if transfer is None:
            return self._nothing
        for name in ("gives_a", "takes"):
            rows = np.asarray(getattr(transfer, name), float)
            if rows.shape != (packs, cells) or not ((rows >= 0.0) & np.isfinite(rows)).all():
                expected = f"expected ({packs}, {cells}), finite and not negative"
                raise ValueError(f"transfer: {name} {rows.shape}: {expected}")
        if not 0.0 <= transfer.efficiency_ratio <= 1.0:
            raise ValueError(f"transfer: efficiency_ratio {transfer.efficiency_ratio}: 0 to 1")
        gives_a, takes = (np.ascontiguousarray(x, float) for x in transfer[:2])
        return Transfer(gives_a, takes, float(transfer.efficiency_ratio))

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
    def soc(self) -> NDArray[np.float64]:
        """States of charge of all cells (packs, cells) now: a view that must not change."""
        return self._fleet.state[:, SOC]

    @property
    def capacity_ah(self) -> NDArray[np.float64]:
        """Capacities of all cells (packs, cells) now: a view that must not change."""
        return self._fleet.cells[:, CAPACITY_AH]

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
    def moved_as(self) -> NDArray[np.float64]:
        """What balancers took from every cell (packs, cells) so far, - where they gave it charge.

        A view that must not change.
        """
        return self._fleet.moved_as

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
