"""What a Bloomy ABS (8 emulated cells a unit) is and how its lines look on the wire.

Sources: the vendor's published drivers, abs-scpi-driver (C++) and absscpi 1.2.1 (its Python
side), which is where commands, limits, alarm bits and the meaning of the averages come from.
Figures marked [A] are assumptions: no data sheet with accuracies is public.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from drivers.wire.scpi_data import format_channels, parse_numbers
from hil.core.instants import MILLISECOND, SECOND
from hil.core.spec import Accuracy, EmulatorSpec, Range

SPEC = EmulatorSpec(
    model="Bloomy ABS",
    channels=8,
    set_v=Range(0.0, 5.0),
    set_resolution_v=0.0001,
    set_accuracy_v=Accuracy(0.0005),  # [A] so that the bench's own error stays below 1 mV
    read_accuracy_v=Accuracy(0.0005),  # [A]
    read_accuracy_a=Accuracy(0.0002, 0.0005),  # [A] in the 1 A range, where bleed currents lie
    source_a=5.0,
    sink_a=5.0,
    settle=5 * MILLISECOND,
    reply=1 * MILLISECOND,
    aux_outputs=8,
    aux_v=Range(-10.0, 10.0),
    aux_resolution_v=20.0 / 2**16,  # [A] a 16-bit converter over the whole range
    calibration_days=365,  # [A] the usual interval of such instruments
    read_noise_v=30e-6,  # [A]
    read_resolution_v=10e-6,  # [A] five decimals
    digital_inputs=4,  # the vendor's headers
)

MAKER = "Bloomy Controls"
REPLY_LIMIT = 150 * MILLISECOND
"""How long the unit may take to answer."""

REBOOT = 9 * SECOND
"""``*RST`` reboots the unit; the vendor says that it takes 8 to 10 s."""

SAMPLES_AVERAGED = 10
SAMPLE_PERIOD = 1 * MILLISECOND
FILTERED_SAMPLE_PERIOD = 100 * MILLISECOND
"""``AVG?`` is the mean of the last ten samples: 10 ms, or 1 s with the 50/60 Hz filter on.

