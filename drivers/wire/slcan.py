r"""slcan: CAN frames as lines of text, for both ends of the line: a host and its CAN adapter.

The protocol of Lawicel's CANUSB and CAN232 (their manuals, chapter "available commands"), which
most serial adapters speak. A line ends with CR; identifiers and data are hexadecimal::

    tIIILDD..   standard frame      rIIIL         the same, remote       L: 0 to 8 data bytes
    TIIIIIIIILDD..  extended frame  RIIIIIIIIL    the same, remote
    Sn bit rate   O open   L open, listen only   C close   Zn time stamps
    V version     N serial number   F status flags (read and cleared)

An adapter answers CR (``z`` CR or ``Z`` CR to a frame it took), a text and CR, or BEL for "no".
With ``Z1`` it adds four digits to a frame, the milliseconds of its minute; they are read over: the
host knows better when a frame came. Nothing ties an answer to its question but the order.

No I/O: bytes in, frames and answers out. Both ends keep at most one unfinished line.
"""

from binascii import unhexlify
from collections.abc import Callable
from functools import lru_cache
from re import compile as pattern
from typing import NamedTuple

from can import Message

from hil.core.instants import MILLISECOND, Instant

__all__ = ["BITRATES", "CLOSE", "OPEN", "VERSION", "AdapterEnd", "Heard", "HostEnd", "Reply"]

BITRATES = (10_000, 20_000, 50_000, 100_000, 125_000, 250_000, 500_000, 800_000, 1_000_000)
"""In bit/s, by the digit of ``S``."""

OPEN, CLOSE, VERSION = b"O\r", b"C\r", b"V\r"
_OK, _NO = b"\r", b"\a"

_STAMP_DIGITS, _STAMP_MS = 4, 60_000
_MAX_DATA = 8
_LONGEST = 256  # the longest frame has 30 letters, a version some more
_KEPT_HEADS = 4096  # type, identifier and length: a bus has a few dozen of them

_STANDARD_HEAD = pattern(rb"[tr]([0-7][0-9A-Fa-f]{2})([0-8])")
_EXTENDED_HEAD = pattern(rb"[TR]([01][0-9A-Fa-f]{7})([0-8])")
_STANDARD_SIZE, _EXTENDED_SIZE = 5, 10
_HEAD_SIZE = dict(zip(b"trTR", (_STANDARD_SIZE,) * 2 + (_EXTENDED_SIZE,) * 2, strict=True))


# --- frames --------------------------------------------------------------------------------------


def encode(frame: Message) -> bytes:
    """Return a frame as its line. Raises ValueError for what classical CAN cannot carry."""
    identifier, size = frame.arbitration_id, frame.dlc
    if frame.is_fd or frame.is_error_frame or not 0 <= size <= _MAX_DATA:
        raise ValueError(f"not a frame of classical CAN: {frame!r}")
    if not 0 <= identifier < (1 << 29 if frame.is_extended_id else 1 << 11):
        raise ValueError(f"the identifier does not fit: {frame!r}")
    if frame.is_remote_frame:
        text = (
            f"R{identifier:08X}{size}\r" if frame.is_extended_id else f"r{identifier:03X}{size}\r"
        )
        return text.encode("ascii")
    if size != len(frame.data):
        raise ValueError(f"the length is not that of the data: {frame!r}")
    data = frame.data.hex().upper()
    if frame.is_extended_id:
        return f"T{identifier:08X}{size}{data}\r".encode("ascii")
    return f"t{identifier:03X}{size}{data}\r".encode("ascii")


class _Head(NamedTuple):
    """What stands before the data, and the length of the line without a time stamp."""

    identifier: int
    extended: bool
    remote: bool
    size: int
    end: int


@lru_cache(_KEPT_HEADS)
def _head(head: bytes) -> _Head:
    """Read type, identifier and length. Raises ValueError for any other letters than those."""
    extended = len(head) == _EXTENDED_SIZE
    match = (_EXTENDED_HEAD if extended else _STANDARD_HEAD).fullmatch(head)
    if match is None:
        raise ValueError(f"not the head of a frame: {head!r}")
    remote, size = head[:1] in b"rR", int(match[2])
    return _Head(int(match[1], 16), extended, remote, size, len(head) + 2 * size * (not remote))


def _decode(line: bytes, head_size: int, at: float) -> Message:
    """Return the frame of a line without its CR. Raises ValueError for one that is not whole."""
    identifier, extended, remote, size, end = _head(line[:head_size])
    if len(line) != end:
        if len(line) != end + _STAMP_DIGITS:
            raise ValueError(f"a frame of {end} letters, found {line!r}")
        unhexlify(line[end:])
    data = bytearray(unhexlify(line[head_size:end]))
    # by position: naming the arguments takes half as long again, a third of the whole decoding
    return Message(at, identifier, extended, remote, False, None, size, data)  # noqa: FBT003 - see above


class _Lines:
    """Cuts a stream into lines; BEL ends one too, as the last letter of it."""

    def __init__(self) -> None:
        """Begin with a new line."""
        self.garbled = 0
        self._rest = b""
        self._skips = False  # the line that is too long already, up to its end

    def cut(self, data: bytes) -> list[bytes]:
        """Take what came and return the lines that it ends, without their CR."""
        if _NO in data:
            data = data.replace(_NO, _NO + _OK)
        lines = (self._rest + data).split(_OK)
        self._rest = lines.pop()
        if self._skips and lines:
            self._skips = False
            del lines[0]
        if len(self._rest) > _LONGEST or self._skips:
            self.garbled += not self._skips
            self._skips, self._rest = True, b""
        return lines


# --- the host's end ------------------------------------------------------------------------------


