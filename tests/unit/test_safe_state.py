"""The way down: in order, together within an order, to the end, whatever happens on the way."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from hil.bench.clock import run_virtual
from hil.bench.safe_state import (
    AGAIN_WITHIN,
    BOARD,
    CELLS,
    CHAMBER,
    PAUSES,
    SafeState,
    Undo,
    made_safe,
)
from hil.core.errors import InstrumentFault, LinkLost, LinkTimeout
from hil.core.instants import SECOND
from hil.core.records import Record, SafeStateArmed, SafeStateReached
from hil.ports import Clock, Identity


class Notes:
    """A recorder that keeps its records."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def emit(self, record: Record) -> None:
        self.records.append(record)

    def close(self) -> None:
        pass

    def reached(self) -> dict[str, SafeStateReached]:
        return {r.device: r for r in self.records if isinstance(r, SafeStateReached)}


def undo(clock: Clock, device: str, order: int, seconds: float, log: list[str]) -> Undo:
    async def action() -> str:
        log.append(f"{device} begins")
        await clock.sleep_until(clock.now() + round(seconds * SECOND))
        log.append(f"{device} ends")
        return "outputs 0"

    return Undo(device, order, "all off", action, within=5 * SECOND)


def play(main: Callable[[Clock, SafeState, Notes], Awaitable[None]]) -> Notes:
    notes = Notes()

    async def whole(clock: Clock) -> None:
        await main(clock, SafeState(clock, notes.emit), notes)

    run_virtual(whole)
    return notes


def test_orders_go_one_after_the_other_and_devices_of_one_order_together() -> None:
    log: list[str] = []

    async def main(clock: Clock, safe: SafeState, notes: Notes) -> None:
        for device, order, seconds in (
            ("chamber", CHAMBER, 1.0),
            ("emulator-1", CELLS, 2.0),
            ("emulator-2", CELLS, 1.0),
            ("board", BOARD, 0.5),
        ):
            safe.arm(undo(clock, device, order, seconds, log))
        assert await safe.reach()
        assert clock.now() == round(3.5 * SECOND)
        assert [type(r) for r in notes.records[:4]] == [SafeStateArmed] * 4

    play(main)
    assert log == [
        "board begins",
        "board ends",
        "emulator-1 begins",
        "emulator-2 begins",
        "emulator-2 ends",
        "emulator-1 ends",
        "chamber begins",
        "chamber ends",
    ]


def test_a_device_that_hangs_or_refuses_does_not_keep_the_others_from_going_safe() -> None:
    log: list[str] = []

    async def refuses() -> str:
        raise InstrumentFault("emulator-1", "output 3 is still on", 0)

    async def main(clock: Clock, safe: SafeState, _notes: Notes) -> None:
        safe.arm(undo(clock, "board", BOARD, 1000.0, log))
        safe.arm(Undo("emulator-1", CELLS, "all off", refuses))
        safe.arm(undo(clock, "chamber", CHAMBER, 1.0, log))
        assert not await safe.reach()

    notes = play(main)
    reached = notes.reached()
    assert reached["chamber"].at == 6 * SECOND, "told before anyone is told again"
    attempts = [r.device for r in notes.records if isinstance(r, SafeStateReached)]
    assert attempts == ["board", "emulator-1", "chamber", *["board", "emulator-1"] * 2]
    assert [reached[name].ok for name in ("board", "emulator-1", "chamber")] == [False, False, True]
    assert "no answer within 5 s" in reached["board"].read_back
    assert "output 3 is still on" in reached["emulator-1"].read_back


def test_a_device_whose_answer_was_lost_is_told_again_after_all_others() -> None:
    log: list[str] = []
    errors = iter([LinkTimeout("board", "nothing came"), LinkLost("board", "gone")])

    async def action() -> str:
        log.append("board")
        for error in errors:
            raise error
        return "bleeds 0"

    async def main(clock: Clock, safe: SafeState, _notes: Notes) -> None:
        safe.arm(Undo("board", BOARD, "all bleeds off", action))
        safe.arm(undo(clock, "chamber", CHAMBER, 1.0, log))
        assert await safe.reach()
        assert clock.now() == SECOND + PAUSES[0] + PAUSES[1]

    notes = play(main)
    assert log == ["board", "chamber begins", "chamber ends", "board", "board"]
    oks = [r.ok for r in notes.records if isinstance(r, SafeStateReached) and r.device == "board"]
    assert oks == [False, False, True], "every attempt leaves its record"


class Instrument:
    """A device whose link is gone at first; ``serial`` is who answers when it is back."""

    name = "emulator-1"

    def __init__(self, serial: str, away: int) -> None:
        self.serial, self.away, self.is_open = serial, away, False
        self.calls: list[str] = []

    async def connect(self) -> None:
        self.calls.append("connect")
        if self.away:
            self.away -= 1
            raise LinkLost(self.name, "still gone")
        self.is_open = True

    async def identify(self) -> Identity:
        return Identity("maker", "model", self.serial, "1.0")

    async def arm(self) -> None:
        raise AssertionError("nobody switches on in here")

    async def make_safe(self) -> str:
        self.calls.append("make safe")
        if not self.is_open:
            raise LinkLost(self.name, "gone")
        return "outputs 0"

    def check(self) -> None:
        raise AssertionError("nobody looks in here")

    async def close(self) -> None:
        pass


