"""What every byte link promises, whatever carries the bytes. A transport joins by adding a rig."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from byte_rigs import RIGS, SOON, Rig, Runner

from drivers.instrument import LineInstrument
from drivers.links.lines import LineSession
from hil.bench.safe_state import made_safe
from hil.core.errors import DeviceError, LinkLost, LinkTimeout, MalformedReply
from hil.core.instants import MILLISECOND, SECOND
from hil.ports import ByteLink, Identity

LONG = 10 * SECOND
"""A time limit that nothing here comes near, however busy the machine."""

SHORT = 20 * MILLISECOND
"""A time limit that is meant to pass."""


PIECE = 2_048
"""A pty takes no more at a time."""

FLOOD = 1 << 20
"""More than any link keeps for a host that takes nothing."""


@pytest.fixture(params=RIGS)
def on_rig(request: pytest.FixtureRequest) -> Runner:
    """Runs a case on each transport."""
    return RIGS[request.param][1]


async def read(link: ByteLink, count: int) -> bytes:
    """Read until ``count`` bytes have come, however they are cut."""
    data = b""
    while len(data) < count:
        chunk = await link.receive()
        assert chunk, "receive returned without a byte"
        data += chunk
    return data


async def refused(call: Awaitable[Any]) -> str:
    """Await a call that must raise LinkLost, which names the device."""
    with pytest.raises(LinkLost) as caught:
        await call
    assert caught.value.device == "peer"
    return caught.value.message


def test_bytes_cross_both_ways_whole_and_in_order(on_rig: Runner) -> None:
    sent = [bytes([k]) * (k % 7 + 1) for k in range(200)]

    async def case(rig: Rig) -> None:
        await rig.open()
        whole, got = b"".join(sent), b""
        for data in sent:
            await rig.link.send(data)
            if rig.in_turns:  # nobody answers what has not arrived
                await rig.heard(len(got) + len(data))
            rig.say(data[::-1])
            if rig.in_turns:  # else the next message drops it
                got += await read(rig.link, len(data))
        assert await rig.heard(len(whole)) == whole
        assert got + await read(rig.link, len(whole) - len(got)) == whole
        assert rig.link.pending() == b""

    on_rig(case)


def test_receive_waits_for_a_late_byte_and_pending_does_not(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        rig.say(b"late", after=5 * MILLISECOND)
        start = rig.clock.now()
        assert rig.link.pending() == b""
        assert await read(rig.link, 4) == b"late"
        assert rig.clock.now() - start >= 5 * MILLISECOND

    on_rig(case)


def test_pending_takes_all_that_has_arrived_once(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        rig.say(b"one ")
        rig.say(b"two", after=MILLISECOND)
        taken = b""
        while len(taken) < 7:
            await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
            taken += rig.link.pending()
            if rig.asked_only:
                assert not taken
                taken += await read(rig.link, 7)
        assert taken == b"one two"
        assert rig.link.pending() == b""

    on_rig(case)


def test_a_cancelled_receive_loses_nothing(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        rig.say(b"3.700")
        assert await read(rig.link, 5) == b"3.700"

    on_rig(case)


def test_a_receive_cancelled_as_bytes_arrive_leaves_them(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        reader = asyncio.create_task(rig.link.receive())
        rig.say(b"x")
        while not reader.done():
            await asyncio.sleep(0)
            await rig.clock.sleep_until(rig.clock.now() + 10_000)
            reader.cancel()  # again and again, until it hits or the byte was quicker
        got = b"" if reader.cancelled() else reader.result()
        rig.say(b"y")
        assert got + await read(rig.link, 2 - len(got)) == b"xy"

    on_rig(case)


def test_peer_death_ends_a_waiting_receive_and_every_later_call(
    on_rig: Runner,
) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        rig.die()
        await refused(reader)
        await refused(rig.link.receive())
        await refused(rig.link.send(b"?"))
        with pytest.raises(LinkLost):
            rig.link.pending()
        await rig.link.close()

    on_rig(case)


def test_half_an_answer_of_a_peer_that_dies_is_no_answer(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        session = LineSession(rig.link, rig.clock, "peer", terminator=b"\n")
        asked = asyncio.create_task(session.query("VOLT?", LONG))
        await rig.heard(6)
        rig.die_saying(b"3.")
        await refused(asked)
        rig.revive()
        await rig.open()
        assert rig.link.pending() == b""
        rig.say(b"3.7")
        assert await read(rig.link, 3) == b"3.7"

    on_rig(case)


def test_close_during_a_call_ends_it_and_may_be_repeated(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        await rig.link.close()
        assert "closed" in await refused(reader)
        await rig.link.close()
        assert "closed" in await refused(rig.link.send(b"?"))
        assert "closed" in await refused(rig.link.receive())

    on_rig(case)


def test_a_link_that_was_never_opened_refuses_and_closes(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await refused(rig.link.send(b"?"))
        await refused(rig.link.receive())
        await rig.link.close()

    on_rig(case)


def test_what_the_peer_said_to_an_earlier_session_stays_there(
    on_rig: Runner,
) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        rig.say(b"stale, waiting")
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        rig.say(b"stale, on its way")
        await rig.link.close()
        await rig.open()
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        assert rig.link.pending() == b""
        rig.say(b"fresh")
        assert await read(rig.link, 5) == b"fresh"

    on_rig(case)


def test_what_was_sent_before_close_still_arrives(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        await rig.link.send(b"OUTP OFF\n")
        await rig.link.close()
        assert await rig.heard(9) == b"OUTP OFF\n"

    on_rig(case)


def test_two_readers_at_once_are_a_bug_and_told_so(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        first = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        with pytest.raises(RuntimeError, match="two tasks"):
            await rig.link.receive()
        rig.say(b"1")
        assert await first == b"1"

    on_rig(case)


async def checks(rig: Rig) -> None:
    """Look after the link until it is lost."""
    while True:
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        rig.link.check()


def test_check_tells_of_a_dead_peer_and_takes_nothing(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        with pytest.raises(LinkLost):
            rig.link.check()
        await rig.open()
        rig.say(b"3.7")
        rig.link.check()
        assert await read(rig.link, 3) == b"3.7"
        rig.die()
        with pytest.raises(LinkLost):
            await checks(rig)

    on_rig(case)


def test_a_link_whose_peer_came_back_is_opened_again(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        await rig.link.send(b"before;")
        await rig.heard(7)
        for _ in range(2):
            rig.die()
            await refused(rig.link.receive())
            rig.revive()
            await rig.open()
            rig.say(b"again")
            assert await read(rig.link, 5) == b"again"
        await rig.link.send(b"after")
        assert await rig.heard(12) == b"before;after"

    on_rig(case)


# --- questions and answers -----------------------------------------------------------------------


def test_a_late_answer_is_never_taken_for_the_next_one(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        session = LineSession(rig.link, rig.clock, "peer", terminator=b"\n")
        with pytest.raises(LinkTimeout, match="TEMP"):
            await session.query("TEMP?", SHORT)
        with pytest.raises(DeviceError, match="resync"):
            await session.query("VOLT?", LONG)
        rig.say(b"25.0\n")
        answer = asyncio.create_task(session.resync("*IDN?", LONG, "me".__eq__))
        await rig.heard(len(b"TEMP?\n\n*IDN?\n"))
        rig.say(b"me\n")
        assert await answer == "me"
        asked = asyncio.create_task(session.query("VOLT?", LONG))
        await rig.heard(len(b"TEMP?\n\n*IDN?\nVOLT?\n"))
        rig.say(b"3.7\n")
        assert await asked == "3.7"

    on_rig(case)


def test_an_answer_in_parts_is_put_together_and_a_half_one_times_out(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        session = LineSession(rig.link, rig.clock, "peer", terminator=b"\n")
        asked = asyncio.create_task(session.query_all(["A?", "B?"], LONG))
        await rig.heard(6)
        for part in (b"3.", b"70", b"0\r\n4.", b"2\n"):
            rig.say(part)
            await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        assert await asked == ["3.700", "4.2"]
        rig.say(b"3.")
        with pytest.raises(DeviceError):  # in time or not: half an answer is none
            await session.query("A?", SHORT)

    on_rig(case)


def test_an_answer_too_many_is_not_taken_for_the_next_one(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        session = LineSession(rig.link, rig.clock, "peer", terminator=b"\n")
        asked = asyncio.create_task(session.query("VOLT?", LONG))
        await rig.heard(6)
        rig.say(b"3.7\n")
        assert await asked == "3.7"
        rig.say(b"3.7\n")
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        if rig.asked_only:  # the instrument itself drops it with the next question
            asked = asyncio.create_task(session.query("TEMP?", LONG))
            await rig.heard(len(b"VOLT?\nTEMP?\n"))
            rig.say(b"25.0\n")
            assert await asked == "25.0"
            return
        rig.say(b"25.0\n", after=SOON)
        with pytest.raises(MalformedReply):  # before it is asked, or behind its answer
            await session.query("TEMP?", LONG)

    on_rig(case)


def test_a_cancelled_question_leaves_its_answer_to_nobody(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        session = LineSession(rig.link, rig.clock, "peer", terminator=b"\n")
        asked = asyncio.create_task(session.query("TEMP?", LONG))
        await rig.heard(6)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        rig.say(b"25.0\n")
        answer = asyncio.create_task(session.resync("*IDN?", LONG, "me".__eq__))
        await rig.heard(len(b"TEMP?\n\n*IDN?\n"))
        rig.say(b"me\n")
        assert await answer == "me"

    on_rig(case)


# --- safe state ----------------------------------------------------------------------------------


class Supply(LineInstrument):
    """The smallest device that goes safe: one output, told off and read back."""

    async def identify(self) -> Identity:
        return Identity(*(await self._ask_identity()).split(","))

    async def arm(self) -> None:
        await self._write("OUTP ON")
        assert await self._ask("OUTP?") == "1"

    async def make_safe(self) -> str:
        await self._write("OUTP OFF")
        if await self._ask("OUTP?") != "0":
            raise self._fault("the output is on")
        return "off"


async def play(rig: Rig, serials: list[str]) -> None:
    """Be the instrument behind a link: the last of ``serials`` is its number."""
    done, output = 0, b"0"
    while True:
        lines = await rig.heard(done + 1)
        line, end, _ = lines[done:].partition(b"\n")
        if not end:
            await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
            continue
        done += len(line + end)
        if line.startswith(b"OUTP "):
            output = b"1" if line.endswith(b"ON") else b"0"
        elif line.endswith(b"?"):
            rig.say((output if line == b"OUTP?" else f"maker,S,{serials[-1]},1".encode()) + b"\n")


def test_a_stranger_at_the_old_place_is_refused_and_the_old_device_made_safe(
    on_rig: Runner,
) -> None:
    async def case(rig: Rig) -> None:
        serials = ["17"]
        await rig.open()
        peer = asyncio.create_task(play(rig, serials))
        supply = Supply("peer", rig.link, rig.clock, terminator=b"\n", reply_limit=LONG)
        known = {"peer": await supply.identify()}
        await supply.arm()
        for number, serial in enumerate(("18", "17")):
            rig.die()
            rig.revive()
            serials.append(serial)
            if number == 0:
                with pytest.raises(LinkLost, match="found 18"):
                    await made_safe(supply, known)
            else:
                assert await made_safe(supply, known) == "off"
        peer.cancel()
        heard = await rig.heard(1)
        assert heard.count(b"OUTP ON") == 1
        assert heard.rindex(b"OUTP OFF") > heard.rindex(b"OUTP ON")

    on_rig(case)


async def fill(rig: Rig) -> None:
    """Send until the peer, which reads no more, takes no more; what blocks is given up."""
    for _ in range(rig.room >> 16):
        try:
            async with asyncio.timeout(0.2):
                await rig.link.send(b"x" * 65_535 + b"\n")
        except TimeoutError:
            return


async def give_up(call: Awaitable[Any]) -> None:
    """Begin a call, and give it up where it takes longer than nothing."""
    try:
        async with asyncio.timeout(0.01):
            await call
    except (TimeoutError, LinkLost):
        return


async def off_is_last(rig: Rig) -> None:
    """Close the link and see that whatever the peer hears, the last word is off."""
    await rig.link.close()
    while not (await rig.heard(1)).endswith(b"OFF\n"):
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
    await rig.clock.sleep_until(rig.clock.now() + SOON)
    heard = await rig.heard(1)
    assert heard.endswith(b"OFF\n")
    assert heard.count(b"ON\n") <= 1
    assert heard.count(b"OFF\n") == 1


def test_off_is_the_last_word_behind_an_on_that_was_given_up(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        rig.deafen()
        await fill(rig)
        await give_up(rig.link.send(b"ON\n"))
        off = asyncio.create_task(rig.link.send(b"OFF\n"))
        await asyncio.sleep(0)
        rig.deafen(active=False)
        try:
            await off
        except LinkLost:  # it waited for longer than the link waits
            await rig.open()
            await rig.link.send(b"OFF\n")
        await off_is_last(rig)

    on_rig(case)


def test_a_peer_that_takes_nothing_is_lost_and_off_goes_through_a_new_session(
    on_rig: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.links.stream.SEND_WITHIN", SECOND)
    monkeypatch.setattr("drivers.links.blocking.SEND_WITHIN", SECOND)

    async def case(rig: Rig) -> None:
        await rig.open()
        rig.deafen()
        if rig.room:
            message = b"x" * rig.room + b"END\n"
            assert "taken no more data" in await refused(rig.link.send(message))
            rig.deafen(active=False)
            await rig.clock.sleep_until(rig.clock.now() + SOON)
            assert b"END" not in rig.got  # what was declared lost stays lost
            rig.deafen()
            await rig.open()
        off = asyncio.create_task(rig.link.send(b"OFF\n"))
        if not rig.asked_only:  # nobody acknowledges it
            await off
        rig.deafen(active=False)
        await off
        await off_is_last(rig)

    on_rig(case)


def test_a_peer_that_floods_the_link_can_still_be_told_off(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        for _ in range(FLOOD // PIECE + 1):
            rig.say(b"x" * PIECE)
            await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        await rig.link.send(b"OFF\n")
        assert (await rig.heard(4)).endswith(b"OFF\n")

    on_rig(case)
