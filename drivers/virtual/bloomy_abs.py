"""A virtual Bloomy ABS: eight emulated cells behind the unit's own command set.

Commands, replies and alarms follow the vendor's published driver. Assumed, since nothing public
says so, and to be checked on a real unit: read-back is taken at the power stage, before the fault
relay; a positive current leaves the unit; a unit held in an alarm refuses to switch on with -221;
the part number in ``*IDN?`` holds "ABS"; compound queries are answered in one line.

Not modelled: the battery models that can run on the unit (``MOD:``, answered with -113), the
sag of the voltage in current limit, and the slower control (10 Hz) with the noise filter on.
"""

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from drivers.virtual.abs_output import AbsOutput, Trim
from drivers.virtual.abs_side_channels import SideChannels
from drivers.virtual.scpi_twin import ScpiOptions, ScpiTwin
from drivers.virtual.terminals import CellLoad
from drivers.wire import bloomy_abs as wire
from drivers.wire.scpi import Channels, Command, ScpiDevice
from drivers.wire.scpi_data import Boolean, Choice, Number, ScpiError, Text, check_field, quoted
from hil.core.instants import Duration, Instant
from hil.core.spec import Accuracy
from hil.physics.board import noise_row
from hil.ports import POWER_LOSS, Clock, LabPlan

SPEC = wire.SPEC
_NOISE_V = SPEC.read_noise_v
_NOISE_A = 20e-6  # [A]
_DRIFT_V = 1.8e-3  # of every cell: each for itself still reads what it was set to, their sum not
_WILD_A = 8.0  # more than the unit can carry
_READING_FAULTS = ("drifted", "frozen", "wild-current")
_QUIETER = 1.0 / math.sqrt(wire.SAMPLES_AVERAGED)
_LATE = 2 * wire.REPLY_LIMIT
_DEFIANCE = ("ignores-off", "ignores-off-once", "lies-off")
_DROP_ALL = wire.SOFT_INTERLOCK | wire.FAN_4 | wire.HARDWARE_FAULT


@dataclass(frozen=True, slots=True)
class AbsOptions(ScpiOptions):
    """The keys that a bench file may give a virtual unit.

    ``calibrated`` is what ``CAL:DATE?`` answers, an ISO date; ``boot_ns`` how long it hears nothing
    after its supply has come or ``*RST``.
    """

    reply_ns: int = SPEC.reply
    calibrated: str = "2026-01-15"
    boot_ns: int = wire.REBOOT

    def __post_init__(self) -> None:
        """Refuse what the unit could not send."""
        ScpiOptions.__post_init__(self)  # a dataclass with slots knows no super()
        check_field("calibrated", self.calibrated)


