"""The R&S NGM202's own: its protections, and its twin under a client that polls the status."""

import pytest
from abs_unit import Bleed
from plain_lab import Lab, in_lab

from drivers.wire.rs_ngm import FUSE, OVERVOLTAGE, SPEC
from hil.core.instants import MILLISECOND

NGM = "rs-ngm"


def test_an_over_voltage_switches_its_channel_off_and_latches() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.say("INST:NSEL 2;:VOLT 5.5")
        assert (await lab.driver.sense()).alarm == OVERVOLTAGE << 1
        await lab.say("VOLT 3.3;:OUTP 1")
        assert lab.twin.truth()["overvoltage"] == [False, True]
        await lab.driver.apply((3.3, 3.3), {})
        await lab.driver.arm()
        assert lab.twin.truth()["on"] == [True, True]

    in_lab(NGM, story)


def test_a_fuse_blows_after_its_delay_and_takes_its_link_along() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.say("INST:NSEL 1;:FUSE:DEL 0.5;:FUSE:LINK 2")
        await lab.pause(MILLISECOND)
        Bleed(lab.twin, 1, 1.0)  # 3.3 A of 1 A
        await lab.driver.sense()
        await lab.pause(400 * MILLISECOND)
        assert (await lab.driver.sense()).alarm == 0
        await lab.pause(200 * MILLISECOND)
        assert (await lab.driver.sense()).alarm == FUSE
        assert lab.twin.truth()["on"] == [False, False]

    in_lab(NGM, story)


def test_a_strict_client_gets_through() -> None:
    """As the maker's own driver does: *STB? after every write, *OPC awaited in the status byte."""

    async def write(lab: Lab, line: str) -> None:
        await lab.say(f"{line};*OPC")
        for _ in range(100):
            status = int(await lab.query("*STB?"))
            assert not status & 4, await lab.query("SYST:ERR?")
            if status & 32:
                break
            await lab.pause(MILLISECOND)
        else:
            pytest.fail(f"{line}: not complete after 100 polls")
        assert await lab.query("*ESR?") == "1"

    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        await lab.say("*RST;*CLS;*ESE 1;*SRE 0")
        for line in ("INST OUT2", "SOUR:VOLT:LEV:IMM:AMPL 3.7", "CURR 0.5", "OUTP:SEL ON"):
            await write(lab, line)
        await write(lab, "OUTP:GEN ON")
        assert abs(float(await lab.query("MEAS:SCAL:VOLT:DC?")) - 3.7) < 0.01
        assert await lab.query("INST?;:INST:NSEL?") == "OUTP2;2"
        assert await lab.query("VOLT? MAX;VOLT? MIN;CURR?;:APPL?") == "20;0;0.5000;3.7000,0.5000"
        assert lab.twin.truth()["on"] == [False, True]
        await write(lab, "OUTP:GEN OFF")
        assert lab.twin.truth()["on"] == [False, False]

    in_lab(NGM, story)


def test_opc_answers_when_the_output_has_arrived() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.query("*OPC?")
        begun = lab.clock.now()
        assert await lab.query("INST:NSEL 1;:VOLT 4.2;*OPC?") == "1"
        assert lab.clock.now() - begun >= SPEC.settle
        assert abs(lab.twin.cell_v(1, lab.clock.now()) - 4.2) < 0.02

    in_lab(NGM, story)
