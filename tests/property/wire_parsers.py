"""Every parser of what comes over a wire: codecs, twins, sessions, drivers, frames."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from types import SimpleNamespace
from typing import Any

from can import Message
from garbage import Feed, Parser
from text_parsers import one_of, simple, words

from drivers.boards.reference_picture import BoardOptions, Picture
from drivers.cell_emulators.bloomy_abs import BloomyAbs
from drivers.chambers.watlow_f4t import WatlowF4T
from drivers.links.lines import LineSession
from drivers.links.memory import MemoryByteLink, memory_byte_link
from drivers.virtual.bloomy_abs import BloomyAbsTwin
from drivers.virtual.keithley_2281s import Keithley2281sTwin
from drivers.virtual.keysight_n6705 import KeysightN6705Twin
from drivers.virtual.reference_commands import Commands
from drivers.virtual.rs_ngm import RsNgmTwin
from drivers.virtual.watlow_f4t import WatlowF4TTwin
from drivers.wire import (
    bloomy_abs,
    e2e,
    keithley_2281s,
    keysight_n6705,
    rs_ngm,
    scpi_data,
    slcan,
    watlow_f4t,
)
from drivers.wire import reference_board as board
from drivers.wire.scpi import Command, ScpiDevice
from drivers.wire.scpi_data import (
    Block,
    Boolean,
    Choice,
    Integer,
    Number,
    ScpiError,
    Text,
    parse_error,
)
from hil.bench.clock import VirtualClock
from hil.bench.virtual_time import VirtualLoop
from hil.core.errors import DeviceError, LinkLost
from hil.core.instants import MILLISECOND, SECOND, Instant
from hil.core.wiring import WiringPlan
from hil.ports import LabPlan

PLAN = LabPlan(7, WiringPlan((), (), (), None), None, {})
CELLS, NTCS = 16, 4

SCPI = words(
    *(":SOUR1", ":VOLT", "VOLT", "?", " ", ";", ",", "\n", "\r\n", ":", "(@1:3)", "(@", "(@8:1)"),
    *("*IDN?", "*RST", "*CLS", "*ESE 255", "*STB?", "SYST:ERR?", "3.3", "1E999", "MAX", "MIN?"),
    *("OUTP 1,(@1:8)", ":MEAS:CURR:AVG? (@1:8)", '"', "'", "#0", "\0", "9" * 40, "ON", "-0"),
    *(":SOURCE:CLOOP1:PVALUE?", ":SOURCE:CLOOP1:SPOINT ", "nan", "1_0", "\t", "@", "x"),
)
TO_EMULATOR = [
    *words(f"{bloomy_abs.SENSE}\r\n", f"{bloomy_abs.SAFE}\r\n", f"{bloomy_abs.READ_LIMITS}\r\n"),
    *words(f"{bloomy_abs.settings_line([3.3] * 8, {1: 1.0})}\r\n", ":SYST:ALARM:RAIS\r\n"),
    *words(f"{bloomy_abs.limits_line(1, 2, noise_filter=True)}\r\n", ":OUTP3:FAUL SHORT\n"),
]
TO_NGM = words(
    *(f"{rs_ngm.SENSE}\n", f"{rs_ngm.SAFE}\n", f"{rs_ngm.ARM}\n", f"{rs_ngm.READ_LIMITS}\n"),
    *(f"{rs_ngm.settings_line([3.3, 3.4])}\n", f"{rs_ngm.limits_line(1.0, 5.0)}\n"),
)
TO_N6705 = words(
    *(f"{keysight_n6705.SENSE}\n", f"{keysight_n6705.SAFE}\n", f"{keysight_n6705.ARM}\n"),
    *(f"{keysight_n6705.settings_line([3.3])}\n", f"{keysight_n6705.limits_line(1.0, 5.0, 9.0)}\n"),
)
TO_2281S = words(
    *(f"{keithley_2281s.SIMULATE}\n", f"{keithley_2281s.ARM}\n", f"{keithley_2281s.SENSE}\n"),
    *(f"{keithley_2281s.limits_line(9, 1.0, 4.0)}\n", f"{keithley_2281s.settings_line(3.3)}\n"),
    *(f"{keithley_2281s.model_line(3, 4.0)}\n", "BATT:SIM:METH DYN;CAP:LIM 0.001\n"),
)
OF_STATUS = words(
    *("*OPC;", "*OPC?", "*WAI;", "*ESE 1;", "STAT:QUES?", "FUSE:DEL 0.1;", "#15", "APPL 1,"),
)
TO_CHAMBER = [
    *words(f"{watlow_f4t.READ_AIR}\n", f"{watlow_f4t.CELSIUS}\n", watlow_f4t.set_point_line(40.0)),
    *words(*(f"{line}\n" for line in watlow_f4t.ramp_lines(2.0)), ":OUTPUT1:STATE ON\n"),
]
TO_LOOPS = words(
    *(f"{line}\n" for line in watlow_f4t.HOLD_INNER),
    *(":SOURCE:CLOOP2:SPOINT 50\n", f"{watlow_f4t.READ_INNER_SET}\n", ":KEY1 PRESS\n"),
)
SENSED = ",".join(["3.30001"] * 8)
ANSWERS = words(
    *(f"{SENSED};{SENSED};0;0", "1,1,1,1,1,1,1,1", f"{SENSED};{SENSED};1", '-113,"Undefined"'),
    *('"WATLOW ELECTRIC","F4T","V-0001","4.5.0"', "Bloomy Controls,ABS,V-1,1.2", "ON", "25.00"),
    *("9.91E37", "-9.9E37", "C", "NONE", "0"),
)
IN_ANSWERS = words(
    *(",", ";", '"', "\n", "\r", "0", "1", "3.3", "E", "-", "nan", "inf", "1_0", "9" * 40, " "),
    *("ON", "OFF", '""', "NONE", "\0", "\xff", "(", ")", "9.91E37", "x"),
    *("DATA ", "#", "#15", "#0", "#3100"),
)


# --- SCPI ----------------------------------------------------------------------------------------


def _engine(_stack: ExitStack) -> Feed:
    volts = Number(0, 5, 0, "V")
    commands = [
        Command(":SOURce#:VOLTage[:LEVel]", lambda *_: None, lambda _: "0", (volts,), 8),
        Command(":OUTPut#[:STATe]", lambda *_: None, lambda _: "0", (Boolean(),), 8),
        Command(":DATA", lambda *_: None, None, (Block(),)),
        Command(":NAME", lambda *_: None, None, (Text(), Choice("ONe", "TWO"), Integer(0, 9))),
    ]
    device = ScpiDevice(commands, "a,b,c,d", reset=lambda: device.power_on())  # noqa: PLW0108 - there is none yet
    return _watched(device, device.receive)


def _watched(device: ScpiDevice, receive: Callable[[bytes], object]) -> Feed:
    """Return a feed that is accepted where it queues no error; a full queue is emptied."""

    def feed(piece: bytes) -> bool:
        before = device.error_count()
        receive(piece)
        after = device.error_count()
        assert after <= device._queue_depth
        assert len(device._input._rest) <= device._longest_line
        if after == device._queue_depth:
            device.status.clear()
        return after <= before

    return feed


def _twin(make: Callable[..., Any]) -> Callable[[ExitStack], Feed]:
    """Return the maker of a twin whose clock goes on, so that a reboot among it comes to an end."""

    def made(_stack: ExitStack) -> Feed:
        timer = SimpleNamespace(cancel=lambda: None)
        clock: Any = SimpleNamespace(at=0, now=lambda: clock.at, call_at=lambda *_: timer)
        twin = make("unit", clock, PLAN, {})
        answers: list[bytes] = []
        twin.attach(lambda data, _at: answers.append(data))

        def receive(piece: bytes) -> None:
            clock.at += SECOND
            twin.receive(piece)
            for answer in answers:
                assert answer.endswith(b"\n")
                assert answer[:-1].decode("ascii").isprintable()
            answers.clear()

        return _watched(twin._scpi, receive)

    return made


def _f4t(name: str, clock: Any, plan: LabPlan, _options: object) -> WatlowF4TTwin:
    return WatlowF4TTwin(name, clock, plan, {"humidity": True, "cascade": True})


def scpi_parsers() -> Iterable[Parser]:
    """Yield the engine, its data elements, the parsers of answers, and both twins."""
    yield Parser("SCPI engine", _engine, (), TO_EMULATOR, SCPI)
    yield Parser("emulator twin", _twin(BloomyAbsTwin), (), TO_EMULATOR, SCPI)
    yield Parser("NGM202 twin", _twin(RsNgmTwin), (), TO_NGM, [*SCPI, *OF_STATUS])
    yield Parser("N6705C twin", _twin(KeysightN6705Twin), (), TO_N6705, [*SCPI, *OF_STATUS])
    yield Parser("2281S twin", _twin(Keithley2281sTwin), (), TO_2281S, [*SCPI, *OF_STATUS])
    yield Parser("chamber twin", _twin(WatlowF4TTwin), (), TO_CHAMBER, SCPI)
    yield Parser("F4T twin, all loops", _twin(_f4t), (), [*TO_CHAMBER, *TO_LOOPS], SCPI)
    elements = (
        *(Number(0, 5, 0, "V").parse, Integer(0, 255).parse, Boolean().parse, Text().parse),
        *(Choice("OPENcircuit", "NONE").parse, partial(scpi_data.parse_channels, count=8)),
    )
    data = words("3.3", "3300 mV", "MAX", "ON", '"a ""b"""', "'x'", "OPEN", "(@1,3:5)", "1.5E0 V")
    one = simple(one_of(*elements))
    yield Parser("SCPI data", one, (ScpiError,), data, [*SCPI, *IN_ANSWERS])
    answers = (
        *(bloomy_abs.parse_sense, bloomy_abs.parse_flags, bloomy_abs.parse_limits),
        *(rs_ngm.parse_sense, rs_ngm.parse_outputs, rs_ngm.parse_limits),
        *(keysight_n6705.parse_sense, keysight_n6705.parse_outputs, keysight_n6705.parse_limits),
        *(keithley_2281s.parse_sense, keithley_2281s.parse_outputs, keithley_2281s.parse_limits),
        *(parse_error, watlow_f4t.parse_output, watlow_f4t.parse_identity),
        *(partial(scpi_data.parse_numbers, count=1), partial(scpi_data.parse_strings, count=4)),
    )
    each = simple(one_of(*answers))
    yield Parser("SCPI answers", each, (ValueError,), ANSWERS, IN_ANSWERS)


