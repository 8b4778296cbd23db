"""SCPI data elements: numbers, Booleans, mnemonics, strings and channel lists, both directions.

Sources: IEEE 488.2-1992 section 7.7 (program data), SCPI-1999 volume 1 (7.2 numeric values with
MIN, MAX and DEF, 7.3 Boolean, 8.3.2 channel lists) and volume 2, 21.8 (error numbers and texts).
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

ERROR_TEXT = {
    0: "No error",
    -100: "Command error",
    -101: "Invalid character",
    -102: "Syntax error",
    -103: "Invalid separator",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -112: "Program mnemonic too long",
    -113: "Undefined header",
    -114: "Header suffix out of range",
    -121: "Invalid character in number",
    -123: "Exponent too large",
    -124: "Too many digits",
    -131: "Invalid suffix",
    -138: "Suffix not allowed",
    -151: "Invalid string data",
    -161: "Invalid block data",
    -171: "Invalid expression",
    -200: "Execution error",
    -211: "Trigger ignored",
    -221: "Settings conflict",
    -222: "Data out of range",
    -223: "Too much data",
    -224: "Illegal parameter value",
    -241: "Hardware missing",
    -256: "File name not found",
    -300: "Device-specific error",
    -310: "System error",
    -350: "Queue overflow",
    -363: "Input buffer overrun",
    -410: "Query INTERRUPTED",
    -420: "Query UNTERMINATED",
    -430: "Query DEADLOCKED",
    -440: "Query UNTERMINATED after indefinite response",
}
"""The standard's own text of each error that the engine or a device can raise."""

BLOCK_LETTERS = 0xE000
"""A block's byte ``b`` reaches ``Block`` as ``chr(BLOCK_LETTERS + b)``: private letters."""

NOT_A_NUMBER = 9.91e37
INFINITE = 9.9e37
"""What SCPI sends in place of NaN and infinity (SCPI-1999 volume 1, 7.2.1.4 and 7.2.1.5)."""


class ScpiError(Exception):
    """A message unit that the instrument refuses; ``code`` goes into its error queue."""

    def __init__(self, code: int, detail: str = "") -> None:
        """Take the text from the standard; ``detail`` follows it after a semicolon."""
        text = ERROR_TEXT.get(code, "Device-specific error")
        super().__init__(f"{text}; {detail}" if detail else text)
        self.code = code


class Parameter(Protocol):
    """How one parameter of a command is read."""

    def parse(self, text: str) -> Any:
        """Return the value of ``text``; raises ScpiError."""


_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:E[+-]?\d+)?")
_BASES = {"#H": 16, "#Q": 8, "#B": 2}
_MOST_DIGITS, _LARGEST_EXPONENT = 255, 32_000  # IEEE 488.2-1992, 7.7.2.4.1
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:E[+-]?\d+)?)\s*([A-Z]+)")
# "M" is milli and "MA" mega in SCPI, so that "MA" alone in amperes reads as milliampere.
_PREFIX = {"": 1.0, "U": 1e-6, "M": 1e-3, "K": 1e3, "MA": 1e6}


@dataclass(frozen=True, slots=True)
class Number:
    """A number in ``[low, high]`` of ``unit`` ("" takes no unit suffix): NRf, MIN, MAX or DEF."""

    low: float
    high: float
    default: float = 0.0
    unit: str = ""

    def parse(self, text: str) -> float:
        """Return the number; -222 outside the range, which INF and NAN always are."""
        if "_" in text:  # float() reads Python's digit separators, which SCPI does not have
            raise ScpiError(-121)
        try:
            value = float(text)
        except ValueError:
            value = self._spelled(text.strip().upper())
        if not self.low <= value <= self.high:
            raise ScpiError(_too_long(text) or -222)
        return value

    def _spelled(self, text: str) -> float:
        """Read what is no bare number: a keyword or a number with a unit suffix."""
        special = self.special(text)
        if special is not None:
            return special
        found = _QUANTITY.fullmatch(text)
        if found is None:
            raise ScpiError(_why_no_number(text))
        if not self.unit:
            raise ScpiError(-138)
        suffix = found[2]
        scale = _PREFIX.get(suffix.removesuffix(self.unit.upper()))
        if scale is None or not suffix.endswith(self.unit.upper()):
            raise ScpiError(-131)
        return float(found[1]) * scale

    def special(self, text: str) -> float | None:
        """Return what MIN, MAX or DEF stands for; None for any other word."""
        return {
            "MIN": self.low,
            "MINIMUM": self.low,
            "MAX": self.high,
            "MAXIMUM": self.high,
            "DEF": self.default,
            "DEFAULT": self.default,
        }.get(text.strip().upper())


