"""Line sessions: whole answers, told time-outs, and never an answer under another question."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from drivers.links.lines import LineSession
from drivers.links.memory import MemoryByteLink, memory_byte_link
from hil.bench.clock import run_virtual
from hil.core.errors import DeviceError, LinkLost, LinkTimeout, MalformedReply
from hil.core.instants import MILLISECOND, Duration, Instant
from hil.ports import Clock

WITHIN = 150 * MILLISECOND

Script = dict[str, Sequence[tuple[Duration, bytes]]]
"""What the device says to a line: chunks, each so long after the line arrived, in order."""


class ScriptedDevice:
    """Answers each line by the script, a line that is not in it by echo after 1 ms."""

    def __init__(self, clock: Clock, script: Script) -> None:
        self.clock = clock
        self.script = script
        self.heard: list[str] = []
        self._partial = b""
        self._busy_until: Instant = 0
        self.send: Callable[[bytes, Instant], None]

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        self.send = send

    def receive(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\r\n")
        for line in filter(None, lines):  # an empty line asks for nothing
            self.heard.append(line.decode())
            answer = self.script.get(line.decode(), [(MILLISECOND, b"echo " + line + b"\n")])
            for after, chunk in answer:
                # The device does one thing after another: nothing overtakes what is due later.
                self._busy_until = max(self._busy_until, self.clock.now() + after)
                self.clock.call_at(self._busy_until, self.send, chunk, 0)


class Bench:
    """A session, its device and what lies between."""

    def __init__(self, clock: Clock, script: Script) -> None:
        self.clock = clock
        self.device = ScriptedDevice(clock, script)
        self.link: MemoryByteLink = memory_byte_link("dmm", clock, {}, twin=self.device)
        self.session = LineSession(self.link, clock, "dmm", max_answer=1_000)

    async def wait(self, duration: Duration) -> None:
        await self.clock.sleep_until(self.clock.now() + duration)

    async def given_up(self, line: str) -> None:
        """Ask, and be left without an answer."""
        with pytest.raises(LinkTimeout):
            await self.session.query(line, WITHIN)


def on_bench(script: Script, case: Callable[[Bench], Awaitable[None]]) -> None:
    async def main(clock: Clock) -> None:
        bench = Bench(clock, script)
        await bench.link.open()
        await case(bench)

    run_virtual(main)


def test_query_returns_the_answer_without_its_terminator_and_write_expects_none() -> None:
    async def case(bench: Bench) -> None:
        await bench.session.write("OUTP ON")
        assert await bench.session.query("MEAS:VOLT?", WITHIN) == "3.7000"
        assert await bench.session.query("*IDN?", WITHIN) == "echo *IDN?"
        assert bench.device.heard == ["OUTP ON", "MEAS:VOLT?", "*IDN?"]

    on_bench({"OUTP ON": [], "MEAS:VOLT?": [(MILLISECOND, b"3.7000\r\n")]}, case)


def test_an_answer_in_pieces_is_put_together() -> None:
    async def case(bench: Bench) -> None:
        assert await bench.session.query("A?", WITHIN) == "3.7000"
        assert await bench.session.query("B?", WITHIN) == "echo B?"

    pieces = [(MILLISECOND * k, piece) for k, piece in enumerate((b"3", b".", b"7000\r", b"\n"))]
    on_bench({"A?": pieces}, case)


def test_several_answers_are_kept_in_order_when_asked_for() -> None:
    async def case(bench: Bench) -> None:
        answers = await bench.session.query_all(["A?", "B?", "C?"], WITHIN)
        assert answers == ["1", "2", "3"]
        assert await bench.session.query("D?", WITHIN) == "echo D?"

    on_bench({"A?": [], "B?": [(0, b"1\n2\n")], "C?": [(MILLISECOND, b"3\n")]}, case)


def test_a_second_answer_that_nobody_asked_for_is_malformed_and_stops_all_questions() -> None:
    async def case(bench: Bench) -> None:
        with pytest.raises(MalformedReply, match="after the answer to 'A"):
            await bench.session.query("A?", WITHIN)
        with pytest.raises(DeviceError, match=r"'A\?' has no answer.*resync"):
            await bench.session.query("B?", WITHIN)
        assert await bench.session.resync("*IDN?", WITHIN) == "echo *IDN?"
        assert await bench.session.query("B?", WITHIN) == "echo B?"
        assert bench.device.heard == ["A?", "*IDN?", "B?"]

    on_bench({"A?": [(0, b"1\n1\n")]}, case)


def test_bytes_that_come_between_questions_are_no_answer_to_the_next() -> None:
    async def case(bench: Bench) -> None:
        await bench.session.query("A?", WITHIN)
        bench.device.send(b"surprise\n", 0)
        await bench.wait(MILLISECOND)
        with pytest.raises(MalformedReply, match=r"surprise.*before 'B"):
            await bench.session.query("B?", WITHIN)
        assert bench.device.heard == ["A?"]

    on_bench({}, case)


def test_the_rest_of_a_line_that_nobody_asked_for_is_no_answer_to_the_probe() -> None:
    async def case(bench: Bench) -> None:
        bench.device.send(b"surp", 0)
        bench.device.send(b"rise\n", 20 * MILLISECOND)
        await bench.wait(MILLISECOND)
        with pytest.raises(MalformedReply, match="surp"):
            await bench.session.query("A?", WITHIN)
        assert await bench.session.resync("*IDN?", WITHIN) == "echo *IDN?"
        assert await bench.session.query("B?", WITHIN) == "echo B?"

    on_bench({}, case)


def test_a_time_out_says_what_was_asked_how_long_and_what_came() -> None:
    async def case(bench: Bench) -> None:
        start = bench.clock.now()
        with pytest.raises(LinkTimeout) as caught:
            await bench.session.query("A?", WITHIN)
        assert bench.clock.now() == start + WITHIN
        assert caught.value.device == "dmm"
        assert str(caught.value) == "dmm: asked 'A?' and waited 150 ms, only b'3.7' came"
        with pytest.raises(DeviceError, match="resync"):
            await bench.session.query("B?", WITHIN)
        await bench.session.write("OUTP OFF")  # off always gets out
        await bench.wait(MILLISECOND)
        assert bench.device.heard == ["A?", "OUTP OFF"]

    on_bench({"A?": [(MILLISECOND, b"3.7")], "OUTP OFF": []}, case)


@pytest.mark.parametrize("late", [1, 100, 149, 151, 290])
def test_a_late_answer_is_never_filed_under_the_probe_or_the_next_question(late: int) -> None:
    async def case(bench: Bench) -> None:
        await bench.given_up("TEMP?")
        assert await bench.session.resync("*IDN?", WITHIN) == "echo *IDN?"
        assert await bench.session.query("VOLT?", WITHIN) == "echo VOLT?"

    on_bench({"TEMP?": [(WITHIN + late * MILLISECOND, b"23.1\n")]}, case)


def test_the_rest_of_a_half_answer_is_never_filed_under_the_next_question() -> None:
    async def case(bench: Bench) -> None:
        await bench.given_up("TEMP?")
        assert await bench.session.resync("*IDN?", WITHIN) == "echo *IDN?"
        assert await bench.session.query("VOLT?", WITHIN) == "echo VOLT?"

    half = [(MILLISECOND, b"23"), (WITHIN + 20 * MILLISECOND, b".1\n")]
    on_bench({"TEMP?": half}, case)


def test_resync_is_quick_once_the_late_answers_are_in() -> None:
    async def case(bench: Bench) -> None:
        await bench.given_up("TEMP?")
        await bench.wait(100 * MILLISECOND)
        start = bench.clock.now()
        await bench.session.resync("*IDN?", WITHIN)
        assert bench.clock.now() - start < 2 * MILLISECOND

    on_bench({"TEMP?": [(WITHIN + 50 * MILLISECOND, b"23.1\n")]}, case)


def test_a_probe_that_only_its_own_answer_satisfies_is_found_behind_any_delay() -> None:
    async def case(bench: Bench) -> None:
        await bench.given_up("TEMP?")
        answer = await bench.session.resync("*ESE 37;*ESE?", WITHIN, lambda text: text == "37")
        assert answer == "37"
        assert await bench.session.query("VOLT?", WITHIN) == "echo VOLT?"

    # Later than silence is waited for, so it comes as if it were the answer to the probe.
    script: Script = {
        "TEMP?": [(2 * WITHIN + 10 * MILLISECOND, b"23.1\n")],
        "*ESE 37;*ESE?": [(40 * MILLISECOND, b"37\n")],
    }
    on_bench(script, case)


def test_a_wrong_answer_to_the_probe_leaves_the_session_out_of_step() -> None:
    async def case(bench: Bench) -> None:
        with pytest.raises(MalformedReply, match="does not answer"):
            await bench.session.resync("*ESE?", WITHIN, lambda text: text == "37")
        with pytest.raises(DeviceError, match="resync"):
            await bench.session.query("VOLT?", WITHIN)

    on_bench({"*ESE?": [(MILLISECOND, b"36\n")]}, case)


def test_a_silent_device_stays_out_of_step_until_it_answers_a_probe() -> None:
    async def case(bench: Bench) -> None:
        await bench.session.query("VOLT?", WITHIN)
        bench.link.mute()
        await bench.given_up("VOLT?")
        for _ in range(2):
            with pytest.raises(LinkTimeout, match="IDN"):
                await bench.session.resync("*IDN?", WITHIN)
        bench.link.mute(active=False)
        assert await bench.session.resync("*IDN?", WITHIN) == "echo *IDN?"
        assert await bench.session.query("VOLT?", WITHIN) == "echo VOLT?"

    on_bench({}, case)


def test_a_cancelled_query_is_cancelled_and_its_answer_goes_to_nobody() -> None:
    async def case(bench: Bench) -> None:
        task = asyncio.create_task(bench.session.query("TEMP?", WITHIN))
        await bench.wait(10 * MILLISECOND)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(DeviceError, match="resync"):
            await bench.session.query("VOLT?", WITHIN)
        await bench.wait(WITHIN)
        assert await bench.session.resync("*IDN?", WITHIN) == "echo *IDN?"

    on_bench({"TEMP?": [(50 * MILLISECOND, b"23.1\n")]}, case)


def test_a_cancellation_at_the_instant_of_the_time_out_stays_a_cancellation() -> None:
    async def case(bench: Bench) -> None:
        deadline = bench.clock.now() + WITHIN
        task = asyncio.create_task(bench.session.query("TEMP?", WITHIN))
        await asyncio.sleep(0)  # its timer is set first

        def cancel() -> None:
            task.cancel()

        bench.clock.call_at(deadline, cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    on_bench({"TEMP?": []}, case)


def test_the_time_limit_works_inside_asyncio_timeout() -> None:
    async def case(bench: Bench) -> None:
        async with asyncio.timeout(10):
            await bench.given_up("TEMP?")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await bench.session.resync("*IDN?", WITHIN)

    on_bench({"TEMP?": []}, case)


@pytest.mark.parametrize("answer", [b"3.7\xb5\n", b"3.\x007\n", b"\x1b[2J\n", b"x" * 1_001])
def test_garbage_is_malformed_and_puts_the_session_out_of_step(answer: bytes) -> None:
    async def case(bench: Bench) -> None:
        with pytest.raises(MalformedReply):
            await bench.session.query("A?", WITHIN)
        with pytest.raises(DeviceError, match="resync"):
            await bench.session.query("B?", WITHIN)

    on_bench({"A?": [(MILLISECOND, answer)]}, case)


def test_a_lost_link_shows_as_lost_not_as_a_time_out() -> None:
    async def case(bench: Bench) -> None:
        bench.clock.call_at(50 * MILLISECOND, bench.link.cut)
        with pytest.raises(LinkLost):
            await bench.session.query("TEMP?", WITHIN)
        with pytest.raises(LinkLost):
            await bench.session.write("OUTP OFF")

    on_bench({"TEMP?": []}, case)


def test_a_second_task_may_not_ask_in_between() -> None:
    async def case(bench: Bench) -> None:
        first = asyncio.create_task(bench.session.query("A?", WITHIN))
        await asyncio.sleep(0)
        with pytest.raises(DeviceError, match=r"'A\?' has no answer of its own yet"):
            await bench.session.query("B?", WITHIN)
        assert await first == "echo A?"
        assert bench.device.heard == ["A?"]

    on_bench({}, case)


@pytest.mark.parametrize("line", ["A?\nB?", "A?\r", "µV?"])
def test_only_one_line_of_ascii_is_sent(line: str) -> None:
    async def case(bench: Bench) -> None:
        with pytest.raises(ValueError, match="ASCII"):
            await bench.session.write(line)
        with pytest.raises(ValueError, match="ASCII"):
            await bench.session.query(line, WITHIN)
        assert await bench.session.query("A?", WITHIN) == "echo A?"  # nothing was sent, in step

    on_bench({}, case)
