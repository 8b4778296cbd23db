"""What holds for every chamber and its driver, whoever made it."""

import math
from itertools import pairwise

import pytest
from chamber_lab import MAKES, Lab, Make, in_lab

from hil.core.errors import DeviceError, InstrumentFault
from hil.core.instants import MILLISECOND, MINUTE, SECOND

EACH = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)


@EACH
def test_it_goes_where_it_is_told_at_the_ramp_and_stays(make: Make) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(45.0, 2.0)
        readings = await lab.watched(60)
        airs = [one.air_degc for one in readings]
        steepest = max(b - a for a, b in pairwise(airs[1:]))
        assert 1.0 < steepest < 3.6  # the loop lags at first and catches up
        assert airs[8] < 40.0
        assert airs[-1] == pytest.approx(45.0, abs=0.8)
        assert readings[-1].set_degc == pytest.approx(45.0)
        assert readings[-1].alarm == ""
        await lab.driver.apply(45.0, None)
        assert (await lab.watched(20))[-1].air_degc == pytest.approx(45.0, abs=0.8)

    in_lab(make, story)


@EACH
def test_off_is_off_and_read_back_in_the_middle_of_a_ramp(make: Make) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(80.0, 1.0)
        await lab.watched(5)
        assert lab.twin.truth()["conditioning"]
        assert await lab.driver.make_safe()
        assert not lab.twin.truth()["conditioning"]
        reading = await lab.driver.sense()  # the door asks how warm it is
        assert reading.air_degc == pytest.approx(lab.air_degc(), abs=1.0)
        await lab.pause(10 * MINUTE)
        assert not lab.twin.truth()["conditioning"]

    in_lab(make, story)


@EACH
def test_a_ramp_that_is_given_another_end_goes_there(make: Make) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(60.0, 1.5)
        await lab.watched(10)
        await lab.driver.apply(30.0, None)
        readings = await lab.watched(60)
        assert readings[-1].air_degc == pytest.approx(30.0, abs=0.8)
        await lab.driver.apply(20.0, 0.5)
        readings = await lab.watched(40)
        assert readings[10].air_degc > 24.0
        assert readings[-1].air_degc == pytest.approx(20.0, abs=0.8)
        assert readings[-1].set_degc == pytest.approx(20.0)

    in_lab(make, story)


@EACH
def test_nothing_outside_its_range_is_sent(make: Make) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        spec, before = lab.driver.SPEC, len(lab.log)
        for set_degc, ramp in (
            (spec.set_degc.high + 0.1, None),
            (spec.set_degc.low - 0.1, None),
            (math.nan, None),
            (25.0, spec.ramp_k_per_min + 0.1),
            (25.0, 0.0),
        ):
            with pytest.raises(ValueError, match="chamber: "):
                await lab.driver.apply(set_degc, ramp)
        assert len(lab.log) == before

    in_lab(make, story)


@EACH
@pytest.mark.parametrize("fault", ["sensor-break", "compressor-trip"])
def test_trouble_of_the_machine_is_an_alarm_or_no_reading(make: Make, fault: str) -> None:
    """The Vötsch's description has no alarm: what moves the air alone is seen there by the air."""

    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(40.0, None)
        await lab.driver.sense()
        lab.twin.inject(fault, 0, active=True)
        readings = [await lab.driver.sense() for _ in range(12)]
        seen = any(one.alarm or math.isnan(one.air_degc) for one in readings)
        assert seen is (lab.make != MAKES["votsch-ascii2"] or fault == "sensor-break")
        lab.twin.inject(fault, 0, active=False)
        readings = [await lab.driver.sense() for _ in range(12)]
        assert readings[-1].alarm == ""
        assert not math.isnan(readings[-1].air_degc)

    in_lab(make, story)


@EACH
def test_one_that_does_not_stop_is_told_of_and_forced(make: Make) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(60.0, None)
        await lab.watched(10)
        lab.twin.inject("refuses-off", 0, active=True)
        with pytest.raises(InstrumentFault):
            await lab.driver.make_safe()
        for means in range(len(lab.driver.STRONGER)):
            with pytest.raises(InstrumentFault):
                await lab.driver.force(means)
        await lab.pause(90 * MINUTE)
        assert lab.air_degc() == pytest.approx(23.0, abs=1.5)  # the last means: no harm is done
        lab.twin.inject("refuses-off", 0, active=False)
        assert await lab.driver.make_safe()
        assert not lab.twin.truth()["conditioning"]

    in_lab(make, story)


@EACH
def test_an_order_that_was_ignored_once_is_given_again(make: Make) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("ignores-off-once", 0, active=True)
        with pytest.raises(InstrumentFault):
            await lab.driver.make_safe()
        assert await lab.driver.force(0)
        assert not lab.twin.truth()["conditioning"]

    in_lab(make, story)


@EACH
def test_off_goes_out_after_an_exchange_that_broke_off(make: Make) -> None:
    """A chamber that was silent for a while is off before anything else is asked of it."""

    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(60.0, None)
        await lab.driver.sense()
        lab.twin.inject("silent", 0, active=True)
        with pytest.raises(DeviceError):
            await lab.driver.sense()
        with pytest.raises(DeviceError):
            await lab.driver.make_safe()
        assert not lab.twin.truth()["conditioning"]
        lab.twin.inject("silent", 0, active=False)
        assert await lab.driver.make_safe()

    in_lab(make, story)


@EACH
def test_it_comes_back_into_step_after_silence(make: Make) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(40.0, None)
        lab.twin.inject("silent", 0, active=True)
        with pytest.raises(DeviceError):
            await lab.driver.sense()
        lab.twin.inject("silent", 0, active=False)
        for _ in range(12):
            reading = await lab.driver.sense()
            assert reading.air_degc == pytest.approx(lab.air_degc(), abs=1.0)

    in_lab(make, story)


@EACH
def test_a_set_point_that_somebody_else_changed_is_told_of(make: Make) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(45.0, None)
        await lab.driver.sense()
        await lab.another().apply(30.0, None)
        with pytest.raises(InstrumentFault, match="ordered"):
            await lab.watched(1)

    in_lab(make, story)


@EACH
def test_the_driver_gives_it_its_time(make: Make) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(45.0, 2.0)
        await lab.watched(15)
        await lab.driver.make_safe()
        assert lab.twin.truth().get("crowded", 0) == 0

    in_lab(make, story)


@EACH
def test_a_reading_and_an_order_fit_into_the_time_of_the_data_sheet(make: Make) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.pause(SECOND)
        begin = lab.clock.now()
        await lab.driver.apply(30.0, None)
        await lab.driver.sense()
        assert lab.clock.now() - begin <= lab.driver.SPEC.reply + SECOND // 10
        await lab.pause(SECOND)
        begin = lab.clock.now()
        await lab.driver.sense()
        assert lab.clock.now() - begin <= lab.driver.SPEC.reply + 10 * MILLISECOND

    in_lab(make, story)
