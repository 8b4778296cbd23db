"""The twin of a board with firmware: time, supply, bus and faults, under firmware that is scripted.

What the C firmware makes of it is in test_firmware_board.py; this needs no compiler.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from can import Message
from reference_bench import Terminals, load_design
from spi_host import ADCV, CELLS_US, CLRCELL, FRONT_ENDS, RDCV, command

from drivers.virtual.firmware_board import FirmwareBoardTwin
from drivers.virtual.firmware_parameters import parameter_page
from hil.bench.clock import run_virtual
from hil.core.instants import MICROSECOND, MILLISECOND, SECOND, Instant
from hil.ports import Clock, Electronics, Inhabited, Injectable, SpiBus

T = TypeVar("T")
PERIOD = 100 * MILLISECOND


class Script:
    """Firmware that wakes its front end and says every 100 ms what it has heard."""

    def __init__(self) -> None:
        self.powered_on: list[tuple[Instant, bytes]] = []
        self.advanced: list[Instant] = []
        self.answers: list[bytes] = []
        self._heard: list[Message] = []
        self._spi: SpiBus | None = None
        self._wake = 0

    @property
    def wake(self) -> Instant:
        return self._wake

    def power_on(self, now: Instant, parameters: bytes, spi: SpiBus) -> None:
        self.powered_on.append((now, parameters))
        self._heard.clear()
        self._spi, self._wake = spi, now + PERIOD

    def hear(self, frame: Message) -> None:
        self._heard.append(frame)

    def advance(self, now: Instant) -> Sequence[Message]:
        assert self._spi is not None
        self.answers.append(self._spi.transfer(0, b"\xff"))
        self.advanced.append(now)
        self._wake = now + PERIOD
        data = bytes(frame.arbitration_id & 0xFF for frame in self._heard)
        self._heard.clear()
        return [Message(arbitration_id=0x100, is_extended_id=False, data=data)]

    def close(self) -> None:
        """Nothing to let go of."""


class Bus:
    """Remembers what leaves the board, and when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sent: list[tuple[Instant, bytes]] = []

    def put(self, frame: Message) -> None:
        self.sent.append((self._clock.now(), bytes(frame.data)))


def with_script(
    main: Callable[[Clock, FirmwareBoardTwin, Script, Bus], Coroutine[Any, Any, T]],
    options: dict[str, Any] | None = None,
) -> T:
    async def attached(clock: Clock) -> T:
        terminals, script, bus = Terminals(clock, load_design()), Script(), Bus(clock)
        plan = replace(terminals.plan, engine=script)
        twin = FirmwareBoardTwin("board", clock, plan, options)
        twin.attach(bus.put)
        return await main(clock, twin, script, bus)

    return run_virtual(attached)


def hello(identifier: int) -> Message:
    return Message(arbitration_id=identifier, is_extended_id=False, data=b"")


def test_the_firmware_runs_when_it_wants_to_and_its_frames_leave_then() -> None:
    async def main(clock: Clock, twin: FirmwareBoardTwin, script: Script, bus: Bus) -> None:
        await clock.sleep_until(150 * MILLISECOND)
        twin.receive(hello(0x0C1))
        twin.receive(hello(0x0C2))
        await clock.sleep_until(350 * MILLISECOND)
        assert script.powered_on == [(0, parameter_page(load_design(), 5))]
        assert script.advanced == [PERIOD, 2 * PERIOD, 3 * PERIOD]
        assert bus.sent == [(PERIOD, b""), (2 * PERIOD, b"\xc1\xc2"), (3 * PERIOD, b"")]

    with_script(main, {"serial": 5})


def test_a_supply_that_is_lost_and_comes_back_starts_the_firmware_anew() -> None:
    async def main(clock: Clock, twin: FirmwareBoardTwin, script: Script, bus: Bus) -> None:
        await clock.sleep_until(150 * MILLISECOND)
        twin.receive(hello(0x0C1))
        for _ in range(2):  # lost twice is lost
            twin.inject("power-loss", 0, active=True)
        twin.receive(hello(0x0C2))
        await clock.sleep_until(SECOND)
        assert len(bus.sent) == 1
        assert twin.truth()["powered"] is False
        twin.inject("power-loss", 0, active=False)
        assert not twin.truth()["front_ends"][0]["awake"]
        await clock.sleep_until(SECOND + 150 * MILLISECOND)
        assert [at for at, _ in script.powered_on] == [0, SECOND]
        assert bus.sent[1:] == [(SECOND + PERIOD, b"")]
        assert twin.truth()["front_ends"][0]["awake"]

    with_script(main)


def test_a_silent_transceiver_hears() -> None:
    async def main(clock: Clock, twin: FirmwareBoardTwin, script: Script, bus: Bus) -> None:
        twin.inject("silent", 0, active=True)
        twin.receive(hello(0x0C1))
        await clock.sleep_until(150 * MILLISECOND)
        assert (len(script.advanced), bus.sent) == (1, [])
        twin.inject("silent", 0, active=False)
        await clock.sleep_until(250 * MILLISECOND)
        assert bus.sent == [(2 * PERIOD, b"")]

    with_script(main)


