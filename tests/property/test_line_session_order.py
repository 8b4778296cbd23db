"""However late, doubled or lost answers are: none is filed under another question."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.links.lines import LineSession
from drivers.links.memory import memory_byte_link
from hil.bench.clock import run_virtual
from hil.core.errors import DeviceError
from hil.core.instants import MILLISECOND, SECOND, Duration, Instant
from hil.ports import Clock

WITHIN = 100 * MILLISECOND

LOST = -1
DELAYS = st.lists(
    st.sampled_from([LOST, 0, 50, 99, 101, 150, 250, 401, 1_000]).map(lambda ms: ms * MILLISECOND),
    max_size=30,
)


class SlowEcho:
    """Answers every line with itself, in order, the k-th after the k-th delay (then promptly)."""

    def __init__(self, clock: Clock, delays: list[Duration]) -> None:
        self.clock = clock
        self.delays = iter(delays)
        self.send: Callable[[bytes, Instant], None]

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        self.send = send

    def receive(self, data: bytes) -> None:
        delay = next(self.delays, MILLISECOND)
        if delay >= 0:  # an empty line asks for nothing
            self.send(data.lstrip(b"\n"), self.clock.now() + delay)


@given(DELAYS)
def test_every_answer_that_is_returned_belongs_to_its_question(delays: list[Duration]) -> None:
    async def main(clock: Clock) -> int:
        link = memory_byte_link("dmm", clock, {}, twin=SlowEcho(clock, delays))
        await link.open()
        session = LineSession(link, clock, "dmm", terminator=b"\n")
        answered = 0
        for number in range(60):
            question, probe = f"Q{number}?", f"P{number}?"
            try:
                assert await session.query(question, WITHIN) == question
                answered += 1
            except DeviceError:
                with pytest.raises(DeviceError):  # refused until in step
                    await session.query("not asked?", WITHIN)
                try:
                    await session.resync(probe, WITHIN, probe.__eq__)
                except DeviceError:
                    await clock.sleep_until(clock.now() + SECOND // 7)
        return answered

    # The delays run out, after which everything is prompt: it must recover.
    assert run_virtual(main) >= 10