def _too_long(text: str) -> int:
    """Return the error number of a number that no parser has room for; 0 for any other."""
    mantissa, _, exponent = text.upper().partition("E")
    if exponent and abs(float(exponent)) > _LARGEST_EXPONENT:
        return -123
    return -124 if sum(one.isdigit() for one in mantissa.lstrip("+-0.")) > _MOST_DIGITS else 0


def _why_no_number(text: str) -> int:
    """Return the error number that says best why a text is no number."""
    if not text:
        return -109
    if text[0] not in "+-.0123456789":
        return -104
    if all(_DECIMAL.fullmatch(part) for part in text.split()):
        return -103  # a blank where a comma belongs
    return -121


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in ``[low, high]``, also as ``#H``, ``#Q``, ``#B``; SCPI rounds the rest."""

    low: int
    high: int

    def parse(self, text: str) -> int:
        """Return the number, rounded half up as IEEE 488.2 asks."""
        text = text.strip()
        base = _BASES.get(text[:2].upper())
        if base is None:
            return math.floor(Number(self.low, self.high).parse(text) + 0.5)
        if not text[2:].isalnum():
            raise ScpiError(-121)
        try:
            return math.floor(Number(self.low, self.high).parse(str(int(text[2:], base))))
        except ValueError as error:
            raise ScpiError(-121) from error


class Boolean:
    """ON, OFF or a number that is true unless it rounds to zero."""

    def parse(self, text: str) -> bool:
        """Return the truth value; -224 for any other word."""
        word = text.strip().upper()
        if word in ("1", "ON"):
            return True
        if word in ("0", "OFF"):
            return False
        try:
            return round(Number(-1e9, 1e9).parse(word)) != 0
        except ScpiError as error:
            raise ScpiError(-224 if error.code == -104 else error.code) from error  # noqa: PLR2004 - the standard's number


class Choice:
    """One of several mnemonics, given like header nodes: capitals are the short form."""

    def __init__(self, *words: str) -> None:
        """``OPENcircuit`` accepts OPEN and OPENCIRCUIT in any case and reads as the long one."""
        self._long = {form: word.upper() for word in words for form in forms(word)}

    def parse(self, text: str) -> str:
        """Return the long form in capitals; -224 for a word that is not on the list."""
        word = text.strip().upper()
        if not word:
            raise ScpiError(-109)
        if word not in self._long:
            raise ScpiError(-224 if word[0].isalpha() else -104)
        return self._long[word]


class Text:
    """A quoted string."""

    def parse(self, text: str) -> str:
        """Return what stands between the quotes, doubled quotes made single.

        Raises ScpiError: -151 for a string that does not end, -104 for what is none.
        """
        text = text.strip()
        if not text:
            raise ScpiError(-109)
        mark = text[0]
        if mark not in "\"'":
            raise ScpiError(-104)
        if len(text) < len('""') or text[-1] != mark:
            raise ScpiError(-151)
        return text[1:-1].replace(mark * 2, mark)


class Block:
    """Arbitrary bytes, ``#<digits><length><bytes>`` or ``#0<bytes>`` to the message's end."""

    def parse(self, text: str) -> bytes:
        """Return the bytes. Raises ScpiError: -161 for a broken block, -104 for what is none."""
        text = text.strip(" ")
        if not text:
            raise ScpiError(-109)
        if text[0] != "#":
            raise ScpiError(-104)
        data = [ord(one) - BLOCK_LETTERS for one in text[1:]]
        if not all(0 <= one <= 255 for one in data):  # noqa: PLR2004 - a byte
            raise ScpiError(-161)
        return bytes(data)


