"""A virtual R&S NGM202: two emulated cells behind the unit's own command set.

By the letter of SCPI-1999 (status registers, ``*OPC`` against slewing outputs, -440). Assumed, and
to be checked on a real unit: an output is on when its own switch and the master switch are; ``OUTP
1`` sets both; a trip of a protection takes its channel's own switch back; a channel's current limit
is that of both directions.

Not modelled, and answered with -113: battery simulation (``BATT:``), arbitrary sequences, fast
logging, energy counters, ramps, delays and triggers, least and largest readings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.virtual.cell_output import CellOutput
from drivers.virtual.emulator_twin import EmulatorOptions, EmulatorTwin
from drivers.wire import rs_ngm as wire
from drivers.wire.scpi import Channels, Command, ScpiDevice
from drivers.wire.scpi_data import Boolean, Choice, Integer, Number
from hil.core.instants import MILLISECOND, SECOND, Duration, Instant
from hil.core.spec import EmulatorSpec
from hil.ports import Clock, LabPlan

SPEC = wire.SPEC


@dataclass(frozen=True, slots=True)
class NgmOptions(EmulatorOptions):
    """The keys that a bench file may give a virtual unit."""

    serial: str = "3638.4472k03/100001"
    reply_ns: int = SPEC.reply
    boot_ns: int = wire.BOOT


@dataclass(slots=True, eq=False)
class _Guards:
    """The protections of one channel, and its own switch."""

    selected: bool = False
    limit_v: float = SPEC.set_v.high
    watches_v: bool = False
    tripped_v: bool = False
    fused: bool = False
    fuse_delay_ns: int = 0
    blown: bool = False
    linked: frozenset[int] = frozenset()
    limited_since: Instant | None = None


class RsNgmTwin(EmulatorTwin[NgmOptions]):
    """The unit on its link (``ByteTwin``) and at its terminals (``CellSource``)."""

    OPTIONS: ClassVar[type] = NgmOptions
    SPEC: ClassVar[EmulatorSpec] = SPEC
    MEAN_OVER: ClassVar[Duration] = wire.READING_WINDOW
    NOISE: ClassVar[tuple[float, float]] = (SPEC.read_noise_v, wire.READ_NOISE_A)
    LATE: ClassVar[Duration] = 2 * wire.REPLY_LIMIT

    def __init__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``NgmOptions``; TypeError for any other."""
        super().__init__(name, clock, plan, NgmOptions(**(options or {})))
        self._reset_registers()
        self._scpi = ScpiDevice(
            self._commands(),
            self._identity(),
            reset=self._reset_registers,
            pending=self._is_slewing,
            strict=True,
        )

    def receive(self, data: bytes) -> None:
        """Take bytes; what its protections have seen meanwhile comes first."""
        if self._hears():
            self._look()
        super().receive(data)

    def truth(self) -> Mapping[str, Any]:
        """Return what stands at the outputs, and which protections have tripped."""
        trips = {
            "overvoltage": [one.tripped_v for one in self._guards],
            "fuse": [one.blown for one in self._guards],
        }
        return {**super().truth(), **trips}

    def _identity(self) -> str:
        return f"{wire.MAKER},{wire.MODEL},{self._options.serial},03.068"

    # --- state -------------------------------------------------------------------------------

    def _reset_registers(self) -> None:
        """Give every register its value after ``*RST``: all outputs off."""
        now = self._clock.now()
        self._chosen, self._master = 1, False
        self._means = [(now, output.charge_as(now)) for output in self._outputs]
        self._guards = [_Guards() for _ in wire.CHANNELS]
        for output in self._outputs:
            output.before_change(now)
            output.reset_registers()
            output.source_a = output.sink_a = 0.1
            output.switch(now, on=False)

    def _drive(self) -> None:
        """Let every output be what its own switch and the master switch say."""
        now = self._clock.now()
        for output, guards in zip(self._outputs, self._guards, strict=True):
            on = self._master and guards.selected
            if on != output.on:
                output.switch(now, on=on)
        self._look()

    def _look(self) -> None:
        """Let the protections see what is there: an output that trips takes its links along."""
        now = self._clock.now()
        for place, guards in enumerate(self._guards):
            output = self._outputs[place]
            if output.on and guards.watches_v and output.set_v > guards.limit_v:
                guards.tripped_v = True
                self._trip({place})
            since = guards.limited_since
            if not (output.on and guards.fused and output.in_limit(now)):
                since = None
            elif since is None:
                since = now
            guards.limited_since = since
            if since is not None and now - since >= guards.fuse_delay_ns:
                guards.blown = True
                self._trip({place, *guards.linked})

    def _trip(self, places: set[int]) -> None:
        """Take the switches of some channels back."""
        for place in places:
            self._guards[place].selected = False
            self._outputs[place].switch(self._clock.now(), on=False)

    # --- commands ----------------------------------------------------------------------------

    def _commands(self) -> list[Command]:
        """Return the command set; the channel is the one that was chosen last."""
        switch = (Boolean(),)
        volts = (Number(SPEC.set_v.low, SPEC.set_v.high, 0.0, "V"),)
        amps = (Number(0.0, SPEC.source_a, 0.1, "A"),)
        names = Choice("OUTPut1", "OUTPut2", "OUT1", "OUT2")
        level = "[:LEVel][:IMMediate][:AMPLitude]"
        return [
            Command(":INSTrument:NSELect", self._choose, lambda _: str(self._chosen), (_NUMBER,)),
            Command(
                ":INSTrument[:SELect]",
                lambda _, name: self._choose((), int(name[-1])),
                lambda _: f"OUTP{self._chosen}",
                (names,),
            ),
            Command(f"[:SOURce]:VOLTage{level}", self._set_voltage, self._getter("set_v"), volts),
            Command(f"[:SOURce]:CURRent{level}", self._set_limit, self._getter("source_a"), amps),
            Command(":APPLy", self._apply, self._applied, (*volts, *amps, names), optional=2),
            Command(":OUTPut[:STATe]", self._switch, self._is_on, switch),
            Command(":OUTPut:SELect", self._select, self._is_selected, switch),
            Command(
                ":OUTPut:GENeral[:STATe]",
                self._switch_all,
                lambda _: _spell(self._shown_master()),
                switch,
            ),
            *self._measuring(),
            *self._protections(),
            *(Command(f":SYSTem:{word}", write=_nothing) for word in _REMOTE),
        ]

    def _measuring(self) -> list[Command]:
        """Return what reads the terminals."""
        volts = lambda _: self._reading("volt", CellOutput.read_voltage_v)  # noqa: E731 - short
        return [
            Command(":MEASure[:SCALar]:VOLTage[:DC]", read=volts),
            Command(":MEASure[:SCALar]:VOLTage[:DC]:AVG", read=volts),
            Command(":MEASure[:SCALar]:CURRent[:DC]", read=self._current),
            Command(":MEASure[:SCALar]:CURRent[:DC]:AVG", read=self._mean_current),
            Command(":MEASure[:SCALar]:POWer", read=self._power),
            Command(":MEASure[:SCALar]:STATistic:RESet", write=self._restart_means),
            Command(":MEASure[:SCALar]:STATistic:COUNt", read=self._samples_taken),
        ]

    def _protections(self) -> list[Command]:
        """Return over-voltage protection and electronic fuse."""
        switch, volts = (Boolean(),), (Number(0.0, SPEC.set_v.high, SPEC.set_v.high, "V"),)
        delay = (Number(0.0, 10.0, 0.0, "S"),)
        guard = "[:SOURce]:VOLTage:PROTection"
        put, get = self._put_guard, self._get_guard
        return [
            Command(f"{guard}[:STATe]", put("watches_v"), get("watches_v"), switch),
            Command(f"{guard}:LEVel", put("limit_v"), get("limit_v"), volts),
            Command(f"{guard}:TRIPped", read=get("tripped_v")),
            Command(f"{guard}:CLEar", write=lambda _: put("tripped_v")((), False)),  # noqa: FBT003 - a register
            Command(":FUSE[:STATe]", put("fused"), get("fused"), switch),
            Command(":FUSE:DELay[:INITial]", self._set_delay, self._read_delay, delay),
            Command(":FUSE:TRIPped", read=get("blown")),
            Command(":FUSE:TRIPped:CLEar", write=lambda _: put("blown")((), False)),  # noqa: FBT003 - the same
            Command(":FUSE:LINK", self._link, None, (_OTHERS,)),
            Command(":FUSE:LINK", read=self._links, asks=(_OTHERS,), optional=1),
            Command(":FUSE:UNLink", self._unlink, None, (_OTHERS,)),
        ]

    @property
    def _of_chosen(self) -> tuple[CellOutput, _Guards]:
        return self._outputs[self._chosen - 1], self._guards[self._chosen - 1]

    def _choose(self, _: Channels, channel: int) -> None:
        self._chosen = channel

    def _getter(self, register: str) -> Callable[[Channels], str]:
        """Return the query of one register of the chosen output."""
        return lambda _: _spell(getattr(self._of_chosen[0], register))

    def _put_guard(self, register: str) -> Callable[[Channels, Any], None]:
        """Return the setting of one register of the chosen channel's protections."""

        def write(_: Channels, value: Any) -> None:
            setattr(self._of_chosen[1], register, value)
            self._look()

        return write

    def _get_guard(self, register: str) -> Callable[[Channels], str]:
        return lambda _: _spell(getattr(self._of_chosen[1], register))

    def _set_voltage(self, _: Channels, value_v: float) -> None:
        self._of_chosen[0].set_voltage(value_v, self._clock.now())
        self._look()

    def _set_limit(self, _: Channels, value_a: float) -> None:
        self._of_chosen[0].limit(value_a, min(value_a, SPEC.sink_a), self._clock.now())
        self._look()

    def _apply(self, _: Channels, volts: float, amps: float | None, name: str | None) -> None:
        """Set voltage, and perhaps limit, of the chosen channel or a named one."""
        if name is not None:
            self._chosen = int(name[-1])
        self._set_voltage((), volts)
        if amps is not None:
            self._set_limit((), amps)

    def _applied(self, _: Channels) -> str:
        output = self._of_chosen[0]
        return f"{_spell(output.set_v)},{_spell(output.source_a)}"

    def _select(self, _: Channels, on: bool) -> None:  # noqa: FBT001 - a parsed parameter
        if self._takes(on=on):
            self._of_chosen[1].selected = on
            self._drive()

    def _is_selected(self, _: Channels) -> str:
        output, guards = self._of_chosen
        return _spell((guards.selected or output.on) and not self._lying)

    def _switch(self, _: Channels, on: bool) -> None:  # noqa: FBT001 - the same
        """Switch the chosen output; to switch one on needs the master switch too."""
        if self._takes(on=on):
            self._of_chosen[1].selected = on
            self._master |= on
            self._drive()

    def _is_on(self, _: Channels) -> str:
        return _spell(self._of_chosen[0].on and not self._lying)

    def _switch_all(self, _: Channels, on: bool) -> None:  # noqa: FBT001 - the same
        if self._takes(on=on):
            self._master = on
            self._drive()

    def _shown_master(self) -> bool:
        """Say how the master switch stands: a welded relay keeps its output and the lamp on."""
        return (self._master or any(one.on for one in self._outputs)) and not self._lying

    def _reading(self, kind: str, read: Callable[[CellOutput, Instant], float]) -> str:
        return f"{self._measure((self._chosen,), kind, read)[0]:.5f}"

    def _current(self, _: Channels) -> str:
        return self._reading("curr", CellOutput.read_mean_current_a)

    def _mean_current(self, _: Channels) -> str:
        """Return the mean since it was restarted, which is exact: it samples all the time."""
        place, now = self._chosen - 1, self._clock.now()
        began, charge_as = self._means[place]
        if now == began:
            return self._current(())
        mean_a = (self._outputs[place].charge_as(now) - charge_as) * SECOND / (now - began)
        taken = int(self._samples_taken(()))
        read = lambda output, _: output.read_back_a(mean_a)  # noqa: E731 - short
        return f"{self._measure((self._chosen,), 'curr', read, taken)[0]:.5f}"

    def _restart_means(self, _: Channels) -> None:
        now = self._clock.now()
        self._means[self._chosen - 1] = (now, self._outputs[self._chosen - 1].charge_as(now))

    def _samples_taken(self, _: Channels) -> str:
        began, _charge = self._means[self._chosen - 1]
        return str(1 + (self._clock.now() - began) // wire.READING_WINDOW)

    def _power(self, _: Channels) -> str:
        volts = self._measure((self._chosen,), "volt", CellOutput.read_voltage_v)[0]
        amps = self._measure((self._chosen,), "curr", CellOutput.read_mean_current_a)[0]
        return f"{volts * amps:.5f}"

    def _set_delay(self, _: Channels, delay_s: float) -> None:
        self._of_chosen[1].fuse_delay_ns = round(delay_s * 1000) * MILLISECOND

    def _read_delay(self, _: Channels) -> str:
        return f"{self._of_chosen[1].fuse_delay_ns / SECOND:.3f}"

    def _link(self, _: Channels, channel: int) -> None:
        """Let the chosen channel's fuse take another channel along, or with 0 all others."""
        guards = self._of_chosen[1]
        guards.linked |= self._others(channel)

    def _unlink(self, _: Channels, channel: int) -> None:
        guards = self._of_chosen[1]
        guards.linked -= self._others(channel)

    def _others(self, channel: int) -> frozenset[int]:
        """Return the places of a channel, of all others for 0; never that of the chosen one."""
        wanted = wire.CHANNELS if channel == 0 else (channel,)
        return frozenset(one - 1 for one in wanted if one != self._chosen)

    def _links(self, _: Channels, channel: int | None) -> str:
        """List the linked channels, or say whether a certain one is; 0 where there is none."""
        linked = self._of_chosen[1].linked
        if channel is not None:
            linked &= self._others(channel)
        return ",".join(str(place + 1) for place in sorted(linked)) or "0"


_NUMBER, _OTHERS = Integer(1, SPEC.channels), Integer(0, SPEC.channels)
_REMOTE = ("LOCal", "REMote", "RWLock", "MIX")
"""Front panel on or off: there is none."""


def _nothing(_: Channels) -> None:
    """Do nothing."""


def _spell(value: Any) -> str:
    """Return a register as response data."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:.4f}"
