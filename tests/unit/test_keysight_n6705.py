"""The Keysight N6705C's own: channel lists, its watchdog, and a client that polls the status."""

import pytest
from plain_lab import Lab, in_lab

from drivers.wire.keysight_n6705 import OVERVOLTAGE, PROTECTED, SPEC
from hil.core.errors import InstrumentFault
from hil.core.instants import MILLISECOND, SECOND

N6705 = "keysight-n6705"


def test_a_host_that_says_nothing_has_its_outputs_switched_off() -> None:
    """Even one that has not come to sense for a while, and only sets, feeds the watchdog."""

    async def story(lab: Lab) -> None:
        await lab.armed()
        for _ in range(3):
            await lab.pause(9 * SECOND)
            assert all(lab.twin.truth()["on"])
            await lab.driver.apply((3.3,) * 4, {})
        begun = lab.clock.now()
        await lab.pause(10 * SECOND - 20 * MILLISECOND)
        assert all(lab.twin.truth()["on"])
        await lab.pause(100 * MILLISECOND)
        assert not any(lab.twin.truth()["on"])
        assert lab.clock.now() - begun < 11 * SECOND
        assert (await lab.driver.sense()).alarm == PROTECTED
        await lab.say("OUTP 1,(@1:4)")
        with pytest.raises(InstrumentFault, match="a protection has tripped"):
            await lab.driver.sense()
        assert not any(lab.twin.truth()["on"])
        await lab.driver.arm()
        assert all(lab.twin.truth()["on"])

    in_lab(N6705, story, watchdog_s=10.0)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.5, 3601.0])
def test_a_watchdog_it_cannot_have_is_refused(seconds: float) -> None:
    async def story(_: Lab) -> None:
        pytest.fail("it was built")

    with pytest.raises(ValueError, match="a watchdog of"):
        in_lab(N6705, story, watchdog_s=seconds)


def test_a_watchdog_that_is_set_anew_counts_from_the_last_word() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.say("OUTP:PROT:WDOG:DEL 2")
        await lab.pause(1_900 * MILLISECOND)
        assert all(lab.twin.truth()["on"])
        await lab.pause(200 * MILLISECOND)
        assert not any(lab.twin.truth()["on"])

    in_lab(N6705, story)


def test_one_that_is_switched_off_trips_nothing() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.say("OUTP:PROT:WDOG 0")
        await lab.pause(100 * SECOND)
        assert all(lab.twin.truth()["on"])

    in_lab(N6705, story)


def test_a_reset_takes_the_watchdog_along() -> None:
    """After one the bench has to arm it again: it reads it back each time it arms."""

    async def story(lab: Lab) -> None:
        await lab.armed()
        assert await lab.query("OUTP:PROT:WDOG?;:OUTP:PROT:WDOG:DEL?") == "1;30"
        await lab.say("*RST")
        assert await lab.query("OUTP:PROT:WDOG?;:OUTP:PROT:WDOG:DEL?") == "0;60"
        await lab.driver.arm()
        assert await lab.query("OUTP:PROT:WDOG?") == "1"

    in_lab(N6705, story)


def test_lists_name_channels_in_their_order() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.say("VOLT 3.1,(@2,4);CURR 0.25,(@1:2)")
        assert await lab.query("VOLT? (@4,1:2)") == "3.10000,3.30000,3.10000"
        assert await lab.query("SOUR:CURR? (@2:3);:SYST:CHAN?") == "0.25000,1.00000;4"
        await lab.say("VOLT 3,(@5)")
        assert (await lab.query("SYST:ERR?")).startswith("-222")

    in_lab(N6705, story)


def test_an_over_voltage_latches_until_it_is_cleared() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.say("VOLT 5.5,(@3)")
        assert (await lab.driver.sense()).alarm == OVERVOLTAGE
        assert await lab.query("OUTP? (@1:4);:STAT:QUES:COND? (@3)") == "1,1,0,1;1"
        await lab.say("VOLT 3.3,(@3);:OUTP:PROT:CLE (@3);:OUTP 1,(@3)")
        assert await lab.query("OUTP? (@1:4)") == "1,1,1,1"

    in_lab(N6705, story)


def test_a_strict_client_gets_through() -> None:
    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        await lab.say("*RST;*CLS;*ESE 1;*SRE 0")
        for line in ("VOLT 3.7,(@2)", "CURR 0.5,(@2)", "OUTP ON,(@2)"):
            await lab.say(f"{line};*OPC")
            await lab.pause(SPEC.settle)
            assert int(await lab.query("*STB?")) & 32
            assert await lab.query("*ESR?") == "1"
        assert float(await lab.query("MEAS:VOLT? (@2)")) == pytest.approx(3.7, abs=0.01)
        assert lab.twin.truth()["on"] == [False, True, False, False]
        assert await lab.query("*OPC?") == "1"
        assert (await lab.query("SYST:ERR?")).startswith("0,")

    in_lab(N6705, story)


@pytest.mark.parametrize(
    ("put", "asked", "told"),
    [
        ("OUTP:PMOD CURR,(@2)", "OUTP:PMOD? (@1:3)", "VOLT,CURR,VOLT"),
        ("CURR:LIM:POS 0.25,(@1)", "CURR:LIM? (@1);:CURR? (@1)", "0.25000;0.25000"),
        ("CURR:LIM:NEG -0.1,(@3:4)", "CURR:LIM:NEG? (@2:4)", "-1.00000,-0.10000,-0.10000"),
        ("FUNC VOLT,(@1)", "FUNC? (@1)", "VOLT"),
    ],
)
def test_limits_and_modes_as_drivers_of_others_write_them(put: str, asked: str, told: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.say(put)
        assert await lab.query(asked) == told
        assert (await lab.query("SYST:ERR?")).startswith("0,")

    in_lab(N6705, story)


def test_a_mode_in_which_it_is_no_cell_is_refused() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.say("FUNC CURR,(@1)")
        assert (await lab.query("SYST:ERR?")).startswith("-224")

    in_lab(N6705, story)