The vendor gives 10 ms by default, a changed window with the filter and a control rate of 10 Hz
with it; that the samples then come at 10 Hz too is inferred [A].
"""

# Counts of the side channels, from the vendor's headers.
MAX_ADDRESS = 255
ADDRESSED = re.compile(r"@(\d{1,3}) ")
"""What stands before each line on RS-485; answers have nothing before them (vendor's driver)."""

AUX_INPUTS, DIGITAL_OUTPUTS, DIGITAL_INPUTS = 8, 4, SPEC.digital_inputs

READ_INPUTS = ";".join(f":MEAS:DAUX:IN{number}?" for number in range(1, DIGITAL_INPUTS + 1))
"""One line asks for all digital inputs."""

SOFT_INTERLOCK = 0x000001
FAN_0 = 0x000100
FAN_4 = 0x010000
HARDWARE_FAULT = 0x020000
RECOVERABLE = 0x0000FF
"""Bits of ``SYST:ALARM?``. A fault of fan 0 to 3 drops two cells, of fan 4 all of them."""


def fan_of(channel: int) -> int:
    """Return the alarm bit of the fan that cools ``channel`` (from 1): one fan for two cells."""
    return FAN_0 << (channel - 1) // 2


FAULTS = {"none": "NONE", "open": "OPEN", "short": "SHORT", "polarity": "POL"}
"""The bench's words for ``OUTPn:FAUL`` and what is sent."""

FAULT_READ_BACK = {
    "none": "NONE",
    "open": "OPENCIRCUIT",
    "short": "SHORTCIRCUIT",
    "polarity": "POLARITY",
}
"""What ``OUTPn:FAUL?`` answers for each of them: never the word that was sent."""

ALL = format_channels(range(1, SPEC.channels + 1))

SENSE = f":MEAS:VOLT? {ALL};:MEAS:CURR:AVG? {ALL};:SYST:ALARM?;:SYST:ERR:COUN?"
"""One line asks for all a tick needs; the error count shows a set-point that was refused."""


class Sensed(NamedTuple):
    """The reply to ``SENSE``: (channels,) each, then the alarm word and the queued errors."""

    voltage_v: list[float]
    current_a: list[float]
    alarm: int
    errors: int


def settings_line(voltage_v: Sequence[float], aux_v: Mapping[int, float]) -> str:
    """Return one message that sets all cells and the named auxiliary outputs."""
    return _settings_format(len(voltage_v), tuple(aux_v)) % (*voltage_v, *aux_v.values())


@lru_cache(maxsize=64)
def _settings_format(cells: int, aux: tuple[int, ...]) -> str:
    """Return the message with a place for each number; four decimals are the unit's 0.1 mV."""
    units = [f":SOUR{channel}:VOLT %.4f" for channel in range(1, cells + 1)]
    units += [f":SOUR:AUX:OUT{number} %.4f" for number in aux]
    return ";".join(units)


def parse_sense(reply: str) -> Sensed:
    """Take the reply to ``SENSE`` apart. Raises ValueError when it is anything else."""
    parts = reply.split(";")
    if len(parts) != len(Sensed._fields):
        raise ValueError(f"expected {len(Sensed._fields)} replies in one, found {reply!r}")
    volts, amperes, alarm, errors = parts
    return Sensed(
        parse_numbers(volts, SPEC.channels),
        parse_numbers(amperes, SPEC.channels),
        int(alarm),
        int(errors),
    )


class Left(NamedTuple):
    """The reply to ``READ_LEFT``."""

    aux_v: list[float]
    voltage_v: list[float]


def parse_left(reply: str) -> Left:
    """Take the reply to ``READ_LEFT`` apart. Raises ValueError when it is anything else."""
    parts = reply.split(";")
    if len(parts) != len(Left._fields):
        raise ValueError(f"expected {len(Left._fields)} replies in one, found {reply!r}")
    return Left(parse_numbers(parts[0], SPEC.aux_outputs), parse_numbers(parts[1], SPEC.channels))


def parse_inputs(reply: str) -> list[bool]:
    """Take the reply to ``READ_INPUTS`` apart. Raises ValueError when it is anything else."""
    fields = [field.strip() for field in reply.split(";")]
    if len(fields) != DIGITAL_INPUTS or not set(fields) <= {"0", "1"}:
        raise ValueError(f"expected {DIGITAL_INPUTS} times 0 or 1, found {reply!r}")
    return [field == "1" for field in fields]


def parse_flags(reply: str) -> list[bool]:
    """Take the reply to ``OUTP? (@1:8)`` apart. Raises ValueError when it is anything else."""
    fields = [field.strip() for field in reply.split(",")]
    if len(fields) != SPEC.channels or not set(fields) <= {"0", "1"}:
        raise ValueError(f"expected {SPEC.channels} times 0 or 1, found {reply!r}")
    return [field == "1" for field in fields]


# --- arming and making safe ------------------------------------------------------------------

READ_OUTPUTS = f":OUTP? {ALL}"
READ_LEFT = f":SOUR:AUX:OUT? {ALL};:MEAS:VOLT? {ALL}"
"""What is left when all has been told to go off: the switches' own word is not all there is."""

OFF_BELOW_V = 1.0
"""[A] An output that is off measures less; to be checked on a real unit with a board behind it."""

RESET = "*RST"
# One line for the whole unit: switching channels one by one could let a diode of the stack conduct.
SAFE = f":OUTP 0,{ALL};:SOUR:AUX:OUT 0,{ALL}"
RAISE_INTERLOCK = ":SYST:ALARM:RAISE"
"""Raises the soft interlock, which drops all outputs and holds them off until it is cleared."""

READ_LIMITS = f":SOUR:CURR:SRC? {ALL};:SOUR:CURR:SNK? {ALL};:CONF:MEAS:FILT?;:OUTP:FAUL? {ALL}"


def limits_line(source_a: float, sink_a: float, *, noise_filter: bool) -> str:
    """Return one message that prepares all cells: limits, automatic range, filter, no fault.

    A fault relay that an earlier run left open would be held against the board of this one.
    """
    return (
        f":SOUR:CURR:SRC {source_a:.4f},{ALL};:SOUR:CURR:SNK {sink_a:.4f},{ALL};"
        f":SENS:RANG AUTO,{ALL};:CONF:MEAS:FILT {int(noise_filter)};:OUTP:FAUL NONE,{ALL}"
    )


class Limits(NamedTuple):
    """The reply to ``READ_LIMITS``: (channels,) limits in A, the filter, (channels,) faults."""

    source_a: list[float]
    sink_a: list[float]
    noise_filter: bool
    faults: list[str]


def parse_limits(reply: str) -> Limits:
    """Take the reply to ``READ_LIMITS`` apart. Raises ValueError when it is anything else."""
    source, sink, flag, faults = reply.split(";")
    numbers = parse_numbers(source, SPEC.channels), parse_numbers(sink, SPEC.channels)
    return Limits(*numbers, flag == "1", [word.strip() for word in faults.split(",")])
