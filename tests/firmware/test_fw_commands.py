"""What the firmware hears, held against the receiving half of the Python board, frame by frame."""

from collections.abc import Sequence

import pytest
from can import Message
from fw_rig import SECOND, Rig, design
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.virtual.reference_commands import Commands
from drivers.wire import reference_board as wire
from drivers.wire.reference_board import BoardFlag, RequestCode

TIMEOUT_S = 3.0
BALANCE = 4


class Twin:
    """The Python board's ears, told the same at the same cycle."""

    def __init__(self, cells: int) -> None:
        self.commands = Commands(cells, round(TIMEOUT_S * 1e9))

    def cycle(self, frames: Sequence[tuple[int, bytes]], heard_us: int, now_us: int) -> int:
        """Return its fault bits at the end of a cycle."""
        for identifier, data in frames:
            message = Message(arbitration_id=identifier, data=data, is_extended_id=False)
            self.commands.receive(message, heard_us * 1_000)
        self.commands.watch(now_us * 1_000)
        requests, self.commands.requests = self.commands.requests, set()
        if RequestCode.CLEAR_FAULTS in requests:
            self.commands.clear()
        return self.commands.flags(now_us * 1_000)


duties = st.one_of(st.integers(0, 200), st.sampled_from([0, 199, 200, 201, 255]))
"""Most of them exist."""


def bleed_page(alive: int, page: int, duty: Sequence[int], spoilt: int) -> tuple[int, bytes]:
    data = wire.encode_bleed_command(alive % 15, page, tuple(duty))
    data[spoilt % 8] ^= (spoilt > 60) * 0x10
    return wire.BLEED_COMMAND, bytes(data)


def request(alive: int, code: int, spoilt: int) -> tuple[int, bytes]:
    data = wire.encode_request(wire.Request(alive % 15, code))
    data[spoilt % 8] ^= (spoilt > 60) * 0x10
    return wire.REQUEST, bytes(data)


class Speaker:
    """Draws frames that mostly go on from the ones before: else every set would be broken."""

    def __init__(self, pages: int, data: st.DataObject) -> None:
        self._pages, self._data = pages, data
        self._alive, self._page, self._asked = 0, 0, 0

    def frame(self) -> tuple[int, bytes]:
        draw = self._data.draw
        kind, spoilt = draw(st.integers(0, 9)), draw(st.integers(0, 64))
        if kind == 0:
            noise = draw(st.binary(max_size=8))
            return draw(st.sampled_from([wire.BLEED_COMMAND, wire.REQUEST, 0x0C1, 0x7FF])), noise
        jump = draw(st.sampled_from([1, 1, 1, 1, 1, 1, 1, 2, 7, 8, 14, 0]))
        if kind == 1:
            self._asked += jump
            return request(self._asked, draw(st.sampled_from([1, 2, 3, 0, 5, 255])), spoilt)
        self._alive += jump
        page, self._page = self._page, (self._page + 1) % self._pages
        if jump != 1 and draw(st.booleans()):
            page = draw(st.integers(0, 15))
        return bleed_page(self._alive, page, draw(st.tuples(*[duties] * 6)), spoilt)


