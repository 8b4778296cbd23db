"""What the VISA link does about the traps of PyVISA, with the real library and a socket."""

import asyncio
import socket
import termios
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from byte_rigs import DEADLINE_S, SOON, PtyRig, SocketRig

from drivers.links.visa import VisaLink, VisaOptions, visa_link
from hil.bench.wall_time import run_wall
from hil.core.errors import LinkLost
from hil.core.instants import MILLISECOND, SECOND
from hil.ports import Clock


def with_visa(case: Callable[[SocketRig], Awaitable[None]]) -> None:
    async def main(clock: Clock) -> None:
        def make(port: int) -> VisaLink:
            resource = f"TCPIP::127.0.0.1::{port}::SOCKET"
            return visa_link("unit", clock, {"resource": resource})

        async with asyncio.timeout(DEADLINE_S), SocketRig(clock).serving(make) as rig:
            await case(rig)

    run_wall(main)


@pytest.fixture
def _no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the link treat pyvisa-py's socket as it treats other backends': through VISA alone."""
    monkeypatch.setattr("drivers.links.visa.below", lambda _visalib, _session: None)


def test_a_refused_connection_is_told_though_pyvisa_py_calls_it_open() -> None:
    async def main(clock: Clock) -> None:
        with socket.socket() as plug:
            plug.bind(("127.0.0.1", 0))
            port = plug.getsockname()[1]
        link = visa_link("unit", clock, {"resource": f"TCPIP::127.0.0.1::{port}::SOCKET"})
        with pytest.raises(LinkLost, match=rf"unit: TCPIP::127.0.0.1::{port}::SOCKET: .*refused"):
            await link.open()
        await link.close()

    run_wall(main)


@pytest.mark.parametrize(
    "options",
    [
        {"resource": "TCPIP::127.0.0.1::1::SOCKET", "backend": "@ivi"},
        {"resource": "NONSENSE::1"},
        {"resource": "GPIB0::4::INSTR"},
    ],
)
def test_what_visa_cannot_open_is_one_line(options: dict[str, Any]) -> None:
    async def main(clock: Clock) -> None:
        link = visa_link("unit", clock, options)
        with pytest.raises(LinkLost) as caught:
            await link.open()
        assert str(caught.value).startswith(f"unit: {options['resource']}: ")

    run_wall(main)


def test_what_comes_unasked_waits_for_the_host() -> None:
    async def case(rig: SocketRig) -> None:
        await rig.open()
        rig.say(b"unasked")
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        assert rig.link.pending() == b"unasked"

    with_visa(case)


@pytest.mark.usefixtures("_no_socket")
def test_nothing_is_read_through_visa_unless_the_host_waits() -> None:
    """A read that nobody asked for is an error on GPIB and USB."""

    async def case(rig: SocketRig) -> None:
        await rig.open()
        link = rig.link
        assert isinstance(link, VisaLink)
        rig.say(b"unasked")
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        assert not link._reads
        assert link.pending() == b""
        assert await link.receive() == b"unasked"

    with_visa(case)


def test_when_the_answer_is_there_no_read_holds_up_the_next_question() -> None:
    async def case(rig: SocketRig) -> None:
        await rig.open()
        link = rig.link
        assert isinstance(link, VisaLink)
        for number in range(1, 6):
            await link.send(b"?")
            await rig.heard(number)
            rig.say(b"1")
            assert await link.receive() == b"1"
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not link._reads

    with_visa(case)


def test_closing_one_session_leaves_the_others() -> None:
    async def case(rig: SocketRig) -> None:
        await rig.open()
        assert isinstance(rig.link, VisaLink)
        other = visa_link("other", rig.clock, {"resource": rig.link._options.resource})
        await other.open()
        await other.close()
        await rig.link.send(b"still here")
        assert await rig.heard(10) == b"still here"

    with_visa(case)


@pytest.mark.usefixtures("_no_socket")
def test_a_socket_of_another_backend_is_read_by_lines_without_a_loss() -> None:
    async def case(rig: SocketRig) -> None:
        await rig.open()
        await rig.link.send(b"A?\n")
        await rig.heard(3)
        rig.say(b"\x003.")
        rig.say(b"7\n4.2\n\n\xff5", after=5 * MILLISECOND)
        got = b""
        while len(got) < 11:
            got += await rig.link.receive()
        assert got == b"\x003.7\n4.2\n\n\xff5"

    with_visa(case)


def on_a_port(case: Callable[[PtyRig], Awaitable[None]], **keys: Any) -> None:
    async def main(clock: Clock) -> None:
        with TemporaryDirectory() as folder:
            rig = PtyRig(
                clock,
                Path(folder) / "port",
                lambda clock, place: visa_link(
                    "unit", clock, {"resource": f"ASRL{place}::INSTR", **keys}
                ),
            )
            rig.settles = False
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await case(rig)
            finally:
                await rig.link.close()
                rig.die()

    run_wall(main)


@pytest.mark.usefixtures("_no_socket")
def test_a_port_of_another_backend_is_read_without_a_loss_and_ends_at_no_byte() -> None:
    async def case(rig: PtyRig) -> None:
        await rig.open()
        await rig.link.send(b"A?\r\n")
        assert await rig.heard(4) == b"A?\r\n"
        rig.say(b"\x003.")
        rig.say(b"7\n4.2\n\n\xff5", after=5 * MILLISECOND)
        got = b""
        while len(got) < 11:
            got += await rig.link.receive()
        assert got == b"\x003.7\n4.2\n\n\xff5"

    on_a_port(case)


def test_a_port_gets_the_settings_of_its_line_and_nobody_else_gets_it() -> None:
    async def case(rig: PtyRig) -> None:
        await rig.open()
        _, _, flags, _, _, speed, _ = termios.tcgetattr(rig._held)
        assert speed == termios.B9600
        assert flags & termios.CSTOPB  # a pty has no parity, and always 8 bits
        other = visa_link("other", rig.clock, {"resource": f"ASRL{rig.place}::INSTR"})
        with pytest.raises(LinkLost, match="ASRL"):
            await other.open()
        await rig.link.send(b"still ours")
        assert await rig.heard(10) == b"still ours"

    on_a_port(case, baud=9_600, stop_bits="2")


async def floods(rig: SocketRig) -> None:
    """Send more than any socket takes."""
    for _ in range(1_000):
        await rig.link.send(b"x" * 65_535 + b"\n")


@pytest.mark.usefixtures("_no_socket")
def test_while_a_call_does_not_come_back_no_other_session_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """pyvisa-py's write blocks for ever; without its socket there is no way to free the thread."""
    monkeypatch.setattr("drivers.links.blocking.SEND_WITHIN", 100 * MILLISECOND)
    monkeypatch.setattr("drivers.links.blocking._RETIRE_WITHIN", 100 * MILLISECOND)

    async def case(rig: SocketRig) -> None:
        await rig.open()
        rig.deafen()
        with pytest.raises(LinkLost, match="taken no more data"):
            await floods(rig)
        with pytest.raises(LinkLost, match="has not come back"):
            await rig.link.open()
        with pytest.raises(LinkLost):
            await rig.link.send(b"OFF\n")
        rig.deafen(active=False)
        monkeypatch.setattr("drivers.links.blocking._RETIRE_WITHIN", 30 * SECOND)
        await rig.open()
        await rig.link.send(b"OFF\n")
        heard = b""
        while not heard.endswith(b"OFF\n"):
            heard = await rig.heard(len(heard) + 1)

    with_visa(case)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resource": "4711"}, "resource: found '4711'"),
        ({"resource": "ASRL/dev/ttyUSB0::INSTR", "data_bits": 9}, "data_bits: found 9"),
        ({"resource": "GPIB0::4::INSTR", "baud": 9_600}, "baud, .*: keys of a serial port"),
        ({"resource": "GPIB0::4::INSTR", "connect_ns": 0}, "connect_ns"),
    ],
)
def test_keys_that_could_not_work_are_refused_by_name(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        VisaOptions(**options)
