"""Virtual chambers under clients that nobody here wrote.

espec-pr3j (DESY) sends an order and waits half a second before it reads the acknowledgement, and a
fifth of one after a question; its limits go out without any pause. It knows no temperature below
zero, so the lower limit has to be set before it can read the temperature.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvisa
from cts_chamber import CTSChamber
from espec_pr3j import EspecPr3j
from espec_pr3j.data_classes import OperationMode
from espec_pr3j.exceptions import SettingError
from served import Served, serving

pytestmark = pytest.mark.alone

P300 = (
    *("--set", "bench.devices.chamber.driver=espec-p300"),
    *("--set", "bench.devices.chamber.virtual.humidity=true"),
)
CTS = (
    *("--set", "bench.devices.chamber.driver=described-chamber"),
    *("--set", "bench.devices.chamber.description=cts"),
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("lab"), *P300) as served:
        yield served


@pytest.fixture
def pr3j(lab: Served) -> Iterator[EspecPr3j]:
    host, _, port = lab.place("chamber").rpartition(":")
    place = f"TCPIP0::{host}::{port}::SOCKET"
    manager = pyvisa.ResourceManager("@py")
    client = EspecPr3j(resource_path=place, resource_manager=manager)
    yield client
    client.close()  # type: ignore[no-untyped-call]


def test_a_pr3j_is_set_and_read(pr3j: EspecPr3j, lab: Served) -> None:
    pr3j.set_temperature_limits(upper_limit=60.0, lower_limit=5.0)
    pr3j.set_humidity_limits(upper_limit=90, lower_limit=10)
    pr3j.set_target_temperature(27.5)
    pr3j.set_target_humidity(55)
    pr3j.set_mode(OperationMode.CONSTANT)
    assert pr3j.get_mode() is OperationMode.CONSTANT
    assert lab.truth("chamber")["conditioning"] is True
    status = pr3j.get_temperature_status()
    assert status.target_temperature == pytest.approx(27.5)
    assert (status.upper_limit, status.lower_limit) == (60.0, 5.0)
    assert status.current_temperature == pytest.approx(23.0, abs=2.0)
    assert pr3j.get_humidity_status().target_humidity == pytest.approx(55.0)
    pr3j.set_target_humidity(None)
    assert pr3j.get_humidity_status().target_humidity is None
    state = pr3j.get_test_area_state()
    assert (state.operation_state, state.number_of_alarms) == (OperationMode.CONSTANT, 0)
    assert pr3j.get_heater_percentage().humidity_heater == 0.0
    pr3j.set_mode(OperationMode.STANDBY)
    assert lab.truth("chamber")["conditioning"] is False


def test_what_a_pr3j_refuses_is_an_error_of_its_client(pr3j: EspecPr3j) -> None:
    with pytest.raises(SettingError):
        pr3j.set_target_temperature(99.0)  # above the limit that was set


def test_an_alarm_is_counted(pr3j: EspecPr3j, lab: Served) -> None:
    lab.ask("inject", target="chamber", fault="compressor-trip")
    assert pr3j.get_test_area_state().number_of_alarms == 1
    lab.ask("clear", target="chamber", fault="compressor-trip")
    assert pr3j.get_test_area_state().number_of_alarms == 0


def test_a_described_cts_is_driven_by_a_driver_of_others(tmp_path: Path) -> None:
    """cts-chamber (DESY) checks frame, address, checksum and the shape of every answer."""
    with serving(tmp_path, *CTS) as lab:
        host, _, port = lab.place("chamber").rpartition(":")
        client = CTSChamber(
            resource_path=f"TCPIP0::{host}::{port}::SOCKET",
            resource_manager=pyvisa.ResourceManager("@py"),
        )
        client.start()
        assert client.get_state().running
        client.ramp_to_temperature(-15.5, ramp_up_rate=2.0, ramp_down_rate=2.0)
        air_degc, set_degc = client.get_temperature()
        assert air_degc == pytest.approx(23.0, abs=2.0)
        assert set_degc == pytest.approx(-15.5)
        assert lab.truth("chamber")["set_degc"] == pytest.approx(-15.5)
        lab.ask("inject", target="chamber", fault="compressor-trip")
        assert client.get_state().error
        lab.ask("clear", target="chamber", fault="compressor-trip")
        client.stop()
        state = client.get_state()
        assert (state.running, state.error, state.paused) == (False, False, False)
        assert lab.truth("chamber")["conditioning"] is False
        client.close()  # type: ignore[no-untyped-call]
