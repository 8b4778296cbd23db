"""The virtual Keithley 2281S under pymeasure's driver, which nobody here wrote.

It reads the conditions of the status registers before it fetches the buffer, and abbreviates one
header as the manual does not (``SAVE:INTE``): the twin takes both.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymeasure.instruments.keithley.keithley2281S import Keithley2281S
from served import Served, serving

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("lab"), bench="mixed-16s") as served:
        yield served


@pytest.fixture
def unit(lab: Served) -> Iterator[Any]:
    [place] = [one["visa"] for one in lab.listening["endpoints"] if one["device"] == "k2281s"]
    driver = Keithley2281S(
        place, visa_library="@py", read_termination="\n", write_termination="\n", timeout=2000
    )
    driver.reset()
    driver.clear()
    yield driver
    driver.write(":BATT:OUTP 0")
    assert driver.check_errors() == []
    driver.adapter.close()


def filled(unit: Any) -> Any:
    """Return the buffer once it has a reading."""
    end = time.monotonic() + 10
    while not unit.reading_available:
        assert time.monotonic() < end
    return unit.buffer_data


def test_it_is_known_and_starts_as_a_power_supply(unit: Any) -> None:
    assert unit.id == "KEITHLEY INSTRUMENTS,MODEL 2281S-20-6,4000001,01.08b"
    assert unit.function_mode == "POWER"
    assert unit.line_frequency == 50
    unit.buffer_points = 100
    assert unit.buffer_points == 100
    unit.display_text_data = "hello"


def test_it_supplies_measures_and_switches_off(unit: Any, lab: Served) -> None:
    unit.ps.voltage_limit = 5.0
    unit.ps.voltage_setpoint = 3.3
    unit.ps.current_limit = 0.5
    unit.ps.power_line_cycles = 1
    unit.ps.output_enabled = True
    assert unit.ps.output_enabled is True
    assert unit.measurement_ongoing
    assert unit.ps.voltage_setpoint == pytest.approx(3.3)
    assert lab.truth("k2281s")["cell_v"][0] == pytest.approx(3.3, abs=0.01)
    data = filled(unit)
    assert list(data["voltage"]) == pytest.approx([3.3] * len(data))
    assert list(data["current"]) == pytest.approx([0.0] * len(data), abs=0.001)
    assert (data["time"].diff().dropna() > 0).all()
    unit.ps.output_enabled = False
    assert lab.truth("k2281s")["on"] == [False]


def test_it_simulates_a_battery_of_a_stored_model(unit: Any, lab: Served) -> None:
    points = ",".join(f"{3.0 + 0.01 * k:.3f}" for k in range(101))
    unit.write(f':BATT:MOD2:VOC "{points}"')
    unit.function_mode = "SIMULATOR"
    unit.bs.select_model_internal = 2
    unit.bs.dynamic_soc = False
    unit.bs.capacity_limit = 2.0
    unit.bs.current_limit = 1.0
    unit.bs.resistance_offset = 0.1
    unit.bs.voc_empty, unit.bs.voc_full = 3.1, 3.9
    unit.bs.output_enabled = True
    unit.bs.soc_setpoint = 50
    assert unit.bs.voc_setpoint == pytest.approx(3.5)
    unit.bs.voc_setpoint = 3.25
    assert unit.bs.soc_setpoint == pytest.approx(25.0)
    assert unit.bs.current_capacity == pytest.approx(0.5)
    assert (unit.bs.dynamic_soc, unit.bs.voc_full) == (False, pytest.approx(3.9))
    data = filled(unit)
    assert list(data["voltage"]) == pytest.approx([3.25] * len(data), abs=0.01)
    assert list(data["soc"]) == pytest.approx([25.0] * len(data))
    assert list(data["resistance"]) == pytest.approx([0.15] * len(data))
    assert lab.truth("k2281s")["cell_v"][0] == pytest.approx(3.25, abs=0.01)


def test_the_settings_of_a_battery_test_are_kept(unit: Any) -> None:
    unit.function_mode = "TEST"
    unit.bt.charge_voltage_setpoint = 3.0
    unit.bt.charge_voltage_limit = 4.1
    unit.bt.charge_current_limit = 1.5
    unit.bt.termination_current = 0.02
    unit.bt.set_battery_model_range(3.0, 4.0)
    read = unit.bt.charge_voltage_setpoint, unit.bt.charge_voltage_limit
    assert read == pytest.approx((3.0, 4.1))
    assert unit.bt.charge_current_limit == pytest.approx(1.5)
    assert unit.bt.termination_current == pytest.approx(0.02)
    unit.bt.save_model_internal = 3
    assert [int(code) for code, _ in unit.check_errors()] == [-221]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([':BATT:MOD1:VOC "' + ",".join(["3"] * 102) + '"'], 702),
        ([":BATT:SIM:VOC:EMPT 4", ":BATT:SIM:VOC:FULL 3.5", ":BATT:OUTP 1"], 703),
        ([":BATT:OUTP 1", ":BATT:SIM:CURR:LIM 1"], 704),
        ([':BATT:MOD1:VOC "3,3.1"', ":BATT:MOD:RCL 1"], 705),
        ([":BATT:TEST:SENS:AH:GMOD:RANG 4,3"], 708),
        ([':BATT:DATA:DATA? "AH"'], 709),
        ([':BATT:MOD1:VOC "3,2"'], -222),
        ([":BATT:SIM:VOC 19"], -222),
    ],
)
def test_what_is_refused_has_the_makers_number(unit: Any, lines: list[str], code: int) -> None:
    unit.function_mode = "SIMULATOR"
    for line in lines:
        unit.write(line)
    assert [int(found) for found, _ in unit.check_errors()] == [code]