# --- sessions and drivers ------------------------------------------------------------------------


class Babbler:
    """A device that says the piece of garbage, or what a real one would, as the piece decides."""

    def __init__(self, clock: VirtualClock, real: Any = None) -> None:
        self.piece = b""
        self._clock, self._real, self._answers = clock, real, 0
        self._send: Callable[[bytes, Instant], None]

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        self._send = send
        if self._real is not None:
            self._real.attach(self._said)

    def receive(self, data: bytes) -> None:
        if self._real is not None:
            self._real.receive(data)
        else:
            self._said(b"1\n", self._clock.now())

    def _said(self, answer: bytes, at: Instant) -> None:
        self._answers += 1
        of_its_own = self.piece[self._answers % len(self.piece)] & 1
        self._send(answer if of_its_own else self.piece, at)


class Loop:
    """A virtual loop that runs one coroutine after another."""

    def __init__(self, stack: ExitStack) -> None:
        self._runner = stack.enter_context(asyncio.Runner(loop_factory=VirtualLoop))
        loop: Any = self._runner.get_loop()
        self.clock = VirtualClock(loop)

    def run(self, work: Awaitable[object]) -> None:
        async def main() -> None:
            await work

        self._runner.run(main())


def _session(stack: ExitStack) -> Feed:
    loop = Loop(stack)
    babbler = Babbler(loop.clock)
    link: MemoryByteLink = memory_byte_link("unit", loop.clock, {}, twin=babbler)
    session = LineSession(link, loop.clock, "unit", max_answer=1_000)
    loop.run(link.open())

    async def ask() -> None:
        try:
            if session._unanswered is not None:
                await session.resync("B?", 10 * MILLISECOND, "1".__eq__)
            await session.query("A?", 10 * MILLISECOND)
        except LinkLost:
            await link.open()
            raise

    def feed(piece: bytes) -> bool:
        babbler.piece = piece
        try:
            loop.run(ask())
        finally:
            assert len(session._buffer) <= 2 * 1_000 + len(piece)
        return True

    return feed


