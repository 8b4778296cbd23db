"""Faults of the sensors that the bench emulates: what its outputs show instead of the truth.

An emulated NTC or shunt is a voltage that the bench sets, so a broken one is another voltage: that
needs no twin and no relay, and is the same on a real bench. The plant goes on as it is; what is
shown is the bench's own doing, and the board is not blamed for reading it.
"""

from collections.abc import Callable
from typing import ClassVar

from hil.core.instants import Instant, to_seconds
from hil.core.wiring import WiringPlan

HOTTEST_DEGC = 105.0
"""The end of an NTC's usual range: hotter than any cell of which a board need not think."""

RUNAWAY_K_PER_S = 1.0
"""How fast a cell in thermal runaway warms at least (GB 38031-2020, C.5.3: 1 degC/s for 3 s)."""

_NTC_FAULTS = ("open-ntc", "shorted-ntc", "stuck-ntc", "hot-ntc", "runaway-ntc")
_CURRENT_FAULTS = ("dead-current", "stuck-current", "reversed-current")


class SensorFaults:
    """Which sensors are broken, and how; an ``Injectable`` of the bench itself.

    ``open-ntc`` shows the supply of the board's divider, ``shorted-ntc`` its ground, ``stuck-ntc``
    what it showed last, ``hot-ntc`` 105 degC whatever the cell is, ``runaway-ntc`` a cell that
    warms by 1 K a second up to that. ``dead-current`` shows 0 A, ``stuck-current`` what it showed
    last, ``reversed-current`` charge as discharge.
    """

    FAULTS: ClassVar[tuple[str, ...]] = (*_NTC_FAULTS, *_CURRENT_FAULTS)
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = _NTC_FAULTS

    def __init__(
        self,
        plan: WiringPlan,
        *,
        supply_v: float,
        divider_v: Callable[[float], float],
        now: Callable[[], Instant],
    ) -> None:
        """Begin with all sensors of a harness sound.

        ``supply_v`` is what an open NTC stands at, ``divider_v`` one at a temperature in degC.
        """
        self._emulated = {wire.ntc for wire in plan.ntcs}
        self._has_shunt = plan.shunt is not None
        self._divider_v, self._now = divider_v, now
        hot_v = divider_v(HOTTEST_DEGC)
        self._constant_v = {"open-ntc": supply_v, "shorted-ntc": 0.0, "hot-ntc": hot_v}
        self._ran_away: dict[int, tuple[Instant, float]] = {}
        self._ntcs: dict[int, str] = {}
        self._current = ""
        self._shown_v: dict[int, float] = {}
        self._shown_a = 0.0

    def inject(self, fault: str, cell: int, *, active: bool) -> None:
        """Put a fault in or out; ``cell`` is the number of the NTC. One sensor has one fault.

        Raises ValueError for a fault it does not know and for a sensor that is not emulated.
        """
        if fault in _CURRENT_FAULTS and self._has_shunt:
            self._current = fault if active else ""
        elif fault in _NTC_FAULTS and cell in self._emulated:
            self._ntcs.pop(cell, None)
            self._ran_away.pop(cell, None)
            if active:
                self._ntcs[cell] = fault
        else:
            raise ValueError(f"sensors: no fault {fault!r} on {cell}: it is not emulated")

    def ntc_v(self, ntc: int, true_degc: float) -> float:
        """Return what the divider of an NTC shows where its cell has ``true_degc``."""
        fault = self._ntcs.get(ntc, "")
        if fault == "runaway-ntc":
            began, from_degc = self._ran_away.setdefault(ntc, (self._now(), true_degc))
            warmed_k = RUNAWAY_K_PER_S * to_seconds(self._now() - began)
            true_degc = min(HOTTEST_DEGC, from_degc + warmed_k)
        true_v = self._divider_v(true_degc)
        if fault != "stuck-ntc":
            self._shown_v[ntc] = self._constant_v.get(fault, true_v)
        return self._shown_v.setdefault(ntc, true_v)

    def current_a(self, true_a: float) -> float:
        """Return the current that the shunt shows."""
        if self._current != "stuck-current":
            sign = {"dead-current": 0.0, "reversed-current": -1.0}.get(self._current, 1.0)
            self._shown_a = sign * true_a
        return self._shown_a
