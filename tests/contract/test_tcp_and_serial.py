"""What TCP and serial links say and do beyond what all byte links promise."""

import asyncio
import errno
import os
import pty
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import pytest
import serial
from byte_rigs import DEADLINE_S, SocketRig

from drivers.links.serial_port import SerialOptions, serial_link
from drivers.links.stream import RECEIVE_BYTES
from drivers.links.tcp import TcpOptions, tcp_link
from hil.bench.wall_time import run_wall
from hil.core.errors import LinkLost
from hil.core.instants import MILLISECOND, SECOND
from hil.ports import Clock


def wall(case: Callable[[Clock], Awaitable[None]]) -> None:
    async def main(clock: Clock) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await case(clock)

    run_wall(main)


def free_port() -> int:
    """Return a port on which nobody listens: it was ours until just now."""
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        port: int = plug.getsockname()[1]
        return port


def test_a_refused_connection_says_where_and_why() -> None:
    async def case(clock: Clock) -> None:
        port = free_port()
        link = tcp_link("chamber", clock, {"host": "127.0.0.1", "port": port})
        with pytest.raises(LinkLost) as caught:
            await link.open()
        text = str(caught.value)
        assert text.startswith(f"chamber: 127.0.0.1:{port}: ")
        assert "connect" in text.lower()
        assert "\n" not in text
        with pytest.raises(LinkLost):
            await link.send(b"?")
        await link.close()

    wall(case)


def test_a_host_that_does_not_answer_is_given_up_after_the_bench_files_time() -> None:
    async def case(clock: Clock) -> None:
        with ExitStack() as stack:
            # a full queue of connections: the kernel leaves the next one without an answer
            server = stack.enter_context(socket.socket())
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            port = server.getsockname()[1]
            for _ in range(3):
                plug = stack.enter_context(socket.socket())
                plug.setblocking(False)  # noqa: FBT003 - the socket's own signature
                plug.connect_ex(("127.0.0.1", port))
            options = {"host": "127.0.0.1", "port": port, "connect_ns": 100 * MILLISECOND}
            link = tcp_link("chamber", clock, options)
            with pytest.raises(LinkLost, match=r"no connection within 0\.1 s"):
                await link.open()

    wall(case)


def test_a_name_that_is_none_says_so() -> None:
    async def case(clock: Clock) -> None:
        link = tcp_link("chamber", clock, {"host": "no such host.invalid", "port": 1})
        with pytest.raises(LinkLost, match=r"no such host\.invalid:1: "):
            await link.open()

    wall(case)


async def checks(rig: SocketRig) -> None:
    """Look after the link until it is lost."""
    while True:
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        rig.link.check()


def test_a_host_that_takes_nothing_loses_the_link_and_not_a_part_of_the_bytes() -> None:
    async def case(clock: Clock) -> None:
        rig = SocketRig(clock)
        async with rig.serving(
            lambda port: tcp_link("chamber", clock, {"host": "127.0.0.1", "port": port})
        ):
            await rig.open()
            rig.say(b"x" * (RECEIVE_BYTES + 1))
            with pytest.raises(LinkLost, match="were not taken"):
                await checks(rig)

    wall(case)


def test_the_socket_sends_at_once_and_finds_a_dead_peer() -> None:
    async def case(clock: Clock) -> None:
        rig = SocketRig(clock)
        async with rig.serving(
            lambda port: tcp_link("chamber", clock, {"host": "127.0.0.1", "port": port})
        ):
            await rig.open()
            session: Any = rig.link._session  # type: ignore[attr-defined]
            plug = session.wires.writer.get_extra_info("socket")
            assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert plug.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5_000

    wall(case)


def test_a_socket_that_cannot_be_tuned_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(plug: socket.socket) -> None:
        raise OSError(errno.ENOPROTOOPT, f"no such option on {plug.family.name}")

    monkeypatch.setattr("drivers.links.tcp.tune", refuses)

    async def case(clock: Clock) -> None:
        rig = SocketRig(clock)
        async with rig.serving(
            lambda port: tcp_link("chamber", clock, {"host": "127.0.0.1", "port": port})
        ):
            with pytest.raises(LinkLost, match="no such option on AF_INET"):
                await rig.link.open()
            while not (rig.connections and rig.connections[0].transport.is_closing()):
                await clock.sleep_until(clock.now() + MILLISECOND)

    wall(case)