def driver_of(driver: Callable[..., Any], twin: Callable[..., Any]) -> Callable[[ExitStack], Feed]:
    """Return the maker of a driver whose device answers right, wrong or both."""

    def made(stack: ExitStack) -> Feed:
        loop = Loop(stack)
        babbler = Babbler(loop.clock, twin("unit", loop.clock, PLAN, {}))
        link = memory_byte_link("unit", loop.clock, {}, twin=babbler)
        device = driver("unit", link, loop.clock, {})
        loop.run(device.connect())
        turn = cycle([device.identify, device.arm, device.sense, device.sense, device.make_safe])

        def feed(piece: bytes) -> bool:
            babbler.piece = piece
            try:
                loop.run(next(turn)())
            except LinkLost:
                loop.run(device.connect())
                raise
            return True

        return feed

    return made


def session_parsers() -> Iterable[Parser]:
    """Yield the line session and the drivers on top of one."""
    lines = [answer + b"\n" for answer in ANSWERS]
    yield Parser("line session", _session, (DeviceError,), lines, IN_ANSWERS)
    emulator, chamber = driver_of(BloomyAbs, BloomyAbsTwin), driver_of(WatlowF4T, WatlowF4TTwin)
    yield Parser("emulator driver", emulator, (DeviceError,), lines, IN_ANSWERS)
    yield Parser("chamber driver", chamber, (DeviceError,), lines, IN_ANSWERS)


