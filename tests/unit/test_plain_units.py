"""What every plain emulator does alike: driver on twin, whoever made it."""

import pytest
from abs_unit import Bleed
from plain_lab import MAKES, Lab, in_lab

from hil.core.errors import InstrumentFault, LinkTimeout
from hil.core.instants import MILLISECOND, SECOND

pytestmark = pytest.mark.parametrize("make", MAKES)


def off(lab: Lab) -> str:
    return "outputs " + ",".join("0" * lab.cells)


def test_it_says_who_it_is_and_takes_what_it_is_told(make: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        who = await lab.driver.identify()
        assert (who.maker, who.model, who.serial) == (*MAKES[make].says, "N-17")
        ordered = [3.3 + 0.01 * cell for cell in range(lab.cells)]
        await lab.armed(*ordered)
        read = await lab.driver.sense()
        assert read.voltage_v == pytest.approx(ordered, abs=0.01)
        assert read.alarm == 0
        assert lab.twin.truth()["set_v"] == pytest.approx(ordered)
        assert await lab.driver.make_safe() == off(lab)
        assert not any(lab.twin.truth()["on"])

    in_lab(make, story)


def test_a_set_point_from_before_it_was_armed_stands_after(make: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        await lab.driver.identify()
        await lab.driver.apply((3.3,) * lab.cells, {})
        await lab.driver.arm()
        await lab.pause(10 * MILLISECOND)
        assert lab.twin.truth()["set_v"] == pytest.approx([3.3] * lab.cells)
        assert (await lab.driver.sense()).voltage_v == pytest.approx([3.3] * lab.cells, abs=0.01)

    in_lab(make, story)


def test_a_bleed_is_read_as_it_flows(make: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        Bleed(lab.twin, lab.cells, 33.0)
        await lab.driver.sense()
        await lab.pause(SECOND)
        read = await lab.driver.sense()
        others = [0.0] * (lab.cells - 1)
        assert read.current_a == pytest.approx([*others, 0.1], abs=1e-3)

    in_lab(make, story)


@pytest.mark.parametrize("tick_ms", [100, 1_000, 1_008, 10_000])
@pytest.mark.parametrize("duty", [0.1, 0.5, 0.86])
def test_the_charge_of_a_bleed_is_whole_at_any_tick(make: str, tick_ms: int, duty: float) -> None:
    """A mean covers all of the time since the reading before: nothing is aliased."""

    async def story(lab: Lab) -> None:
        await lab.armed()
        Bleed(lab.twin, 1, 3.3 / 0.9, duty=duty)
        await lab.driver.sense()
        charge_as, began = 0.0, lab.clock.now()
        true_as = lab.twin.truth()["charge_as"][0]
        for _ in range(20):
            before = lab.clock.now()
            await lab.pause(tick_ms * MILLISECOND)
            read = await lab.driver.sense()
            charge_as += read.current_a[0] * (lab.clock.now() - before) / SECOND
        true_as = lab.twin.truth()["charge_as"][0] - true_as
        offset_as = lab.driver.SPEC.read_accuracy_a.offset * (lab.clock.now() - began) / SECOND
        assert abs(charge_as - true_as) < offset_as + 0.005 * true_as

    in_lab(make, story)


@pytest.mark.parametrize("values", [(21.0,), (-0.1,), (5.1,), (1.0,) * 9, ()])
def test_what_is_outside_its_spec_is_never_sent(make: str, values: tuple[float, ...]) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        sent = len(lab.log)
        with pytest.raises(ValueError, match="unit:"):
            await lab.driver.apply(values, {})
        with pytest.raises(ValueError, match="auxiliary"):
            await lab.driver.apply((3.3,), {1: 0.5})
        with pytest.raises(ValueError, match="no fault 'open'"):
            await lab.driver.set_fault(1, "open")
        assert len(lab.log) == sent

    in_lab(make, story)


@pytest.mark.parametrize("key", ["limit_a", "protection_v"])
@pytest.mark.parametrize("value", [0.0, 99.0])
def test_a_setting_it_cannot_have_is_refused(make: str, key: str, value: float) -> None:
    async def story(_: Lab) -> None:
        pytest.fail("it was built")

    with pytest.raises(ValueError, match="unit:"):
        in_lab(make, story, **{key: value})


@pytest.mark.parametrize("fault", ["ignores-off", "lies-off"])
def test_one_that_takes_no_order_is_reset(make: str, fault: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject(fault, 0, active=True)
        for order in (lab.driver.make_safe, lambda: lab.driver.force(0)):
            with pytest.raises(InstrumentFault, match=r"told to switch off|measures 3\."):
                await order()
        assert all(lab.twin.truth()["on"])
        assert await lab.driver.force(1) == off(lab)
        assert not any(lab.twin.truth()["on"])

    in_lab(make, story)


def test_an_order_that_was_ignored_once_is_given_again(make: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("ignores-off-once", 0, active=True)
        with pytest.raises(InstrumentFault, match="told to switch off"):
            await lab.driver.make_safe()
        assert await lab.driver.force(0) == off(lab)

    in_lab(make, story)


def test_a_welded_relay_is_seen(make: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("refuses-off", lab.cells, active=True)
        welded = ",".join("0" * (lab.cells - 1) + "1")
        with pytest.raises(InstrumentFault, match=f"told to switch off, outputs {welded} read"):
            await lab.driver.make_safe()

    in_lab(make, story)


def test_a_unit_that_lost_its_supply_knows_nothing_of_what_it_was_told(make: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("power-loss", 0, active=True)
        with pytest.raises(LinkTimeout):
            await lab.driver.sense()
        lab.twin.inject("power-loss", 0, active=False)
        assert not any(await lab.driver.outputs_on())
        assert int(await lab.query("*ESR?")) & 128

    in_lab(make, story)


def test_a_refused_set_point_is_told_with_the_units_number(make: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.say("VOLT 99")
        with pytest.raises(InstrumentFault, match="-222") as caught:
            await lab.driver.sense()
        assert caught.value.code == -222
        await lab.driver.sense()

    in_lab(make, story)


def test_another_model_is_refused(make: str) -> None:
    async def story(lab: Lab) -> None:
        lab.twin._scpi.rename("Acme,PSU,1,1")
        await lab.driver.connect()
        with pytest.raises(InstrumentFault, match="found Acme PSU"):
            await lab.driver.identify()

    in_lab(make, story)