@settings(max_examples=20)
@given(st.integers(1, 64), st.data())
def test_whatever_is_heard_both_boards_take_the_same_from_it(
    cells: int, data: st.DataObject
) -> None:
    rig = Rig(design(cells=cells, cells_per_front_end=18, ntcs=0, command_timeout_ns=3 * 10**9))
    twin, speaker = Twin(cells), Speaker(-(-cells // 6), data)
    rig.run_until(1_350_000)
    for _ in range(data.draw(st.integers(1, 8))):
        frames = [speaker.frame() for _ in range(data.draw(st.integers(0, 40)))]
        for identifier, payload in frames:
            rig.send(identifier, payload)
        heard_us = rig.now_us
        rig.run_until(heard_us + data.draw(st.sampled_from([1, 10, 29, 31])) * 100_000)
        sent_us = rig.of("PackStatus")[-1].at_us
        flags = 0
        for at_us in [one.at_us for one in rig.of("PackStatus") if one.at_us > heard_us]:
            flags = twin.cycle(frames, heard_us, at_us)
            frames = []
        assert sent_us > heard_us
        lost, bad = BoardFlag.COMMAND_LOST, BoardFlag.BAD_COMMAND
        faults = rig.faults()
        assert ("CommandLost" in faults, "BadCommand" in faults) == (
            bool(flags >> lost & 1),
            bool(flags >> bad & 1),
        )
        assert rig.duty() == list(twin.commands.duty)
        rig.run_until(
            rig.now_us + SECOND - rig.now_us % SECOND + 150_000
        )  # the count comes once a second
        for at_us in [one.at_us for one in rig.of("PackStatus") if one.at_us > sent_us]:
            twin.cycle([], heard_us, at_us)
        assert rig.last("Faults")["RejectedCommands"] == twin.commands.rejected
        rig.run_until(rig.now_us + 200_000)
        for at_us in [one.at_us for one in rig.of("PackStatus")][-2:]:
            twin.cycle([], heard_us, at_us)


def test_more_frames_than_one_call_takes_are_all_heard() -> None:
    rig = Rig()
    rig.run(1.05)
    for _ in range(30):
        rig.command([7] * 16)
    for k in range(15):
        rig.send(wire.REQUEST, bytes(wire.encode_request(wire.Request(k, 99))))
    rig.run(1.1)
    assert rig.duty() == [7] * 16
    assert rig.last("Faults")["RejectedCommands"] == 15


def test_a_command_that_is_not_renewed_ends_and_says_so() -> None:
    rig = Rig()
    rig.run(1.05)
    rig.command([200] * 16)
    rig.run(3.0)
    assert rig.duty() == [200] * 16
    assert rig.faults() == set()
    rig.run(0.2)
    assert rig.duty() == [0] * 16
    assert rig.faults() == {"CommandLost"}
    assert rig.last("PackStatus")["State"] == 2
    assert not any(chip.switches for chip in rig.chips.chain)
    rig.command([0] * 16)
    rig.run(0.15)
    assert rig.faults() == set()
    rig.run(10)  # who asks for nothing owes nothing
    assert rig.faults() == set()


def test_bleeds_of_a_host_that_is_gone_do_not_wait_for_the_end_of_a_long_cycle() -> None:
    rig = Rig(design(cycle_ns=60_000_000_000))
    rig.run(59)
    rig.command([200] * 16)
    rig.run(2.9)  # the cycle at 60 s obeys
    assert rig.chips.chain[0].switches == 0xFFFF
    rig.run(1.2)
    assert rig.chips.chain[0].switches == 0
    rig.run(60)
    assert rig.duty() == [0] * 16
    assert rig.faults() == {"CommandLost"}


def test_a_host_that_clears_faults_does_not_get_its_bleeds_back() -> None:
    rig = Rig()
    rig.command([100] * 16)
    rig.run(4)
    assert rig.faults() == {"CommandLost"}
    rig.ask(RequestCode.CLEAR_FAULTS)
    rig.run(0.2)
    assert rig.faults() == set()
    assert rig.duty() == [0] * 16


def test_a_request_for_the_bleeds_is_answered_once() -> None:
    rig = Rig()
    rig.run(1.25)
    assert rig.run(0.3) == [said for said in rig.said[-21:] if said.name != "BleedState"]
    rig.ask(RequestCode.REPORT_BLEEDS)
    said = rig.run(0.3)
    assert [one.name for one in said].count("BleedState") == 3


@pytest.mark.parametrize("code", [0, 5, 255])
def test_what_nobody_can_ask_for_is_counted(code: int) -> None:
    rig = Rig()
    rig.run(1.05)
    rig.ask(code)
    rig.run(0.2)
    assert rig.faults() == {"BadCommand"}
    assert rig.last("Faults")["RejectedCommands"] == 1
    rig.run(3)
    assert rig.faults() == set()


def test_a_repeated_frame_is_no_sign_of_life() -> None:
    rig = Rig()
    rig.run(1.05)
    rig.command([50] * 16)
    rig.run(0.2)
    again = bytes(wire.encode_bleed_command(2, 2, (50,) * 6))
    for _ in range(40):
        rig.send(wire.BLEED_COMMAND, again)
        rig.run(0.1)
    assert "CommandLost" in rig.faults()
    assert rig.last("Faults")["RejectedCommands"] >= 38


# --- who is in command ----------------------------------------------------------------------------


def high_cell_5(rig: Rig) -> None:
    rig.chips.set_cells([33_000] * 4 + [33_600] + [33_000] * 11, 16)


def test_from_power_up_the_board_balances_by_itself_until_the_host_commands() -> None:
    rig = Rig()
    high_cell_5(rig)
    rig.run(2)
    assert rig.duty() == [0] * 4 + [200] + [0] * 11
    rig.command([0] * 15 + [30])
    rig.run(0.15)
    assert rig.duty() == [0] * 15 + [30]
    rig.run(200)
    assert rig.duty() == [0] * 16
    assert rig.faults() == {"CommandLost"}
    rig.ask(BALANCE)
    rig.run(0.15)
    assert rig.duty() == [0] * 4 + [200] + [0] * 11
    assert rig.faults() == set()


@pytest.mark.parametrize("last", ["command", "request"])
def test_of_a_command_and_the_request_to_balance_in_one_cycle_the_later_one_counts(
    last: str,
) -> None:
    rig = Rig()
    rig.run(2.01)
    if last == "request":
        rig.command([100] * 16)
        rig.ask(BALANCE)
    else:
        rig.ask(BALANCE)
        rig.command([100] * 16)
    rig.run(0.2)
    assert rig.duty() == [100 if last == "command" else 0] * 16


def test_a_damaged_or_unfinished_set_takes_no_command() -> None:
    rig = Rig()
    high_cell_5(rig)
    rig.run(2)
    for page, alive in ((0, 0), (1, 1), (2, 3)):  # one is missing between the last two
        rig.send(*bleed_page(alive, page, [0] * 6, 0))
    rig.run(0.3)
    assert rig.duty()[4] == 200
    for page, alive in ((0, 4), (1, 5), (2, 6)):
        rig.send(*bleed_page(alive, page, [201 * (page == 2), *[0] * 5], 0))
    rig.run(0.3)
    assert rig.duty()[4] == 200
    assert rig.faults() == {"BadCommand"}


def test_asking_a_board_to_balance_that_does_so_already_changes_nothing() -> None:
    rig = Rig()
    high_cell_5(rig)
    rig.run(2)
    rig.chips.set_cells([33_000] * 4 + [33_400] + [33_000] * 11, 16)  # between stop and start
    rig.ask(BALANCE)
    rig.run(119)
    assert rig.duty()[4] == 200


def test_the_count_of_bad_frames_stays_at_its_end() -> None:
    rig = Rig()
    for _ in range(0x10_000 + 10):
        rig.send(wire.REQUEST, b"\x00")
    rig.run(1.2)
    assert rig.last("Faults")["RejectedCommands"] == 0xFFFF
