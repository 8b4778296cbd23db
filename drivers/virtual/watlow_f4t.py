"""A virtual Watlow F4T in front of a chamber that heats, cools, lags and overshoots.

Headers and their short forms follow the controller's manual. The chamber has no humidity loop and
no cascade, and no programs are stored on the controller. Assumed, and to be checked on a real one:
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
from drivers.virtual.scpi_twin import ScpiOptions, ScpiTwin
from drivers.wire import watlow_f4t as wire
from drivers.wire.scpi import Channels, Command, ScpiDevice
from drivers.wire.scpi_data import Boolean, Choice, Integer, Number, ScpiError, quoted
from hil.ports import Clock, LabPlan

SPEC = wire.SPEC
_FASTEST_PER_MIN = 100.0  # what the ramp register takes; the machine may be slower


@dataclass(frozen=True, slots=True)
class F4tOptions(ScpiOptions):
    """The keys that a bench file may give a virtual chamber.

    ``fahrenheit_only`` is old firmware that refuses degC; ``limiter_degc`` is what the independent
    limiter is set to.
    """

    reply_ns: int = SPEC.reply
    room_degc: float = 23.0
    fahrenheit_only: bool = False
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

    # --- state -------------------------------------------------------------------------------

    def _reset_registers(self) -> None:
        """Give every register its value at delivery: the display counts in Fahrenheit."""
        self._fahrenheit = True
        self._set_degc = self._options.room_degc
        self._ramp_action, self._ramp_scale = "OFF", "MINUTES"
        self._ramp_k = SPEC.ramp_k_per_min  # per minute or hour, as the scale says
        self._ramp_time = 0.0
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
        per_minute = self._ramp_k / (60.0 if self._ramp_scale == "HOURS" else 1.0)
        ramping = self._ramp_action in ("SETPOINT", "BOTH")
        self._run(
            ordered=self._outputs[wire.CONDITIONING_OUTPUT - 1],
            set_degc=self._set_degc,
            ramp_k_per_s=per_minute / 60.0 if ramping else None,
        )

    # --- commands ----------------------------------------------------------------------------

    def _commands(self) -> list[Command]:
        """Return the command set; capitals are the manual's short forms."""
        loop = ":SOURce:CLOop#"
        any_number = (Number(-1e4, 1e4),)
        actions = (Choice("OFF", "STArtup", "SETPoint", "BOTH"),)
        rows: list[Command] = [
            Command(f"{loop}:PVALue", None, self._process_value, (), 1),
            Command(f"{loop}:SPOint", self._set_point, self._read_set_point, any_number, 1),
            Command(f"{loop}:ERRor", None, self._loop_error, (), 1),
            Command(f"{loop}:IDLE", self._set_idle, self._read_idle, any_number, 1),
            Command(f"{loop}:RACTion", *self._plain("_ramp_action"), actions, 1),
            Command(
                f"{loop}:RSCAle", *self._plain("_ramp_scale"), (Choice("MINutes", "HOURS"),), 1
            ),
            Command(f"{loop}:RRATe", self._set_rate, self._read_rate, any_number, 1),
            Command(f"{loop}:RTIMe", *self._plain("_ramp_time"), (Number(0.0, 1e4),), 1),
            Command(":UNIT:TEMPerature", self._set_unit, self._read_unit, (Choice("C", "F"),)),
            Command(
                ":OUTPut#[:STATe]", self._switch, self._read_output, (Boolean(),), wire.OUTPUTS
            ),
            Command(":OUTPut#:NAME", None, self._output_names, (), wire.OUTPUTS),
        ]
        return rows + self._program_commands()

    def _program_commands(self) -> list[Command]:
        """Return the program commands of a controller on which none is stored."""
        program = ":PROGram[:SELected]"
        states = (Choice("STArt", "PAUSe", "RESume", "STOP"),)
        return [
            Command(f"{program}:NUMBer", *self._plain("_program"), (Integer(1, 40),)),
            Command(f"{program}:STATe", self._run_program, lambda _: "STOP", states),
            Command(f"{program}:NAME", None, lambda _: quoted("")),
            Command(f"{program}:STEP", None, lambda _: "0"),
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
        self._air.order(self._clock.now())
        self._ramp_k = rate
        self._condition()

    def _read_rate(self, _: Channels) -> str:
        return f"{self._ramp_k * (1.8 if self._fahrenheit else 1.0):.3f}"

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
        for channel in channels:
            # A welded contactor feeds back as closed, whatever it is told.
            held = self._refuses_off and channel == wire.CONDITIONING_OUTPUT
            self._outputs[channel - 1] = on or (held and self._outputs[channel - 1])
        self._condition()

    def _read_output(self, channels: Channels) -> str:
        return ",".join("ON" if self._outputs[channel - 1] else "OFF" for channel in channels)

    def _output_names(self, channels: Channels) -> str:
        return ",".join(quoted(f"Output {channel}") for channel in channels)

    def _run_program(self, _: Channels, state: str) -> None:
        """Only STOP makes sense where no program is stored."""
        if state != "STOP":
            raise ScpiError(-221, "no program is stored")