KNOWN = {"emulator-1": Identity("maker", "model", "V-0001", "1.0")}


def test_a_link_that_is_gone_is_opened_again_for_the_way_down() -> None:
    device = Instrument("V-0001", away=1)

    async def main(_clock: Clock, safe: SafeState, _notes: Notes) -> None:
        safe.arm(Undo(device.name, CELLS, "all outputs off", partial(made_safe, device, KNOWN)))
        assert await safe.reach()

    reached = play(main).reached()[device.name]
    assert (reached.ok, reached.read_back) == (True, "outputs 0")
    assert device.calls == ["make safe", "connect", "make safe", "connect", "make safe"]


def test_a_stranger_behind_the_link_is_not_taken_for_the_device() -> None:
    device = Instrument("V-0666", away=0)

    async def main(_clock: Clock) -> None:
        with pytest.raises(LinkLost, match=r"expected serial V-0001 .* found V-0666"):
            await made_safe(device, KNOWN)
        assert await made_safe(Instrument("V-0666", away=0), {}) == "outputs 0"

    run_virtual(main)


def test_a_dead_device_is_given_up_in_time() -> None:
    async def dead() -> str:
        raise LinkTimeout("board", "nothing came")

    async def main(clock: Clock, safe: SafeState, _notes: Notes) -> None:
        safe.arm(Undo("board", BOARD, "all bleeds off", dead))
        assert not await safe.reach()
        assert clock.now() == sum(PAUSES) <= AGAIN_WITHIN

    play(main)


def test_a_bug_in_one_undo_or_in_the_recorder_is_raised_only_after_the_last_device() -> None:
    log: list[str] = []

    async def bug() -> str:
        raise ValueError("a bug")

    class FullDisk(Notes):
        def emit(self, record: Record) -> None:
            if isinstance(record, SafeStateReached) and record.device == "emulator":
                raise OSError("no space left")
            super().emit(record)

    for notes, first, error in ((Notes(), bug, ValueError), (FullDisk(), None, OSError)):

        async def main(clock: Clock, notes: Notes = notes, first: Any = first) -> None:
            safe = SafeState(clock, notes.emit)
            safe.arm(
                Undo("board", BOARD, "off", first)
                if first
                else undo(clock, "board", BOARD, 1.0, log)
            )
            safe.arm(undo(clock, "emulator", CELLS, 1.0, log))
            safe.arm(undo(clock, "chamber", CHAMBER, 1.0, log))
            await safe.reach()

        with pytest.raises(error):
            run_virtual(main)
        assert log[-1] == "chamber ends"
        assert notes.reached()["chamber"].ok
        log.clear()


async def bug() -> str:
    raise ValueError("a bug")


async def hangs() -> str:
    await asyncio.get_running_loop().create_future()
    return "never"


@pytest.mark.parametrize("spoiler", [bug, hangs])
def test_neither_a_bug_nor_a_device_that_hangs_takes_anothers_second_attempt(
    spoiler: Callable[[], Awaitable[str]],
) -> None:
    losses = iter([LinkTimeout("emulator", "nothing came")])

    async def once_lost() -> str:
        for loss in losses:
            raise loss
        return "outputs 0"

    async def main(_clock: Clock, safe: SafeState, _notes: Notes) -> None:
        safe.arm(Undo("board", BOARD, "all bleeds off", spoiler, AGAIN_WITHIN))
        safe.arm(Undo("emulator", CELLS, "all outputs off", once_lost))
        with suppress(ValueError):
            await safe.reach()

    assert play(main).reached()["emulator"].ok


def test_cancelling_whoever_waits_does_not_break_the_way_down() -> None:
    log: list[str] = []

    async def main(clock: Clock, safe: SafeState, _notes: Notes) -> None:
        safe.arm(undo(clock, "board", BOARD, 1.0, log))
        safe.arm(undo(clock, "chamber", CHAMBER, 1.0, log))
        waiting = asyncio.ensure_future(safe.reach())
        for _ in range(3):
            await clock.sleep_until(clock.now() + SECOND // 2)
            waiting.cancel()
        assert await waiting

    play(main)
    assert log[-1] == "chamber ends"


def test_reaching_twice_tells_every_device_once() -> None:
    log: list[str] = []

    async def main(clock: Clock, safe: SafeState, _notes: Notes) -> None:
        safe.arm(undo(clock, "board", BOARD, 1.0, log))
        assert await safe.reach()
        assert await safe.reach()

    play(main)
    assert log == ["board begins", "board ends"]


def test_hurry_tells_all_that_are_left_at_once() -> None:
    log: list[str] = []

    async def main(clock: Clock, safe: SafeState, _notes: Notes) -> None:
        for device, order in (("board", BOARD), ("emulator", CELLS), ("chamber", CHAMBER)):
            safe.arm(undo(clock, device, order, 1.0, log))
        safe.hurry()
        assert await safe.reach()
        assert clock.now() == SECOND

    play(main)
    assert log[:3] == ["board begins", "emulator begins", "chamber begins"]
