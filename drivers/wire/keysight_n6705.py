"""What a Keysight N6705C with four N6781A modules is and how its lines look on the wire.

The dialect names channels in a list behind the parameters: ``VOLT 3.3,(@2)``. Commands and figures
are those of the operating guides as public drivers use them; [M] marks what is from memory and to
be checked against the guide, [A] assumptions.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from drivers.wire.scpi_data import format_channels, parse_numbers
from hil.core.instants import MILLISECOND, SECOND
from hil.core.spec import Accuracy, EmulatorSpec, Range

SPEC = EmulatorSpec(
    model="Keysight N6705C, four N6781A",
    channels=4,
    set_v=Range(0.0, 6.0),  # of the range in which it sinks and sources 3 A
    set_resolution_v=0.0001,  # [A]
    set_accuracy_v=Accuracy(0.0018, 0.00025),  # [M]
    read_accuracy_v=Accuracy(0.0012, 0.00025),  # [M]
    read_accuracy_a=Accuracy(0.00025, 0.0003),  # [M] in the 3 A range
    source_a=3.0,
    sink_a=3.0,
    settle=1 * MILLISECOND,  # [A]
    reply=2 * MILLISECOND,  # [A]
    host_loss="all outputs off, by its watchdog",
    read_noise_v=50e-6,  # [A]
    read_resolution_v=10e-6,  # [A]
)

MAKER, MODEL = "Keysight Technologies", "N6705C"
REPLY_LIMIT = 500 * MILLISECOND  # [A]
BOOT = 30 * SECOND  # [A]
READING_WINDOW = 20 * MILLISECOND  # [M] one power line cycle
READ_NOISE_A = 20e-6  # [A]
OFF_BELOW_V = 1.0  # [A] what an output that is off measures at most
WATCHDOG_S = Range(1, 3600)  # [M]

OVERVOLTAGE, PROTECTED = 0x0001, 0x0800
"""Bits of a channel's questionable condition: its over-voltage trip; tripped by the watchdog."""

ALL = format_channels(range(1, SPEC.channels + 1))

SENSE = f":MEAS:VOLT? {ALL};:FETC:AHO? {ALL};:STAT:QUES:COND? {ALL};*STB?"
"""All that a tick needs: the charge is what it has counted ever since.

Bit 2 of the status byte shows a set-point that was refused.
"""

SAFE = f":OUTP 0,{ALL}"
ARM = f":OUTP 1,{ALL}"
READ_OUTPUTS = f":OUTP? {ALL};:MEAS:VOLT? {ALL}"
READ_LIMITS = f":CURR? {ALL};:VOLT:PROT? {ALL};:OUTP:PROT:WDOG?;:OUTP:PROT:WDOG:DEL?"
CLEAR_TRIPS = f":OUTP:PROT:CLE {ALL}"
_ERROR_AVAILABLE = 4
_HOUR_S = 3600.0


class Sensed(NamedTuple):
    """The reply to ``SENSE``: (channels,) each, the worst of all conditions, if errors wait."""

    voltage_v: list[float]
    charge_as: list[float]
    alarm: int
    has_errors: bool


def settings_line(voltage_v: Sequence[float]) -> str:
    """Return one message that sets the first cells."""
    return _settings_format(len(voltage_v)) % (*voltage_v,)


@lru_cache(maxsize=8)
def _settings_format(cells: int) -> str:
    """Return the message with a place for each number."""
    return ";".join(f":VOLT %.4f,(@{channel})" for channel in range(1, cells + 1))


def parse_sense(reply: str) -> Sensed:
    """Take the reply to ``SENSE`` apart. Raises ValueError when it is anything else."""
    volts, charge, conditions, status = _parts(reply, 4)
    alarm = 0
    for one in conditions.split(","):
        alarm |= int(one)
    return Sensed(
        parse_numbers(volts, SPEC.channels),
        [value * _HOUR_S for value in parse_numbers(charge, SPEC.channels)],
        alarm,
        bool(int(status) & _ERROR_AVAILABLE),
    )


class Outputs(NamedTuple):
    """The reply to ``READ_OUTPUTS``: (channels,) each."""

    on: list[bool]
    voltage_v: list[float]


def parse_outputs(reply: str) -> Outputs:
    """Take the reply to ``READ_OUTPUTS`` apart. Raises ValueError when it is anything else."""
    states, volts = _parts(reply, 2)
    flags = [one.strip() for one in states.split(",")]
    if len(flags) != SPEC.channels or not set(flags) <= {"0", "1"}:
        raise ValueError(f"expected {SPEC.channels} times 0 or 1, found {states!r}")
    return Outputs([one == "1" for one in flags], parse_numbers(volts, SPEC.channels))


class Limits(NamedTuple):
    """The reply to ``READ_LIMITS``: (channels,) each, then the watchdog and its delay."""

    current_a: list[float]
    protection_v: list[float]
    watchdog: bool
    watchdog_s: float


def limits_line(current_a: float, protection_v: float, watchdog_s: float) -> str:
    """Return one message that prepares all channels, and the watchdog of the whole unit."""
    return (
        f":CURR {current_a:.4f},{ALL};:VOLT:PROT {protection_v:.3f},{ALL};"
        f":OUTP:PROT:WDOG:DEL {watchdog_s:.0f};:OUTP:PROT:WDOG 1"
    )


def parse_limits(reply: str) -> Limits:
    """Take the reply to ``READ_LIMITS`` apart. Raises ValueError when it is anything else."""
    amps, volts, watchdog, delay = _parts(reply, 4)
    numbers = parse_numbers(amps, SPEC.channels), parse_numbers(volts, SPEC.channels)
    return Limits(*numbers, watchdog.strip() == "1", parse_numbers(delay, 1)[0])


def _parts(reply: str, count: int) -> list[str]:
    parts = reply.split(";")
    if len(parts) != count:
        raise ValueError(f"expected {count} replies in one, found {reply!r}")
    return parts
