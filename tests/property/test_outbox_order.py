"""Messages leave an outbox in the order of their records, each once, but for those counted away."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hil.core.records import RunEnded
from hil.live import outbox as boxes
from hil.live.messages import Encoder, Message, Origin, Story
from hil.live.outbox import Outbox
from hil.live.spool import Spool

ORIGIN = Origin("a-run", "p", "b", 1, datetime(2026, 1, 1, tzinfo=UTC))
ROOM = 20_000
"""Bytes on the disk: some hundred messages."""


class OutboxMachine(RuleBasedStateMachine):
    """Puts, takes, gives back and spills in any order, beside a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.spool = Spool(Path.cwd(), ROOM)
        self.outbox = Outbox(Encoder(ORIGIN), self.spool)
        self.story = Story()
        self.put = 0
        self.taken: list[Message] = []
        self.out: list[int] = []

    def teardown(self) -> None:
        self.outbox.close()

    @rule(many=st.integers(1, 150))
    def put_some(self, many: int) -> None:
        for _ in range(many):
            ended = RunEnded(self.put, "PASS", f"{self.put}" * (self.put % 7))
            self.outbox.put(self.story.feed(self.put, ended))
            self.put += 1

    @rule()
    def spill(self) -> None:
        self.outbox.make_room()

    @precondition(lambda self: not self.taken)
    @rule(most=st.integers(1, 50))
    def take(self, most: int) -> None:
        self.taken = self.outbox.take(most)
        assert len(self.taken) <= most

    @precondition(lambda self: self.taken)
    @rule(share=st.floats(0, 1))
    def deliver_some_and_give_back_the_rest(self, share: float) -> None:
        kept = round(share * len(self.taken))
        self.out += [message.seq for message in self.taken[:kept]]
        self.outbox.put_back(self.taken[kept:])
        self.taken = []

    @invariant()
    def nothing_is_lost_uncounted(self) -> None:
        assert self.out == sorted(set(self.out)), "in order, each once"
        waiting = len(self.outbox) + len(self.taken)
        assert len(self.out) + waiting + self.outbox.dropped == self.put

    @invariant()
    def memory_and_disk_are_bounded(self) -> None:
        assert len(self.outbox._fresh) <= boxes.MOST_FRESH
        assert self.spool._end <= ROOM


TestOutbox = OutboxMachine.TestCase


@given(st.lists(st.binary(max_size=200).map(lambda b: b.replace(b"\n", b" ")), max_size=60))
def test_a_spool_gives_back_what_it_took(payloads: list[bytes]) -> None:
    spool = Spool(Path.cwd())
    messages = [Message(k, "tick", payload) for k, payload in enumerate(payloads)]
    assert spool.append(messages) == len(messages)
    found: list[Message] = []
    while len(spool):
        found += spool.read(7)
    assert found == messages
    assert spool._end == 0, "its room is free again"
    spool.close()


def test_a_spool_leaves_the_disk_its_last_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.live.spool.LEFT_FREE_BYTES", 2**62)
    spool = Spool(tmp_path)
    assert spool.append([Message(0, "tick", b"{}")]) == 0
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fails_costs_the_messages_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    outbox, story = Outbox(Encoder(ORIGIN), Spool(tmp_path)), Story()
    for seq in range(boxes.SPILL_FROM):
        outbox.put(story.feed(seq, RunEnded(seq, "PASS", "")))
    with monkeypatch.context() as broken:
        broken.setattr("hil.results.disk.Disk.write", fails)
        outbox.make_room()
    assert (len(outbox), outbox.dropped) == (0, boxes.SPILL_FROM)
    assert outbox.problem == "the spool cannot be written: Input/output error"
    outbox.put(story.feed(boxes.SPILL_FROM, RunEnded(0, "PASS", "")))
    assert [message.seq for message in outbox.take(5)] == [boxes.SPILL_FROM]
    outbox.close()
