"""A disturbed link under a host that waits, gives up and polls as it likes: the plan holds."""

import asyncio
from collections import Counter

import pytest
from disturbed import BY, Bytes, Frames, Rig
from hypothesis import given
from hypothesis import strategies as st

from drivers.links.faulty_plan import Kind, LinkFault
from hil.bench.clock import run_virtual
from hil.core.instants import MILLISECOND, SECOND
from hil.ports import Clock

MESSAGES = 10
KEEPING: tuple[Kind, ...] = ("lost", "late", "doubled", "reordered")
"""The faults after which a message is whole, if it comes."""


def faults(direction: str) -> st.SearchStrategy[tuple[LinkFault, ...]]:
    """Return plans of one direction, for up to ``MESSAGES`` messages."""
    one = st.builds(
        LinkFault,
        st.just(direction),
        st.integers(0, MESSAGES - 1),
        st.sampled_from(KEEPING),
        st.sampled_from([1, 2, 3, MILLISECOND, BY]),
    )
    return st.lists(one, unique_by=lambda fault: fault.index).map(tuple)


def due(plan: tuple[LinkFault, ...]) -> Counter[bytes]:
    """Return how often each message must arrive."""
    times = {fault.index: {"lost": 0, "doubled": 2}.get(fault.kind, 1) for fault in plan}
    return Counter({b"m%d" % k: times.get(k, 1) for k in range(MESSAGES)})


def counted(whole: bytes) -> Counter[bytes]:
    """Return how often each message is in what came."""
    return Counter(whole[k : k + 2] for k in range(0, len(whole), 2))


async def taken(rig: Rig, patience: int) -> bytes:
    """Wait for what comes and give up after ``patience`` ns; poll if that is 0."""
    if not patience:
        return rig.written(rig.link.pending())
    reader = asyncio.create_task(rig.link.receive())

    def give_up() -> None:
        reader.cancel()

    timer = rig.clock.call_at(rig.clock.now() + patience, give_up)
    try:
        return rig.written(await reader)
    except asyncio.CancelledError:
        return b""
    finally:
        timer.cancel()


@pytest.mark.parametrize("kind", [Bytes, Frames])
@given(
    plan=faults("to host"),
    gaps=st.lists(st.integers(1, BY), min_size=MESSAGES, max_size=MESSAGES),
    looks=st.lists(st.sampled_from([0, 1, 250_000, MILLISECOND, 3 * BY]), max_size=8),
)
def test_whatever_the_host_does_it_gets_what_the_plan_lets_pass(
    kind: type[Rig], plan: tuple[LinkFault, ...], gaps: list[int], looks: list[int]
) -> None:
    async def main(clock: Clock) -> bytes:
        rig = kind(clock, *plan)
        await rig.link.open()
        at = 0
        for k, gap in enumerate(gaps):
            at += gap
            clock.call_at(at, rig.say, k)
        got = b""
        for patience in looks:
            got += await taken(rig, patience)
            if kind is Frames:  # bytes that nobody waits for would run together into one message
                await clock.sleep_until(clock.now() + patience // 2)
        while clock.now() < at + SECOND:
            got += await taken(rig, 3 * BY)
        await rig.link.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        told = {(note.fault, note.index) for note in rig.noted}
        assert told == {(fault.kind, fault.index) for fault in plan}
        return got

    assert counted(run_virtual(main)) == +due(plan)


@pytest.mark.parametrize("kind", [Bytes, Frames])
@given(
    plan=faults("to device"),
    gaps=st.lists(st.integers(0, BY), min_size=MESSAGES, max_size=MESSAGES),
)
def test_the_device_hears_what_the_plan_lets_pass(
    kind: type[Rig], plan: tuple[LinkFault, ...], gaps: list[int]
) -> None:
    async def main(clock: Clock) -> list[bytes]:
        rig = kind(clock, *plan)
        await rig.link.open()
        for k, gap in enumerate(gaps):
            await clock.sleep_until(clock.now() + gap)
            await rig.link.send(rig.message(k))
        await clock.sleep_until(clock.now() + SECOND)
        await rig.link.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return rig.heard

    assert Counter(run_virtual(main)) == +due(plan)
