"""What a Keithley 2281S-20-6 (one channel) is and how its lines look on the wire.

Source: reference manual 077114601 (March 2019). [M] marks what is from memory and to be checked
against the data sheet, [A] assumptions.

A cell is held by the battery simulator (``:ENTRy:FUNCtion SIMulator``) in its static method. The
power supply only sources; the battery test charges to V-set and discharges at a fixed 1 A, which
holds no voltage. The simulator sources and sinks, and its Voc may be set at any time, also while
it runs (manual 7-48). With the driver's own model, a straight line without resistance, what is set
as Voc stands at the terminals.
"""

from functools import lru_cache
from typing import NamedTuple

from drivers.wire.scpi_data import parse_numbers
from hil.core.instants import MILLISECOND, SECOND
from hil.core.spec import Accuracy, EmulatorSpec, Range

SPEC = EmulatorSpec(
    model="Keithley 2281S-20-6",
    channels=1,
    set_v=Range(0.0, 20.0),
    set_resolution_v=0.0001,  # [M]
    set_accuracy_v=Accuracy(0.003, 0.0002),  # [M]
    read_accuracy_v=Accuracy(0.002, 0.0002),  # [M]
    read_accuracy_a=Accuracy(0.00025, 0.0005),  # [M] in the 1 A range
    source_a=6.1,
    sink_a=1.0,  # [M]
    settle=1 * MILLISECOND,  # [A]
    reply=2 * MILLISECOND,  # [A]
    read_noise_v=50e-6,  # [A]
    read_resolution_v=10e-6,  # [M]
)

MAKER, MODEL = "KEITHLEY INSTRUMENTS", "MODEL 2281S-20-6"  # [M]
REPLY_LIMIT = 1 * SECOND  # [A] a full buffer is some 30 kB
BOOT = 20 * SECOND  # [A]
READING_WINDOW = 40 * MILLISECOND  # the sample interval after *RST at 50 Hz
READ_NOISE_A = 20e-6  # [A]
OFF_BELOW_V = 1.0  # [A] what an output that is off measures at most

POINTS = 101
"""How many values a battery model has, from SOC 0 to 100 %."""

SLOTS = range(1, 10)
PROTECTION_V = Range(0.5, 21.0)
SAMPLE = 10 * MILLISECOND
MOST_READINGS = 2500
"""What its buffer holds: 25 s of our samples; a mean over a longer tick covers the last of it."""

OVERVOLTAGE, CONSTANT_VOLTAGE = 0x02, 0x08
"""Bits of the questionable instrument summary (manual D-16)."""

SENSE = ':BATT:SIM:TVOL?;:BATT:SIM:CURR?;:BATT:DATA:DATA? "CURR";:STAT:QUES:INST:ISUM:COND?;*STB?'
"""All that a tick needs: the buffer has every reading of the current since it was asked before.

Bit 2 of the status byte shows a set-point that was refused.
"""

SIMULATE = ":ENTR:FUNC SIMULATOR;:OUTP:PROT:CLE"
SAFE = ":BATT:OUTP 0"
ARM = ":BATT:DATA:CLE;:BATT:OUTP 1"
READ_OUTPUTS = ":BATT:OUTP?;:BATT:SIM:TVOL?"
READ_LIMITS = ":ENTR:FUNC?;:BATT:SIM:METH?;:BATT:SIM:CURR:LIM?;:BATT:SIM:TVOL:PROT?"
_ERROR_AVAILABLE = 4


class Sensed(NamedTuple):
    """The reply to ``SENSE``; ``current_a`` is the mean of the buffer, where it holds any."""

    voltage_v: float
    current_a: float
    alarm: int
    has_errors: bool


def settings_line(voltage_v: float) -> str:
    """Return the message that sets the cell."""
    return f":BATT:SIM:VOC {voltage_v:.4f}"


@lru_cache(maxsize=8)
def model_voc(top_v: float) -> tuple[float, ...]:
    """Return the open-circuit voltages of the driver's model: a straight line from 0 V."""
    return tuple(round(top_v * point / (POINTS - 1), 4) for point in range(POINTS))


def read_model_line(slot: int) -> str:
    """Return the question for the model in a slot."""
    return f":BATT:MOD{slot}:VOC?;:BATT:MOD{slot}:RES?"


def model_line(slot: int, top_v: float) -> str:
    """Return the message that stores the driver's model in a slot of the unit's memory."""
    voc = ",".join(f"{value:g}" for value in model_voc(top_v))
    return f':BATT:MOD{slot}:VOC "{voc}";:BATT:MOD{slot}:RES "{",".join("0" * POINTS)}"'


def is_model(reply: str, top_v: float) -> bool:
    """Say whether the reply to ``read_model_line`` is the driver's model.

    Raises ValueError when it is anything but two lists of numbers.
    """
    voc, resistance = (
        parse_numbers(one, one.count(",") + 1) if one else [] for one in _fields(reply, 2)
    )
    wanted = model_voc(top_v)
    near = len(voc) == POINTS and all(
        abs(a - b) < SPEC.set_resolution_v for a, b in zip(voc, wanted, strict=True)
    )
    return near and len(resistance) == POINTS and not any(resistance)


def limits_line(slot: int, current_a: float, protection_v: float) -> str:
    """Return one message that prepares the simulation, which must not run meanwhile (704)."""
    return (
        f":BATT:MOD:RCL {slot};:BATT:SIM:METH STAT;:BATT:SIM:RES:OFFS 0;"
        f":BATT:SIM:CURR:LIM {current_a:.4f};:BATT:SIM:TVOL:PROT {protection_v:.3f};"
        f":BATT:SIM:SAMP:INT {SAMPLE / SECOND:g}"
    )


class Limits(NamedTuple):
    """The reply to ``READ_LIMITS``."""

    simulates: bool
    current_a: float
    protection_v: float


def parse_limits(reply: str) -> Limits:
    """Take the reply to ``READ_LIMITS`` apart. Raises ValueError when it is anything else."""
    function, method, current, protection = _fields(reply, 4)
    simulates = function.upper().startswith("SIM") and method.upper().startswith("STAT")
    return Limits(simulates, _number(current), _number(protection))


def parse_sense(reply: str) -> Sensed:
    """Take the reply to ``SENSE`` apart. Raises ValueError when it is anything else."""
    volts, now_a, buffered, condition, status = _fields(reply, 5)
    readings = parse_numbers(buffered, buffered.count(",") + 1) if buffered.strip() else []
    current_a = sum(readings) / len(readings) if readings else _number(now_a)
    alarm = int(condition) & OVERVOLTAGE
    return Sensed(_number(volts), current_a, alarm, bool(int(status) & _ERROR_AVAILABLE))


def parse_outputs(reply: str) -> tuple[bool, float]:
    """Return whether the output is on, and its voltage. Raises ValueError for anything else."""
    on, volts = _fields(reply, 2)
    if on.strip() not in ("0", "1", "2"):
        raise ValueError(f"expected 0, 1 or 2, found {on!r}")
    return on.strip() == "1", _number(volts)


def _fields(reply: str, count: int) -> list[str]:
    fields = reply.split(";")
    if len(fields) != count:
        raise ValueError(f"expected {count} replies in one, found {reply!r}")
    return fields


def _number(text: str) -> float:
    return parse_numbers(text, 1)[0]