def forms(word: str) -> tuple[str, str]:
    """Return the short and the long form of a mnemonic: ``VOLTage`` is VOLT and VOLTAGE."""
    return "".join(letter for letter in word if not letter.islower()), word.upper()


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """Split at ``separator`` where it stands outside quotes and parentheses."""
    parts, start, depth, mark = [], 0, 0, ""
    for at, letter in enumerate(text):
        if mark:
            mark = "" if letter == mark else mark
        elif letter in "\"'":
            mark = letter
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        elif letter == separator and depth <= 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return parts


# --- channel lists ---------------------------------------------------------------------------

_LIST = re.compile(r"\(\s*@([\d\s:,]*)\)")
_ITEM = re.compile(r"\s*(\d{1,9})\s*(?::\s*(\d{1,9})\s*)?")


@lru_cache(maxsize=256)
def parse_channels(text: str, count: int) -> tuple[int, ...]:
    """Return the channels of ``(@1,3:5)`` in the order given; 1 to ``count`` exist.

    Raises ScpiError -171 for what is no channel list and -222 for a channel that does not exist.
    """
    found = _LIST.fullmatch(text.strip())
    if found is None:
        raise ScpiError(-171)
    channels: list[int] = []
    for part in found[1].split(","):
        item = _ITEM.fullmatch(part)
        if item is None:
            raise ScpiError(-171)
        first, last = int(item[1]), int(item[2] or item[1])
        if not (1 <= first <= count and 1 <= last <= count):
            raise ScpiError(-222)
        step = 1 if last >= first else -1
        channels.extend(range(first, last + step, step))
    return tuple(channels)


def format_channels(channels: Iterable[int]) -> str:
    """Return the shortest list that names ``channels`` in their order: ``(@1:3,5)``."""
    runs: list[list[int]] = []
    for channel in channels:
        if runs and channel == runs[-1][-1] + 1:
            runs[-1].append(channel)
        else:
            runs.append([channel])
    return "(@" + ",".join(str(r[0]) if len(r) == 1 else f"{r[0]}:{r[-1]}" for r in runs) + ")"


# --- response data ---------------------------------------------------------------------------


def format_number(value: float, decimals: int) -> str:
    """Return ``value`` as an instrument answers it, never in a form that SCPI does not know."""
    if math.isfinite(value):
        return f"{value:.{decimals}f}"
    return "9.91E37" if math.isnan(value) else "9.9E37" if value > 0 else "-9.9E37"


def parse_numbers(text: str, count: int) -> list[float]:
    """Return the ``count`` comma-separated numbers of a reply, SCPI's NaN and INF as such.

    Raises ValueError when the reply holds anything else.
    """
    values = [float(part) for part in text.split(",")]
    if len(values) != count or "_" in text:
        raise ValueError(f"expected {count} numbers, found {text!r}")
    if "E" in text or "e" in text:  # only then can one of SCPI's stand-ins be among them
        return [_readable(value) for value in values]
    return values


def _readable(value: float) -> float:
    """Turn SCPI's stand-ins for NaN and infinity back into those."""
    if abs(value) < INFINITE:
        return value
    return math.nan if value == NOT_A_NUMBER else math.copysign(math.inf, value)


def parse_strings(text: str, count: int) -> Sequence[str]:
    """Return the ``count`` comma-separated fields of a reply without the quotes around them.

    Raises ValueError when there are more or fewer.
    """
    fields = [part.strip() for part in split_outside_quotes(text, ",")]
    if len(fields) != count:
        raise ValueError(f"expected {count} fields, found {text!r}")
    return [f[1:-1].replace('""', '"') if f[:1] == '"' == f[-1:] else f for f in fields]


def parse_error(reply: str) -> tuple[int, str]:
    """Take the reply to ``SYST:ERR?`` apart: code and text. Raises ValueError."""
    code, text = parse_strings(reply, 2)
    return int(code), text


def check_field(name: str, text: str) -> None:
    """Raise ValueError, with ``name`` first, unless a text can stand in a reply without quotes."""
    if not (text and text.isascii() and text.isprintable()) or set(text) & set("\"',;"):
        expected = "expected printable ASCII without comma, semicolon or quotes"
        raise ValueError(f"{name}: found {text!r}, {expected}")


def quoted(text: str) -> str:
    """Return ``text`` as SCPI string response data."""
    return '"' + text.replace('"', '""') + '"'
