"""The inside of a virtual chamber: air, walls with their load, sensor, and the controller's loop.

Stepped on a fixed grid of one second counted from instant 0 and interpolated in between, so that
looking never changes what is seen: whatever is ordered inside a second acts from its end on.

    air   dT/dt = clip((T_drive(t - dead time) - T) / tau_air, +-power) - (T - T_wall) / tau_couple
    wall  dT/dt = (T_air - T_wall) / tau_wall + (T_room - T_wall) / tau_room
    sensor dT/dt = (T_air - T) / tau_sensor

An independent limiter of class 2 (DIN 12880) cuts the heat off above its set-point, by a sensor and
a contactor of its own, whatever the controller does; it stays so until somebody resets it by hand.

The power limit is what bounds the ramp; overshoot comes out of the controller, the dead time and
the limits, and is put in nowhere. Start values: instruments.md section 2 [M].
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from hil.core.instants import SECOND, Instant

STEP: Instant = SECOND


@dataclass(frozen=True, slots=True)
class ChamberDesign:
    """The machine and the tuning of its loop; times in s, rates in K/s."""

    dead_time_s: int = 30
    tau_air_s: float = 180.0
    tau_couple_s: float = 1200.0
    tau_wall_s: float = 1200.0
    tau_room_s: float = 7_200.0
    tau_sensor_s: float = 15.0
    heating_k_per_s: float = 5.0 / 60.0
    cooling_k_per_s: float = 5.0 / 60.0
    cooling_below_zero_k_per_s: float = 2.5 / 60.0
    gain: float = 4.0
    integral_s: float = 120.0
    room_degc: float = 23.0
    door_s: float = 120.0
    limiter_degc: float = 185.0


class ChamberAir:
    """The state of the chamber at the end of the current second; orders act from there on."""

    def __init__(self, design: ChamberDesign) -> None:
        """Start at rest at room temperature, with conditioning off."""
        self.design = design
        self.set_degc = design.room_degc
        self.steered: Callable[[float], float] | None = None  # a cascade: set-point by the load
        self.ramp_k_per_s: float | None = None
        self.conditioning = self.door_open = self.compressor_tripped = self.sensor_broken = False
        self.sensor_stuck = self.heater_stuck = self.limited = False
        self._wall = self._sensor = self._working = design.room_degc
        self._before = self._after = design.room_degc
        self._sensor_before = design.room_degc
        self._integral = 0.0
        self._drive = [math.nan] * design.dead_time_s
        self._steps = 0

    def order(self, now: Instant) -> None:
        """Settle the current second as it was ordered before; call it ahead of any change."""
        self._advance(now // STEP + 1)

    def air_degc(self, now: Instant) -> float:
        """Return the true air temperature at ``now``, which never runs backwards."""
        step, part = divmod(now, STEP)
        self._advance(step + 1)
        return self._before + (self._after - self._before) * (part / STEP)

    def sensed_degc(self, now: Instant) -> float:
        """Return what the controller's sensor shows at ``now``, without its error."""
        step, part = divmod(now, STEP)
        self._advance(step + 1)
        return self._sensor_before + (self._sensor - self._sensor_before) * (part / STEP)

    def load_degc(self, now: Instant) -> float:
        """Return the temperature of the walls with their load, at the end of the second."""
        self._advance(now // STEP + 1)
        return self._wall

    def begin_at(self, working_degc: float) -> None:
        """Put the working set-point where a program begins; order first."""
        self._working = working_degc

    def reset_limiter(self) -> None:
        """Press the limiter's button: it lets go only of a chamber that is below its set-point."""
        self.limited = self._after >= self.design.limiter_degc

    def _advance(self, steps: int) -> None:
        while self._steps < steps:
            self._step()
            self._steps += 1

    def _step(self) -> None:
        """Move the air, the walls and the sensor by one second."""
        d, air = self.design, self._after
        slot = self._steps % d.dead_time_s
        drive, self._drive[slot] = self._drive[slot], self._control(air)
        rate = (self._wall - air) / d.tau_couple_s
        rate += self._machine(drive, air)
        if self.door_open:
            rate += (d.room_degc - air) / d.door_s
        self._before, self._sensor_before = air, self._sensor
        self._after = air + rate
        self._wall += (air - self._wall) / d.tau_wall_s + (d.room_degc - self._wall) / d.tau_room_s
        if not self.sensor_stuck:
            self._sensor += (air - self._sensor) / d.tau_sensor_s
        self.limited |= self._after >= d.limiter_degc

    def _machine(self, drive: float, air_degc: float) -> float:
        """Return what heater and compressor do to the air, the limiter in series with the heater.

        A heater whose relay is stuck heats with all it has, while the machine may run at all.
        """
        rate = 0.0
        if drive == drive:  # noqa: PLR0124 - NaN is "off": nothing heats or cools
            rate = self._powered((drive - air_degc) / self.design.tau_air_s, air_degc)
        if self.heater_stuck and self.conditioning:
            rate = self.design.heating_k_per_s
        return min(rate, 0.0) if self.limited else rate

    def _powered(self, rate: float, air_degc: float) -> float:
        """Return what heater and compressor can do of the rate that the drive asks for."""
        d = self.design
        if rate > d.heating_k_per_s:
            return d.heating_k_per_s
        if rate >= 0.0:
            return rate
        if self.compressor_tripped:
            return 0.0
        cooling = d.cooling_k_per_s if air_degc > 0.0 else d.cooling_below_zero_k_per_s
        return max(rate, -cooling)

    def _control(self, air_degc: float) -> float:
        """Return the drive temperature of the PI loop, NaN when it is off or its sensor broken.

        The integral stands still while the power limit holds (anti-windup). Off, the working
        set-point keeps to the sensor, so that switching on with a ramp begins there.
        """
        if not self.conditioning or self.sensor_broken:
            self._integral, self._working = 0.0, self._sensor
            return math.nan
        d = self.design
        self._follow_set_point()
        error = self._working - self._sensor
        drive = self._working + d.gain * error + self._integral
        wanted = (drive - air_degc) / d.tau_air_s
        if self._powered(wanted, air_degc) == wanted:
            self._integral += d.gain * error / d.integral_s
        return drive

    def _follow_set_point(self) -> None:
        """Move the working set-point towards the set-point, at the ramp where there is one."""
        wanted = self.set_degc if self.steered is None else self.steered(self._wall)
        away = wanted - self._working
        if self.ramp_k_per_s is not None and abs(away) > self.ramp_k_per_s:
            away = math.copysign(self.ramp_k_per_s, away)
        self._working += away