class BloomyAbsTwin(ScpiTwin[AbsOptions]):
    """The unit on its link (``ByteTwin``) and at its terminals (``CellSource``)."""

    OPTIONS: ClassVar[type] = AbsOptions
    FAULTS: ClassVar[tuple[str, ...]] = (
        "silent",
        "late",
        "stuck-output",
        "alarm",
        "refuses-off",
        *_DEFIANCE,
        *_READING_FAULTS,
        POWER_LOSS,
    )
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = ("stuck-output", "alarm", "refuses-off")

    def __init__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``AbsOptions``; TypeError for any other."""
        super().__init__(name, clock, AbsOptions(**(options or {})))
        self._seed = plan.seed
        self._row = np.zeros(SPEC.channels)
        self._samples = {"volt": 0, "curr": 0}
        self._answers_late, self._defies = False, ""
        self._broken_fans: set[int] = set()
        self._misreads: set[str] = set()
        self._shown: dict[str, list[float]] = {}
        self._deaf_until: Instant = 0
        self._outputs = self._trimmed_outputs()
        self._side = SideChannels()
        self._reset_registers()
        self._scpi = ScpiDevice(self._commands(), self._identity(), reset=self._reboot)

    # --- Inhabited ---------------------------------------------------------------------------

    def truth(self) -> Mapping[str, Any]:
        """Return what stands at the outputs: (channels,) each; NaN where an output is off."""
        now = self._clock.now()
        return {
            "serial": self._options.serial,
            "powered": self._powered,
            "alarm": self._alarm,
            "on": [output.on for output in self._outputs],
            "fault": [output.fault for output in self._outputs],
            "set_v": [output.set_v for output in self._outputs],
            "cell_v": [output.terminal_v(now) for output in self._outputs],
            "current_a": [output.current_a(now) for output in self._outputs],
            "charge_as": [output.charge_as(now) for output in self._outputs],
            "aux_v": [self.aux_v(number + 1) for number in range(SPEC.aux_outputs)],
        }

    # --- CellSource --------------------------------------------------------------------------

    def connect_load(self, channel: int, load: CellLoad) -> None:
        """Wire ``load`` to cell output ``channel``, from 1."""
        self._output(channel).wire_to(load, self._clock.now())

    def cell_v(self, channel: int, now: Instant) -> float:
        """Return the voltage at the terminals; NaN when the output is open or off."""
        return self._outputs[channel - 1].terminal_v(now)

    def aux_v(self, number: int) -> float:
        """Return the voltage of auxiliary analog output ``number``, from 1."""
        return self._side.analog_v(number)

    # --- Injectable --------------------------------------------------------------------------

    def inject(self, fault: str, cell: int, *, active: bool) -> None:
        """Put a fault in or out; ``cell`` is this unit's channel, where the fault has one.

        ``silent`` answers nothing, ``late`` answers after the time-out, ``stuck-output`` ignores
        set-points, ``alarm`` stops the fan of the channel's pair (latched until a reboot with the
        fan mended), ``refuses-off`` welds the output's relay, ``ignores-off`` takes no order to
        switch off and ``ignores-off-once`` not the first one (alarms and a reset still do);
        ``lies-off`` ignores it too, and says that all is off. ``power-loss`` takes the supply, and
        taken out lets the unit boot. ``drifted`` shifts all voltages it reads by 1.8 mV,
        ``wild-current`` all currents by 8 A, ``frozen`` repeats its readings. Raises ValueError
        for any other.
        """
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
        elif fault in _DEFIANCE:
            self._defies = fault if active else ""
        elif fault in _READING_FAULTS:
            (self._misreads.add if active else self._misreads.discard)(fault)
        elif fault == "alarm":
            fan = wire.fan_of(self._outputs.index(self._output(cell)) + 1)
            (self._broken_fans.add if active else self._broken_fans.discard)(fan)
            self._raise_alarm(fan if active else 0)
        else:
            raise ValueError(f"{self.name}: no fault {fault!r}; it knows {', '.join(self.FAULTS)}")

    # --- state -------------------------------------------------------------------------------

    def _output(self, channel: int) -> AbsOutput:
        """Return one output. Raises ValueError for a channel that the unit lacks."""
        if not 1 <= channel <= SPEC.channels:
            raise ValueError(f"{self.name}: no channel {channel}; it has 1 to {SPEC.channels}")
        return self._outputs[channel - 1]

    def _at(self, channels: Channels) -> list[AbsOutput]:
        return [self._outputs[channel - 1] for channel in channels]

    def _trimmed_outputs(self) -> list[AbsOutput]:
        """Draw what calibration left over from the run's seed, within the accuracy of SPEC."""
        accuracies = (SPEC.set_accuracy_v, SPEC.read_accuracy_v, SPEC.read_accuracy_a)
        trims = [self._trims(f"trim-{k}", accuracy) for k, accuracy in enumerate(accuracies)]
        return [AbsOutput(*of_channel) for of_channel in zip(*trims, strict=True)]

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

    def _reset_registers(self) -> None:
        """Switch all off and give every register its power-on value."""
        now = self._clock.now()
        for output in self._outputs:
            output.before_change(now)
            output.reset_registers()
            output.switch(now, on=False)
        self._side.reset()
        self._filter = self._lying = False
        self._address = ("192.168.1.10", "255.255.255.0")
        self._alarm = sum(self._broken_fans)

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
        return _LATE if self._answers_late else 0

    def _identity(self) -> str:
        return f"{wire.MAKER},ABS,{self._options.serial},1.2.1"

    def _raise_alarm(self, bits: int) -> None:
        """Latch alarm bits and switch off what they drop."""
        self._alarm |= bits
        for channel, output in enumerate(self._outputs, 1):
            if self._held_off(channel):
                output.switch(self._clock.now(), on=False)

    def _held_off(self, channel: int) -> bool:
        """Say whether an alarm keeps this output off."""
        return bool(self._alarm & (wire.fan_of(channel) | _DROP_ALL))

    # --- commands ----------------------------------------------------------------------------

    def _commands(self) -> list[Command]:
        """Return the command set, headers as the vendor's driver uses them."""
        n, switch = SPEC.channels, (Boolean(),)
        volts = (Number(SPEC.set_v.low, SPEC.set_v.high, 0.0, "V"),)
        source = (Number(0.0, SPEC.source_a, SPEC.source_a, "A"),)
        sink = (Number(-SPEC.sink_a, SPEC.sink_a, SPEC.sink_a, "A"),)
        faults = (Choice("NONE", "OPENcircuit", "SHORTcircuit", "POLarity"),)
        ranges = (Choice("AUTO", "LOw", "HIgh"),)
        get, put = self._getter, self._setter
        return [
            Command(":SOURce#:VOLTage", self._set_voltage, get("set_v"), volts, n),
            Command(":SOURce#:CURRent:SRC", put("source_a"), get("source_a"), source, n),
            Command(":SOURce#:CURRent:SNK", self._set_sink, get("sink_a"), sink, n),
            Command(":OUTPut#[:STATe]", self._switch, self._states, switch, n),
            Command(":OUTPut#:MODE", None, self._modes, (), n),
            Command(":OUTPut#:FAULt", self._set_fault, get("fault"), faults, n),
            Command(":SENSe#:RANGe", put("range"), get("range"), ranges, n),
            Command(":CONFigure:MEASure:FILTer", self._set_filter, self._read_filter, switch),
            Command(":MEASure#:VOLTage", None, self._voltages, (), n),
            Command(":MEASure#:VOLTage:AVG", None, self._mean_voltages, (), n),
            Command(":MEASure#:CURRent", None, self._currents, (), n),
            Command(":MEASure#:CURRent:AVG", None, self._mean_currents, (), n),
            *self._side.commands(),
            *self._system_commands(),
        ]

    def _system_commands(self) -> list[Command]:
        """Return alarms, interlock, calibration and addresses."""
        soft = wire.SOFT_INTERLOCK
        return [
            Command(":SYSTem:ALARm", read=lambda _: str(self._alarm)),
            Command(":SYSTem:ALARm:RAISe", write=lambda _: self._raise_alarm(soft)),
            Command(":SYSTem:ALARm:CLEar", write=self._clear_alarms),
            Command(":SYSTem:INTerlock", read=lambda _: str(self._alarm & soft)),
            Command(":CALibration:DATE", read=lambda _: quoted(self._options.calibrated)),
            Command(
                ":CONFigure:COMMunicate:SOCKet:ADDRess",
                self._set_address,
                lambda _: ",".join(quoted(part) for part in self._address),
                (Text(), Text()),
            ),
            Command(":CONFigure:COMMunicate:SERial:ID", read=lambda _: "0"),
        ]

    def _getter(self, register: str) -> Callable[[Channels], str]:
        """Return the query of one register of an output."""
        return lambda channels: ",".join(
            _spell(getattr(output, register)) for output in self._at(channels)
        )

    def _setter(self, register: str) -> Callable[[Channels, Any], None]:
        """Return the setting of a register that moves no voltage."""

        def write(channels: Channels, value: Any) -> None:
            for output in self._at(channels):
                setattr(output, register, value)

        return write

    def _set_voltage(self, channels: Channels, value_v: float) -> None:
        """Program voltages; an output that is off takes its own when it is switched on."""
        now = self._clock.now()
        for channel in channels:
            self._outputs[channel - 1].set_voltage(value_v, now)

    def _set_sink(self, channels: Channels, value_a: float) -> None:
        """Take the limit with either sign, as the vendor's driver allows."""
        for output in self._at(channels):
            output.sink_a = abs(value_a)

    def _switch(self, channels: Channels, on: bool) -> None:  # noqa: FBT001 - a parsed parameter
        """Switch outputs; -221 where an alarm holds one off."""
        if on and any(self._held_off(channel) for channel in channels):
            raise ScpiError(-221, "held off by an alarm")
        if self._defies and not on:
            self._lying = self._defies == "lies-off"
            self._defies = self._defies.removesuffix("ignores-off-once")
            return
        self._lying = False
        for output in self._at(channels):
            output.switch(self._clock.now(), on=on)

    def _states(self, channels: Channels) -> str:
        """Say which outputs are on, and nothing but the truth unless it lies."""
        return ",".join(str(int(output.on and not self._lying)) for output in self._at(channels))

    def _set_fault(self, channels: Channels, fault: str) -> None:
        """Move fault relays, which act at once."""
        for output in self._at(channels):
            output.set_fault(fault, self._clock.now())

    def _modes(self, channels: Channels) -> str:
        """Say for each output whether it holds its voltage or its current limit."""
        now = self._clock.now()
        return ",".join("ILIM" if output.in_limit(now) else "CV" for output in self._at(channels))

    # The 50/60 Hz filter lengthens the window of the averages; see ``_mean_currents``.

    def _set_filter(self, _: Channels, on: bool) -> None:  # noqa: FBT001 - a parsed parameter
        self._filter = on

    def _read_filter(self, _: Channels) -> str:
        return _spell(self._filter)

    def _measure(
        self,
        channels: Channels,
        kind: str,
        sigma: float,
        read: Callable[[AbsOutput, Instant], float],
    ) -> str:
        """Read outputs and add the noise of the next sample.

        Every query is a sample of all channels, whichever are asked for, so that a channel's
        noise does not depend on how its neighbours are read.
        """
        now = self._clock.now()
        self._samples[kind] += 1
        noise = self._normals(kind, self._samples[kind])
        values = [read(self._outputs[c - 1], now) + sigma * noise[c - 1] for c in channels]
        if self._misreads:
            values = self._misread(kind, values)
        self._shown[kind] = values
        return ("%.5f," * len(values) % (*values,))[:-1]

    def _misread(self, kind: str, values: list[float]) -> list[float]:
        """Return what a unit with a fault in its measuring shows instead."""
        if "frozen" in self._misreads and len(self._shown.get(kind, ())) == len(values):
            return self._shown[kind]
        off = {"volt": ("drifted", _DRIFT_V), "curr": ("wild-current", _WILD_A)}
        fault, error = off[kind]
        return [value + error for value in values] if fault in self._misreads else values

    def _voltages(self, channels: Channels) -> str:
        return self._measure(channels, "volt", _NOISE_V, AbsOutput.read_voltage_v)

    def _mean_voltages(self, channels: Channels) -> str:
        return self._measure(channels, "volt", _NOISE_V * _QUIETER, AbsOutput.read_voltage_v)

    def _currents(self, channels: Channels) -> str:
        return self._measure(channels, "curr", _NOISE_A, AbsOutput.read_current_a)

    def _mean_currents(self, channels: Channels) -> str:
        """Average ten samples: over 1 s with the filter on, over 10 ms without.

        A load cannot be asked for its past, so that in the short window the current of this
        instant stands for it: a bleed that is muted or pulsed is aliased, as it would be there.
        """
        read = AbsOutput.read_mean_current_a if self._filter else AbsOutput.read_current_a
        return self._measure(channels, "curr", _NOISE_A * _QUIETER, read)

    def _set_address(self, _: Channels, address: str, mask: str) -> None:
        self._address = (address, mask)

    def _clear_alarms(self, _: Channels) -> None:
        """Clear what is recoverable; the outputs stay off until they are switched on again."""
        self._alarm &= ~wire.RECOVERABLE


@cache
def _device_number(name: str, kind: str) -> int:
    """Return the number under which the noise generator knows one kind of reading of a unit."""
    return zlib.crc32(f"{name}/{kind}".encode()) & 0xFFFF


def _spell(value: Any) -> str:
    """Return a register as response data."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
