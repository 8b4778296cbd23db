"""What all virtual cell emulators have in common: outputs, trim, noise, and how they misbehave."""

import math
import zlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, TypeVar

import numpy as np

from drivers.virtual.cell_output import CellOutput, Trim
from drivers.virtual.scpi_twin import ScpiOptions, ScpiTwin
from drivers.virtual.terminals import CellLoad
from drivers.wire.scpi import Channels
from hil.core.instants import Duration, Instant
from hil.core.spec import Accuracy, EmulatorSpec
from hil.physics.board import noise_row
from hil.ports import POWER_LOSS, Clock, LabPlan

_DRIFT_V = 1.8e-3  # of every cell: each for itself still reads what it was set to, their sum not
_WILD_A = 8.0  # more than a unit can carry
DEFIANCE = ("ignores-off", "ignores-off-once", "lies-off")
_READING_FAULTS = ("drifted", "frozen", "wild-current")


@dataclass(frozen=True, slots=True)
class EmulatorOptions(ScpiOptions):
    """What each of them can be told in a bench file.

    ``boot_ns`` is how long it hears nothing after its supply has come.
    """

    boot_ns: int = 0


Options = TypeVar("Options", bound=EmulatorOptions)


class EmulatorTwin(ScpiTwin[Options]):
    """A unit on its link (``ByteTwin``) and at its terminals (``CellSource``).

    ``MEAN_OVER`` is what a mean of its current covers, ``NOISE`` the rms of one reading in V and
    A, ``LATE`` by how much a unit is late that is slower than its driver waits.
    """

    SPEC: ClassVar[EmulatorSpec]
    MEAN_OVER: ClassVar[Duration]
    NOISE: ClassVar[tuple[float, float]]
    LATE: ClassVar[Duration]
    FAULTS: ClassVar[tuple[str, ...]] = (
        "silent",
        "late",
        "stuck-output",
        "refuses-off",
        *DEFIANCE,
        *_READING_FAULTS,
        POWER_LOSS,
    )
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = ("stuck-output", "refuses-off")

    def __init__(self, name: str, clock: Clock, plan: LabPlan, options: Options) -> None:
        """Draw what calibration left over from the run's seed; begin with all outputs off."""
        super().__init__(name, clock, options)
        self._seed = plan.seed
        self._row = np.zeros(self.SPEC.channels)
        self._samples = {"volt": 0, "curr": 0}
        self._answers_late, self._defies, self._lying = False, "", False
        self._defied_at: Instant = -1
        self._misreads: set[str] = set()
        self._shown: dict[str, list[float]] = {}
        self._deaf_until: Instant = 0
        self._outputs = self._trimmed_outputs()

    # --- CellSource and truth ----------------------------------------------------------------

    def connect_load(self, channel: int, load: CellLoad) -> None:
        """Wire ``load`` to cell output ``channel``, from 1."""
        self._output(channel).wire_to(load, self._clock.now())

    def cell_v(self, channel: int, now: Instant) -> float:
        """Return the voltage at the terminals; NaN when the output is open or off."""
        return self._outputs[channel - 1].terminal_v(now)

    def limits_a(self, channel: int) -> tuple[float, float]:
        """Return the most that the output gives and takes, as magnitudes."""
        output = self._outputs[channel - 1]
        return output.source_a, output.sink_a

    def aux_v(self, number: int) -> float:
        """Return the voltage of auxiliary analog output ``number``, from 1.

        Raises ValueError for a unit that has none.
        """
        raise ValueError(f"{self.name}: no auxiliary output {number}; a {self.SPEC.model} has none")

    def truth(self) -> Mapping[str, Any]:
        """Return what stands at the outputs: (channels,) each; NaN where an output is off."""
        now = self._clock.now()
        return {
            "serial": self._options.serial,
            "powered": self._powered,
            "on": [output.on for output in self._outputs],
            "fault": [output.fault for output in self._outputs],
            "set_v": [output.set_v for output in self._outputs],
            "cell_v": [output.terminal_v(now) for output in self._outputs],
            "current_a": [output.current_a(now) for output in self._outputs],
            "charge_as": [output.charge_as(now) for output in self._outputs],
            "aux_v": [self.aux_v(number + 1) for number in range(self.SPEC.aux_outputs)],
        }

    # --- Injectable --------------------------------------------------------------------------

    def inject(self, fault: str, cell: int, *, active: bool) -> None:
        """Put a fault in or out; ``cell`` is this unit's channel, where the fault has one.

        ``silent`` answers nothing, ``late`` answers after the time-out, ``stuck-output`` ignores
        set-points, ``refuses-off`` welds the output's relay, ``ignores-off`` takes no order to
        switch off and ``ignores-off-once`` not the first one (alarms and a reset still do);
        ``lies-off`` ignores it too, and says that all is off. ``power-loss`` takes the supply, and
        taken out lets the unit boot. ``drifted`` shifts all voltages it reads by 1.8 mV,
        ``wild-current`` all currents by 8 A, ``frozen`` repeats its readings. Raises ValueError
        for any other.
        """
        if fault not in self.FAULTS:
            raise ValueError(f"{self.name}: no fault {fault!r}; it knows {', '.join(self.FAULTS)}")
        if fault == POWER_LOSS:
            self._supply(on=not active)
        elif fault == "silent":
            self._silent = active
        elif fault == "late":
            self._answers_late = active
        elif fault == "stuck-output":
            output = self._output(cell)
            output.stuck = active
            output.drive(self._clock.now())
        elif fault == "refuses-off":
            self._output(cell).refuses_off = active
        elif fault in DEFIANCE:
            self._defies = fault if active else ""
        else:
            (self._misreads.add if active else self._misreads.discard)(fault)

    def _takes(self, *, on: bool) -> bool:
        """Say whether an order to switch is taken; one that is not may be lied about."""
        now = self._clock.now()
        if not on and (self._defies or self._defied_at == now):  # what comes at once is one order
            self._lying = self._lying or self._defies == "lies-off"
            self._defies = self._defies.removesuffix("ignores-off-once")
            self._defied_at = now
            return False
        self._lying = False
        return True

    # --- supply ------------------------------------------------------------------------------

    @abstractmethod
    def _reset_registers(self) -> None:
        """Switch all off and give every register the value that it has after a start."""

    def _reboot(self) -> None:
        """Start anew: outputs off, registers and queue lost, deaf for as long as it boots."""
        self._deaf_until = self._clock.now() + self._options.boot_ns
        self._reset_registers()
        self._scpi.power_on()

    def _supply(self, *, on: bool) -> None:
        """Switch the unit's supply; without it not even a stuck relay has a voltage behind it."""
        if on == self._powered:
            return
        self._powered = on
        self._reboot()
        for output in self._outputs:
            output.cut_off(self._clock.now())

    def _hears(self) -> bool:
        """A unit that reboots hears nothing."""
        return self._powered and self._clock.now() >= self._deaf_until

    def _late(self) -> Duration:
        return self.LATE if self._answers_late else 0

    # --- what is under way -------------------------------------------------------------------

    def _arrival(self) -> Instant:
        """Return when the last output has reached what it was set to."""
        return max(output.arrival for output in self._outputs)

    def _is_slewing(self) -> bool:
        """Say whether an output is still on its way: what ``*OPC`` waits for."""
        return self._arrival() > self._clock.now()

    # --- outputs -----------------------------------------------------------------------------

    def _output(self, channel: int) -> CellOutput:
        """Return one output. Raises ValueError for a channel that the unit lacks."""
        if not 1 <= channel <= self.SPEC.channels:
            raise ValueError(f"{self.name}: no channel {channel}; it has 1 to {self.SPEC.channels}")
        return self._outputs[channel - 1]

    def _at(self, channels: Channels) -> list[CellOutput]:
        return [self._outputs[channel - 1] for channel in channels]

    def _trimmed_outputs(self) -> list[CellOutput]:
        """Draw what calibration left over from the run's seed, within the accuracy of SPEC."""
        spec = self.SPEC
        accuracies = (spec.set_accuracy_v, spec.read_accuracy_v, spec.read_accuracy_a)
        trims = [self._trims(f"trim-{k}", accuracy) for k, accuracy in enumerate(accuracies)]
        return [CellOutput(spec, self.MEAN_OVER, *one) for one in zip(*trims, strict=True)]

    def _trims(self, kind: str, accuracy: Accuracy) -> list[Trim]:
        """Return one residual error a channel: half the k = 2 accuracy rms, all of it at most."""
        offsets, gains = (
            [max(-1.0, min(1.0, 0.5 * normal)) for normal in self._normals(kind, sample)]
            for sample in (0, 1)
        )
        return [
            Trim(offset * accuracy.offset, 1.0 + gain * accuracy.gain)
            for offset, gain in zip(offsets, gains, strict=True)
        ]

    def _normals(self, kind: str, sample: int) -> list[float]:
        """Return one standard normal a channel, a pure function of seed, unit, kind and sample."""
        noise_row(self._seed, _device_number(self.name, kind), sample, self._row)
        row: list[float] = self._row.tolist()
        return row

    # --- readings ----------------------------------------------------------------------------

    def _measure(
        self,
        channels: Channels,
        kind: str,
        read: Callable[[CellOutput, Instant], float],
        averaged: int = 1,
    ) -> list[float]:
        """Read outputs and add the noise of the next sample, or of the mean of some.

        Every query is a sample of all channels, whichever are asked for, so that a channel's
        noise does not depend on how its neighbours are read.
        """
        now = self._clock.now()
        self._samples[kind] += 1
        sigma = self.NOISE[kind == "curr"] * (1.0 / math.sqrt(averaged))
        noise = self._normals(kind, self._samples[kind])
        values = [read(self._outputs[c - 1], now) + sigma * noise[c - 1] for c in channels]
        if self._misreads:
            values = self._misread(kind, values)
        self._shown[kind] = values
        return values

    def _misread(self, kind: str, values: list[float]) -> list[float]:
        """Return what a unit with a fault in its measuring shows instead."""
        if "frozen" in self._misreads and len(self._shown.get(kind, ())) == len(values):
            return self._shown[kind]
        off = {"volt": ("drifted", _DRIFT_V), "curr": ("wild-current", _WILD_A)}
        fault, error = off[kind]
        return [value + error for value in values] if fault in self._misreads else values


@cache
def _device_number(name: str, kind: str) -> int:
    """Return the number under which the noise generator knows one kind of reading of a unit."""
    return zlib.crc32(f"{name}/{kind}".encode()) & 0xFFFF
