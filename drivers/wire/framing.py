"""Where a line begins and ends, on wires where a terminator ends it and on those with frames."""

from functools import reduce
from operator import xor
from typing import Protocol

from hil.core.described import TERMINATORS, Wire

LONGEST = 256
"""[A] Bytes that an instrument keeps of a line that does not end."""


class Framing(Protocol):
    """Turns lines into bytes and back; the bytes of one line end with ``end`` and only there.

    An empty line is what ends half of one that the other side may have.
    """

    end: bytes

    def wrap(self, line: str) -> bytes:
        """Return a line as bytes. Raises ValueError for one that cannot be sent."""

    def unwrap(self, data: bytes) -> str:
        """Return the line in the bytes before ``end``. Raises ValueError where there is none."""


class Terminated:
    """Printable ASCII with a terminator behind it; a CR before LF is dropped."""

    def __init__(self, terminator: bytes, end: bytes | None = None) -> None:
        """``terminator`` is sent; ``end`` is what ends a line that comes, its last byte if None."""
        self.terminator = terminator
        self.end = end or terminator[-1:]

    def wrap(self, line: str) -> bytes:
        """Return a line as bytes. Raises ValueError for one that is not one line of ASCII."""
        if not line.isascii() or "\n" in line or "\r" in line:
            raise ValueError(f"not one line of ASCII: {line!r}")
        return line.encode("ascii") + self.terminator

    def unwrap(self, data: bytes) -> str:
        """Return the line. Raises ValueError unless it is printable ASCII."""
        text = data.removesuffix(b"\r").decode("ascii", errors="replace")
        # replaced bytes are no ASCII, and are refused with the others
        if not text.isascii() or not text.isprintable():
            raise ValueError("is not text")
        return text


class Cts:
    """Frames of CTS chambers: STX, address, data with bit 7 set, their XOR with bit 7 set, ETX."""

    end = b"\x03"
    _START, _HIGH = 0x02, 0x80
    _AROUND = 3  # bytes before the end that are no data: STX, address, XOR

    def __init__(self, address: int) -> None:
        """``address`` is the chamber's, 0x81 to 0xA0."""
        self._address = address

    def wrap(self, line: str) -> bytes:
        """Return a line as a frame. Raises ValueError for one that is not one line of ASCII."""
        if not line:
            return self.end
        if not line.isascii() or not line.isprintable():
            raise ValueError(f"not one line of ASCII: {line!r}")
        body = bytes([self._address, *(self._HIGH | byte for byte in line.encode("ascii"))])
        return bytes([self._START, *body, reduce(xor, body) | self._HIGH]) + self.end

    def unwrap(self, data: bytes) -> str:
        """Return the line in a frame of this address. Raises ValueError for anything else."""
        start = data.rfind(self._START)  # whatever stood before is no part of the frame
        if start < 0 or len(data) - start < self._AROUND:
            raise ValueError("is no frame")
        *body, check = data[start + 1 :]
        if body[0] != self._address or min(data[start + 1 :]) < self._HIGH:
            raise ValueError(f"is no frame of address 0x{self._address:02x}")
        if reduce(xor, body) | self._HIGH != check:
            raise ValueError("has a wrong checksum")
        text = bytes(byte & ~self._HIGH for byte in body[1:]).decode("ascii")
        if not text.isprintable():
            raise ValueError("is not text")
        return text


class SimServ(Terminated):
    """Lines whose fields a byte B6h parts; in a line that is ``|``."""

    _BETWEEN = b"\xb6"

    def __init__(self) -> None:
        """CR ends what is sent, CR LF what comes."""
        super().__init__(b"\r", b"\n")

    def wrap(self, line: str) -> bytes:
        """Return a line as bytes. Raises ValueError for one that is not one line of ASCII."""
        return super().wrap(line).replace(b"|", self._BETWEEN)

    def unwrap(self, data: bytes) -> str:
        """Return the line. Raises ValueError for a byte that is neither text nor B6h."""
        return super().unwrap(data.replace(self._BETWEEN, b"|"))


class SimServServer(SimServ):
    """The same from the chamber's side, which ends its answers with CR LF and hears CR."""

    def __init__(self) -> None:
        """CR LF ends what is sent, CR what comes."""
        Terminated.__init__(self, b"\r\n", b"\r")


def framing_of(wire: Wire) -> Framing:
    """Return the framing that a description asks for, as its driver has it."""
    if wire.framing == "cts":
        return Cts(wire.address)
    if wire.framing == "simserv":
        return SimServ()
    return Terminated(TERMINATORS[wire.sends], TERMINATORS[wire.ends][-1:])


def other_side(wire: Wire) -> Framing:
    """Return the same framing as the instrument itself has it: it hears what the other sends."""
    if wire.framing == "cts":
        return Cts(wire.address)
    if wire.framing == "simserv":
        return SimServServer()
    return Terminated(TERMINATORS[wire.ends], TERMINATORS[wire.sends][-1:])


class LineInput:
    """Collects bytes until lines are whole, as an instrument does that nobody may fill up."""

    def __init__(self, framing: Framing, longest: int = LONGEST) -> None:
        """``longest`` bytes without an end are forgotten, and the rest of that line with them."""
        self._framing, self._longest = framing, longest
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[str | None]:
        """Return the lines that are whole now; None for one that is no text."""
        lines: list[str | None] = []
        *whole, rest = data.split(self._framing.end)
        for part in whole:
            skipped = self._skipping or len(self._rest) + len(part) > self._longest
            lines.append(None if skipped else self._line(bytes(self._rest) + part))
            self._rest.clear()
            self._skipping = False
        if self._skipping or len(self._rest) + len(rest) > self._longest:
            self._skipping = True
            self._rest.clear()
        else:
            self._rest += rest
        return lines

    def clear(self) -> None:
        """Forget the half of a line."""
        self._rest.clear()
        self._skipping = False

    def _line(self, data: bytes) -> str | None:
        try:
            return self._framing.unwrap(data)
        except ValueError:
            return None
