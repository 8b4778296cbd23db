"""What an R&S NGM202 (two channels) is and how its lines look on the wire.

Source of the commands: the maker's public driver RsNgx 3.1.0, which tests also drive the twin with.
Figures marked [M] are from memory and to be checked against the data sheet, [A] are assumptions.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from drivers.wire.scpi_data import parse_numbers
from hil.core.instants import MILLISECOND, SECOND
from hil.core.spec import Accuracy, EmulatorSpec, Range

SPEC = EmulatorSpec(
    model="R&S NGM202",
    channels=2,
    set_v=Range(0.0, 20.0),
    set_resolution_v=0.001,  # [M]
    set_accuracy_v=Accuracy(0.003, 0.0002),  # [M]
    read_accuracy_v=Accuracy(0.002, 0.0002),  # [M]
    read_accuracy_a=Accuracy(0.00025, 0.0005),  # [M] in the 6 A range
    source_a=6.0,
    sink_a=3.0,  # [M]
    settle=1 * MILLISECOND,  # [A]
    reply=2 * MILLISECOND,  # [A]
    read_noise_v=50e-6,  # [A]
    read_resolution_v=10e-6,  # [M]
)

MAKER, MODEL = "Rohde&Schwarz", "NGM202"
REPLY_LIMIT = 500 * MILLISECOND  # [A] longer than any answer of its own
BOOT = 20 * SECOND  # [A]
READING_WINDOW = 100 * MILLISECOND  # [M] it reads ten times a second
READ_NOISE_A = 20e-6  # [A]
OFF_BELOW_V = 1.0  # [A] what an output that is off measures at most

CHANNELS = range(1, SPEC.channels + 1)


def _each(words: str) -> str:
    """Return a message that says the same to every channel."""
    return ";".join(f":INST:NSEL {channel};{words}" for channel in CHANNELS)


RESTART_MEANS = _each(":MEAS:STAT:RES")
_READ = ":MEAS:VOLT?;:MEAS:CURR:AVG?;:MEAS:STAT:RES;:SOUR:VOLT:PROT:TRIP?;:FUSE:TRIP?"
SENSE = _each(_READ) + ";*STB?"
"""All that a tick needs: the mean current covers the time since the unit was asked before.

Bit 2 of the status byte shows a set-point that was refused.
"""

SAFE = ":OUTP:GEN 0;" + _each(":OUTP:SEL 0")
"""The master switch first: it drops all outputs at once."""

ARM = _each(":OUTP:SEL 1") + ";:OUTP:GEN 1"
READ_OUTPUTS = ":OUTP:GEN?;" + _each(":OUTP:SEL?;:MEAS:VOLT?")
READ_LIMITS = _each(":SOUR:CURR?;:SOUR:VOLT:PROT:LEV?;:SOUR:VOLT:PROT:STAT?;:FUSE:STAT?")
CLEAR_TRIPS = _each(":SOUR:VOLT:PROT:CLE;:FUSE:TRIP:CLE")

OVERVOLTAGE, FUSE = 0x01, 0x10
"""Bits of our alarm word, of channel 1; those of channel 2 are twice that."""

_ERROR_AVAILABLE = 4


class Sensed(NamedTuple):
    """The reply to ``SENSE``: (channels,) each, which protections tripped, whether errors wait."""

    voltage_v: list[float]
    current_a: list[float]
    alarm: int
    has_errors: bool


def settings_line(voltage_v: Sequence[float]) -> str:
    """Return one message that sets the first cells; three decimals are the unit's 1 mV."""
    return _settings_format(len(voltage_v)) % (*voltage_v,)


@lru_cache(maxsize=8)
def _settings_format(cells: int) -> str:
    """Return the message with a place for each number."""
    return ";".join(f":INST:NSEL {channel};:SOUR:VOLT %.3f" for channel in range(1, cells + 1))


def parse_sense(reply: str) -> Sensed:
    """Take the reply to ``SENSE`` apart. Raises ValueError when it is anything else."""
    *values, status = _fields(reply, 4 * SPEC.channels + 1)
    volts, amperes, overvoltage, fuse = (values[k::4] for k in range(4))
    alarm = sum(
        bit << channel
        for trips, bit in ((overvoltage, OVERVOLTAGE), (fuse, FUSE))
        for channel, tripped in enumerate(trips)
        if _flag(tripped)
    )
    return Sensed(_numbers(volts), _numbers(amperes), alarm, bool(int(status) & _ERROR_AVAILABLE))


class Outputs(NamedTuple):
    """The reply to ``READ_OUTPUTS``: the master switch, then (channels,) each."""

    master: bool
    selected: list[bool]
    voltage_v: list[float]


def parse_outputs(reply: str) -> Outputs:
    """Take the reply to ``READ_OUTPUTS`` apart. Raises ValueError when it is anything else."""
    master, *values = _fields(reply, 1 + 2 * SPEC.channels)
    return Outputs(_flag(master), [_flag(one) for one in values[::2]], _numbers(values[1::2]))


class Limits(NamedTuple):
    """The reply to ``READ_LIMITS``: (channels,) each."""

    current_a: list[float]
    protection_v: list[float]
    protected: list[bool]


def limits_line(current_a: float, protection_v: float) -> str:
    """Return one message that prepares all channels: current limit, both protections."""
    return _each(
        f":SOUR:CURR {current_a:.4f};:SOUR:VOLT:PROT:LEV {protection_v:.3f};"
        ":SOUR:VOLT:PROT:STAT 1;:FUSE:STAT 1"
    )


def parse_limits(reply: str) -> Limits:
    """Take the reply to ``READ_LIMITS`` apart. Raises ValueError when it is anything else."""
    values = _fields(reply, 4 * SPEC.channels)
    on = [
        _flag(over) and _flag(fuse) for over, fuse in zip(values[2::4], values[3::4], strict=True)
    ]
    return Limits(_numbers(values[::4]), _numbers(values[1::4]), on)


def _fields(reply: str, count: int) -> list[str]:
    fields = reply.split(";")
    if len(fields) != count:
        raise ValueError(f"expected {count} replies in one, found {reply!r}")
    return fields


def _numbers(fields: Sequence[str]) -> list[float]:
    return [parse_numbers(one, 1)[0] for one in fields]


def _flag(text: str) -> bool:
    """Read 0 or 1. Raises ValueError for anything else."""
    if text.strip() not in ("0", "1"):
        raise ValueError(f"expected 0 or 1, found {text!r}")
    return text.strip() == "1"