def test_taps_see_what_is_sent_and_what_is_taken() -> None:
    async def case(clock: Clock) -> None:
        rig, seen = SocketRig(clock), bytearray()
        async with rig.serving(
            lambda port: tcp_link(
                "chamber", clock, {"host": "127.0.0.1", "port": port}, tap=seen.extend
            )
        ):
            await rig.open()
            await rig.link.send(b"A?")
            await rig.heard(2)
            rig.say(b"1")
            assert seen == b">A?"
            await rig.link.receive()
            assert seen == b">A?<1"

    wall(case)


# --- serial --------------------------------------------------------------------------------------


def test_a_port_that_is_not_there_says_so() -> None:
    async def case(clock: Clock) -> None:
        link = serial_link("supply", clock, {"port": "/dev/ttyNone"})
        with pytest.raises(LinkLost, match=r"supply: /dev/ttyNone: .*[Nn]o such file"):
            await link.open()

    wall(case)


def test_two_controllers_cannot_share_a_port() -> None:
    async def case(clock: Clock) -> None:
        master, held = pty.openpty()
        port = os.ttyname(held)
        first, second = (serial_link("supply", clock, {"port": port}) for _ in range(2))
        try:
            await first.open()
            with pytest.raises(LinkLost, match="lock"):
                await second.open()
            with pytest.raises(serial.SerialException, match="lock"):
                serial.Serial(port, exclusive=True)
            await first.close()
            await second.open()
        finally:
            await first.close()
            await second.close()
            os.close(master)
            os.close(held)

    wall(case)


def test_the_bench_files_settings_reach_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    real = serial.Serial

    def recorded(*args: Any, **other: Any) -> Any:
        opened.append(real(*args, **other))
        return opened[-1]

    monkeypatch.setattr("drivers.links.serial_port.serial.Serial", recorded)

    async def case(clock: Clock) -> None:
        master, held = pty.openpty()
        options = {"port": os.ttyname(held), "baud": 9_600, "parity": "even", "stop_bits": "2"}
        link = serial_link("supply", clock, {**options, "data_bits": 7})
        try:
            await link.open()
            (port,) = opened
            assert (port.baudrate, port.bytesize, port.parity, port.stopbits) == (9_600, 7, "E", 2)
        finally:
            await link.close()
            os.close(master)
            os.close(held)

    wall(case)


def test_a_port_that_can_only_be_read_is_let_go() -> None:
    """The second transport fails: the first must not go on reading for a session that is none."""

    async def case(clock: Clock) -> None:
        loop, readers = asyncio.get_running_loop(), []
        connect_reader = loop.connect_read_pipe

        async def kept(*what: Any) -> Any:
            readers.append(await connect_reader(*what))
            return readers[-1]

        async def refused(*_: Any) -> Any:
            raise OSError(errno.EIO, "no way out")

        loop.connect_read_pipe = kept  # type: ignore[method-assign, assignment]
        loop.connect_write_pipe = refused  # type: ignore[method-assign, assignment]
        master, held = pty.openpty()
        link = serial_link("supply", clock, {"port": os.ttyname(held)})
        try:
            with pytest.raises(LinkLost, match="no way out"):
                await link.open()
            [(transport, session)] = readers
            assert transport.is_closing()
            await session.gone.wait()
            serial.Serial(os.ttyname(held), exclusive=True).close()
        finally:
            await link.close()
            os.close(master)
            os.close(held)

    wall(case)


def test_a_byte_takes_its_start_data_parity_and_stop_bits() -> None:
    assert SerialOptions("p", 10_000).byte_ns == SECOND // 1_000
    assert SerialOptions("p", 11, 7, "odd", "2").byte_ns == SECOND
    assert SerialOptions("p", 2, 5, "none", "1.5").byte_ns == SECOND * 15 // 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (lambda: TcpOptions("", 1), "host"),
        (lambda: TcpOptions("h", 0), "port: found 0"),
        (lambda: TcpOptions("h", 65_536), "port: found 65536"),
        (lambda: TcpOptions("h", 1, 0), "connect_ns"),
        (lambda: SerialOptions(""), "port"),
        (lambda: SerialOptions("p", 0), "baud"),
        (lambda: SerialOptions("p", data_bits=9), "data_bits"),
    ],
)
def test_keys_that_no_link_could_use_are_refused_by_name(
    options: Callable[[], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        options()