# --- frames --------------------------------------------------------------------------------------


class Frames:
    """Makes frames of pieces: most in order and sealed, as a board's are, some anything at all.

    A checksum of eight bits lets one wrong frame in 256 pass, so what is behind it has to bear
    everything; sealed garbage gets there each time.
    """

    def __init__(self, data_ids: dict[int, int]) -> None:
        self._starts = {one: e2e.start(data_id) for one, data_id in data_ids.items()}
        self._identifiers = sorted(data_ids)
        self._counters = e2e.Counters()
        self._pages = dict.fromkeys(data_ids, 0)

    def of(self, piece: bytes) -> Message:
        """Return a frame; its first two bytes say which, the others are its content."""
        choice, mode = piece[0], piece[-1]
        identifier = self._identifiers[choice % len(self._identifiers)]
        if mode % 8 == 0:
            extended = bool(mode & 8)
            other = int.from_bytes(piece[:4], "big") & (0x1FFF_FFFF if extended else 0x7FF)
            number = other if mode & 16 else identifier
            return Message(arbitration_id=number, is_extended_id=extended, data=piece[1:65])
        alive = self._counters.take(identifier)
        page = self._pages[identifier] if mode & 6 else mode >> 4
        self._pages[identifier] = (page + 1) % (piece[1 % len(piece)] % 8 + 1)
        body = bytes((0, alive | (page & 0xF) << 4)) + piece[2:8].ljust(6, b"\0")
        data = e2e.seal(self._starts[identifier], body)
        return Message(arbitration_id=identifier, is_extended_id=False, data=data)


def _picture(_stack: ExitStack) -> Feed:
    picture = Picture(BoardOptions(CELLS, NTCS))
    frames = Frames(board.TO_HOST)
    receiver = picture._receiver

    def feed(piece: bytes) -> bool:
        frame, before = frames.of(piece), receiver.rejected
        frame.timestamp = 0.01 * before
        picture.take(frame)
        if piece[0] % 16 == 0:
            report = picture.report()
            assert (len(report.cell_v), len(report.ntc_degc)) == (CELLS, NTCS)
            assert all(math.isnan(volt) or volt >= 0 for volt in report.cell_v)
        return receiver.rejected == before

    return feed


