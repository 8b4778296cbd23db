"""Files as they come: what may be read at all, and the text in it with the places of mistakes.

Everything a user can name as a file passes through here, so that a pipe never makes a program
wait, a disk image is refused by its size and not read, and no text steers the terminal it is shown
on: a character is printable, or it ends a line, or it is refused.
"""

import re
import stat
from pathlib import Path
from typing import NamedTuple

from hil.core.errors import ConfigError, ConfigErrors, printable

MAX_SHOWN = 400  # characters of a message

_PRINTABLE = "\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff"
"""No control characters, lone surrogates, or marks that turn the direction of writing round."""
_NO_TEXT = re.compile(f"[^\t\n\r\x85\u2028\u2029{_PRINTABLE}]")
_NO_VALUE = re.compile(f"[^\t\n{_PRINTABLE}]")

_UNSIZED = 1 << 20

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Mark(NamedTuple):
    """A place in a file, counted from 1; line 0 means the whole of it.

    ``is_override`` is what a ``--set`` of the command line says: the user's own word.
    """

    file: str
    line: int = 0
    column: int = 0
    is_override: bool = False

    def error(self, key: str, message: str) -> ConfigError:
        """Return an error at this place, in one printable line whatever the file has in it."""
        lines = [printable(" ".join(text.split())) for text in (key, message)]
        short = [text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..." for text in lines]
        return ConfigError(self.file, self.line, self.column, *short)

    def at(self, text: str, index: int) -> "Mark":
        """Return the place of ``text[index]``, where ``text`` is what the file holds.

        An override has no lines worth naming: it is short, and shown whole.
        """
        if self.is_override:
            return self
        line = text.count("\n", 0, index) + 1
        return Mark(self.file, line, index - text.rfind("\n", 0, index))


def why_no_file(path: Path) -> str:
    """Say why a path cannot be read as a file; empty when it can."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return _reason(error)
    except ValueError:  # a NUL in the name
        return "cannot be read: no file has such a name"
    if stat.S_ISREG(mode):
        return ""
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")
    return f"is {kind}, expected a file"


def read_bytes(path: Path, shown: str, most: int) -> bytes:
    """Return what is in a file of at most so many bytes.

    Raises ConfigErrors; what is too long is refused by its size, before anything is read.
    """
    place = Mark(shown)
    problem = why_no_file(path)
    if problem:
        raise ConfigErrors([place.error("", problem)])
    try:
        size = path.stat().st_size
        if size <= most:
            with path.open("rb") as file:
                # as much is allocated; what the system makes up as it is read has no size before
                data = file.read(min(most, max(size, _UNSIZED)) + 1)
            size = len(data)
    except OSError as error:
        raise ConfigErrors([place.error("", _reason(error))]) from error
    if size > most:
        message = f"found {size} bytes, expected at most {most} ({most >> 10} KiB)"
        raise ConfigErrors([place.error("", message)])
    return data


def decoded(data: bytes, place: Mark) -> str:
    """Return UTF-8, with or without a byte order mark, as text. Raises ConfigErrors."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"found byte 0x{data[error.start]:02x}, expected text in UTF-8"
        before = data[: error.start].decode("latin-1")
        raise ConfigErrors([place.at(before, error.start).error("", message)]) from error
    return checked(text, place)


def checked(text: str, place: Mark) -> str:
    """Return a text that holds nothing but text. Raises ConfigErrors at the first other thing."""
    found = _NO_TEXT.search(text)
    if found:
        raise ConfigErrors([place.at(text, found.start()).error("", control_character(found[0]))])
    return text


def unfit(value: str) -> str:
    """Say what a value holds that no value may, as by an escape; empty when all is printable."""
    found = _NO_VALUE.search(value)
    return control_character(found[0]) if found else ""


def control_character(character: str) -> str:
    """Return the message about one."""
    return f"found the control character U+{ord(character):04X}, expected printable text"


def _reason(error: OSError) -> str:
    """Return the system's own reason."""
    return f"cannot be read: {(error.strerror or 'no reason given').lower()}"
