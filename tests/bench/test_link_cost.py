"""What a question costs over each real link, and a frame over slcan; the peer is a process.

The floor is a blocking socket without any of ours, in the same run on the same machine.
"""

import asyncio
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from can import Message

from drivers.links.lines import LineSession
from drivers.links.slcan import slcan_link
from drivers.links.tcp import tcp_link
from drivers.links.visa import visa_link
from drivers.wire import slcan
from hil.bench.wall_time import run_wall
from hil.core.instants import SECOND
from hil.ports import ByteLink, Clock, FrameLink

pytestmark = pytest.mark.bench

QUERIES, ECHOES, FRAMES = 3_000, 2_000, 200_000

ANSWERING = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    plug, _ = server.accept()
    plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := plug.recv(65536):
        plug.sendall(b"3.7001\\n" * data.count(b"\\n"))
"""

ADAPTER = """
import socket
from drivers.wire.slcan import AdapterEnd
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    plug, _ = server.accept()
    plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    adapter = AdapterEnd()
    while data := plug.recv(65536):
        frames, answer = adapter.receive(data)
        for frame in frames:
            answer += adapter.forward(frame, 0)
            if frame.arbitration_id == 0x7FF:  # asks for a burst
                answer += adapter.forward(frame, 0) * int.from_bytes(frame.data, "big")
        plug.sendall(answer)
"""


@contextmanager
def process(script: str) -> Iterator[int]:
    """Run a peer and yield its port."""
    with processes(script) as [port]:
        yield port


@contextmanager
def processes(script: str) -> Iterator[list[int]]:
    """Run a peer and yield all its ports."""
    root = Path(slcan.__file__).parents[2]
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root
    ) as peer:
        assert peer.stdout is not None
        try:
            yield [int(port) for port in peer.stdout.readline().split()]
        finally:
            peer.kill()


def told(name: str, took_ns: list[int]) -> None:
    """Print the median and the 99th percentile."""
    cuts = statistics.quantiles(took_ns, n=100)
    text = f"median {cuts[49] / 1e3:6.0f} us, p99 {cuts[98] / 1e3:6.0f} us"
    print(f"\n  {name:34} {text}", end="")  # noqa: T201 - what make bench is for


async def timed(times: int, call: Callable[[], Awaitable[object]]) -> list[int]:
    """Return how long each call took, in ns; the first ones warm up and do not count."""
    took = []
    for number in range(times + times // 10):
        began = time.perf_counter_ns()
        await call()
        if number >= times // 10:
            took.append(time.perf_counter_ns() - began)
    return took


def test_a_question_over_tcp_and_visa() -> None:
    with process(ANSWERING) as port:
        told("blocking socket, none of ours", floor(port))
        for name, make in (
            ("tcp", lambda clock: tcp_link("x", clock, {"host": "127.0.0.1", "port": port})),
            (
                "visa (pyvisa-py, SOCKET)",
                lambda clock: visa_link(
                    "x", clock, {"resource": f"TCPIP::127.0.0.1::{port}::SOCKET"}
                ),
            ),
        ):
            run_wall(lambda clock, name=name, make=make: queries(name, clock, make(clock)))  # type: ignore[misc]


def floor(port: int) -> list[int]:
    """Ask over a plain socket."""
    took = []
    with socket.create_connection(("127.0.0.1", port)) as plug:
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(QUERIES):
            began = time.perf_counter_ns()
            plug.sendall(b"VOLT?\n")
            plug.recv(100)
            took.append(time.perf_counter_ns() - began)
    return took


async def queries(name: str, clock: Clock, link: ByteLink) -> None:
    await link.open()
    session = LineSession(link, clock, "x", terminator=b"\n")
    assert await session.query("VOLT?", SECOND) == "3.7001"
    told(f"query over {name}", await timed(QUERIES, lambda: session.query("VOLT?", SECOND)))
    await link.close()


def test_frames_over_slcan() -> None:
    async def main(clock: Clock) -> None:
        link = slcan_link("x", clock, {"host": "127.0.0.1", "port": str(port)})
        await link.open()
        told("slcan echo, a frame there and back", await timed(ECHOES, lambda: echo(link)))
        burst = Message(arbitration_id=0x7FF, is_extended_id=False, data=FRAMES.to_bytes(8, "big"))
        began = time.perf_counter()
        await link.send(burst)
        got = 0
        while got < FRAMES:
            got += len(await link.receive())
        rate = got / (time.perf_counter() - began)
        assert got == FRAMES
        print(f"\n  slcan received over TCP: {rate:,.0f} frames/s", end="")  # noqa: T201 - the same
        await link.close()

    with process(ADAPTER) as port:
        run_wall(main)


async def echo(link: FrameLink) -> None:
    """Send a frame and wait for it to come back."""
    await link.send(Message(arbitration_id=0x100, is_extended_id=False, data=b"12345678"))
    await link.receive()


def test_the_floor_of_a_loop() -> None:
    """What one turn of asyncio's loop costs here: a query over a link takes a few."""

    async def main() -> list[int]:
        return await timed(QUERIES, lambda: asyncio.sleep(0))

    took = asyncio.run(main())
    assert len(took) == QUERIES
    told("asyncio, one turn", took)
