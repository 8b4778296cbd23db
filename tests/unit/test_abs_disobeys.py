"""A Bloomy ABS that does not switch off when it is told to: its driver's stronger means."""

import pytest
from abs_unit import OFF, Lab, in_lab

from drivers.cell_emulators.bloomy_abs import BloomyAbs
from drivers.wire.bloomy_abs import SPEC
from hil.core.errors import InstrumentFault
from hil.core.instants import MILLISECOND


@pytest.mark.parametrize("fault", ["ignores-off", "lies-off"])
@pytest.mark.parametrize("means", [1, 2])
def test_a_unit_that_takes_no_order_to_switch_off_is_forced(fault: str, means: int) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply([3.3] * 8, {})
        await lab.clock.sleep_until(lab.clock.now() + SPEC.settle)
        lab.twin.inject(fault, 0, active=True)
        with pytest.raises(InstrumentFault, match=r"told to switch off|measures 3\.3"):
            await lab.driver.make_safe()
        with pytest.raises(InstrumentFault, match=r"told to switch off|measures 3\.3"):
            await lab.driver.force(0)
        assert any(lab.twin.truth()["on"])
        assert await lab.driver.force(means) == f"outputs {OFF}"
        assert not any(lab.twin.truth()["on"])
        if means == 1:
            lab.twin.inject(fault, 0, active=False)
            with pytest.raises(InstrumentFault, match="held off by an alarm"):
                await lab.driver.arm()

    in_lab(story)


def test_an_order_that_was_ignored_once_is_given_again_within_100_ms() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("ignores-off-once", 0, active=True)
        with pytest.raises(InstrumentFault, match="told to switch off"):
            await lab.driver.make_safe()
        begun = lab.clock.now()
        assert await lab.driver.force(0) == f"outputs {OFF}"
        assert lab.clock.now() - begun < 100 * MILLISECOND

    in_lab(story)


def test_a_voltage_that_only_needs_to_settle_is_no_lie() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply([5.0] * 8, {})
        await lab.clock.sleep_until(lab.clock.now() + SPEC.settle)
        assert await lab.driver.make_safe() == f"outputs {OFF}"

    in_lab(story)


def test_no_means_opens_a_welded_relay() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("refuses-off", 3, active=True)
        for means in range(len(BloomyAbs.STRONGER)):
            with pytest.raises(InstrumentFault, match="outputs 0,0,1,0,0,0,0,0"):
                await lab.driver.force(means)

    in_lab(story)
