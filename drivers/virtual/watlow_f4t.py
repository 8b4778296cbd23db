"""A virtual Watlow F4T in front of a chamber that heats, cools, lags and overshoots.

Headers and their short forms follow the controller's manual (pages 226 and 227, as a public client
cites them). No programs are stored on the controller. Assumed, and to be checked on a real one: a
ramp goes by rate or by time, whichever was written last; the cascade's outer sensor feels the load;
a broken sensor reads as SCPI's NaN; ``ERROR?`` also covers a tripped compressor; STOP is taken
while no program runs; as delivered the controller speaks degF, which is why a client has to say C;
a controller whose supply comes back starts as delivered and at once.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.virtual.chamber_air import ChamberDesign
from drivers.virtual.chamber_twin import LIMITER_ABOVE_K, ChamberTwin
from drivers.virtual.f4t_loops import Cascade, CascadeCommands, HumidityLoop
from drivers.virtual.scpi_twin import ScpiOptions, ScpiTwin
from drivers.wire import watlow_f4t as wire
from drivers.wire.scpi import Channels, Command, ScpiDevice
from drivers.wire.scpi_data import Boolean, Choice, Integer, Number, ScpiError, quoted
from hil.ports import Clock, LabPlan

SPEC = wire.SPEC
_KEYS = 4
_KEY = Choice("ON", "OFF", "PRESS")
_FASTEST_PER_MIN = 100.0  # what the ramp register takes; the machine may be slower


@dataclass(frozen=True, slots=True)
class F4tOptions(ScpiOptions):
    """The keys that a bench file may give a virtual chamber.

    ``fahrenheit_only`` is old firmware that refuses degC; ``limiter_degc`` is what the independent
    limiter is set to; ``humidity`` and ``cascade`` are loops that it has more;
    ``blank_after_orders`` ends each order with a blank line, as some clients expect.
    """

    reply_ns: int = SPEC.reply
    room_degc: float = 23.0
    fahrenheit_only: bool = False
    humidity: bool = False
    cascade: bool = False
    blank_after_orders: bool = False
    limiter_degc: float = SPEC.set_degc.high + LIMITER_ABOVE_K


class WatlowF4TTwin(ChamberTwin, ScpiTwin[F4tOptions]):
    """The controller on its link (``ByteTwin``) and the air in its chamber (``Air``)."""

    OPTIONS: ClassVar[type] = F4tOptions

    def __init__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``F4tOptions``; TypeError for any other."""
        super().__init__(name, clock, F4tOptions(**(options or {})))
        design = ChamberDesign(
            room_degc=self._options.room_degc, limiter_degc=self._options.limiter_degc
        )
        self._build_machine(plan, SPEC, design)
        self._reset_registers()
        self._scpi = ScpiDevice(self._commands(), self._identity(), reset=self._reset)

    def truth(self) -> Mapping[str, Any]:
        """Return the air as it is, and what the controller was told."""
        return {
            "serial": self._options.serial,
            **super().truth(),
            "set_degc": self._set_degc,
            "outputs": list(self._outputs),
        }

    def receive(self, data: bytes) -> None:
        """Take bytes; a controller that ends orders with blank lines does so line by line."""
        if not self._options.blank_after_orders:
            super().receive(data)
            return
        for line in data.splitlines(keepends=True) if self._hears() else ():
            replies = self._scpi.receive(line)
            self._answer(replies or ([""] if line.endswith(b"\n") else []))

    # --- state -------------------------------------------------------------------------------

    def _reset_registers(self) -> None:
        """Give every register its value at delivery: the display counts in Fahrenheit."""
        self._fahrenheit = True
        self._set_degc = self._options.room_degc
        self._ramp_action, self._ramp_scale = "OFF", "MINUTES"
        self._ramp_k = SPEC.ramp_k_per_min  # per minute or hour, as the scale says
        self._ramp_time = 0.0  # minutes or hours
        self._by_time = self._is_fresh = False
        self._ramp_span_k = 0.0
        self._display, self._keys = "F", [False] * _KEYS
        self._humidity, self._cascade = HumidityLoop(), Cascade()
        self._loaded()
        self._idle_degc = self._options.room_degc
        self._outputs = [False] * wire.OUTPUTS
        self._program = 1

    def _reset(self) -> None:
        """Start anew, outputs off."""
        self._air.order(self._clock.now())
        self._reset_registers()
        self._condition()

    def _supply(self, *, on: bool) -> None:
        """Switch the supply of controller and machine; it comes back as it was delivered."""
        if on != self._powered:
            self._powered = on
            self._reset()
            self._scpi.power_on()

    def _identity(self) -> str:
        return f'"WATLOW ELECTRIC","F4T","{self._options.serial}","4.5.0"'

    def _condition(self) -> None:
        """Hand the registers to the machine; the current second has been settled before."""
        actions = ("STARTUP", "BOTH") if self._is_fresh else ("SETPOINT", "BOTH")
        ramping = self._ramp_action in actions and self._ramp_k_per_min() > 0.0
        self._run(
            ordered=self._outputs[wire.CONDITIONING_OUTPUT - 1],
            set_degc=self._set_degc,
            ramp_k_per_s=self._ramp_k_per_min() / 60.0 if ramping else None,
        )

    def _ramp_k_per_min(self) -> float:
        """Return the ramp, by rate or by the time that the last change is to take; 0 for none."""
        scale = 60.0 if self._ramp_scale == "HOURS" else 1.0
        if not self._by_time:
            return self._ramp_k / scale
        return self._ramp_span_k / (self._ramp_time * scale) if self._ramp_time else 0.0

    def _loaded(self) -> None:
        """Let a cascade steer the air by the load, where there is one."""
        if self._options.cascade:
            cascade = self._cascade
            self._air.steered = lambda load: cascade.inner_degc(self._set_degc, load)

    # --- commands ----------------------------------------------------------------------------

    def _commands(self) -> list[Command]:
        """Return the command set; capitals are the manual's short forms."""
        rows: list[Command] = [
            *self._loop_commands(),
            Command(":UNIT:TEMPerature", self._set_unit, self._read_unit, (Choice("C", "F"),)),
            Command(
                ":OUTPut#[:STATe]", self._switch, self._read_output, (Boolean(),), wire.OUTPUTS
            ),
            Command(":OUTPut#:NAME", None, self._output_names, (), wire.OUTPUTS),
            Command(":UNIT:TEMPerature:DISPlay", *self._plain("_display"), (Choice("C", "F"),)),
            Command(":KEY#[:STATe]", self._press, self._read_keys, (_KEY,), _KEYS),
            Command(":KEY#:NAME", None, self._key_names, (), _KEYS),
        ]
        if self._options.cascade:
            rows += self._cascade_commands().rows((self._set_point, self._read_set_point))
        return rows + self._program_commands()

    def _loop_commands(self) -> list[Command]:
        """Return what control loops know: temperature, and humidity where there is one."""
        any_number, hours = (Number(-1e4, 1e4),), (Choice("MINutes", "HOURS"),)
        actions = (Choice("OFF", "STArtup", "SETPoint", "BOTH"),)
        taken: dict[str, Any] = {
            "PVALue": (None, self._process_value, ()),
            "SPOint": (self._set_point, self._read_set_point, any_number),
            "ERRor": (None, self._loop_error, ()),
            "IDLE": (self._set_idle, self._read_idle, any_number),
            "RACTion": (*self._plain("_ramp_action"), actions),
            "RSCAle": (*self._plain("_ramp_scale"), hours),
            "RRATe": (self._set_rate, self._read_rate, any_number),
            "RTIMe": (self._set_time, self._read_time, (Number(0.0, 1e4),)),
        }
        loops = 2 if self._options.humidity else 1
        return [
            Command(
                f":SOURce:CLOop#:{name}", *self._routed(name.upper(), write, read), takes, loops
            )
            for name, (write, read, takes) in taken.items()
        ]

    def _routed(
        self, register: str, write: Callable[..., None] | None, read: Callable[..., str]
    ) -> tuple[Callable[..., None] | None, Callable[..., str]]:
        """Send a command of loop 2 to humidity, any other to temperature."""

        def written(channels: Channels, value: Any) -> None:
            for channel in channels:
                if channel == 1 and write is not None:
                    write((1,), value)
                elif register == "SPOINT" and not 0.0 <= value <= 100.0:  # noqa: PLR2004 - percent
                    raise ScpiError(-222)
                else:
                    self._humidity.registers[register] = value

        def told(channels: Channels) -> str:
            said = [read((1,)) if one == 1 else self._humidity.shown(register) for one in channels]
            return ",".join(said)

        return written if write is not None else None, told

    def _cascade_commands(self) -> CascadeCommands:
        return CascadeCommands(
            lambda: self._cascade,
            self._change,
            self._process_value,
            lambda: self._shown(self._air.load_degc(self._clock.now()) + self._offset_k),
            lambda: self._shown(self._inner_degc()),
            self._loop_error,
            lambda value: value / 1.8 if self._fahrenheit else value,
            self._meant,
            lambda kelvin: f"{kelvin * (1.8 if self._fahrenheit else 1.0):.3f}",
            self._shown,
        )

    def _inner_degc(self) -> float:
        load_degc = self._air.load_degc(self._clock.now())
        return self._cascade.inner_degc(self._set_degc, load_degc)

    def _change(self) -> None:
        """Settle the second that a change falls into, and hand the registers over."""
        self._air.order(self._clock.now())
        self._condition()

    def _program_commands(self) -> list[Command]:
        """Return the program commands of a controller on which none is stored."""
        program = ":PROGram[:SELected]"
        states = (Choice("STArt", "PAUSe", "RESume", "STOP"),)
        return [
            Command(f"{program}:NUMBer", *self._plain("_program"), (Integer(1, 40),)),
            Command(f"{program}:STATe", self._run_program, lambda _: "STOP", states),
            Command(f"{program}:NAME", None, lambda _: quoted("")),
            Command(f"{program}:STEP", self._choose_step, lambda _: "0", (Integer(1, 99),)),
            Command(f"{program}:STEP:TYPE", None, lambda _: "NONE"),
            Command(f"{program}:STEP:TIME:ELApsed", None, lambda _: "0.000"),
            Command(f"{program}:STEP:TIME:REMain", None, lambda _: "0.000"),
            Command(f"{program}:SPOint#", None, self._program_set_points, (), 4),
        ]

    def _plain(self, register: str) -> tuple[Callable[[Channels, Any], None], Any]:
        """Return setting and query of a register that is what it says."""

        def write(_: Channels, value: Any) -> None:
            # Every change first settles the second it falls into, then hands over all registers.
            self._air.order(self._clock.now())
            setattr(self, register, value)
            self._condition()

        return write, lambda _: str(getattr(self, register))

    def _shown(self, degc: float) -> str:
        """Spell a temperature in the controller's unit."""
        return f"{degc * 1.8 + 32.0 if self._fahrenheit else degc:.3f}"

    def _meant(self, value: float) -> float:
        """Return in degC what a client gave in the controller's unit."""
        return (value - 32.0) / 1.8 if self._fahrenheit else value

    def _process_value(self, _: Channels) -> str:
        """Return what the sensor shows, SCPI's NaN for a broken one."""
        reading_degc = self._reading_degc()
        return "9.91E37" if math.isnan(reading_degc) else self._shown(reading_degc)

    def _set_point(self, _: Channels, value: float) -> None:
        """Take a set-point in the controller's unit; the margin absorbs the conversion."""
        degc = self._meant(value)
        if not SPEC.set_degc.low - 1e-6 <= degc <= SPEC.set_degc.high + 1e-6:
            raise ScpiError(-222)
        self._air.order(self._clock.now())
        self._ramp_span_k, self._is_fresh = abs(degc - self._set_degc), False
        self._set_degc = degc
        self._condition()

    def _read_set_point(self, _: Channels) -> str:
        return self._shown(self._set_degc)

    def _loop_error(self, _: Channels) -> str:
        """Return what the controller calls the state of the loop; an open door is none."""
        return "ERROR" if self._troubled() else "NONE"

    def _set_idle(self, _: Channels, value: float) -> None:
        self._idle_degc = self._meant(value)

    def _read_idle(self, _: Channels) -> str:
        return self._shown(self._idle_degc)

    def _set_rate(self, _: Channels, value: float) -> None:
        """Take a ramp in the controller's unit a minute or hour, as the ramp scale says."""
        rate = value / 1.8 if self._fahrenheit else value
        if not 0.0 < rate <= _FASTEST_PER_MIN:
            raise ScpiError(-222)
        self._ramp_k, self._by_time = rate, False
        self._change()

    def _read_rate(self, _: Channels) -> str:
        return f"{self._ramp_k * (1.8 if self._fahrenheit else 1.0):.3f}"

    def _set_time(self, _: Channels, value: float) -> None:
        """Take the time that a change is to take, in the ramp scale; it counts from here on."""
        self._ramp_time, self._by_time = value, True
        self._change()

    def _read_time(self, _: Channels) -> str:
        return str(self._ramp_time)

    def _set_unit(self, _: Channels, unit: str) -> None:
        """Old firmware knows Fahrenheit only and refuses the other."""
        if unit == "C" and self._options.fahrenheit_only:
            raise ScpiError(-224)
        self._fahrenheit = unit == "F"

    def _read_unit(self, _: Channels) -> str:
        return "F" if self._fahrenheit else "C"

    def _switch(self, channels: Channels, on: bool) -> None:  # noqa: FBT001 - a parsed parameter
        """Switch event outputs, one of which lets the machine run."""
        self._air.order(self._clock.now())
        if self._ignores(on=on):
            return
        was_on = self._outputs[wire.CONDITIONING_OUTPUT - 1]
        for channel in channels:
            # A welded contactor feeds back as closed, whatever it is told.
            held = self._refuses_off and channel == wire.CONDITIONING_OUTPUT
            self._outputs[channel - 1] = on or (held and self._outputs[channel - 1])
        self._is_fresh |= self._outputs[wire.CONDITIONING_OUTPUT - 1] and not was_on
        self._condition()

    def _read_output(self, channels: Channels) -> str:
        return ",".join("ON" if self._outputs[channel - 1] else "OFF" for channel in channels)

    def _output_names(self, channels: Channels) -> str:
        return ",".join(quoted(f"Output {channel}") for channel in channels)

    def _press(self, channels: Channels, how: str) -> None:
        """Switch soft keys; a press turns one round."""
        for channel in channels:
            before = self._keys[channel - 1]
            self._keys[channel - 1] = not before if how == "PRESS" else how == "ON"

    def _read_keys(self, channels: Channels) -> str:
        return ",".join("ON" if self._keys[channel - 1] else "OFF" for channel in channels)

    def _key_names(self, channels: Channels) -> str:
        return ",".join(quoted(f"Key {channel}") for channel in channels)

    def _choose_step(self, _: Channels, step: int) -> None:
        raise ScpiError(-221, f"no program is stored that has a step {step}")

    def _program_set_points(self, _: Channels) -> str:
        raise ScpiError(-221, "no program is stored")

    def _run_program(self, _: Channels, state: str) -> None:
        """Only STOP makes sense where no program is stored."""
        if state != "STOP":
            raise ScpiError(-221, "no program is stored")
