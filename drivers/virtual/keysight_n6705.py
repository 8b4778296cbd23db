"""A virtual Keysight N6705C with four N6781A modules behind the unit's own command set.

By the letter of SCPI-1999. Assumed, and to be checked on a real unit: a command without a channel
list means channel 1; a trip is cleared by ``OUTP:PROT:CLE`` alone and leaves the output off;
anything that is heard feeds the watchdog; one that has tripped is to be switched on again.

Not modelled, and answered with -113: battery emulation, arbitrary waveforms, scope and data logger,
priority modes, ranges.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.virtual.cell_output import CellOutput
from drivers.virtual.emulator_twin import EmulatorOptions, EmulatorTwin
from drivers.wire import keysight_n6705 as wire
from drivers.wire.scpi import Channels, Command, ScpiDevice
from drivers.wire.scpi_data import Boolean, Choice, Integer, Number, ScpiError
from hil.core.instants import SECOND, Duration, Instant
from hil.core.spec import EmulatorSpec
from hil.ports import Clock, LabPlan, Timer

SPEC = wire.SPEC
_WATCHDOG_S = 60  # after *RST [M]
_LIMIT_A = 0.1  # [A] after *RST
_HOUR_S = 3600.0
_PRIORITY = Choice("VOLTage")
"""Of the modes of a module (``FUNCtion``) the one that emulates a cell; -224 for the other."""
_TURN_ON = Choice("VOLTage", "CURRent")
"""What an output is held at while it is switched (``OUTPut:PMODe``): here only a register."""


@dataclass(frozen=True, slots=True)
class N6705Options(EmulatorOptions):
    """The keys that a bench file may give a virtual unit."""

    serial: str = "MY56000001"
    reply_ns: int = SPEC.reply
    boot_ns: int = wire.BOOT


class KeysightN6705Twin(EmulatorTwin[N6705Options]):
    """The unit on its link (``ByteTwin``) and at its terminals (``CellSource``)."""

    OPTIONS: ClassVar[type] = N6705Options
    SPEC: ClassVar[EmulatorSpec] = SPEC
    MEAN_OVER: ClassVar[Duration] = wire.READING_WINDOW
    NOISE: ClassVar[tuple[float, float]] = (SPEC.read_noise_v, wire.READ_NOISE_A)
    LATE: ClassVar[Duration] = 2 * wire.REPLY_LIMIT

    def __init__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``N6705Options``; TypeError for any other."""
        super().__init__(name, clock, plan, N6705Options(**(options or {})))
        self._heard: Instant = clock.now()
        self._timer: Timer | None = None
        self._reset_registers()
        self._scpi = ScpiDevice(
            self._commands(),
            self._identity(),
            reset=self._reset_registers,
            pending=self._is_slewing,
            strict=True,
        )

    def receive(self, data: bytes) -> None:
        """Take bytes, which also feed the watchdog."""
        if self._hears():
            self._heard = self._clock.now()
        super().receive(data)

    def truth(self) -> Mapping[str, Any]:
        """Return what stands at the outputs, and what has tripped."""
        return {**super().truth(), "conditions": list(self._tripped)}

    def _identity(self) -> str:
        return f"{wire.MAKER},{wire.MODEL},{self._options.serial},E.02.07.3151"

    # --- state -------------------------------------------------------------------------------

    def _reset_registers(self) -> None:
        """Give every register its value after ``*RST``: all outputs off, the watchdog too."""
        now = self._clock.now()
        self._watches, self._delay_s = False, _WATCHDOG_S
        self._await_word()
        self._tripped = [0] * SPEC.channels
        self._protection_v = [SPEC.set_v.high] * SPEC.channels
        self._turn_on = ["VOLT"] * SPEC.channels
        self._counted = [(now, output.charge_as(now)) for output in self._outputs]
        for output in self._outputs:
            output.before_change(now)
            output.reset_registers()
            output.source_a = output.sink_a = _LIMIT_A
            output.switch(now, on=False)

    def _look(self) -> None:
        """Switch off what is set above its over-voltage protection, and keep it off."""
        for place, output in enumerate(self._outputs):
            if output.on and output.set_v > self._protection_v[place]:
                self._trip(place, wire.OVERVOLTAGE)

    def _trip(self, place: int, condition: int) -> None:
        """Latch a condition and take the output off."""
        self._tripped[place] |= condition
        self._outputs[place].switch(self._clock.now(), on=False)

    # --- the watchdog ------------------------------------------------------------------------

    def _await_word(self) -> None:
        """Look again when the watchdog would trip, as long as it watches."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._watches:
            at = self._heard + self._delay_s * SECOND
            self._timer = self._clock.call_at(at, self._time_is_up)

    def _time_is_up(self) -> None:
        """Trip all that is on if nothing was heard for the delay; else wait on."""
        if self._clock.now() - self._heard < self._delay_s * SECOND:
            self._await_word()
            return
        self._timer, self._watches = None, False
        for place, output in enumerate(self._outputs):
            if output.on:
                self._trip(place, wire.PROTECTED)

    def _watch(self, _: Channels, on: bool) -> None:  # noqa: FBT001 - a parsed parameter
        self._watches = on
        self._await_word()

    def _set_delay(self, _: Channels, delay_s: int) -> None:
        self._delay_s = delay_s
        self._await_word()

    # --- commands ----------------------------------------------------------------------------

    def _commands(self) -> list[Command]:
        """Return the command set; channels are named by a list."""
        n, switch = SPEC.channels, (Boolean(),)
        volts = (Number(SPEC.set_v.low, SPEC.set_v.high, 0.0, "V"),)
        amps = (Number(0.0, SPEC.source_a, _LIMIT_A, "A"),)
        delay = (Integer(int(wire.WATCHDOG_S.low), int(wire.WATCHDOG_S.high)),)
        level = "[:LEVel][:IMMediate][:AMPLitude]"
        return [
            *self._of_channels(f"[:SOURce]:VOLTage{level}", self._set_voltage, "set_v", volts),
            *self._of_channels(f"[:SOURce]:CURRent{level}", self._set_limit, "source_a", amps),
            Command(
                "[:SOURce]:VOLTage:PROTection[:LEVel]", self._protect, self._protections, volts, n
            ),
            Command(
                f"[:SOURce]:CURRent:LIMit[:POSitive]{level[8:]}",
                self._set_source,
                self._register("source_a"),
                amps,
                n,
            ),
            Command(
                f"[:SOURce]:CURRent:LIMit:NEGative{level[8:]}",
                self._set_sink,
                lambda c: _spell([-output.sink_a for output in self._at(c)]),
                (Number(-SPEC.sink_a, 0.0, -_LIMIT_A, "A"),),
                n,
            ),
            Command(
                "[:SOURce]:FUNCtion", _kept, lambda c: ",".join(["VOLT"] * len(c)), (_PRIORITY,), n
            ),
            Command(":OUTPut:PMODe", self._set_turn_on, self._turn_on_modes, (_TURN_ON,), n),
            Command(":OUTPut[:STATe]", self._switch, self._states, switch, n),
            Command(":OUTPut:PROTection:CLEar", self._clear_trips, None, (), n),
            Command(
                ":OUTPut:PROTection:WDOG[:STATe]",
                self._watch,
                lambda _: str(int(self._watches)),
                switch,
            ),
            Command(
                ":OUTPut:PROTection:WDOG:DELay",
                self._set_delay,
                lambda _: str(self._delay_s),
                delay,
            ),
            Command(":MEASure[:SCALar]:VOLTage[:DC]", None, self._voltages, (), n),
            Command(":MEASure[:SCALar]:CURRent[:DC]", None, self._currents, (), n),
            Command(":FETCh:AHOur", None, self._hours, (), n),
            Command(":SENSe:AHOur:RESet", self._restart_hours, None, (), n),
            Command(":STATus:QUEStionable:CONDition", None, self._conditions, (), n),
            Command(":SYSTem:CHANnel[:COUNt]", read=lambda _: str(n)),
            Command(
                ":SYSTem:CHANnel:MODel", None, lambda c: ",".join(['"N6781A"'] * len(c)), (), n
            ),
        ]

    def _of_channels(
        self, header: str, write: Callable[..., None], register: str, parameters: Any
    ) -> list[Command]:
        """Return the command of a register that every output has."""
        return [Command(header, write, self._register(register), parameters, SPEC.channels)]

    def _register(self, name: str) -> Callable[[Channels], str]:
        """Return the query of a register of the outputs."""
        return lambda channels: _spell([getattr(output, name) for output in self._at(channels)])

    def _set_source(self, channels: Channels, value_a: float) -> None:
        for output in self._at(channels):
            output.limit(value_a, output.sink_a, self._clock.now())

    def _set_sink(self, channels: Channels, value_a: float) -> None:
        for output in self._at(channels):
            output.limit(output.source_a, -value_a, self._clock.now())

    def _set_turn_on(self, channels: Channels, mode: str) -> None:
        for channel in channels:
            self._turn_on[channel - 1] = mode[:4]

    def _turn_on_modes(self, channels: Channels) -> str:
        return ",".join(self._turn_on[channel - 1] for channel in channels)

    def _set_voltage(self, channels: Channels, value_v: float) -> None:
        for output in self._at(channels):
            output.set_voltage(value_v, self._clock.now())
        self._look()

    def _set_limit(self, channels: Channels, value_a: float) -> None:
        for output in self._at(channels):
            output.limit(value_a, value_a, self._clock.now())

    def _protect(self, channels: Channels, value_v: float) -> None:
        for channel in channels:
            self._protection_v[channel - 1] = value_v
        self._look()

    def _protections(self, channels: Channels) -> str:
        return _spell([self._protection_v[channel - 1] for channel in channels])

    def _switch(self, channels: Channels, on: bool) -> None:  # noqa: FBT001 - a parsed parameter
        """Switch outputs; -221 where a trip that nobody cleared holds one off."""
        if on and any(self._tripped[channel - 1] for channel in channels):
            raise ScpiError(-221, "a protection has tripped")
        if self._takes(on=on):
            for output in self._at(channels):
                output.switch(self._clock.now(), on=on)
            self._look()

    def _states(self, channels: Channels) -> str:
        return ",".join(str(int(one.on and not self._lying)) for one in self._at(channels))

    def _clear_trips(self, channels: Channels) -> None:
        for channel in channels:
            self._tripped[channel - 1] = 0

    def _conditions(self, channels: Channels) -> str:
        return ",".join(str(self._tripped[channel - 1]) for channel in channels)

    def _voltages(self, channels: Channels) -> str:
        return _spell(self._measure(channels, "volt", CellOutput.read_voltage_v))

    def _currents(self, channels: Channels) -> str:
        return _spell(self._measure(channels, "curr", CellOutput.read_mean_current_a))

    def _hours(self, channels: Channels) -> str:
        """Return the ampere-hours that left each output since its count was restarted."""
        return ",".join(f"{self._counted_as(channel) / _HOUR_S:.9f}" for channel in channels)

    def _counted_as(self, channel: int) -> float:
        """Return a count as the unit's ammeter sees it: what calibration left over adds up."""
        now, output = self._clock.now(), self._outputs[channel - 1]
        since, before_as = self._counted[channel - 1]
        if now == since:
            return 0.0
        seconds = (now - since) / SECOND
        return output.read_back_a((output.charge_as(now) - before_as) / seconds) * seconds

    def _restart_hours(self, channels: Channels) -> None:
        now = self._clock.now()
        for channel in channels:
            self._counted[channel - 1] = (now, self._outputs[channel - 1].charge_as(now))


def _kept(_channels: Channels, _mode: str) -> None:
    """Stay in voltage priority: the modules of this twin know no other."""


def _spell(values: Sequence[float]) -> str:
    """Return numbers as response data."""
    return ",".join(f"{value:.5f}" for value in values)
