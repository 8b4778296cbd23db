"""One output of a virtual cell emulator: power stage, fault relay behind it, terminals and load.

Lazy: nothing runs between commands. A change of set-point starts an exponential slew that is
evaluated when someone looks, and currents and charges are asked of the load.
"""

import math
from typing import NamedTuple

from drivers.virtual.terminals import CellLoad
from hil.core.instants import Duration, Instant
from hil.core.spec import EmulatorSpec

_THROUGH = {"NONE": 1.0, "POLARITY": -1.0}  # how the load's current passes the fault relay


class Trim(NamedTuple):
    """What calibration left over: ``true * scale + offset``."""

    offset: float
    scale: float


class CellOutput:
    """One cell output and its registers (``set_v``, limits in A, ``fault``, ``range``, ``on``)."""

    def __init__(
        self, spec: EmulatorSpec, window: Duration, set_v: Trim, read_v: Trim, read_a: Trim
    ) -> None:
        """Take the residual errors of setting and of both read-backs.

        ``window`` is what a mean of the current covers.
        """
        self._spec, self._window = spec, window
        self._tau_ns = spec.settle / math.log(1000.0)
        self._at_rest_ns = 3 * spec.settle  # settled: within 0.1 %; thrice that: below 10 nV
        self._set_offset_v, self._set_scale = set_v
        self._read_offset_v, self._read_scale_v = read_v
        self._read_offset_a, self._read_scale_a = read_a
        self._load: CellLoad | None = None
        self._charge: list[tuple[Instant, float]] = []
        self._from_v = self._to_v = 0.0
        self._since: Instant = 0
        self.on = self.stuck = self.refuses_off = False
        self.reset_registers()

    def reset_registers(self) -> None:
        """Give every register but the output state its power-on value."""
        self.set_v, self.source_a, self.sink_a = 0.0, self._spec.source_a, self._spec.sink_a
        self.fault, self.range = "NONE", "AUTO"

    def wire_to(self, load: CellLoad, now: Instant) -> None:
        """Connect a load; its charge counts from here."""
        self._load = load
        self._charge = [(now, 0.0)]

    # --- changes -----------------------------------------------------------------------------

    def set_voltage(self, value_v: float, now: Instant) -> None:
        """Program a voltage."""
        self.set_v = value_v
        self.drive(now)

    def limit(self, source_a: float, sink_a: float, now: Instant) -> None:
        """Set the current limits, as magnitudes: one that is too low lets the voltage sag."""
        self.before_change(now)
        self.source_a, self.sink_a = source_a, sink_a

    def switch(self, now: Instant, *, on: bool) -> None:
        """Switch the output; a stuck relay keeps it on."""
        self.before_change(now)
        self.on = on or (self.on and self.refuses_off)
        self.drive(now)

    def cut_off(self, now: Instant) -> None:
        """Take the supply away: off, whatever is stuck."""
        self.before_change(now)
        self.on = False
        self.drive(now)

    def set_fault(self, fault: str, now: Instant) -> None:
        """Move the fault relay."""
        self.before_change(now)
        self.fault = fault

    def drive(self, now: Instant) -> None:
        """Let the power stage head for what the registers say."""
        target = 0.0
        if self.on:
            step_v = self._spec.set_resolution_v
            target = round(self.set_v / step_v) * step_v * self._set_scale + self._set_offset_v
        if target != self._to_v and not (self.stuck and self.on):
            self.before_change(now)
            self._from_v, self._to_v, self._since = self.stage_v(now), target, now

    def before_change(self, now: Instant) -> None:
        """Let the load account for the time up to now before its voltage changes."""
        if self._load is not None:
            self._load.before_change(now)

    @property
    def arrival(self) -> Instant:
        """Return when it has reached what it heads for, within 0.1 %."""
        return self._since + self._spec.settle

    # --- voltage -----------------------------------------------------------------------------

    def stage_v(self, now: Instant) -> float:
        """Return the true voltage of the power stage, before the fault relay."""
        elapsed = now - self._since
        if elapsed > self._at_rest_ns:
            return self._to_v
        return self._to_v + (self._from_v - self._to_v) * math.exp(-elapsed / self._tau_ns)

    def terminal_v(self, now: Instant) -> float:
        """Return what the load sees; NaN when the output is off or open."""
        if not self.on or self.fault == "OPENCIRCUIT":
            return math.nan
        if self.fault == "NONE":
            return self.stage_v(now)
        return 0.0 if self.fault == "SHORTCIRCUIT" else -self.stage_v(now)

    def read_voltage_v(self, now: Instant) -> float:
        """Return the read-back, taken at the power stage, without noise.

        In its current limit the stage gives what the load leaves of its voltage.
        """
        limited_v = self._limited_v(now)
        stage_v = self.stage_v(now) if limited_v is None else limited_v
        return stage_v * self._read_scale_v + self._read_offset_v

    def _limited_v(self, now: Instant) -> float | None:
        """Return the voltage in the current limit, as the stage has it; None outside of it."""
        through = self._through()
        if not (self._load and through):
            return None
        limited_v = self._load.limited_v(now)
        return None if limited_v is None else through * limited_v

    # --- current -----------------------------------------------------------------------------

    def current_a(self, now: Instant) -> float:
        """Return the true current out of the terminals at this instant."""
        return self._load.current_a(now) if self._load and self._through() else 0.0

    def charge_as(self, now: Instant) -> float:
        """Return the true charge out of the terminals since the load was wired, in As."""
        return self._load.charge_as(now) if self._load else 0.0

    def read_current_a(self, now: Instant) -> float:
        """Return the read-back of the current at this instant, without noise."""
        return self.read_back_a(self._wanted_a(now))

    def read_mean_current_a(self, now: Instant) -> float:
        """Return the read-back averaged over the filter's window, without noise.

        The charge at the window's start is interpolated between readings: to read once a window
        is exact, to read less often gives the mean since the last reading.
        """
        if self._load is None:
            return self.read_back_a(0.0)
        known, start = self._charge, now - self._window
        known.append((now, self._load.charge_as(now)))
        while known[1][0] <= start:
            del known[0]
        (begin, charge_as), (after, charge_after_as) = known[0], known[1]
        if now == begin:
            return self.read_current_a(now)
        if start > begin:
            charge_as += (charge_after_as - charge_as) * (start - begin) / (after - begin)
            begin = start
        mean_a = (known[-1][1] - charge_as) * 1e9 / (now - begin)
        return self.read_back_a(self._through() * mean_a)

    def in_limit(self, now: Instant) -> bool:
        """Say whether the load wants more than the source and sink limits let through."""
        wanted_a = self._wanted_a(now)
        return self._limited_v(now) is not None or wanted_a != self._limited(wanted_a)

    def _wanted_a(self, now: Instant) -> float:
        """Return the current that the load asks of the stage."""
        through = self._through()
        return through * self._load.current_a(now) if self._load and through else 0.0

    def read_back_a(self, current_a: float) -> float:
        """Return what the unit shows for a current, which its limits bound."""
        return self._limited(current_a) * self._read_scale_a + self._read_offset_a

    def _through(self) -> float:
        return _THROUGH.get(self.fault, 0.0) if self.on else 0.0

    def _limited(self, current_a: float) -> float:
        if current_a > self.source_a:
            return self.source_a
        return max(current_a, -self.sink_a)
