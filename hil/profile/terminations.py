"""What ends the charges of a profile on a bench: said before the run, and beside every gap after.

A gap is read against its ceiling (``hil.physics.termination``): who ends the charge decides how
large it can get. A step that charges may end it by a limit on its cells (``cell_max`` of a hold or
follow, ``any cell.voltage >= ...`` of a charge); else the board's over-voltage protection does, or,
where the step does not listen to the board, the bench's own limit.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from hil.core.errors import ConfigError
from hil.core.instants import MINUTE, Duration, to_seconds
from hil.physics.board import BoardDesign
from hil.physics.termination import gap_ceiling_v
from hil.profile.bench import Bench
from hil.profile.conditions import After, Compare
from hil.profile.entries import key_of_path
from hil.profile.model import Charge, Follow, Hold, Profile, all_steps
from hil.profile.scene import Scene

SHORT: Duration = 15 * MINUTE
"""A charge that lasts no longer is a probe, not a charge that is to end: nothing is said of it."""

Charging = Charge | Hold | Follow

OF_ONE_CELL = frozenset({"cell.voltage", "board.cell.voltage"})
"""Quantities whose upper limit ends a charge with the first cell that reaches it."""


OWN = "the step's own limit"
"""Who ends a charge that ends before anything else has to."""


class Ceiling(NamedTuple):
    """The voltage at which the first cell ends a charging step, and who ends it there.

    ``first_v`` is None where nothing would: a step that does not listen, on a bench without limit.
    """

    step: Charging
    first_v: float | None
    by: str

    def text(self) -> str:
        """Return it in words."""
        at = "nothing" if self.first_v is None else f"{self.first_v:.2f} V, {self.by}"
        return f"first cell at {at}"


def ceilings(profile: Profile, bench: Bench) -> Iterator[Ceiling]:
    """Yield the ceiling of every step that charges, those inside a repeat once."""
    for step in all_steps(profile.steps):
        if not isinstance(step, Hold | Charge | Follow) or not _charges(step):
            continue
        own_v = _own_v(step)
        else_v, by = _interlock_v(profile, bench), "the interlock of the bench"
        if step.limit == "board":
            else_v, by = bench.board.over_voltage_v, "the board's over-voltage protection"
        # A limit that lies above what ends the charge anyway never does.
        if own_v is not None and (else_v is None or own_v <= else_v):
            yield Ceiling(step, own_v, OWN)
        else:
            yield Ceiling(step, else_v, by)


def unlimited_charges(scene: Scene) -> Iterator[ConfigError]:
    """Warn of charges whose end is left to the board: then the gap has the protection's ceiling."""
    for ceiling in ceilings(scene.profile, scene.bench):
        step = ceiling.step
        if ceiling.by != OWN and step.limit == "board" and not _is_short(step):
            found = "no limit on a single cell" if _own_v(step) is None else "its limit is too high"
            message = f"{found}: the board would end it, {ceiling.text()}"
            hint = "any cell.voltage >= 3.50 V"
            key = f"{key_of_path(step.path)}.{step.kind}"
            yield scene.profile.wrong(f"{key}.until", f"{message}; add '{hint}' to end it before")


def _charges(step: Charging) -> bool:
    return not isinstance(step, Follow) or min(step.series.values) < 0.0


def _is_short(step: Charging) -> bool:
    """Say whether a charge is over, by the clock, before an inverter's would come to its end."""
    return any(isinstance(one, After) and one.for_ns <= SHORT for one in step.until)


def _own_v(step: Charging) -> float | None:
    """Return the voltage of one cell at which the step itself ends the charge, None without one."""
    if not isinstance(step, Charge):
        return step.cell_max_v
    limits = [
        one.limit
        for one in step.until
        if isinstance(one, Compare)
        and one.quantity in OF_ONE_CELL
        and one.quantifier != "all"
        and one.comparison in (">", ">=")
    ]
    return min(limits, default=None)


def _interlock_v(profile: Profile, bench: Bench) -> float | None:
    """Return the highest cell voltage that the limits of profile, cells and bench leave."""
    limits = (*profile.limits, *profile.cell_limits, *bench.limits)
    voltages = [one for one in limits if one.quantity == "cell.voltage"]
    found = (one.maximum for one in voltages if one.severity == "trip")
    return min((value for value in found if value is not None), default=None)


# --- what a run says ---------------------------------------------------------------------------


def stated(profile: Profile, bench: Bench) -> dict[str, Any]:
    """Return what ends charges here, as the manifest keeps it.

    ``steps`` by path, ``protections`` of the board in words, and ``gap_ceiling_v``: the largest gap
    that the loosest of these steps can show, None where nothing bounds it or nothing charges.
    """
    found = list(ceilings(profile, bench))
    firsts = [one.first_v for one in found]
    known = [one for one in firsts if one is not None]
    bounded = bool(known) and len(known) == len(firsts)
    return {
        "steps": {one.step.path: one.text() for one in found},
        "protections": protections(bench.board, profile.cell_parameters.capacity_ah),
        "gap_ceiling_v": gap_ceiling_v(max(known)) if bounded else None,
    }


def protections(design: BoardDesign, capacity_ah: float) -> str:
    """Return the limits that the board keeps, in words; rates are of the profile's cell."""
    cold_per_h = design.cold_charge_limit_a / capacity_ah
    return (
        f"over-voltage {design.over_voltage_v:.2f} V, released at "
        f"{design.over_voltage_release_v:.2f} V, under-voltage {design.under_voltage_v:.2f} V, "
        f"released at {design.under_voltage_release_v:.2f} V, each after "
        f"{to_seconds(design.protection_delay_ns):g} s; "
        f"no charge below {design.no_charge_below_degc:g} degC, "
        f"{cold_per_h:.2g}C below {design.cold_charge_below_degc:g} degC"
    )
