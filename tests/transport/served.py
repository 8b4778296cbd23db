"""A lab as its users have it: ``hil serve`` in a process of its own, on free ports."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import can
import cantools.database

from hil.bench.wall_time import monotonic_ns

PATIENCE_S = 120.0
"""How long anything may take: a busy host is no bug."""

ASKED_EVERY_S = 0.02

DBC = str(files("drivers.wire") / "reference_board.dbc")

Ask = Callable[..., dict[str, Any]]


class Served:
    """A lab that listens."""

    def __init__(self, process: "subprocess.Popen[str]", line: str) -> None:
        self.process = process
        self.listening: dict[str, Any] = json.loads(line)

    def place(self, device: str, transport: str = "tcp") -> str:
        """Return the address of a device."""
        [found] = [
            one["address"]
            for one in self.listening["endpoints"]
            if (one["device"], one["transport"]) == (device, transport)
        ]
        return str(found)

    def connect(self, device: str) -> socket.socket:
        """Return a raw connection to a device."""
        return connected(self.place(device))

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Ask at the control port; refused requests fail the test."""
        answer = self.say(json.dumps({"do": do, **request}).encode())
        assert answer["ok"], answer
        return answer

    def say(self, line: bytes) -> dict[str, Any]:
        """Send the control port a line, whatever it is, and return what it answers."""
        with connected(self.listening["control"]) as client, client.makefile("rb") as answers:
            client.sendall(line + b"\n")
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

    def truth(self, device: str) -> dict[str, Any]:
        """Return what is really so of one device."""
        found: dict[str, Any] = self.ask("truth", device=device)["devices"][device]
        return found

    def pid(self, device: str) -> int | None:
        """Return the process in front of a device."""
        [found] = [one["pid"] for one in self.ask("devices")["devices"] if one["device"] == device]
        assert found is None or isinstance(found, int)
        return found

    def overrides(self) -> list[str]:
        """Return what makes ``--bench loopback`` look for the devices here."""
        keys = {
            "lab.control": self.listening["control"],
            "devices.chamber.link.port": self.place("chamber").rpartition(":")[2],
            "devices.chamber.link.host": "127.0.0.1",
            "devices.board.link.host": "127.0.0.1",
            "devices.board.link.port": self.place("board", "slcan-tcp").rpartition(":")[2],
        }
        for one in self.listening["endpoints"]:
            if one["role"] == "cell-emulator":
                keys[f"devices.{one['device']}.link.resource"] = one["visa"]
        return [word for key, value in keys.items() for word in ("--set", f"bench.{key}={value}")]


def connected(address: str) -> socket.socket:
    """Return a connection to ``host:port`` that fails the test rather than hang."""
    host, _, port = address.rpartition(":")
    client = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def asked(client: socket.socket, line: str) -> str:
    """Return the answer to one line."""
    client.sendall(f"{line}\n".encode())
    return heard(client)


def heard(client: socket.socket) -> str:
    """Return the next line that comes."""
    got = b""
    while not got.endswith(b"\n"):
        more = client.recv(1)
        assert more, f"the connection ended after {got!r}"
        got += more
    return got.decode().rstrip("\r\n")


def ends(client: socket.socket) -> bool:
    """Say whether the other side ends the connection without another word."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def hil(*arguments: str, cwd: Path) -> "subprocess.Popen[str]":
    """Start ``hil`` as a user would."""
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "hil.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Wait for a command and return its exit code, its output and its errors."""
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def joined(channel: str) -> can.BusABC:
    """Return python-can's own slcan client at a port or a socket."""
    return can.Bus(interface="slcan", channel=channel, bitrate=500_000, sleep_after_open=0)


def decoded(bus: can.BusABC, cells: int) -> dict[str, float]:
    """Return the cell voltages that a listener decodes with our DBC, all of them."""
    database = cantools.database.load_file(DBC)
    volts: dict[str, float] = {}
    while len(volts) < cells:
        frame = bus.recv(PATIENCE_S)
        assert frame is not None
        message = database.decode_message(frame.arbitration_id, frame.data)
        assert isinstance(message, dict)
        volts |= {name: value for name, value in message.items() if is_cell(name, value)}
    return volts


def is_cell(name: str, value: object) -> bool:
    """Say whether a signal is a cell's voltage, and not what fills the last page (0xFFFF)."""
    return name.startswith("Cell") and isinstance(value, float) and 1.0 < value < 6.0


@contextmanager
def serving(cwd: Path, *arguments: str, bench: str = "virtual-16s") -> Iterator[Served]:
    """Serve a bench, by default on free ports; SIGTERM must end it well and leave no process."""
    process = hil("serve", "--bench", bench, "--json", *arguments, cwd=cwd)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, finished(process)
        yield Served(process, line)
        process.terminate()
        code, out, err = finished(process)
        assert (code, out, err) == (0, "", "")
    finally:
        process.kill()
        process.communicate()


def patiently(so: Callable[[], bool], otherwise: str) -> None:
    """Ask until it is so: what another process does has no instant of its own.

    Between two questions it gets the processor, which who asks without a pause would take from it.
    """
    give_up, nothing = monotonic_ns() + PATIENCE_S * 1e9, threading.Event()
    while not so():
        assert monotonic_ns() < give_up, otherwise
        nothing.wait(ASKED_EVERY_S)


def running(pid: int) -> bool:
    """Say whether a process lives; one that waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
