"""Every byte between the driver of a fault-insertion unit and the unit; what it makes of others."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from drivers.fault_boxes.bloomy_fiu import BloomyFiu
from drivers.links.memory import memory_byte_link
from drivers.virtual.bloomy_fiu import BloomyFiuTwin
from hil.bench.clock import run_virtual
from hil.core.errors import DeviceError, InstrumentFault, LinkTimeout
from hil.core.wiring import Channel, Through, WiringPlan
from hil.ports import POWER_LOSS, Clock, LabPlan

PLAN = LabPlan(
    1,
    WiringPlan((), (), (), None, through=(Through("lead", 6, Channel("fiu", 3)),)),
    None,
    {},
)


@dataclass
class Box:
    """A driver and its twin, with what went over the wire between them."""

    clock: Clock
    log: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Put a memory link between the two."""
        self.twin = BloomyFiuTwin("fiu", self.clock, PLAN, {})
        link = memory_byte_link("fiu", self.clock, {}, twin=self.twin, tap=self.log.append)
        self.driver = BloomyFiu("fiu", link, self.clock, {})

    def open_wires(self) -> Sequence[str]:
        found: list[str] = self.twin.truth()["open"]
        return found


def with_box(story: Callable[[Box], Awaitable[None]]) -> None:
    async def main(clock: Clock) -> None:
        box = Box(clock)
        await box.driver.connect()
        await box.driver.identify()
        await story(box)

    run_virtual(main)


def test_every_byte_from_the_first_word_to_all_connected() -> None:
    async def story(box: Box) -> None:
        await box.driver.arm()
        await box.driver.set_open(3, is_open=True)
        assert box.open_wires() == ["lead 6"]
        assert await box.driver.make_safe() == "channels 1 to 24 connected"
        assert box.open_wires() == []
        # the last two characters of an answer are its checksum, as the maker's client counts
        asked = [b">H078\r", b"<1V01.0076\r"]
        whole = [b">S083\r", b"<1" + b"C" * 24 + b"79\r"]
        assert box.log == [
            *asked * 2,
            *[b">C099E5\r", b"<030\r", *whole],
            *[b">D003D7\r", b"<030\r", b">S083\r", b"<1CCD" + b"C" * 21 + b"7A\r"],
            *[b">C099E5\r", b"<030\r", *whole],
        ]

    with_box(story)


@pytest.mark.parametrize("channel", [0, 25, 99])
def test_a_channel_that_there_is_not_is_refused_before_anything_is_sent(channel: int) -> None:
    async def story(box: Box) -> None:
        sent = len(box.log)
        with pytest.raises(ValueError, match=str(channel) if channel != 99 else "one channel"):
            await box.driver.set_open(channel, is_open=True)
        assert len(box.log) == sent

    with_box(story)


def test_a_relay_that_falls_back_by_itself_is_noticed() -> None:
    async def story(box: Box) -> None:
        await box.driver.arm()
        await box.driver.set_open(3, is_open=True)
        box.twin.inject(POWER_LOSS, 0, active=True)
        with pytest.raises(LinkTimeout):
            await box.driver.sense()
        box.twin.inject(POWER_LOSS, 0, active=False)
        with pytest.raises(InstrumentFault, match="channel 3 was told open, connected read"):
            await box.driver.sense()
        assert await box.driver.make_safe() == "channels 1 to 24 connected"

    with_box(story)


def test_a_relay_that_sticks_is_seen_by_nobody_but_the_board() -> None:
    async def story(box: Box) -> None:
        box.twin.inject("stuck-relay", 3, active=True)
        await box.driver.set_open(3, is_open=True)
        assert box.open_wires() == []
        box.twin.inject("stuck-relay", 3, active=False)
        assert box.open_wires() == ["lead 6"]

    with_box(story)


def test_what_others_say_on_the_bus_is_no_answer_of_ours() -> None:
    """Another module's answer, or a garbled one, is an error of the exchange and not a state."""

    async def story(box: Box) -> None:
        await box.driver.arm()
        box.twin.inject("silent", 0, active=True)
        with pytest.raises(DeviceError):
            await box.driver.set_open(3, is_open=True)
        box.twin.inject("silent", 0, active=False)
        # it was carried out, and what stands there is not what was confirmed: that is told
        with pytest.raises(InstrumentFault, match="channel 3 was told connected, open read"):
            await box.driver.sense()
        assert await box.driver.make_safe() == "channels 1 to 24 connected"

    with_box(story)
