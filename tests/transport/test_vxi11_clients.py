"""Twins behind VXI-11, under two clients that nobody here wrote: pyvisa-py and python-vxi11."""

import asyncio
import socket
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import pyvisa
from pyvisa.resources import MessageBasedResource
from served import Served, ends, patiently, serving

from drivers.links.endpoint_vxi11 import vxi11_endpoint
from hil.bench.wall_time import run_wall
from hil.ports import Clock

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it packs by a module that Python drops
    vxi11 = pytest.importorskip("vxi11")
    rpc = pytest.importorskip("vxi11.rpc")

pytestmark = pytest.mark.alone

KEY = "bench.devices.emulator-1.link.resource"
WAY = "TCPIP::127.0.0.1,0::inst0::INSTR"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, change = tmp_path_factory.mktemp("lab"), ("--set", f"{KEY}={WAY}")
    with serving(folder, "--control", "127.0.0.1:0", *change, bench="loopback") as served:
        yield served


@pytest.fixture
def port(lab: Served) -> int:
    return int(lab.place("emulator-1", "vxi11").rpartition(":")[2])


@pytest.fixture
def unit(lab: Served) -> Iterator[MessageBasedResource]:
    [resource] = [one["visa"] for one in lab.listening["endpoints"] if one["transport"] == "vxi11"]
    opened = pyvisa.ResourceManager("@py").open_resource(resource)
    assert isinstance(opened, MessageBasedResource)
    opened.timeout = 10_000
    opened.write_termination = ""  # END ends a message: no line feed is needed
    opened.read_termination = "\n"
    yield opened
    opened.close()


def connected(port: int) -> Any:
    """Return python-vxi11's instrument, told its port: it would ask a portmapper for it."""
    other = vxi11.Instrument("127.0.0.1")
    other.client = vxi11.vxi11.CoreClient("127.0.0.1", port)
    other.timeout = 10
    return other


@pytest.fixture
def other(port: int) -> Iterator[Any]:
    opened = connected(port)
    yield opened
    opened.close()


def test_pyvisa_sets_measures_and_switches_off(unit: MessageBasedResource) -> None:
    assert unit.query("*IDN?").startswith("Bloomy Controls")
    unit.write("*CLS;*ESE 1;*SRE 0")
    unit.write("SOUR1:VOLT 3.3;:OUTP1 1")
    assert unit.query("*OPC?") == "1"
    patiently(lambda: abs(float(unit.query("MEAS1:VOLT?")) - 3.3) < 0.01, "it never arrives")
    assert unit.query("OUTP1 0;*OPC?") == "1"
    assert unit.query("OUTP1?") == "0"
    assert unit.query("SYST:ERR?").startswith("0,")


def test_python_vxi11_sets_measures_and_switches_off(other: Any) -> None:
    assert other.ask("*IDN?").startswith("Bloomy Controls")
    other.write("*CLS;*ESE 1;*SRE 0")
    other.write("SOUR2:VOLT 3.4;:OUTP2 1")
    assert other.ask("*OPC?") == "1"
    patiently(lambda: abs(float(other.ask("MEAS2:VOLT?")) - 3.4) < 0.01, "it never arrives")
    assert other.ask("OUTP2 0;*OPC?") == "1"
    assert other.ask("SYST:ERR?").startswith("0,")


def test_a_strict_client_polls_the_status_byte(other: Any) -> None:
    assert other.ask("*CLS;*OPC?") == "1"
    assert other.read_stb() & 0x14 == 0
    other.write("NONSENSE")
    assert other.read_stb() & 4, "an acknowledged message has been heard"
    assert other.ask("SYST:ERR?").startswith("-113")
    other.write("*CLS;*ESE 1;*SRE 32;*OPC")
    patiently(lambda: other.read_stb() & 0x60 == 0x60, "it never completes")
    assert other.ask("*ESR?;*SRE 0") == "1"


def test_a_device_clear_forgets_half_a_message_and_an_unread_answer(other: Any) -> None:
    other.write("*IDN?")
    patiently(lambda: other.read_stb() & 16, "no answer is there")
    other.clear()
    assert other.read_stb() & 16 == 0
    assert other.ask("*OPC?") == "1"


def test_a_question_that_nobody_read_is_dropped_by_the_next(other: Any) -> None:
    assert other.ask("*CLS;*OPC?") == "1"
    other.write("*IDN?")
    assert other.ask("*OPC?") == "1"
    assert other.ask("SYST:ERR?").startswith("-410")


