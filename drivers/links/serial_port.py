"""A byte link over a serial port or a pty, with pyserial for the port's settings.

pyserial opens and configures; reading and writing are asyncio's, without threads and without
polling. Errors of the port become ``LinkLost`` here. No flow control: ptys and many adapters know
none, and the messages of instruments are shorter than their buffers.
"""

import asyncio
import os
import termios
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import serial
from serial.tools import list_ports

from drivers.links.endpoint import byte_endpoint
from drivers.links.endpoint_doors import PtyOpening
from drivers.links.stream import Session, StreamLink, Wires
from hil.core.instants import SECOND
from hil.ports import ByteTwin, Clock, Endpoint, LinkKind, Tap

Parity = Literal["none", "even", "odd", "mark", "space"]
StopBits = Literal["1", "1.5", "2"]

_CONNECT_WITHIN = 2 * SECOND
_DATA_BITS = (5, 6, 7, 8)


@dataclass(frozen=True)
class SerialOptions:
    """The bench file's keys: ``{port: /dev/ttyUSB0, baud: 115200}``, else 8 data bits, no parity.

    ``port`` best is a name under /dev/serial/by-id, which stays when adapters are plugged anew.
    """

    port: str
    baud: int = 115_200
    data_bits: int = 8
    parity: Parity = "none"
    stop_bits: StopBits = "1"

    def __post_init__(self) -> None:
        """Raises ValueError for settings that no port has."""
        if not self.port:
            raise ValueError("port: found nothing, expected a device such as /dev/ttyUSB0")
        if self.baud < 1:
            raise ValueError(f"baud: found {self.baud}, expected at least 1")
        if self.data_bits not in _DATA_BITS:
            raise ValueError(f"data_bits: found {self.data_bits}, expected 5 to 8")

    @property
    def byte_ns(self) -> int:
        """Return how long one byte takes on the line: start, data, parity and stop bits."""
        bits = 1 + self.data_bits + (self.parity != "none") + float(self.stop_bits)
        return round(bits * SECOND / self.baud)


async def _connect(options: SerialOptions, session: Session) -> Wires:
    """Open and configure the port, for nobody else. Raises OSError, ValueError, termios.error."""
    port = serial.Serial(
        options.port,
        options.baud,
        options.data_bits,
        options.parity[0].upper(),
        float(options.stop_bits),
        timeout=0,
        exclusive=True,
    )
    loop = asyncio.get_running_loop()
    with ExitStack() as undo:
        undo.callback(port.close)
        # a transport a direction, each of which closes what it was given
        out = undo.enter_context(os.fdopen(os.dup(port.fileno()), "wb", buffering=0))
        reader, _ = await loop.connect_read_pipe(lambda: session, port)
        undo.callback(reader.close)
        writer, _ = await loop.connect_write_pipe(lambda: session, out)
        undo.pop_all()
    discard = partial(termios.tcflush, out.fileno(), termios.TCOFLUSH)
    return Wires(reader, writer, out.fileno(), discard)


def serial_link(
    name: str,
    clock: Clock,
    options: Mapping[str, Any],
    *,
    twin: object = None,  # noqa: ARG001 - the signature of all links
    tap: Tap | None = None,
) -> StreamLink:
    """Return the link of device ``name`` at a serial port; ``options`` as in SerialOptions.

    ``tap`` sees ``b">"`` + bytes as the host sends them and ``b"<"`` + bytes as it takes them.
    Raises ValueError for an option's value, TypeError for an option it does not have.
    """
    chosen = SerialOptions(**options)
    return StreamLink(
        name,
        clock,
        chosen.port,
        partial(_connect, chosen),
        tap,
        connect_within=_CONNECT_WITHIN,
        byte_ns=chosen.byte_ns,
    )


def serial_endpoint(
    name: str, clock: Clock, options: Mapping[str, Any], *, twin: ByteTwin
) -> Endpoint:
    """Put a twin on a pty that has the port's name; the line's settings mean nothing there."""
    return byte_endpoint(name, clock, twin, PtyOpening(SerialOptions(**options).port))


def ports() -> list[str]:
    """Return the serial ports of this host with what their adapters say of themselves."""
    found = sorted(list_ports.comports())
    return [f"{{port: {one.device}}}  # {one.description}" for one in found]


def serial_place(port: str) -> str:
    """Return the name of a port, whichever of its names under /dev is used."""
    return f"serial {os.path.realpath(port)}"


SERIAL = LinkKind(
    SerialOptions,
    needs_twin=False,
    carries="bytes",
    make=serial_link,
    endpoint=serial_endpoint,
    discover=ports,
    where=lambda options: serial_place(options["port"]),
)
"""The entry point ``serial`` of ``hil.links``."""
