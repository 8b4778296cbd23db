"""Firmware that keeps its own time: a process of its own, found where its board's link looks.

The process listens at the slcan socket itself, which the lab has opened for it, so that a port in
use shows at once and one that is free stays ours. Its SPI bus ends here: what it asks its chips is
answered by the board's electronics, at the lab's time. The chips' side of that bus also tells when
the process has died, which is a board that has lost its supply.

A transfer is a packet each way: select (u8), length (u16, little-endian), that many bytes
(``firmware_stubs/port/spi_wire.h``).
"""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

from drivers.links.endpoint_doors import Door, TcpOpening
from hil.core.errors import LinkLost
from hil.ports import Clock, Electronics, Endpoint, Firmware, LiveFactory, Place

BITRATE = 500_000
"""In bit/s: what the firmware sets its CAN controller to."""

_HEAD = Struct("<BH")
_CHUNK = 1 << 12
_KERNEL_KEEPS = 1 << 16  # an adapter has no megabytes for frames that nobody reads
_ANYWHERE = {"host": "127.0.0.1", "port": "0"}
"""Where a board is whose link ends in memory: at any free port, as in every lab."""

# From util-linux; a process that only its parent wants must not outlive it, however that ends.
_DIES_WITH_US = ("setpriv", "--pdeathsig", signal.Signals.SIGKILL.name.removeprefix("SIG"))


class Wires(NamedTuple):
    """What a board's process inherits as descriptors, and the names that ``ps`` shows for it."""

    page: int
    """The parameter page, a file that has no name."""
    can: int
    """A socket that listens."""
    spi: int
    """A socket that is connected."""
    name: str
    address: str


@dataclass(frozen=True)
class Machine:
    """How firmware comes up as a process, and how that lets go of its client.

    ``command(image, wires)`` gives the words; standard input is a pipe that ``hang_up`` may use.
    """

    command: Callable[[Path, Wires], Sequence[str]]
    hang_up: Callable[["subprocess.Popen[bytes]"], None]


