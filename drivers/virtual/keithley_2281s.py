"""A virtual Keithley 2281S-20-6: power supply, battery test and battery simulator of one channel.

By the manual (077114601). Assumed, and to be checked on a real unit: another entry function
switches the output off; there is one output behind ``OUTP`` and ``BATT:OUTP``; the buffer fills
from the moment it was read or cleared; a reading is the mean over its sample interval.

Not modelled: the drop over a model's resistance at the terminals (``RES?`` tells it), a battery to
be tested (its measurement ends at once, and leaves nothing to save: -221), lists, triggers, digital
lines, USB.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from drivers.virtual import battery_model as model
from drivers.virtual.cell_output import CellOutput
from drivers.virtual.emulator_twin import EmulatorOptions, EmulatorTwin
from drivers.virtual.keithley_2281s_commands import command_table
from drivers.wire import keithley_2281s as wire
from drivers.wire.scpi import Channels, ScpiDevice
from drivers.wire.scpi_data import ScpiError
from hil.core.instants import SECOND, Duration, Instant
from hil.core.spec import EmulatorSpec
from hil.ports import Clock, LabPlan

SPEC = wire.SPEC
_HOUR_S = 3600.0
_MEASURING, _FILTER_SETTLED, _IDLE = 16, 256, 1024
_READING_AVAILABLE = 64
_FILLED = ((0.25, 1024), (0.5, 128), (0.75, 512), (1.0, 256))
"""Bits of the measurement summary, by how full the buffer is."""

ELEMENTS = {
    "POWER": ("READ", "SOUR", "REL", "RNUM", "MODE"),
    "TEST": ("VOLT", "CURR", "RES", "AH", "REL", "RNUM", "MODE"),
    "SIMULATOR": ("VOLT", "CURR", "SOC", "RES", "REL", "RNUM", "MODE"),
}


@dataclass(frozen=True, slots=True)
class Keithley2281sOptions(EmulatorOptions):
    """The keys that a bench file may give a virtual unit."""

    serial: str = "4000001"
    reply_ns: int = SPEC.reply
    boot_ns: int = wire.BOOT


@dataclass(slots=True)
class Registers:
    """What ``*RST`` gives its value: settings of all three functions, by the manual."""

    function: str = "POWER"
    method: str = "DYNAMIC"
    volts: float = 0.0
    amps: float = 0.1
    limit_v: float = 20.0
    protection_v: float = 21.0
    cycles: float = 1.0
    soc: float = 100.0
    voc_empty: float | None = None
    voc_full: float | None = None
    capacity_ah: float = 0.01
    limit_a: float = 0.1
    offset_ohm: float = 0.0
    interval_s: float = 0.04
    points: int = wire.MOST_READINGS
    test: dict[str, Any] = field(default_factory=dict)


class Keithley2281sTwin(EmulatorTwin[Keithley2281sOptions]):
    """The unit on its link (``ByteTwin``) and at its terminals (``CellSource``)."""

    OPTIONS: ClassVar[type] = Keithley2281sOptions
    SPEC: ClassVar[EmulatorSpec] = SPEC
    MEAN_OVER: ClassVar[Duration] = wire.READING_WINDOW
    NOISE: ClassVar[tuple[float, float]] = (SPEC.read_noise_v, wire.READ_NOISE_A)
    LATE: ClassVar[Duration] = 2 * wire.REPLY_LIMIT

    def __init__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``Keithley2281sOptions``; TypeError for any other."""
        super().__init__(name, clock, plan, Keithley2281sOptions(**(options or {})))
        self.models = {slot: model.BatteryModel() for slot in wire.SLOTS}  # survive a reset
        self._reset_registers()
        self._scpi = ScpiDevice(
            command_table(self),
            self._identity(),
            reset=self._reset_registers,
            pending=self._is_slewing,
            strict=True,
        )

    def receive(self, data: bytes) -> None:
        """Take bytes; what the battery has given meanwhile comes first."""
        if self._hears():
            self._advance()
        super().receive(data)

    def truth(self) -> Mapping[str, Any]:
        """Return what stands at the output, and what the simulator thinks of its battery."""
        own = {"function": self.set.function, "soc": self.set.soc, "tripped": self.tripped}
        return {**super().truth(), **own}

    def _identity(self) -> str:
        return f"{wire.MAKER},{wire.MODEL},{self._options.serial},01.08b"

    # --- state -------------------------------------------------------------------------------

    def _reset_registers(self) -> None:
        """Give every register its value after ``*RST``: the output off, the power supply chosen."""
        now, output = self._clock.now(), self._output(1)
        self.set, self.tripped = Registers(), False
        self.chosen, self.disabled = model.BatteryModel(), False
        output.before_change(now)
        output.reset_registers()
        output.source_a = output.sink_a = self.set.amps
        output.switch(now, on=False)
        self._charged = output.charge_as(now)
        self.clear_buffer()

    @property
    def runs(self) -> bool:
        """Say whether a simulation is in progress."""
        return self.set.function == "SIMULATOR" and self._output(1).on

    def not_running(self) -> None:
        """Refuse what only a paused simulation takes. Raises ScpiError 704."""
        if self.runs:
            raise ScpiError(model.NOT_WHILE_RUNNING, "Not permitted while battery model is running")

    def _advance(self) -> None:
        """Let a dynamic battery give and take what flowed since it was looked at."""
        charge_as = self._output(1).charge_as(self._clock.now())
        flowed_as, self._charged = charge_as - self._charged, charge_as
        if self.runs and self.set.method == "DYNAMIC" and flowed_as:
            whole_as = self.set.capacity_ah * _HOUR_S
            self.set.soc = min(100.0, max(0.0, self.set.soc - 100.0 * flowed_as / whole_as))
            self.drive()

    def drive(self) -> None:
        """Let the output be what the chosen function says; a trip takes it off."""
        now, output, wanted = self._clock.now(), self._output(1), self.set
        simulates = wanted.function == "SIMULATOR"
        volts = self.chosen.voc_v(wanted.soc) if simulates else wanted.volts
        limit_a = wanted.limit_a if simulates else wanted.amps
        sink_a = min(limit_a, SPEC.sink_a) if simulates else 0.0
        output.limit(limit_a, sink_a, now)
        output.set_voltage(volts, now)
        if output.on and volts > wanted.protection_v:
            self.tripped = True
            output.switch(now, on=False)

    def choose(self, function: str) -> None:
        """Take another entry function, which switches off."""
        if function != self.set.function:
            self.switch(on=False)
            self.set.function = function
            self.clear_buffer()

    def switch(self, *, on: bool) -> None:
        """Switch the output; -221 where a trip holds it off, 703, 705 for a broken battery."""
        if on and self.tripped:
            raise ScpiError(-221, "a protection has tripped")
        if on and self.set.function == "SIMULATOR":
            self.chosen.check()
            empty, full = self.set.voc_empty, self.set.voc_full
            if empty is not None and full is not None and full < empty:
                raise ScpiError(model.FULL_BELOW_EMPTY, "Full Voc can't be less than empty Voc")
        if self._takes(on=on):
            self._output(1).switch(self._clock.now(), on=on)
            self.drive()

    def is_on(self) -> bool:
        """Return what the unit says of its output."""
        return self._output(1).on and not self._lying

    # --- readings ----------------------------------------------------------------------------

    def read(self, kind: str) -> float:
        """Return a reading of the voltage or of the current."""
        how: Callable[[CellOutput, Instant], float] = (
            CellOutput.read_voltage_v if kind == "volt" else CellOutput.read_mean_current_a
        )
        return self._measure((1,), kind, how)[0]

    def conditions(self, register: str) -> int:
        """Return the instrument summary of ``OPER``, ``MEAS`` or ``QUES``."""
        if register == "OPER":
            busy = self._output(1).on and self.set.function != "TEST"
            return _FILTER_SETTLED + (_MEASURING if busy else _IDLE)
        if register == "QUES":
            held = wire.CONSTANT_VOLTAGE if self._output(1).on else 0
            return held + (wire.OVERVOLTAGE if self.tripped else 0)
        count, points = self._waiting(), self.set.points
        full = sum(bit for share, bit in _FILLED if count >= share * points)
        return full + (_READING_AVAILABLE if count else 0)

    # --- the buffer --------------------------------------------------------------------------

    def clear_buffer(self) -> None:
        """Begin to store anew."""
        now = self._clock.now()
        self._stored = now, self._output(1).charge_as(now)
        self._began, self._number = now, 0

    def _interval(self) -> Duration:
        return max(1, round(self.set.interval_s * SECOND))

    def _waiting(self) -> int:
        """Return how many readings nobody has fetched."""
        waiting = (self._clock.now() - self._stored[0]) // self._interval()
        return min(waiting, self.set.points)

    def buffered(self, text: str) -> str:
        """Return what was stored since this was asked before, element by element of each reading.

        Raises ScpiError 709 for an element that the chosen function does not have.
        """
        wanted = [part.strip().upper() for part in text.split(",")]
        known = {name: name for name in ELEMENTS[self.set.function]}
        known |= {long: short for long, short in _LONG.items() if short in known}
        if not all(one in known for one in wanted):
            raise ScpiError(model.NOT_IN_THIS_MODE, "buffer elements not supported in this mode")
        readings = self._fetched()
        return ",".join(one[known[name]] for one in readings for name in wanted)

    def _fetched(self) -> list[dict[str, str]]:
        """Take the readings out: the charge between two fetches spread evenly over them."""
        now, step, count = self._clock.now(), self._interval(), self._waiting()
        (since, before_as), charge_as = self._stored, self._output(1).charge_as(now)
        if not count:
            return []
        passed = (now - since) // step * step
        mean_a = (charge_as - before_as) * SECOND / (now - since)
        self._stored = since + passed, before_as + mean_a * passed / SECOND
        amps = self._measure((1,), "curr", lambda output, _: output.read_back_a(mean_a), count)[0]
        volts, state = self.read("volt"), "CV" if self._output(1).on else "OFF"
        ohms = self.chosen.resistance_ohm(self.set.soc) + self.set.offset_ohm
        first = self._stored[0] - (count - 1) * step - self._began
        found = []
        for k in range(count):
            self._number += 1
            found.append(
                {
                    **dict.fromkeys(("READ", "CURR"), f"{amps:+.6E}"),
                    "VOLT": f"{volts:+.6E}",
                    "SOUR": f"{self.set.volts:+.6E}",
                    "SOC": f"{self.set.soc:.2f}",
                    "RES": f"{ohms:.6f}",
                    "AH": f"{0.0:+.6E}",
                    "REL": f"{(first + k * step) / SECOND:+.6E}",
                    "RNUM": f"{self._number:04d}",
                    "MODE": state,
                }
            )
        return found

    def voc_range(self) -> tuple[float, float]:
        """Return the least and the most Voc of the chosen model."""
        return self.chosen.voc[0], self.chosen.voc[-1]

    def resistance(self, _: Channels) -> str:
        """Return the resistance that the model has at its state of charge, and the offset."""
        return f"{self.chosen.resistance_ohm(self.set.soc) + self.set.offset_ohm:.6f}"


_LONG = {
    "READING": "READ",
    "SOURCE": "SOUR",
    "VOLTAGE": "VOLT",
    "CURRENT": "CURR",
    "RNUMBER": "RNUM",
    "RESISTANCE": "RES",
    "RELATIVE": "REL",
}
"""Long forms of the elements."""
