"""A virtual Bloomy ABS: eight emulated cells behind the unit's own command set.

Commands, replies and alarms follow the vendor's published driver. Assumed, since nothing public
says so, and to be checked on a real unit: read-back is taken at the power stage, before the fault
relay; a positive current leaves the unit; a unit held in an alarm refuses to switch on with -221;
the part number in ``*IDN?`` holds "ABS"; compound queries are answered in one line.

Not modelled: the battery models that can run on the unit (``MOD:``, answered with -113), the
sag of the voltage in current limit, and the slower control (10 Hz) with the noise filter on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.virtual.abs_model import ModelRegisters
from drivers.virtual.abs_side_channels import SideChannels
from drivers.virtual.cell_output import CellOutput
from drivers.virtual.emulator_twin import EmulatorOptions, EmulatorTwin
from drivers.wire import bloomy_abs as wire
from drivers.wire.scpi import Channels, Command, ScpiDevice
from drivers.wire.scpi_data import Boolean, Choice, Number, ScpiError, Text, check_field, quoted
from hil.core.instants import Duration
from hil.core.spec import EmulatorSpec
from hil.ports import Clock, LabPlan

SPEC = wire.SPEC
_NOISE_A = 20e-6  # [A]
_LOOPS = {"emergency-stop": "emergency-stop", "cover-open": "cover"}
"""Faults of the loops at its digital inputs, and the guard that each one opens."""
_DROP_ALL = wire.SOFT_INTERLOCK | wire.FAN_4 | wire.HARDWARE_FAULT


@dataclass(frozen=True, slots=True)
class AbsOptions(EmulatorOptions):
    """The keys that a bench file may give a virtual unit.

    ``calibrated`` is what ``CAL:DATE?`` answers, an ISO date; ``boot_ns`` how long it hears nothing
    after its supply has come or ``*RST``. ``opened`` is a guard's loop that is open from the start:
    a cover that nobody closed, a wire that is cut. ``address`` is its number on RS-485.
    """

    reply_ns: int = SPEC.reply
    calibrated: str = "2026-01-15"
    boot_ns: int = wire.REBOOT
    opened: str = ""
    address: int = 0

    def __post_init__(self) -> None:
        """Refuse what the unit could not send."""
        EmulatorOptions.__post_init__(self)  # a dataclass with slots knows no super()
        check_field("calibrated", self.calibrated)
        if not 0 <= self.address <= wire.MAX_ADDRESS:
            raise ValueError(f"address: found {self.address}, expected 0 to {wire.MAX_ADDRESS}")


class BloomyAbsTwin(EmulatorTwin[AbsOptions]):
    """The unit on its link (``ByteTwin``) and at its terminals (``CellSource``)."""

    OPTIONS: ClassVar[type] = AbsOptions
    SPEC: ClassVar[EmulatorSpec] = SPEC
    MEAN_OVER: ClassVar[Duration] = wire.SAMPLES_AVERAGED * wire.FILTERED_SAMPLE_PERIOD
    NOISE: ClassVar[tuple[float, float]] = (SPEC.read_noise_v, _NOISE_A)
    LATE: ClassVar[Duration] = 2 * wire.REPLY_LIMIT
    FAULTS: ClassVar[tuple[str, ...]] = (
        *EmulatorTwin.FAULTS,
        "alarm",
        "emergency-stop",
        "cover-open",
    )
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = (*EmulatorTwin.FAULTS_OF_A_CELL, "alarm")

    def __init__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``AbsOptions``; TypeError for any other."""
        super().__init__(name, clock, plan, AbsOptions(**(options or {})))
        self._broken_fans: set[int] = set()
        self._guards = {g.by.number: g.name for g in plan.wiring.guards if g.by.device == name}
        self._twins = plan.twins
        self._opened: set[str] = {self._options.opened}
        self._side, self._model = SideChannels(self._input), ModelRegisters()
        self._reset_registers()
        self._scpi = ScpiDevice(
            self._commands(), self._identity(), reset=self._reboot, heard=self._addressed
        )

    # --- Inhabited ---------------------------------------------------------------------------

    def truth(self) -> Mapping[str, Any]:
        """Return what stands at the outputs: (channels,) each; NaN where an output is off."""
        return {**super().truth(), "alarm": self._alarm}

    # --- CellSource --------------------------------------------------------------------------

    def aux_v(self, number: int) -> float:
        """Return the voltage of auxiliary analog output ``number``, from 1."""
        return self._side.analog_v(number)

    # --- Injectable --------------------------------------------------------------------------

    def inject(self, fault: str, cell: int, *, active: bool) -> None:
        """Put a fault in or out, as every emulator; stop a fan, or open a switch wired to an input.

        ``alarm`` stops the fan of the channel's pair, latched until a reboot with the fan mended.
        ``emergency-stop`` and ``cover-open`` open that loop: what a hand would do, without the
        contactor that a real emergency stop drops as well.
        """
        if fault in _LOOPS:
            (self._opened.add if active else self._opened.discard)(_LOOPS[fault])
            return
        if fault != "alarm":
            super().inject(fault, cell, active=active)
            return
        fan = wire.fan_of(self._outputs.index(self._output(cell)) + 1)
        (self._broken_fans.add if active else self._broken_fans.discard)(fan)
        self._raise_alarm(fan if active else 0)

    def _input(self, number: int) -> bool:
        """Return the level at a digital input: high through a closed loop, low with no wire."""
        guard = self._guards.get(number)
        if guard == "door":
            return not any(getattr(twin, "door_open", False) for twin in self._twins.values())
        return guard is not None and guard not in self._opened

    def _addressed(self, line: str) -> str | None:
        """Return a line without the address before it; None for one that is another unit's.

        Units on one RS-485 line are told apart so; over a network nobody writes one.
        """
        to = wire.ADDRESSED.match(line)
        if to is None:
            return line
        return line[to.end() :] if int(to[1]) == self._options.address else None

    # --- state -------------------------------------------------------------------------------

    def _reset_registers(self) -> None:
        """Switch all off and give every register its power-on value."""
        now = self._clock.now()
        for output in self._outputs:
            output.before_change(now)
            output.reset_registers()
            output.switch(now, on=False)
        self._side.reset()
        self._model.reset()
        self._filter = self._lying = False
        self._address = ("192.168.1.10", "255.255.255.0")
        self._alarm = sum(self._broken_fans)

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
            Command(":SOURce#:CURRent:SRC", self._set_source, get("source_a"), source, n),
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
            *self._model.commands(),
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
            Command(":CONFigure:COMMunicate:SERial:ID", read=lambda _: str(self._options.address)),
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

    def _set_source(self, channels: Channels, value_a: float) -> None:
        for output in self._at(channels):
            output.limit(value_a, output.sink_a, self._clock.now())

    def _set_sink(self, channels: Channels, value_a: float) -> None:
        """Take the limit with either sign, as the vendor's driver allows."""
        for output in self._at(channels):
            output.limit(output.source_a, abs(value_a), self._clock.now())

    def _switch(self, channels: Channels, on: bool) -> None:  # noqa: FBT001 - a parsed parameter
        """Switch outputs; -221 where an alarm holds one off."""
        if on and any(self._held_off(channel) for channel in channels):
            raise ScpiError(-221, "held off by an alarm")
        if not self._takes(on=on):
            return
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

    def _voltages(self, channels: Channels) -> str:
        return _spell_all(self._measure(channels, "volt", CellOutput.read_voltage_v))

    def _mean_voltages(self, channels: Channels) -> str:
        read = CellOutput.read_voltage_v
        return _spell_all(self._measure(channels, "volt", read, wire.SAMPLES_AVERAGED))

    def _currents(self, channels: Channels) -> str:
        return _spell_all(self._measure(channels, "curr", CellOutput.read_current_a))

    def _mean_currents(self, channels: Channels) -> str:
        """Average ten samples: over 1 s with the filter on, over 10 ms without.

        A load cannot be asked for its past, so that in the short window the current of this
        instant stands for it: a bleed that is muted or pulsed is aliased, as it would be there.
        """
        read = CellOutput.read_mean_current_a if self._filter else CellOutput.read_current_a
        return _spell_all(self._measure(channels, "curr", read, wire.SAMPLES_AVERAGED))

    def _set_address(self, _: Channels, address: str, mask: str) -> None:
        self._address = (address, mask)

    def _clear_alarms(self, _: Channels) -> None:
        """Clear what is recoverable; the outputs stay off until they are switched on again."""
        self._alarm &= ~wire.RECOVERABLE


def _spell(value: Any) -> str:
    """Return a register as response data."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _spell_all(values: Sequence[float]) -> str:
    """Return readings as response data."""
    return ("%.5f," * len(values) % (*values,))[:-1]