class LiveBoard:
    """``hil.ports.Endpoint`` of a board whose firmware is a process; ``live_factory`` builds it."""

    def __init__(
        self, name: str, opening: TcpOpening, machine: Machine, image: Path, chips: Electronics
    ) -> None:
        """Take what is started and what it is wired to; does no I/O."""
        self._name, self._opening, self._machine = name, opening, machine
        self._image, self._chips = image.resolve(), chips
        self._lost: Callable[[], None] = lambda: None
        self._process: subprocess.Popen[bytes] | None = None
        self._spi: socket.socket
        self._asked = bytearray()
        self._places: list[Place] = []

    @property
    def places(self) -> Sequence[Place]:
        """Where the board's slcan adapter is."""
        return self._places

    @property
    def hosts(self) -> Sequence[str]:
        """The host of its adapter."""
        return [self._opening.host]

    @property
    def pid(self) -> int | None:
        """The firmware's process, None while there is none."""
        return None if self._process is None else self._process.pid

    def open(self, lost: Callable[[], None]) -> None:
        """Give the board its supply and its firmware. Raises LinkLost that names the address."""
        try:
            door = self._opening.open()
            try:
                _keep_little(door.descriptor)
                self._chips.start()
                self._spi, self._process = self._started(door)
            finally:
                os.close(door.descriptor)  # the process has its own: without it nobody listens
        except OSError as error:
            reason = error.strerror or str(error)
            told = f"{error.filename}: {reason}" if error.filename else reason
            raise LinkLost(self._name, told) from error
        self._lost, self._places = lost, [door.place]
        self._asked.clear()
        asyncio.get_running_loop().add_reader(self._spi, self._from_board)

    def _started(self, door: Door) -> "tuple[socket.socket, subprocess.Popen[bytes]]":
        """Start the firmware with its wires; return the chips' end of the SPI bus and the process.

        It has a session of its own, so that a Ctrl-C at the lab's terminal goes to the lab alone.
        What it complains of is seen there. Raises OSError.
        """
        page = os.memfd_create("parameter-page")
        ours, theirs = socket.socketpair()
        try:
            os.write(page, self._chips.parameters)
            ours.settimeout(0)
            spi = theirs.fileno()
            wires = Wires(page, door.descriptor, spi, self._name, door.place.address)
            process = subprocess.Popen(  # noqa: S603 - an image that was asked for
                [*_DIES_WITH_US, *self._machine.command(self._image, wires)],
                bufsize=0,
                pass_fds=(page, door.descriptor, spi),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(page)
        return ours, process

    def kill(self) -> None:
        """Kill the firmware's process; the next one starts from the reset vector."""
        if self._process is not None:
            self._wind_up(self._process)

    def hang_up(self) -> None:
        """End the connection of whoever speaks to the board's adapter."""
        if self._process is not None:
            self._machine.hang_up(self._process)

    def close(self) -> None:
        """End the firmware."""
        self.kill()
        self._opening.close()

    def _wind_up(self, process: "subprocess.Popen[bytes]") -> None:
        """Take leave of a process, dead, alive or stopped: it is not asked to end."""
        asyncio.get_running_loop().remove_reader(self._spi)
        self._spi.close()
        process.kill()
        process.wait()
        assert process.stdin is not None  # noqa: S101 - it was started with one
        process.stdin.close()
        self._process = None

    # --- the chips' end of the SPI bus -----------------------------------------------------------

    def _from_board(self) -> None:
        """Answer the transfers that have come; nothing comes any more from a process that died."""
        try:
            data = self._spi.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data and self._answered(data):
            return
        self.kill()
        self._lost()

    def _answered(self, data: bytes) -> bool:
        """Answer what is whole; False for a process that takes no answers.

        Every transfer has one before the next is due: the socket's room is that of hundreds.
        """
        self._asked += data
        answers = b"".join(
            _HEAD.pack(select, len(sent)) + self._chips.spi.transfer(select, sent)
            for select, sent in _whole(self._asked)
        )
        try:
            return self._spi.send(answers) == len(answers) if answers else True
        except OSError:
            return False


def _keep_little(listener: int) -> None:
    """Limit what waits in the kernel for a client that does not read; its socket inherits it."""
    with socket.socket(fileno=os.dup(listener)) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_KEEPS)


def _whole(asked: bytearray) -> list[tuple[int, bytes]]:
    """Take the packets that are whole out of ``asked``: select and bytes of each."""
    found = []
    while len(asked) >= _HEAD.size:
        select, size = _HEAD.unpack_from(asked)
        end = _HEAD.size + size
        if len(asked) < end:
            break
        found.append((select, bytes(asked[_HEAD.size : end])))
        del asked[:end]
    return found


# --- building -------------------------------------------------------------------------------------


def live_factory(machine: Machine) -> LiveFactory:
    """Return what builds the endpoints of boards that come up on this machine."""

    def make(
        name: str,
        clock: Clock,  # noqa: ARG001 - the firmware has its own
        options: Mapping[str, Any],
        *,
        firmware: Firmware,
        electronics: Electronics,
    ) -> Endpoint:
        return LiveBoard(name, _opening(options), machine, firmware.image, electronics)

    return make


def _opening(options: Mapping[str, Any]) -> TcpOpening:
    """Return where a board listens that a link of these keys looks for. Raises ValueError."""
    bitrate = options.get("bitrate", BITRATE)
    if bitrate != BITRATE:
        raise ValueError(f"link.bitrate: found {bitrate}, the firmware's CAN runs at {BITRATE}")
    at = {key: options[key] for key in ("host", "port", "interface") if key in options}
    if at and at.get("host") is None:
        there = ", ".join(f"{key}: {value}" for key, value in at.items() if value is not None)
        raise ValueError(
            f"link: found {there}, expected host and port: a board whose firmware keeps its own "
            "time is reached by slcan over TCP"
        )
    where = at or _ANYWHERE
    return TcpOpening(str(where["host"]), int(where["port"]), "slcan-tcp")
