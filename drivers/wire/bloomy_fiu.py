"""What a Bloomy fault-insertion unit is and how its lines look on RS-485.

Source: the maker's client ``bloomy-fiu`` 1.1.0 (commands, answers, checksums, states, 100 ms) and
the maker's page on the unit (115200 8N1, 24 channels, modules 0 to 7). Figures marked [A] are
assumptions, those marked [M] need the manual.

A line is a command's letter, the module's digit, what the command takes, and the sum of all bytes
before as hexadecimal digits; CR ends it. The maker's client sends a sum below 16 as one digit; the
unit answers with two.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from hil.core.instants import MILLISECOND
from hil.core.spec import FaultBoxSpec

CHANNELS, MODULES = 24, 8
ALL = 99
"""The channel number that means every one of the module."""

ANSWER = 20 * MILLISECOND
"""[A] The maker's client reads what came within 100 ms, and nothing later."""

REPLY_LIMIT = 100 * MILLISECOND
END = b"\r"

SPEC = FaultBoxSpec(
    model="FIU",
    channels=CHANNELS,
    carries_a=2.0,  # [M] a usual signal relay
    reply=REPLY_LIMIT,
    host_loss="relays stay as they are",
)

DONE, DATA, ERROR, REFUSED = "0", "1", "2", "3"
"""First character of an answer: done, data follow, not understood, not allowed (a text follows)."""


class Route(StrEnum):
    """Where the two ends of a channel are led; the letter is both command and answer."""

    CONNECTED = "C"
    OPEN = "D"
    TO_BUS = "F"
    VOLTMETER = "V"
    AMMETER = "I"


EXCLUSIVE = frozenset({Route.TO_BUS, Route.VOLTMETER, Route.AMMETER})
"""One channel of a module at a time: they share the fault bus and the meter."""

UNKNOWN_ROUTE = "R"
"""[M] What ``S`` shows of a channel after power-on; the client takes any other letter for it."""


class Order(NamedTuple):
    """A line without its checksum: ``rest`` is what stands behind the module's digit."""

    letter: str
    module: int
    rest: str


class Sum8:
    """Printable ASCII with the sum of its bytes behind it, CR at its end (``framing.Framing``).

    A sum is taken with one digit or two; no line can be read both ways, since for no hexadecimal
    digit X is 16 X + ord(X) a multiple of 256.
    """

    end = END

    def __init__(self, *, is_padded: bool) -> None:
        """``is_padded``: a sum below 16 is sent as two digits, as the unit does it."""
        self._form = "02X" if is_padded else "X"

    def wrap(self, line: str) -> bytes:
        """Return a line as bytes. Raises ValueError for one that is not one line of ASCII."""
        if not line:
            return self.end
        if not line.isascii() or not line.isprintable():
            raise ValueError(f"not one line of ASCII: {line!r}")
        data = line.encode("ascii")
        return data + format(_sum8(data), self._form).encode("ascii") + self.end

    def unwrap(self, data: bytes) -> str:
        """Return the line. Raises ValueError for no text and for a wrong sum."""
        for digits in (2, 1):
            body, told = data[:-digits], data[-digits:]
            if body and told == told.upper() and _as_hex(told) == _sum8(body):
                text = body.decode("ascii", errors="replace")
                if not text.isascii() or not text.isprintable():
                    raise ValueError("is not text")
                return text
        raise ValueError("has a wrong checksum")


def _sum8(data: bytes) -> int:
    return sum(data) % 256


def _as_hex(digits: bytes) -> int:
    """Return a number of hexadecimal digits alone, -1 for anything else."""
    return (
        int(digits, 16)
        if digits.isalnum() and all(c in b"0123456789ABCDEF" for c in digits)
        else -1
    )


def route_line(module: int, channel: int, route: Route) -> str:
    """Return the line that routes a channel, or ``ALL``. Raises ValueError outside the unit."""
    _check_module(module)
    if channel != ALL and not 1 <= channel <= CHANNELS:
        raise ValueError(f"channel: found {channel}, expected 1 to {CHANNELS}")
    if channel == ALL and route in EXCLUSIVE:
        raise ValueError(f"route {route.name}: one channel at a time, not all")
    return f"{route}{module}{channel:02d}"


def states_line(module: int) -> str:
    """Return the question for all routes. Raises ValueError outside the unit."""
    _check_module(module)
    return f"S{module}"


def version_line(module: int) -> str:
    """Return the question for the version. Raises ValueError outside the unit."""
    _check_module(module)
    return f"H{module}"


def parse_order(line: str) -> Order:
    """Return the parts of a line that a unit heard. Raises ValueError."""
    if len(line) < 2 or not line[1].isdigit() or int(line[1]) >= MODULES:  # noqa: PLR2004 - letter and module
        raise ValueError(f"expected a command and a module, found {line!r}")
    return Order(line[0], int(line[1]), line[2:])


def parse_answer(line: str) -> str:
    """Return the data of an answer. Raises ValueError for a refusal and for no answer at all."""
    code, rest = line[:1], line[1:]
    if code in (DONE, DATA):
        return rest
    if code in (ERROR, REFUSED):
        raise ValueError(f"the unit refuses (code {code}): {rest or 'no reason told'}")
    raise ValueError(f"expected an answer's code 0 to 3, found {line!r}")


def parse_routes(data: str) -> Sequence[Route | None]:
    """Return the route of each channel, None for one that is not known. Raises ValueError."""
    if len(data) != CHANNELS:
        raise ValueError(f"expected {CHANNELS} routes, found {len(data)}: {data!r}")
    known = {str(route): route for route in Route}
    return [known.get(letter) for letter in data]


def _check_module(module: int) -> None:
    if not 0 <= module < MODULES:
        raise ValueError(f"module: found {module}, expected 0 to {MODULES - 1}")
