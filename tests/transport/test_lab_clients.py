"""A lab is spoken to by programs that nobody here wrote, each at what it was made for."""

import asyncio
import os
import pty
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import can
import pyte
import pytest
import pyvisa
from served import (
    DBC,
    PATIENCE_S,
    Served,
    asked,
    connected,
    decoded,
    ends,
    heard,
    joined,
    serving,
)
from uscpi.client import TCP
from uscpi.instrument import Instrument

pytestmark = pytest.mark.alone

LINES, COLUMNS = 200, 160
"""A terminal on which all that a board sends has room."""

CANTOOLS = (sys.executable, "-m", "cantools")
CELL_V = 3.3
EMULATORS = ("emulator-1", "emulator-2")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A lab whose emulators are on, each cell 1 mV above the one below it."""
    with serving(tmp_path_factory.mktemp("lab")) as served:
        for unit, device in enumerate(EMULATORS):
            with served.connect(device) as client:
                for channel in range(1, 9):
                    volts = CELL_V + 0.001 * (8 * unit + channel)
                    client.sendall(f":SOUR{channel}:VOLT {volts}\n".encode())
                assert asked(client, ":OUTP 1,(@1:8);:OUTP? (@1:8)") == ",".join("1" * 8)
        yield served


def pour(client: socket.socket, data: bytes) -> None:
    """Send the same again and again, far more than all buffers on the way hold."""
    for _ in range(200):
        client.sendall(data)


def test_the_line_says_where_everything_is(lab: Served) -> None:
    assert set(lab.listening) == {"endpoints", "control"}
    keys = ["device", "role", "model", "transport", "address", "visa"]
    assert all(list(one) == keys for one in lab.listening["endpoints"])
    found = [(one["device"], one["role"], one["transport"]) for one in lab.listening["endpoints"]]
    assert found == [
        ("emulator-1", "cell-emulator", "tcp"),
        ("emulator-2", "cell-emulator", "tcp"),
        ("chamber", "chamber", "tcp"),
        ("board", "board", "slcan-tcp"),
        ("board", "board", "slcan-pty"),
    ]


@pytest.mark.parametrize("transport", ["slcan-tcp", "slcan-pty"])
def test_python_can_and_cantools_read_the_cells(lab: Served, transport: str) -> None:
    place = lab.place("board", transport)
    channel = f"socket://{place}" if transport == "slcan-tcp" else place
    with joined(channel) as bus:
        volts = decoded(bus, 16)
    true_v = lab.ask("truth")["cells"]["cell_v"]
    assert sorted(volts.values()) == pytest.approx(sorted(true_v), abs=0.005)


def test_cantools_monitor_shows_the_cells(lab: Served) -> None:
    """It is a program for a terminal: it gets one, and what stands there is read.

    Not what it sends: of a line that changes, curses draws only the letters that do.
    """
    screen, terminal = pty.openpty()
    shown = pyte.Screen(COLUMNS, LINES)
    drawing = pyte.ByteStream(shown)
    place = lab.place("board", "slcan-pty")
    monitor = subprocess.Popen(  # noqa: S603 - a tool of the test environment
        [*CANTOOLS, "monitor", "-i", "slcan", "-c", place, "-b", "500000", DBC],
        env={**os.environ, "TERM": "xterm", "LINES": str(LINES), "COLUMNS": str(COLUMNS)},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    give_up = time.monotonic() + PATIENCE_S
    try:
        while not any("Cell16" in line for line in shown.display):
            assert time.monotonic() < give_up, shown.display
            assert select.select([screen], [], [], PATIENCE_S)[0], shown.display
            drawing.feed(os.read(screen, 65536))
    finally:
        monitor.kill()
        monitor.wait()
        os.close(screen)


def test_pyvisa_sets_and_reads_an_emulator_and_the_chamber(lab: Served) -> None:
    manager = pyvisa.ResourceManager("@py")
    resources = {one["device"]: one["visa"] for one in lab.listening["endpoints"]}
    unit = manager.open_resource(
        resources["emulator-1"], read_termination="\n", write_termination="\r\n"
    )
    chamber = manager.open_resource(
        resources["chamber"], read_termination="\n", write_termination="\n"
    )
    assert isinstance(unit, pyvisa.resources.MessageBasedResource)
    assert isinstance(chamber, pyvisa.resources.MessageBasedResource)
    with unit, chamber:
        assert unit.query("*IDN?").split(",")[2] == "V-0001"
        unit.write(":SOUR:AUX:OUT3 1.5")
        assert float(unit.query(":SOUR:AUX:OUT3?")) == pytest.approx(1.5, abs=1e-3)
        chamber.write(":UNIT:TEMPERATURE C")
        chamber.write(":SOURCE:CLOOP1:SPOINT 31.5")
        assert float(chamber.query(":SOURCE:CLOOP1:SPOINT?")) == 31.5
    assert lab.truth("emulator-1")["aux_v"][2] == pytest.approx(1.5, abs=1e-3)
    assert lab.truth("chamber")["set_degc"] == pytest.approx(31.5)


def test_uscpi_sets_and_reads_an_emulator_and_the_chamber(lab: Served) -> None:
    async def talk(device: str, serial: str, write: str, query: str) -> str:
        host, _, port = lab.place(device).rpartition(":")
        async with TCP(host=host, port=int(port), timeout=PATIENCE_S) as client:
            instrument = Instrument(client)
            assert serial.encode() in await instrument.idn()
            await instrument.cls()
            await instrument.ese(36)
            assert await instrument.ese() == b"36\n"
            await client.write(f"{write}\n".encode())
            answer: bytes = await client.write_readline(f"{query}\n".encode())
            assert await instrument.opc() == b"1\n"
            return answer.decode().strip()

    limit = asyncio.run(talk("emulator-2", "V-0002", ":SOUR2:CURR:SRC 0.75", ":SOUR2:CURR:SRC?"))
    assert float(limit) == 0.75
    ramp = ":SOURCE:CLOOP1:RACTION"
    assert asyncio.run(talk("chamber", "V-0001", f"{ramp} SETPOINT", f"{ramp}?")) == "SETPOINT"


# --- one client at a time ----------------------------------------------------------------------


def test_a_second_client_is_sent_away_and_the_first_one_stays(lab: Served) -> None:
    with lab.connect("emulator-1") as first:
        assert "ABS" in asked(first, "*IDN?")
        with lab.connect("emulator-1") as second:
            assert ends(second)
        assert "ABS" in asked(first, "*IDN?")


def test_what_one_client_was_owed_never_reaches_the_next(lab: Served) -> None:
    for _ in range(20):
        with lab.connect("chamber") as hasty:
            hasty.sendall(b"*IDN?\n:SOURCE:CLOOP1:PVALUE?\n:OUTPUT1:STATE?\n:OUT")
        with lab.connect("chamber") as next_one:
            assert asked(next_one, ":UNIT:TEMPERATURE?") in ("C", "F")
            assert asked(next_one, "SYST:ERR:COUN?").isdigit()


def test_what_a_client_said_last_arrives_though_it_has_gone(lab: Served) -> None:
    """A command without an answer, such as "off", is often the last one."""
    for volts in (1.0, 2.0):
        with lab.connect("emulator-2") as client:
            client.sendall(f":SOUR:AUX:OUT5 {volts}\n".encode())
        with lab.connect("emulator-2") as client:
            assert float(asked(client, ":SOUR:AUX:OUT5?")) == pytest.approx(volts, abs=1e-3)


def test_a_client_that_ends_its_side_first_still_gets_its_answer(lab: Served) -> None:
    """As ``echo ... | nc`` does."""
    with lab.connect("chamber") as client:
        client.sendall(b"*IDN?\n")
        client.shutdown(1)
        assert "F4T" in heard(client)
        assert ends(client)


def test_a_client_that_reads_nothing_holds_up_nobody_else(lab: Served) -> None:
    """Its answers wait for a while, then it is cut off."""
    with lab.connect("emulator-1") as greedy, lab.connect("emulator-2") as other:
        questions = b":MEAS:VOLT? (@1:8);:MEAS:CURR? (@1:8)\n" * 1000
        with pytest.raises(ConnectionError):
            pour(greedy, questions)
        assert "ABS" in asked(other, "*IDN?")
    with lab.connect("emulator-1") as again:
        assert "ABS" in asked(again, "*IDN?")


def test_a_listener_that_does_not_read_keeps_the_bus_from_nobody(lab: Served) -> None:
    idle = os.open(lab.place("board", "slcan-pty"), os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(idle, b"C\rS6\rO\r")
        place = f"socket://{lab.place('board', 'slcan-tcp')}"
        with joined(place) as bus:
            assert len(decoded(bus, 16)) == 16
    finally:
        os.close(idle)


def test_two_adapters_see_each_others_frames(lab: Served) -> None:
    """Whatever a host commands, a listening tool shows."""
    socket_place = f"socket://{lab.place('board', 'slcan-tcp')}"
    pty_place = lab.place("board", "slcan-pty")
    with joined(socket_place) as host, joined(pty_place) as tool:
        while tool.recv(PATIENCE_S) is None:
            pass
        host.send(can.Message(arbitration_id=0x7F0, is_extended_id=False, data=b"\x01\x02"))
        seen = next(frame for frame in tool if frame.arbitration_id == 0x7F0)
        assert bytes(seen.data) == b"\x01\x02"


def test_at_another_bit_rate_nothing_is_understood(lab: Served) -> None:
    with connected(lab.place("board", "slcan-tcp")) as client:
        client.sendall(b"S4\rO\r")
        assert client.recv(2) == b"\r\r"
        client.sendall(b"t7F00\r")
        assert client.recv(2) == b"z\r"
        client.sendall(b"F\r")
        assert client.recv(4) == b"F80\r"
