"""The bus against two oracles written from the standard: arbitration bit by bit, real stuffing."""

from typing import NamedTuple

from can import Message
from hypothesis import given
from hypothesis import strategies as st

from drivers.links.memory_can import MemoryBus, frame_bits
from hil.bench.clock import run_virtual
from hil.core.instants import SECOND, Instant
from hil.ports import Clock

BIT_NS = 2_000  # 500 kbit/s


class Sent(NamedTuple):
    """One frame to send: when, from which node, what."""

    at: Instant
    node: int
    frame: Message


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Any classical frame; few bases, so that arbitration goes to the late bits."""
    is_extended, is_remote = draw(st.booleans()), draw(st.booleans())
    base = draw(st.sampled_from([0, 1, 0x100, 0x101, 0x7FF]))
    extension = draw(st.integers(0, (1 << 18) - 1)) if is_extended else 0
    size = draw(st.integers(0, 8))
    return Message(
        arbitration_id=base << 18 | extension if is_extended else base,
        is_extended_id=is_extended,
        is_remote_frame=is_remote,
        dlc=size,
        data=None if is_remote else draw(st.binary(min_size=size, max_size=size)),
        check=True,
    )


def bits(value: int, width: int) -> list[int]:
    """Return ``width`` bits, highest first."""
    return [value >> shift & 1 for shift in reversed(range(width))]


def arbitration_bits(frame: Message) -> list[int]:
    """Return the arbitration field as ISO 11898-1 lays it out, up to and including RTR and IDE."""
    remote = int(frame.is_remote_frame)
    if frame.is_extended_id:
        base, extension = frame.arbitration_id >> 18, frame.arbitration_id & 0x3FFFF
        return [*bits(base, 11), 1, 1, *bits(extension, 18), remote]
    return [*bits(frame.arbitration_id, 11), remote, 0]


def winner(frames: dict[int, Message]) -> int:
    """Return the node that is still sending after a wired-AND, the first of equals."""
    fields = {node: arbitration_bits(frame) for node, frame in frames.items()}
    alive = list(fields)
    for position in range(32):
        # A node that is past its field (a shorter one) has nobody left to lose against.
        level = min((fields[n][position] for n in alive if position < len(fields[n])), default=1)
        alive = [n for n in alive if position >= len(fields[n]) or fields[n][position] == level]
    return alive[0]


def expected(sends: list[Sent]) -> list[tuple[Instant, Message]]:
    """Return what a bus must deliver and when, by a plain simulation over instants."""
    waiting = sorted(sends, key=lambda sent: sent.at)  # stable: a node's own order is kept
    now, delivered = 0, []
    while waiting:
        now = max(now, min(sent.at for sent in waiting))
        heads: dict[int, Sent] = {}
        for sent in waiting:
            if sent.at <= now:
                heads.setdefault(sent.node, sent)
        chosen = heads[winner({node: heads[node].frame for node in sorted(heads)})]
        waiting = [sent for sent in waiting if sent is not chosen]
        size = len(chosen.frame.data)
        now += (80 + 10 * size if chosen.frame.is_extended_id else 55 + 10 * size) * BIT_NS
        delivered.append((now, chosen.frame))
    return delivered


def sends(step: int) -> st.SearchStrategy[list[Sent]]:
    """Return frames to send from four nodes at multiples of ``step`` nanoseconds."""
    instants = st.integers(0, 20).map(lambda n: n * step)
    return st.lists(st.builds(Sent, instants, st.integers(0, 3), messages()), max_size=25)


@given(sends(40_001))
def test_frames_come_in_arbitration_order_none_lost_none_doubled_never_two_at_once(
    sends: list[Sent],
) -> None:
    async def main(clock: Clock) -> list[tuple[Instant, Message]]:
        bus = MemoryBus(clock)
        nodes = [bus.attach(f"node {n}", lambda _frame: None) for n in range(4)]
        heard: list[tuple[Instant, Message]] = []
        bus.attach("listener", lambda frame: heard.append((clock.now(), frame)))
        for sent in sends:
            clock.call_at(sent.at, nodes[sent.node].send, sent.frame)
        await clock.sleep_until(SECOND)
        assert bus.busy == sum(
            frame_bits(len(frame.data), extended=frame.is_extended_id) * BIT_NS
            for _, frame in heard
        )
        return heard

    heard = run_virtual(main)
    # 40,001 ns keeps sends and ends apart, since every frame takes a multiple of 2,000 ns.
    assert [(at, id(frame)) for at, frame in heard] == [
        (at, id(frame)) for at, frame in expected(sends)
    ]


@given(sends(40_000), st.sets(st.integers(0, 400).map(lambda n: n * 3_000)), st.integers(0, 2))
def test_who_looks_late_sees_what_happened_at_its_instant(
    sends: list[Sent], looks: set[Instant], listeners: int
) -> None:
    """A send at the very instant at which a frame ends takes part: nobody has a timer there."""

    async def main(clock: Clock) -> list[tuple[float, Message]]:
        bus = MemoryBus(clock)
        nodes = [bus.attach(f"node {n}", lambda _frame: None, polls=True) for n in range(4)]
        seen: list[tuple[float, Message]] = []
        bus.attach("poller", lambda frame: seen.append((frame.timestamp, frame)), polls=True)
        for _ in range(listeners):  # with one, every frame has its timer as well
            bus.attach("listener", lambda _frame: None)
        for sent in sends:
            clock.call_at(sent.at, nodes[sent.node].send, sent.frame)
        for look in looks:
            clock.call_at(look, bus.settle)
        await clock.sleep_until(SECOND)
        assert bus.frames == len(sends)
        return seen

    seen = run_virtual(main)
    assert [(at_s, id(frame)) for at_s, frame in seen] == [
        (at / SECOND, id(frame)) for at, frame in expected(sends)
    ]


def crc15(sequence: list[int]) -> list[int]:
    """Return the CRC of ISO 11898-1 (polynomial 0x4599) over a bit sequence."""
    register = 0
    for bit in sequence:
        feedback = bit ^ (register >> 14)
        register = (register << 1 & 0x7FFF) ^ (0x4599 if feedback else 0)
    return bits(register, 15)


def length_on_the_wire(frame: Message) -> int:
    """Return the bits of a frame with its real stuff bits, interframe space included."""
    reserved = [0, 0] if frame.is_extended_id else [0]
    data = [bit for byte in frame.data for bit in bits(byte, 8)]
    head = [0, *arbitration_bits(frame), *reserved, *bits(frame.dlc, 4), *data]
    body = [*head, *crc15(head)]
    stuffed, run, last = 0, 0, None
    for bit in body:
        run = run + 1 if bit == last else 1
        last = bit
        if run == 5:
            stuffed += 1
            run, last = 1, 1 - bit
    return len(body) + stuffed + 13


@given(messages())
def test_no_real_frame_is_longer_than_the_bus_allows_for(frame: Message) -> None:
    allowed = frame_bits(len(frame.data), extended=frame.is_extended_id)
    real = length_on_the_wire(frame)
    assert allowed * 4 // 5 <= real <= allowed
