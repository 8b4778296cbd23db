"""Twins behind HiSLIP, under a client that nobody here wrote: pyvisa-py's own protocol module."""

import socket
from collections.abc import Iterator

import pytest
import pyvisa
from pyvisa.resources import MessageBasedResource
from served import Served, ends, patiently, serving

from drivers.links.visa import visa_link
from drivers.wire.hislip import Fatal, Kind, Message, Reader
from hil.bench.wall_time import run_wall
from hil.ports import Clock

pytestmark = pytest.mark.alone

KEY = "bench.devices.emulator-1.link.resource"
WAY = "TCPIP::127.0.0.1::hislip0,0::INSTR"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, change = tmp_path_factory.mktemp("lab"), ("--set", f"{KEY}={WAY}")
    with serving(folder, "--control", "127.0.0.1:0", *change, bench="loopback") as served:
        yield served


@pytest.fixture
def place(lab: Served) -> str:
    return lab.place("emulator-1", "hislip")


@pytest.fixture
def unit(lab: Served) -> Iterator[MessageBasedResource]:
    [resource] = [one["visa"] for one in lab.listening["endpoints"] if one["transport"] == "hislip"]
    opened = pyvisa.ResourceManager("@py").open_resource(resource)
    assert isinstance(opened, MessageBasedResource)
    opened.timeout = 10_000
    opened.write_termination = ""  # END ends a message: no line feed is needed
    opened.read_termination = "\n"
    yield opened
    opened.close()


def test_it_sets_measures_and_switches_off(unit: MessageBasedResource) -> None:
    assert unit.query("*IDN?").startswith("Bloomy Controls")
    unit.write("*CLS;*ESE 1;*SRE 0")
    unit.write("SOUR1:VOLT 3.3;:OUTP1 1")
    assert unit.query("*OPC?") == "1"
    patiently(lambda: abs(float(unit.query("MEAS1:VOLT?")) - 3.3) < 0.01, "it never arrives")
    assert unit.query("OUTP1 0;*OPC?") == "1"
    assert unit.query("OUTP1?") == "0"
    assert unit.query("SYST:ERR?").startswith("0,")


def test_our_own_link_speaks_it_too(place: str) -> None:
    port = place.rpartition(":")[2]
    resource = f"TCPIP::127.0.0.1::hislip0,{port}::INSTR"

    async def main(clock: Clock) -> None:
        link = visa_link("unit", clock, {"resource": resource})
        await link.open()
        for _ in range(3):
            await link.send(b"*IDN?\n")
            assert (await link.receive()).startswith(b"Bloomy Controls")
        await link.close()

    run_wall(main)


def test_the_status_byte_is_read_beside_the_messages(unit: MessageBasedResource) -> None:
    assert unit.query("*CLS;*OPC?") == "1"
    assert unit.read_stb() & 0x14 == 0
    unit.write("NONSENSE")
    while not unit.read_stb() & 4:  # a connection of its own: it may overtake the message
        pass
    assert unit.query("SYST:ERR?").startswith("-113")
    assert unit.read_stb() & 4 == 0


def test_a_device_clear_forgets_half_a_message_and_an_unread_answer(
    unit: MessageBasedResource,
) -> None:
    unit.write("*IDN?")
    unit.clear()
    assert unit.query("*OPC?") == "1"


def test_a_message_too_long_for_the_buffer_is_told_and_the_next_is_heard(
    unit: MessageBasedResource,
) -> None:
    assert unit.query("*CLS;*OPC?") == "1"
    unit.write("SOUR1:VOLT " + "1" * 200_000)
    assert unit.query("SYST:ERR?").startswith("-363")


def test_a_second_client_is_sent_away_with_a_reason(unit: MessageBasedResource, place: str) -> None:
    host, _, port = place.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as other:
        first = Message(Kind.INITIALIZE, parameter=0x01007878, payload=b"hislip0")
        other.sendall(first.packed())
        [answer] = Reader().feed(other.recv(4096))
        assert (answer.kind, answer.control) == (Kind.FATAL_ERROR, Fatal.TOO_MANY_CLIENTS)
        assert ends(other)
    assert unit.query("*OPC?") == "1"


def test_what_is_no_hislip_is_told_so(place: str) -> None:
    host, _, port = place.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as other:
        other.sendall(b"*IDN?\n" * 4)
        [answer] = Reader().feed(other.recv(4096))
        assert (answer.kind, answer.control) == (Kind.FATAL_ERROR, Fatal.POORLY_FORMED)
        assert ends(other)
