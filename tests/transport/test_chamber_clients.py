"""Virtual chambers under clients that nobody here wrote.

espec-pr3j (DESY) sends an order and waits half a second before it reads the acknowledgement, and a
fifth of one after a question; its limits go out without any pause. It knows no temperature below
zero, so the lower limit has to be set before it can read the temperature.
"""

from collections.abc import Iterator

import pytest
import pyvisa
from espec_pr3j import EspecPr3j
from espec_pr3j.data_classes import OperationMode
from espec_pr3j.exceptions import SettingError
from served import Served, serving

pytestmark = pytest.mark.alone

P300 = (
    *("--set", "bench.devices.chamber.driver=espec-p300"),
    *("--set", "bench.devices.chamber.virtual.humidity=true"),
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
