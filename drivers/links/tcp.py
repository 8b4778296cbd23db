"""A byte link over TCP: instruments with a raw socket (SCPI on port 5025), device servers.

Errors of sockets become ``LinkLost`` here, with host and port.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from struct import Struct
from typing import Any

from drivers.links.endpoint import byte_endpoint
from drivers.links.endpoint_doors import TcpOpening
from drivers.links.stream import Session, StreamLink, Wires
from hil.core.instants import SECOND, Duration
from hil.ports import ByteTwin, Clock, Endpoint, LinkKind, Tap

_LINGER = Struct("ii")
_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # a peer that lost its power says nothing: found out after 2 s + 3 x 1 s, within a safe state
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    # the same for a peer that owes us an acknowledgement, in ms
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5_000),
)
_MAX_PORT = 65_535


@dataclass(frozen=True)
class TcpOptions:
    """The bench file's keys: ``{host: 192.0.2.17, port: 5025, connect: 2 s}``."""

    host: str
    port: int
    connect_ns: Duration = 2 * SECOND

    def __post_init__(self) -> None:
        """Raises ValueError for what no connection could be made with."""
        if not self.host:
            raise ValueError("host: found nothing, expected a name or an address")
        if not 1 <= self.port <= _MAX_PORT:
            raise ValueError(f"port: found {self.port}, expected 1 to {_MAX_PORT}")
        if self.connect_ns <= 0:
            raise ValueError("connect_ns: expected more than 0 s")


async def _connect(options: TcpOptions, session: Session) -> Wires:
    """Connect a socket. Raises OSError."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: session, options.host, options.port)
    plug: socket.socket = transport.get_extra_info("socket")
    try:
        tune(plug)
    except OSError:  # a kernel without one of the options, a peer that has gone already
        transport.abort()
        raise
    return Wires(transport, transport, plug.fileno(), partial(discard_on_close, plug))


def tune(plug: socket.socket) -> None:
    """Send at once, and find out about a peer that has gone without a word."""
    for level, option, value in _OPTIONS:
        plug.setsockopt(level, option, value)


def discard_on_close(plug: socket.socket) -> None:
    """Let closing reset the connection (linger for 0 s): what was not sent then never is."""
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(1, 0))


def tcp_link(
    name: str,
    clock: Clock,
    options: Mapping[str, Any],
    *,
    twin: object = None,  # noqa: ARG001 - the signature of all links
    tap: Tap | None = None,
) -> StreamLink:
    """Return the link of device ``name`` to a host and port; ``options`` as in TcpOptions.

    ``tap`` sees ``b">"`` + bytes as the host sends them and ``b"<"`` + bytes as it takes them.
    Raises ValueError for an option's value, TypeError for an option it does not have.
    """
    chosen = TcpOptions(**options)
    where = f"{chosen.host}:{chosen.port}"
    connect = partial(_connect, chosen)
    return StreamLink(name, clock, where, connect, tap, connect_within=chosen.connect_ns)


def tcp_endpoint(
    name: str, clock: Clock, options: Mapping[str, Any], *, twin: ByteTwin
) -> Endpoint:
    """Put a twin where ``tcp_link`` of the same ``options`` looks for it."""
    chosen = TcpOptions(**options)
    return byte_endpoint(name, clock, twin, TcpOpening(chosen.host, chosen.port))


def tcp_place(host: str, port: object) -> str:
    """Return the name of a port of a host, whoever leads there."""
    return f"tcp {host.lower()}:{port}"


TCP = LinkKind(
    TcpOptions,
    needs_twin=False,
    carries="bytes",
    make=tcp_link,
    endpoint=tcp_endpoint,
    where=lambda options: tcp_place(options["host"], options["port"]),
)
"""The entry point ``tcp`` of ``hil.links``."""
