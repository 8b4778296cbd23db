"""A virtual fault-insertion unit under its maker's own client (bloomy-fiu 1.1.0).

Faults of the client's own, left alone here: it hands exceptions back instead of raising them, and
tells a closed interlock as ``'1'``.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fiu import FIU
from served import Served, serving

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("lab") / "rs485")


@pytest.fixture(scope="module")
def lab(port: str) -> Iterator[Served]:
    link = ("kind=serial", f"port={port}")
    overrides = [word for key in link for word in ("--set", f"bench.devices.fiu-1.link.{key}")]
    with serving(Path(port).parent, *overrides, bench="fault-box-16s") as served:
        yield served


def test_wires_are_opened_and_connected(lab: Served, port: str) -> None:
    with FIU([0], port) as client:
        assert client.software_version(0) == "V01.00"
        client.set_open_circuit_fault(0, 6)
        assert client.relay_state(0)[5] == "DISCONNECTED"
        assert lab.truth("fiu-1")["open"] == ["lead 6"]
        assert lab.truth("board")["open_leads"] == [6]
        client.set_channel_connected(0, 6)
        assert lab.truth("board")["open_leads"] == []
        client.set_open_circuit_fault_all()
        assert client.relay_state(0) == ["DISCONNECTED"] * 24
    assert lab.truth("fiu-1")["routes"] == ["C"] * 24, "it connects all before it leaves"


def test_one_channel_at_a_time_at_the_fault_bus_and_the_meter(lab: Served, port: str) -> None:
    with FIU([0], port) as client:
        assert lab.truth("fiu-1")["powered"]
        client.set_short_circuit_fault(0, 3)
        assert client.relay_state(0)[2] == "FAULT_TO_GND"
        # past the client's own book-keeping: the unit itself has to refuse
        assert client.interface.write_cmd("V024").message == "BUS IN USE"
        assert client.relay_state(0)[23] == "CONNECTED"
        client.set_channel_connected(0, 3)
        client.set_voltage_measurement(0, 24)
        assert client.relay_state(0)[23] == "VOLT_MEASUREMENT"


def test_an_open_interlock_forbids_what_is_exclusive_until_it_is_overridden(
    lab: Served, port: str
) -> None:
    with FIU([0], port) as client:
        assert client.interlock_state(0) == "1"
        lab.ask("inject", target="fiu-1", fault="interlock-open")
        assert client.interlock_state(0) is False
        client.set_current_measurement(0, 2)
        assert client.relay_state(0)[1] == "CONNECTED"
        client.interlock_override(0, enable_disable=True)
        client.set_channel_connected(0, 2)
        client.set_current_measurement(0, 2)
        assert client.relay_state(0)[1] == "CURR_MEASUREMENT"
        lab.ask("clear", target="fiu-1", fault="interlock-open")
