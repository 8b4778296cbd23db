"""What a frame costs beside cantools and a virtual bus of python-can (``make bench``)."""

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import can
import cantools.database
import pytest

from drivers.wire import reference_board as wire

pytestmark = pytest.mark.bench

DBC = cantools.database.load_file(Path(wire.__file__).with_suffix(".dbc"))
CALLS, REPEATS = 50, 30


def test_a_frame_against_cantools_and_a_virtual_bus() -> None:
    """Encode, Message, hand over, decode: the goal is a tenth."""
    sender, receiver = (can.Bus("codec-cost", interface="virtual") for _ in range(2))
    queue: deque[can.Message] = deque()
    message = DBC.get_message_by_name("CellVoltages1")
    signals = {"Crc": 0, "Alive": 3, "Page": 1, "Cell04": 3.3, "Cell05": 3.31, "Cell06": 3.32}

    def ours() -> None:
        data = wire.encode_cell_voltages(0, 3, 1, (33000, 33100, 33200))
        queue.append(can.Message(arbitration_id=0x110, is_extended_id=False, data=data))
        wire.decode_cell_voltages(queue.popleft().data)

    def theirs() -> None:
        data = message.encode(signals)
        sender.send(can.Message(arbitration_id=0x110, is_extended_id=False, data=data))
        received = receiver.recv(1.0)
        assert received is not None
        message.decode(received.data)

    with sender, receiver:
        ours_us, theirs_us = fastest_us(ours), fastest_us(theirs)
    print(  # noqa: T201 - what make bench is for
        f"\n  a frame: {ours_us:.1f} us, with cantools and a virtual bus {theirs_us:.1f} us,"
        f" {theirs_us / ours_us:.1f} times as much",
        end="",
    )


def fastest_us(call: Callable[[], None]) -> float:
    """Return the best of many short runs, per call: what else the machine does only ever adds."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        best = min(best, time.perf_counter() - began)
    return best / CALLS * 1e6
