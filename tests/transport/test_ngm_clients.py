"""The virtual NGM202 under the maker's own driver, which nobody here wrote.

RsNgx asks ``*STB?`` after every write, appends ``*OPC`` to what may take time and waits for the
event bit, and reads the error queue when the byte says that there is something in it.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from RsNgx import RsNgx
from RsNgx.Internal.InstrumentErrors import StatusException
from served import Served, serving

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("lab"), bench="mixed-16s") as served:
        yield served


@pytest.fixture
def unit(lab: Served) -> Iterator[Any]:
    [place] = [one["visa"] for one in lab.listening["endpoints"] if one["device"] == "ngm-1"]
    driver = RsNgx(place, id_query=True, reset=True, options="SelectVisa='@py'")
    driver.utilities.instrument_status_checking = True
    driver.utilities.opc_query_after_write = True
    yield driver
    driver.close()


def test_it_is_known(unit: Any) -> None:
    assert unit.utilities.instrument_model_name == "NGM"
    assert unit.utilities.instrument_serial_number == "3638.4472k03/100001"
    assert unit.utilities.query_all_errors() is None


def test_it_sets_measures_and_switches_off(unit: Any, lab: Served) -> None:
    for channel, volts in ((1, 3.3), (2, 3.4)):
        unit.instrument.select.set(channel)
        unit.source.voltage.level.immediate.set_amplitude(volts)
        unit.source.current.level.immediate.set_amplitude(0.5)
        unit.source.voltage.protection.set_level(4.5)
        unit.source.voltage.protection.set_state(True)
        unit.output.set_select(True)
        assert unit.source.voltage.level.immediate.get_amplitude() == pytest.approx(volts)
        assert unit.source.voltage.protection.get_level() == pytest.approx(4.5)
    unit.output.general.set_state(True)
    assert lab.truth("ngm-1")["on"] == [True, True]
    for channel, volts in ((1, 3.3), (2, 3.4)):
        unit.instrument.select.set(channel)
        assert unit.output.get_state() is True
        assert unit.measure.scalar.voltage.dc.get_value() == pytest.approx(volts, abs=0.01)
        assert unit.measure.scalar.current.dc.get_value() == pytest.approx(0.0, abs=0.01)
        unit.measure.scalar.statistic.reset()
        assert unit.measure.scalar.statistic.get_count() >= 1
        assert unit.measure.scalar.current.dc.get_avg() == pytest.approx(0.0, abs=0.01)
        assert unit.measure.scalar.power.get_value() == pytest.approx(0.0, abs=0.05)
    unit.output.general.set_state(False)
    assert unit.output.general.get_state() is False
    assert lab.truth("ngm-1")["on"] == [False, False]
    assert unit.utilities.query_all_errors() is None


def test_a_protection_that_trips_is_seen_and_cleared(unit: Any, lab: Served) -> None:
    unit.instrument.select.set(2)
    unit.source.voltage.protection.set_level(3.0)
    unit.source.voltage.protection.set_state(True)
    unit.source.voltage.level.immediate.set_amplitude(3.5)
    unit.output.set_state(True)
    assert unit.source.voltage.protection.get_tripped() is True
    assert lab.truth("ngm-1")["on"] == [False, False]
    unit.source.voltage.protection.clear()
    assert unit.source.voltage.protection.get_tripped() is False


def test_fuses_have_their_delay_and_their_links(unit: Any) -> None:
    unit.instrument.select.set(1)
    unit.fuse.set_state(True)
    unit.fuse.delay.set_initial(0.25)
    unit.fuse.link.set([2])
    assert unit.fuse.get_state() is True
    assert unit.fuse.delay.get_initial() == pytest.approx(0.25)
    assert unit.fuse.tripped.get_value() is False
    assert unit.fuse.link.get([2]) == [2]
    unit.fuse.set_unlink([2])
    assert unit.fuse.link.get([2]) == [0]


def test_apply_sets_both(unit: Any) -> None:
    unit.instrument.select.set(2)
    unit.utilities.write("APPLy 3.25, 0.75")
    assert unit.source.voltage.level.immediate.get_amplitude() == pytest.approx(3.25)
    assert unit.source.current.level.immediate.get_amplitude() == pytest.approx(0.75)


def test_what_is_refused_is_an_exception_there(unit: Any) -> None:
    with pytest.raises(StatusException, match="-222"):
        unit.source.voltage.level.immediate.set_amplitude(99.0)
    with pytest.raises(StatusException, match="-113"):
        unit.utilities.write("VOLTAG 1")
    assert unit.utilities.query_all_errors() is None
    assert unit.utilities.query("SYST:VERS?") == "1999.0"