def _commands(_stack: ExitStack) -> Feed:
    commands = Commands(CELLS, 3 * SECOND)
    frames = Frames(board.TO_BOARD)
    now = 0

    def feed(piece: bytes) -> bool:
        nonlocal now
        now += 10 * MILLISECOND
        before = commands.rejected
        commands.receive(frames.of(piece), now)
        commands.watch(now)
        commands.flags(now)
        assert len(commands.duty) == CELLS
        assert all(0 <= count <= board.DUTY_COUNTS for count in commands.duty)
        return commands.rejected == before

    return feed


def _receiver(_stack: ExitStack) -> Feed:
    receiver = e2e.Receiver(board.TO_HOST)
    pages = e2e.PageSet(3)
    frames = Frames(board.TO_HOST)

    def feed(piece: bytes) -> bool:
        frame = frames.of(piece)
        if not receiver.accept(frame.arbitration_id, frame.data):
            return False
        found = pages.add(frame.data)
        assert found is None or [one[1] >> 4 for one in found] == [0, 1, 2]
        return True

    return feed


DECODERS: Sequence[Callable[[bytes], object]] = (
    *(board.decode_cell_voltages, board.decode_temperatures, board.decode_duties),
    *(board.decode_pack_status, board.decode_limits, board.decode_faults),
    *(board.decode_identity, board.decode_request),
)


def _decoders(_stack: ExitStack) -> Feed:
    def feed(piece: bytes) -> bool:
        frame = piece[:8].ljust(8, b"\xff")
        for decode in DECODERS:
            decode(frame)
        return True

    return feed


def frame_parsers() -> Iterable[Parser]:
    """Yield driver's and twin's side of the board, the checks below both, and the codec."""
    valid = [bytes((number, *range(7))) for number in range(len(board.TO_HOST))]
    bits = [bytes((byte,)) for byte in (0, 1, 0x0F, 0x10, 0x7F, 0x80, 0xC8, 0xC9, 0xFF)]
    yield Parser("board picture", _picture, (), valid, bits, 12)
    yield Parser("board commands", _commands, (), valid, bits, 12)
    yield Parser("E2E receiver", _receiver, (KeyError,), valid, bits, 12)
    yield Parser("frame codec", _decoders, (), valid, bits, 12)


# --- frames as text ------------------------------------------------------------------------------


def _slcan_host(_stack: ExitStack) -> Feed:
    host = slcan.HostEnd()

    def feed(piece: bytes) -> bool:
        before = host.garbled
        for frame in host.feed(piece, 0.0).frames:
            slcan.encode(frame)
        assert len(host._lines._rest) <= slcan._LONGEST
        return host.garbled == before

    return feed


def _slcan_adapter(_stack: ExitStack) -> Feed:
    adapter = slcan.AdapterEnd()

    def feed(piece: bytes) -> bool:
        frames, answer = adapter.receive(piece)
        for frame in frames:
            slcan.encode(frame)
        assert len(adapter._lines._rest) <= slcan._LONGEST
        return b"\a" not in answer

    return feed


def slcan_parsers() -> Iterable[Parser]:
    """Yield both ends of an slcan line."""
    lines = words("t1234DEADBEEF\r", "T1FFFFFFF81122334455667788\r", "r7FF8\r", "R000000010\r")
    tokens = words("t123", "T", "8", "0011", "\r", "\a", "z\r", "ZZ", "O\r", "C\r", "S6\r", "0" * 9)
    yield Parser("slcan host", _slcan_host, (), [*lines, *words("V1013\r", "\a", "\r")], tokens)
    to_adapter = [*lines, *words("S6\rO\r", "C\rZ1\rO\r", "V\rN\rF\r")]
    yield Parser("slcan adapter", _slcan_adapter, (), to_adapter, tokens)