def test_another_board_in_this_place_has_another_page_and_starts_anew() -> None:
    async def main(clock: Clock, twin: FirmwareBoardTwin, script: Script, bus: Bus) -> None:
        del bus
        await clock.sleep_until(SECOND)
        twin.replace("77")
        assert script.powered_on[1:] == [(SECOND, parameter_page(load_design(), 77))]
        assert twin.truth()["serial"] == "77"
        for wrong in ("seven", "", str(2**32)):
            with pytest.raises(ValueError, match="serial: found"):
                twin.replace(wrong)
        assert twin.parameters == parameter_page(load_design(), 77)

    with_script(main)


def test_attached_again_it_goes_on() -> None:
    async def main(clock: Clock, twin: FirmwareBoardTwin, script: Script, bus: Bus) -> None:
        await clock.sleep_until(150 * MILLISECOND)
        other = Bus(clock)
        twin.attach(other.put)
        twin.start()
        twin.hang_up()
        await clock.sleep_until(250 * MILLISECOND)
        assert (len(script.powered_on), len(bus.sent), len(other.sent)) == (1, 1, 1)

    with_script(main)


def test_without_an_engine_it_is_the_electronics_alone() -> None:
    async def main(clock: Clock) -> None:
        twin = FirmwareBoardTwin("board", clock, Terminals(clock, load_design()).plan)
        twin.receive(hello(0x0C1))
        assert twin.spi.transfer(0, b"\xff\xff") == b"\xff\xff"
        assert twin.truth()["powered"] is False
        twin.start()
        twin.spi.transfer(0, b"\xff")
        assert twin.truth()["front_ends"][0]["awake"]
        twin.inject("power-loss", 0, active=True)
        assert not twin.truth()["front_ends"][0]["awake"]

    run_virtual(main)


def test_power_that_is_lost_before_the_start_is_lost_after_it() -> None:
    async def main(clock: Clock) -> None:
        twin = FirmwareBoardTwin("board", clock, Terminals(clock, load_design()).plan)
        twin.inject("power-loss", 0, active=True)
        twin.start()
        assert twin.truth()["powered"] is False
        twin.inject("power-loss", 0, active=False)
        assert twin.truth()["powered"] is True

    run_virtual(main)


def test_a_fault_needs_a_cell_exactly_where_the_board_says_so() -> None:
    async def main(clock: Clock, twin: FirmwareBoardTwin, script: Script, bus: Bus) -> None:
        del clock, script, bus
        refused = set()
        for fault in twin.FAULTS:
            try:
                twin.inject(fault, 0, active=True)
            except ValueError:
                refused.add(fault)
            twin.inject(fault, 1, active=True)
            twin.inject(fault, 1, active=False)
        assert refused == set(twin.FAULTS_OF_A_CELL)
        for fault, cell in (("stuck-cell", 17), ("open-lead", 18), ("bad-crc", 1), ("blind", 0)):
            with pytest.raises(ValueError, match="no "):
                twin.inject(fault, cell, active=True)
        twin.inject("open-lead", 17, active=True)
        assert twin.truth()["open_leads"] == [17]

    with_script(main)


def test_the_board_is_what_a_lab_and_an_engine_ask_for() -> None:
    async def main(clock: Clock, twin: FirmwareBoardTwin, script: Script, bus: Bus) -> None:
        del clock, script, bus
        injectable: Injectable = twin
        assert injectable.FAULTS
        assert isinstance(twin, Electronics)
        assert isinstance(twin, Inhabited)

    with_script(main)


class Running:
    """A clock that goes on while the firmware runs, as a wall clock does."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._looks = clock, 0
        self.call_at, self.sleep_until = clock.call_at, clock.sleep_until

    def now(self) -> Instant:
        self._looks += 1
        return self._clock.now() + self._looks * 50 * MICROSECOND


class Converting(Script):
    """Firmware that reads its cells as soon after a conversion as the data sheet lets it."""

    def advance(self, now: Instant) -> Sequence[Message]:
        assert self._spi is not None
        for data in (b"\xff", command(RDCV[0]) + bytes(8), command(CLRCELL), command(ADCV)):
            self.answers.append(self._spi.transfer(FRONT_ENDS, data))
        self._wake = now + CELLS_US * MICROSECOND
        return []


def test_a_conversion_lasts_no_longer_where_the_clock_goes_on_meanwhile() -> None:
    """It began at the instant that the firmware knows, however long the host took for the call."""

    async def main(clock: Clock) -> None:
        script = Converting()
        plan = replace(Terminals(clock, load_design()).plan, engine=script)
        twin = FirmwareBoardTwin("board", Running(clock), plan)
        twin.attach(lambda _frame: None)
        await clock.sleep_until(PERIOD + 20 * MILLISECOND)
        cells = [answer[4:6] for answer in script.answers[1::4]]
        assert len(cells) > 5
        assert cells[0] == b"\xff\xff", "nothing has been converted yet"
        assert b"\xff\xff" not in cells[1:]

    run_virtual(main)
