"""What a chamber with an ESPEC P300 (SCP-220) controller is and how its lines look on the wire.

Sources: the maker's North American library chamberconnectlibrary 2.2.5 (commands, answers, errors),
espec-pr3j 0.5.0 (spacing, the echo in an acknowledgement, port 57732 of a PR-3J), ATWG 0.1.5 (range
and rates of an SH-641). Figures marked [A] are assumptions.

Every line gets one answer, CR LF at its end: a value, ``OK:`` and the line as it came, or ``NA:``
and a reason. On RS-485 a line begins with the chamber's address and a comma, an answer does not.
Constant mode knows no ramp: a ramp is a *remote program* of one step, ``RUN PRGM``, whose times are
whole minutes.
"""

import math
import re
from typing import NamedTuple

from hil.core.instants import MILLISECOND, MINUTE, Duration
from hil.core.spec import Accuracy, ChamberSpec, Range

ANSWER = 100 * MILLISECOND
"""[A] From the end of a line to the begin of its answer."""

AFTER_QUESTION, AFTER_ORDER = 200 * MILLISECOND, 500 * MILLISECOND
"""What is to lie between the begin of a line and that of the next one."""

SPEC = ChamberSpec(
    model="ESPEC P300",
    set_degc=Range(-40.0, 150.0),
    ramp_k_per_min=2.9,  # the empty chamber heats so fast and cools at 1.7 K/min
    read_accuracy_k=Accuracy(0.5),  # [A]
    reply=AFTER_ORDER + ANSWER,  # an order and the question behind it
    calibration_days=365,  # [A]; the controller tells no date, the chamber's label does
    read_noise_k=0.02,  # [A]
    read_resolution_k=0.1,
)

COOLING_K_PER_MIN = 1.7
"""How fast the empty chamber cools."""

REPLY_LIMIT = 3000 * MILLISECOND
"""How long the maker's library waits for an answer."""

ROOM_DEGC = 23.0
"""A set-point that does no harm."""

ASK_ROM, ASK_TYPE = "ROM?", "TYPE?"
ASK_MODE, ASK_AIR, ASK_MONITOR = "MODE?", "TEMP?", "MON?"
ASK_ALARMS, ASK_RAMP = "ALARM?", "RUN PRGM?"
CONSTANT, STANDBY, POWER_OFF = "MODE, CONSTANT", "MODE, STANDBY", "POWER, OFF"

MODES = ("OFF", "STANDBY", "CONSTANT", "RUN")
STOPPED = ("OFF", "STANDBY")

COMMAND, PARAMETER, RANGE = "CMD ERR", "PARA ERR", "DATA OUT OF RANGE"
NO_SUCH_LOOP, NO_PROGRAM = "CONT NOT READY-1", "CONT NOT READY-2"
NOT_READY, NO_DATA, PROTECTED = "CHB NOT READY", "DATA NOT READY", "PROTECT ON"
INVALID = "INVALID REQ"

SENSOR_ALARM, COMPRESSOR_ALARM = 1, 7
"""[A] Which of the maker's alarm numbers (0 to 99) these are."""

_LONGEST_MINUTES = 99 * 60 + 59
_RAMP = re.compile(
    r"TEMP(?P<start>-?\d{1,4}(?:\.\d{1,2})?) GOTEMP(?P<end>-?\d{1,4}(?:\.\d{1,2})?)[ ,]"
)


class Air(NamedTuple):
    """What ``TEMP?`` tells: reading, momentary set-point, and the limits of its alarm."""

    air_degc: float
    set_degc: float
    high_degc: float
    low_degc: float


class Monitor(NamedTuple):
    """What ``MON?`` tells."""

    air_degc: float
    mode: str
    alarms: int


def spacing(line: str) -> Duration:
    """Return how long after the begin of ``line`` the next one may begin."""
    return AFTER_QUESTION if "?" in line else AFTER_ORDER


def set_point_line(set_degc: float) -> str:
    """Return the line that sets the temperature of constant mode."""
    return f"TEMP, S{set_degc:.1f}"


def ramp_line(start_degc: float, end_degc: float, ramp_k_per_min: float) -> tuple[str, Duration]:
    """Return the line that runs a ramp, and how long it takes.

    Whole minutes, rounded up: never faster than ordered. Raises ValueError for one that takes
    longer than the controller can count.
    """
    minutes = max(1, math.ceil(abs(end_degc - start_degc) / ramp_k_per_min - 1e-9))
    if minutes > _LONGEST_MINUTES:
        raise ValueError(f"a ramp of {minutes} min; the controller counts to {_LONGEST_MINUTES}")
    hours, rest = divmod(minutes, 60)
    line = f"RUN PRGM, TEMP{start_degc:.1f} TIME{hours}:{rest:02d} GOTEMP{end_degc:.1f}"
    return line, minutes * MINUTE


def parse_ramp(reply: str) -> tuple[float, float]:
    """Return where a ramp begins and ends. Raises ValueError."""
    found = _RAMP.match(f"{reply} ")
    if found is None:
        raise ValueError(f"expected a remote program, found {reply!r}")
    return float(found["start"]), float(found["end"])


def parse_air(reply: str) -> Air:
    """Return what ``TEMP?`` says. Raises ValueError."""
    fields = reply.split(",")
    if len(fields) != len(Air._fields):
        raise ValueError(f"expected four temperatures, found {reply!r}")
    return Air(*map(_number, fields))


def parse_monitor(reply: str) -> Monitor:
    """Return what ``MON?`` says; humidity is empty where a chamber has none. Raises ValueError."""
    fields = reply.split(",")
    if len(fields) != 4 or not re.fullmatch(r"\d{1,3}", fields[3]):  # noqa: PLR2004 - see the text
        raise ValueError(f"expected temperature, humidity, mode and alarms, found {reply!r}")
    return Monitor(_number(fields[0]), parse_mode(fields[2]), int(fields[3]))


def parse_mode(reply: str) -> str:
    """Return one of ``MODES``. Raises ValueError."""
    if reply not in MODES:
        raise ValueError(f"expected one of {', '.join(MODES)}, found {reply!r}")
    return reply


def parse_alarms(reply: str) -> tuple[int, ...]:
    """Return the numbers of the alarms that are on. Raises ValueError."""
    if not re.fullmatch(r"\d{1,3}(,\d{1,3}){0,99}", reply):
        raise ValueError(f"expected a count and numbers of alarms, found {reply!r}")
    count, *numbers = map(int, reply.split(","))
    if count != len(numbers):
        raise ValueError(f"expected {count} numbers of alarms, found {reply!r}")
    return tuple(numbers)


def parse_type(reply: str) -> tuple[str, float]:
    """Return the controller's model and the highest temperature of its range. Raises ValueError.

    Its sensors stand before: the dry bulb's, and the wet bulb's where the chamber has humidity.
    """
    fields = [field.strip() for field in reply.split(",")]
    if len(fields) not in (3, 4) or not fields[-2]:
        raise ValueError(f"expected sensors, controller and highest temperature, found {reply!r}")
    return fields[-2], _number(fields[-1])


def _number(text: str) -> float:
    """Return a temperature. Raises ValueError for anything else, exponents and words too."""
    if not re.fullmatch(r" {0,3}[+-]?\d{1,4}(\.\d{1,3})?", text):
        raise ValueError(f"expected a temperature, found {text!r}")
    return float(text)