class Reply(NamedTuple):
    """An adapter's answer that is no frame: ``good`` is False for BEL, ``text`` mostly empty."""

    good: bool
    text: str


class Heard(NamedTuple):
    """What came from the adapter, each in its order."""

    frames: list[Message]
    replies: list[Reply]


def set_bitrate(bitrate: int) -> bytes:
    """Return the command for a bit rate in bit/s. Raises ValueError for one that has none."""
    if bitrate not in BITRATES:
        known = ", ".join(map(str, BITRATES))
        raise ValueError(f"slcan has no bit rate of {bitrate} bit/s, expected one of {known}")
    return f"S{BITRATES.index(bitrate)}\r".encode("ascii")


class HostEnd:
    """Reads what an adapter says."""

    def __init__(self) -> None:
        """Begin with a new line."""
        self._lines = _Lines()
        self._garbled = 0

    @property
    def garbled(self) -> int:
        """How many lines made no sense: each may have been a frame."""
        return self._garbled + self._lines.garbled

    def feed(self, data: bytes, at: float) -> Heard:
        """Take what came at ``at`` (s) and return what it completes; never raises.

        A line that makes no sense is counted and left out, as a frame is that a bus has spoilt.
        """
        frames: list[Message] = []
        replies: list[Reply] = []
        for line in self._lines.cut(data):
            head_size = _HEAD_SIZE.get(line[0]) if line else None
            try:
                if head_size is None:
                    replies.append(_reply(line))
                else:
                    frames.append(_decode(line, head_size, at))
            except ValueError:
                # not lost without a word, though a BEL behind half a line still is one
                self._garbled += 1
                if line.endswith(_NO):
                    replies.append(Reply(good=False, text=""))
        return Heard(frames, replies)


def _reply(line: bytes) -> Reply:
    """Return the answer that a line is. Raises ValueError for one that is not text."""
    if line == _NO:
        return Reply(good=False, text="")
    text = line.decode("ascii")
    if not text.isprintable() or len(line) > _LONGEST:
        raise ValueError(f"not an answer: {line!r}")
    return Reply(good=True, text=text)


# --- the adapter's end ---------------------------------------------------------------------------


class AdapterEnd:
    """An adapter as its host sees it: reads commands, answers them, and says which frames to send.

    Rules of the CANUSB manual: the bit rate and time stamps are set while the channel is closed,
    it opens once it has a bit rate, and frames pass while it is open.
    """

    def __init__(self, version: str = "V1013", serial: str = "N0000") -> None:
        """Begin closed, as after power-up; ``version`` and ``serial`` answer ``V`` and ``N``."""
        self._lines = _Lines()
        self._answers = {b"V": version.encode("ascii"), b"N": serial.encode("ascii")}
        self.bitrate: int | None = None
        self.is_open = self.listens_only = False
        self.flags = 0
        """Status bits of ``F``, set by whoever knows the bus: 1 transmit queue full, 7 bus error.

        A host that reads them clears them.
        """
        self._stamps = False
        self._commands: dict[bytes, Callable[[bytes], bytes | None]] = {
            b"S": self._set_bitrate,
            b"O": self._open,
            b"L": self._open,
            b"C": self._close,
            b"Z": self._set_stamps,
            b"F": self._read_flags,
        }

    def receive(self, data: bytes) -> tuple[list[Message], bytes]:
        """Take what the host sent; return the frames for the bus and the answers for the host."""
        frames: list[Message] = []
        answers = bytearray()
        overlong = self._lines.garbled
        for line in self._lines.cut(data):
            answer = self._frame(line, frames) if line[:1] in _FRAMES else self._command(line)
            answers += _NO if answer is None else answer + _OK
        answers += _NO * (self._lines.garbled - overlong)
        return frames, bytes(answers)

    def forward(self, frame: Message, at: Instant) -> bytes:
        """Return what the host gets for a frame off the bus at ``at``: nothing while closed."""
        if not self.is_open:
            return b""
        line = encode(frame)
        if not self._stamps:
            return line
        return line[:-1] + f"{at // MILLISECOND % _STAMP_MS:04X}\r".encode("ascii")

    def _frame(self, line: bytes, frames: list[Message]) -> bytes | None:
        """Take a frame for the bus; None refuses."""
        if not self.is_open or self.listens_only:
            return None
        try:
            frames.append(_decode(line, _HEAD_SIZE[line[0]], 0.0))
        except ValueError:
            return None
        return b"z" if line[:1] in b"tr" else b"Z"

    def _command(self, line: bytes) -> bytes | None:
        """Carry out a command and return its answer; None refuses."""
        if line in self._answers:
            return self._answers[line]
        command = self._commands.get(line[:1])
        return command(line) if command else None

    def _set_bitrate(self, line: bytes) -> bytes | None:
        digit = line[1:]
        if self.is_open or len(digit) != 1 or not b"0" <= digit <= b"8":
            return None
        self.bitrate = BITRATES[int(digit)]
        return b""

    def _open(self, line: bytes) -> bytes | None:
        if self.is_open or self.bitrate is None or len(line) != 1:
            return None
        self.is_open, self.listens_only = True, line == b"L"
        return b""

    def _close(self, line: bytes) -> bytes | None:
        if not self.is_open or len(line) != 1:
            return None
        self.is_open = False
        return b""

    def _set_stamps(self, line: bytes) -> bytes | None:
        if self.is_open or line not in (b"Z0", b"Z1"):
            return None
        self._stamps = line == b"Z1"
        return b""

    def _read_flags(self, line: bytes) -> bytes | None:
        if not self.is_open or len(line) != 1:
            return None
        flags, self.flags = self.flags, 0
        return f"F{flags:02X}".encode("ascii")


_FRAMES = (b"t", b"r", b"T", b"R")
