"""What all virtual chambers have in common: the machine, its sensor, and how they misbehave."""

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from drivers.virtual.chamber_air import ChamberAir, ChamberDesign
from hil.core.instants import Instant
from hil.core.spec import ChamberSpec
from hil.physics.board import noise_row
from hil.ports import POWER_LOSS, Clock, LabPlan

LIMITER_ABOVE_K = 5.0
"""[A] Where a maker sets the limiter: above all that the chamber may reach."""

_WILD_K = 700.0  # a thermocouple input without its thermocouple

_OF_THE_AIR = {
    "door-open": "door_open",
    "sensor-break": "sensor_broken",
    "sensor-stuck": "sensor_stuck",
    "heater-stuck": "heater_stuck",
    "compressor-trip": "compressor_tripped",
    "limiter": "limited",
}
"""Faults of the machine, and what they set in it."""


class ChamberTwin(ABC):
    """The air in a chamber (``Air``), and what can be put into it (``Injectable``).

    The controller in front of it is the subclass: it hands its registers over in ``_condition``.
    """

    FAULTS: ClassVar[tuple[str, ...]] = (
        "silent",
        "door-open",
        "sensor-break",
        "sensor-stuck",
        "heater-stuck",
        "limiter",
        "compressor-trip",
        "refuses-off",
        "ignores-off-once",
        "frozen",
        "wild",
        POWER_LOSS,
    )

    name: str
    _clock: Clock
    _silent: bool
    _powered: bool

    def _build_machine(self, plan: LabPlan, spec: ChamberSpec, design: ChamberDesign) -> None:
        """Draw what calibration left over from the run's seed; begin at rest, nothing running."""
        self._seed, self._spec = plan.seed, spec
        self._device = zlib.crc32(self.name.encode()) & 0xFFFF
        self._row = np.zeros(1)
        self._samples = 0
        self._offset_k = max(-1.0, min(1.0, 0.5 * self._normal())) * spec.read_accuracy_k.offset
        self._air = ChamberAir(design)
        self._refuses_off = self._deaf_to_off = False
        self._frozen_degc: float | None = None
        self._shown_off_k = 0.0

    @property
    def door_open(self) -> bool:
        """Say whether the door stands open: what a switch in its frame tells."""
        return self._air.door_open

    def truth(self) -> Mapping[str, Any]:
        """Return the air as it is; a subclass adds what its controller was told."""
        now = self._clock.now()
        return {
            "powered": self._powered,
            "air_degc": self._air.air_degc(now),
            "sensor_degc": self._air.sensed_degc(now),
            "conditioning": self._air.conditioning,
            "door_open": self._air.door_open,
            "limited": self._air.limited,
        }

    def air_degc(self, now: Instant) -> float:
        """Return the true air temperature."""
        return self._air.air_degc(now)

    def inject(self, fault: str, cell: int, *, active: bool) -> None:  # noqa: ARG002 - no cells here
        """Put a fault in or out; ``cell`` means nothing to a chamber.

        ``silent`` answers nothing, ``door-open`` lets the room in (nothing reports it),
        ``sensor-break`` loses the reading and stops conditioning, ``compressor-trip`` stops
        cooling (the controller reports both), ``sensor-stuck`` lets the reading stand still,
        ``heater-stuck`` heats with full power while conditioning is on, ``refuses-off`` welds its
        contactor, ``ignores-off-once`` takes no notice of the next order to switch off, ``limiter``
        trips the independent limiter and, taken out, resets it by hand (nothing reports it),
        ``frozen`` shows one reading for ever and ``wild`` one of no air (the loop knows better),
        ``power-loss`` takes the supply of controller and machine. Raises ValueError for any other.
        """
        self._air.order(self._clock.now())
        if fault == POWER_LOSS:
            self._supply(on=not active)
        elif fault == "silent":
            self._silent = active
        elif fault == "limiter" and not active:
            self._air.reset_limiter()
        elif fault in _OF_THE_AIR:
            setattr(self._air, _OF_THE_AIR[fault], active)
        elif fault == "refuses-off":
            self._refuses_off = active
            self._condition()
        elif fault == "ignores-off-once":
            self._deaf_to_off = active
        elif fault == "frozen":
            self._frozen_degc = self._reading_degc() if active else None
        elif fault == "wild":
            self._shown_off_k = _WILD_K if active else 0.0
        else:
            raise ValueError(f"{self.name}: no fault {fault!r}; it knows {', '.join(self.FAULTS)}")

    # --- for the controller --------------------------------------------------------------------

    def _reading_degc(self) -> float:
        """Return the sensor's reading, calibration error and noise in it; asking moves no air.

        NaN where the sensor is broken: each controller has its own way to say that.
        """
        if self._air.sensor_broken:
            return math.nan
        if self._frozen_degc is not None:
            return self._frozen_degc
        noise_k = self._spec.read_noise_k * self._normal()
        sensed_degc = self._air.sensed_degc(self._clock.now()) + self._offset_k + noise_k
        return sensed_degc + self._shown_off_k

    def _ignores(self, *, on: bool) -> bool:
        """Say whether an order to run or to stop falls on deaf ears, once."""
        deaf = self._deaf_to_off and not on
        self._deaf_to_off = self._deaf_to_off and not deaf
        return deaf

    def _run(self, *, ordered: bool, set_degc: float, ramp_k_per_s: float | None) -> None:
        """Hand an order to the machine; the current second has been settled before.

        A welded contactor stays closed, whatever it is told, as long as there is a supply.
        """
        air = self._air
        welded = self._refuses_off and air.conditioning
        air.conditioning = self._powered and (ordered or welded)
        air.ramp_k_per_s, air.set_degc = ramp_k_per_s, set_degc

    def _troubled(self) -> bool:
        """Say whether the machine itself reports trouble; an open door is none."""
        return self._air.sensor_broken or self._air.compressor_tripped

    def _normal(self) -> float:
        """Return the next standard normal of this controller; the first one is its calibration."""
        noise_row(self._seed, self._device, self._samples, self._row)
        self._samples += 1
        return float(self._row[0])

    @abstractmethod
    def _condition(self) -> None:
        """Hand the controller's registers to the machine."""

    @abstractmethod
    def _supply(self, *, on: bool) -> None:
        """Switch the supply of controller and machine."""
