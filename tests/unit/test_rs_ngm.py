"""The R&S NGM202: its driver on its twin, and its twin under a client that knows neither."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from abs_unit import Bleed, plan

from drivers.cell_emulators.rs_ngm import RsNgm
from drivers.links.memory import memory_byte_link
from drivers.virtual.rs_ngm import RsNgmTwin
from drivers.wire.rs_ngm import FUSE, OVERVOLTAGE, SPEC
from hil.bench.clock import run_virtual
from hil.core.errors import InstrumentFault, LinkTimeout
from hil.core.instants import MILLISECOND, SECOND
from hil.ports import ByteLink, Clock

OFF = "outputs 0,0"


class Lab:
    """A virtual unit, its driver, and a way to speak to it past the driver."""

    def __init__(self, clock: Clock, options: dict[str, Any]) -> None:
        self.clock = clock
        self.twin = RsNgmTwin("ngm", clock, plan(), {"serial": "N-17", "boot_ns": 0})
        self.log: list[bytes] = []
        self.link: ByteLink = memory_byte_link(
            "ngm", clock, {}, twin=self.twin, tap=self.log.append
        )
        self.driver = RsNgm("ngm", self.link, clock, options)

    async def armed(self, *volts: float) -> None:
        await self.driver.connect()
        await self.driver.identify()
        await self.driver.arm()
        await self.driver.apply(volts or (3.3, 3.4), {})
        await self.pause(10 * MILLISECOND)

    async def pause(self, for_ns: int) -> None:
        await self.clock.sleep_until(self.clock.now() + for_ns)

    async def query(self, line: str) -> str:
        """Ask as a client that polls nothing and knows no driver."""
        return await self.driver._ask(line)

    async def say(self, line: str) -> None:
        await self.driver._write(line)


def in_lab(story: Callable[[Lab], Awaitable[None]], **options: Any) -> None:
    async def main(clock: Clock) -> None:
        await story(Lab(clock, options))

    run_virtual(main)


def test_it_says_who_it_is_and_takes_what_it_is_told() -> None:
    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        who = await lab.driver.identify()
        assert (who.maker, who.model, who.serial) == ("Rohde&Schwarz", "NGM202", "N-17")
        await lab.armed(3.3, 3.4567)
        read = await lab.driver.sense()
        for value, ordered in zip(read.voltage_v, (3.3, 3.457), strict=True):
            assert abs(value - ordered) < 0.01
        assert read.alarm == 0
        assert lab.twin.truth()["set_v"] == [3.3, 3.457]
        assert await lab.driver.make_safe() == OFF
        assert lab.twin.truth()["on"] == [False, False]

    in_lab(story)


def test_a_bleed_is_read_as_it_flows() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed(3.3, 3.3)
        Bleed(lab.twin, 2, 33.0)
        await lab.driver.sense()
        await lab.pause(SECOND)
        read = await lab.driver.sense()
        assert abs(read.current_a[1] - 0.1) < 1e-3
        assert abs(read.current_a[0]) < 1e-3

    in_lab(story)


@pytest.mark.parametrize("values", [(21.0,), (-0.1,), (5.1,), (1.0, 2.0, 3.0), ()])
def test_what_is_outside_its_spec_is_never_sent(values: tuple[float, ...]) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        sent = len(lab.log)
        with pytest.raises(ValueError, match="ngm:"):
            await lab.driver.apply(values, {})
        with pytest.raises(ValueError, match="auxiliary"):
            await lab.driver.apply((3.3,), {1: 0.5})
        with pytest.raises(ValueError, match="no fault 'open'"):
            await lab.driver.set_fault(1, "open")
        assert len(lab.log) == sent

    in_lab(story)


@pytest.mark.parametrize("key", ["limit_a", "protection_v"])
@pytest.mark.parametrize("value", [0.0, 99.0])
def test_a_setting_it_cannot_have_is_refused(key: str, value: float) -> None:
    async def story(lab: Lab) -> None:
        with pytest.raises(ValueError, match="ngm:"):
            RsNgm("ngm", lab.link, lab.clock, {key: value})

    in_lab(story)


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

    in_lab(story)


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

    in_lab(story)


@pytest.mark.parametrize("fault", ["ignores-off", "lies-off"])
def test_one_that_takes_no_order_is_reset(fault: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject(fault, 0, active=True)
        for order in (lab.driver.make_safe, lambda: lab.driver.force(0)):
            with pytest.raises(InstrumentFault, match=r"told to switch off|measures 3\."):
                await order()
        assert all(lab.twin.truth()["on"])
        lab.twin.inject(fault, 0, active=False)
        assert await lab.driver.force(1) == OFF

    in_lab(story)


def test_a_reset_drops_what_no_order_does() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("ignores-off-once", 0, active=True)
        with pytest.raises(InstrumentFault, match="told to switch off"):
            await lab.driver.make_safe()
        assert await lab.driver.force(0) == OFF

    in_lab(story)


def test_a_welded_relay_is_seen() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("refuses-off", 2, active=True)
        with pytest.raises(InstrumentFault, match="told to switch off, outputs 0,1 read"):
            await lab.driver.make_safe()

    in_lab(story)


def test_a_unit_that_lost_its_supply_knows_nothing_of_what_it_was_told() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("power-loss", 0, active=True)
        with pytest.raises(LinkTimeout):
            await lab.driver.sense()
        lab.twin.inject("power-loss", 0, active=False)
        assert await lab.driver.outputs_on() == [False, False]
        assert int(await lab.query("*ESR?")) & 128

    in_lab(story)


def test_a_refused_set_point_is_told_with_the_units_number() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.say("VOLT 99")
        with pytest.raises(InstrumentFault, match="-222") as caught:
            await lab.driver.sense()
        assert caught.value.code == -222
        await lab.driver.sense()

    in_lab(story)


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

    in_lab(story)


def test_opc_answers_when_the_output_has_arrived() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.query("*OPC?")
        begun = lab.clock.now()
        assert await lab.query("INST:NSEL 1;:VOLT 4.2;*OPC?") == "1"
        assert lab.clock.now() - begun >= SPEC.settle
        assert abs(lab.twin.cell_v(1, lab.clock.now()) - 4.2) < 0.02

    in_lab(story)


@pytest.mark.parametrize("tick_ms", [100, 1_000, 1_008, 10_000])
@pytest.mark.parametrize("duty", [0.1, 0.5, 0.86])
def test_the_charge_of_a_bleed_is_whole_at_any_tick(tick_ms: int, duty: float) -> None:
    """A mean covers all of the time since the reading before: nothing is aliased."""

    async def story(lab: Lab) -> None:
        await lab.armed(3.3, 3.3)
        Bleed(lab.twin, 1, 33.0, duty=duty)
        await lab.driver.sense()
        charge_as, began = 0.0, lab.clock.now()
        true_as = lab.twin.truth()["charge_as"][0]
        for _ in range(20):
            before = lab.clock.now()
            await lab.pause(tick_ms * MILLISECOND)
            read = await lab.driver.sense()
            charge_as += read.current_a[0] * (lab.clock.now() - before) / SECOND
        true_as = lab.twin.truth()["charge_as"][0] - true_as
        offset_as = SPEC.read_accuracy_a.offset * (lab.clock.now() - began) / SECOND
        assert abs(charge_as - true_as) < offset_as + 0.005 * true_as

    in_lab(story)