def test_an_answer_is_read_in_parts(other: Any) -> None:
    whole = other.ask("*IDN?")
    other.write("*IDN?")
    parts = [other.read_raw(7).decode() for _ in range(3)]
    assert "".join(parts) == whole[:21]
    assert other.read() == whole[21:]


def test_nothing_to_read_is_a_timeout_by_the_clients_own_time(other: Any) -> None:
    other.timeout = 0.2
    with pytest.raises(vxi11.vxi11.Vxi11Exception, match="15"):
        other.read()
    other.timeout = 10
    assert other.ask("*OPC?") == "1"


def test_a_lock_keeps_others_out_until_it_is_given_back(other: Any, port: int) -> None:
    second = connected(port)
    try:
        other.lock()
        second.lock_timeout = 0.1
        with pytest.raises(vxi11.vxi11.Vxi11Exception, match="11"):
            second.write("*CLS")
        with pytest.raises(vxi11.vxi11.Vxi11Exception, match="11"):
            second.lock()
        assert other.ask("*OPC?") == "1"
        other.unlock()
        assert second.ask("*OPC?") == "1"
        with pytest.raises(vxi11.vxi11.Vxi11Exception, match="12"):
            other.unlock()
    finally:
        second.close()


def test_a_lock_ends_with_the_connection_of_its_holder(other: Any, port: int) -> None:
    holder = connected(port)
    holder.lock()
    holder.client.sock.shutdown(socket.SHUT_RDWR)
    other.lock_timeout = 10
    assert other.ask("*OPC?") == "1"
    holder.link = None
    holder.client.close()


def test_the_abort_channel_ends_a_read(other: Any) -> None:
    other.open()
    other.timeout = 60
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(other.client.device_read, other.link, 100, 60_000, 0, 0, 0)
        asked = vxi11.vxi11.AbortClient("127.0.0.1", other.abort_port)
        try:
            # until the read has come: who aborts nothing is told that all is well
            while not reading.done():
                assert asked.device_abort(other.link) == 0
            assert asked.device_abort(987_654) == 4, "no such link"
        finally:
            asked.close()
        assert reading.result()[0] == 23, "aborted"


def test_what_is_not_there_is_said_by_its_number(other: Any) -> None:
    other.open()
    client = other.client
    assert client.create_link(0, lock_device=False, lock_timeout=0, name=b"inst7")[0] == 3
    assert client.device_write(987_654, 1_000, 0, 8, b"*CLS")[0] == 4
    assert client.device_enable_srq(other.link, enable=True, handle=b"") == 8
    assert client.destroy_intr_chan() == 6
    assert client.device_remote(other.link, 0, 0, 1_000) == 0
    assert client.device_trigger(other.link, 0, 0, 1_000) == 0


def test_what_is_no_call_ends_the_connection(port: int, other: Any) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plug:
        plug.sendall(b"*IDN?\n" * 8)
        assert ends(plug)
    assert other.ask("*OPC?") == "1"


class _Silent:
    """An instrument that says nothing."""

    def attach(self, _send: object) -> None: ...
    def receive(self, _data: bytes) -> None: ...
    def hang_up(self) -> None: ...
    def interrupted(self) -> None: ...
    def status_byte(self, *, message_available: bool) -> int:
        return 16 * message_available


@pytest.mark.parametrize("client", ["TCPPortMapperClient", "UDPPortMapperClient"])
def test_a_portmapper_tells_the_port(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    monkeypatch.setattr("drivers.links.endpoint_vxi11.PORTMAPPER_PORT", number)
    monkeypatch.setattr(rpc, "PMAP_PORT", number)

    def asked() -> tuple[int, int, list[Any]]:
        mapper = getattr(rpc, client)("127.0.0.1")
        try:
            core, none = (395_183, 1, rpc.IPPROTO_TCP, 0), (395_185, 1, rpc.IPPROTO_TCP, 0)
            return mapper.get_port(core), mapper.get_port(none), mapper.dump()
        finally:
            mapper.close()

    async def main(clock: Clock) -> None:
        twin: Any = _Silent()
        card = vxi11_endpoint("unit", clock, twin, "127.0.0.1", None)
        card.open(lambda: None)
        try:
            core, none, known = await asyncio.to_thread(asked)
        finally:
            card.close()
        assert core == int(card.places[0].address.rpartition(":")[2])
        assert none == 0
        assert sorted(one[0] for one in known) == [395_183, 395_184]

    run_wall(main)
