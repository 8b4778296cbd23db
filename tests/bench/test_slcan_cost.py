"""What a frame costs as slcan text, beside python-can's reading of the same bytes."""

import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from can import Message
from can.interfaces.slcan import slcanBus

from drivers.wire import slcan

pytestmark = pytest.mark.bench

FRAMES = 2_000
REPEATS = 15


class Port(io.BytesIO):
    """A serial port that holds what python-can is to read."""

    @property
    def in_waiting(self) -> int:
        return len(self.getbuffer()) - self.tell()

    def write(self, data: Any) -> int:
        return len(data)


def test_frames_a_second_against_python_can(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = [
        Message(arbitration_id=0x100 + k % 16, is_extended_id=False, data=k.to_bytes(8, "big"))
        for k in range(FRAMES)
    ]
    text = b"".join(map(slcan.encode, sent))
    host = slcan.HostEnd()
    port = Port(text)
    monkeypatch.setattr("can.interfaces.slcan.serial.serial_for_url", lambda *_a, **_k: port)
    bus = slcanBus("buffer", sleep_after_open=0)

    def theirs() -> None:
        port.seek(0)
        for _ in sent:
            assert bus.recv(0.0) is not None

    decoded = rate(lambda: host.feed(text, 1.0))
    encoded = rate(lambda: [slcan.encode(frame) for frame in sent])
    compared = rate(theirs)
    print(  # noqa: T201 - what make bench is for
        f"\n  slcan: {decoded:,.0f} frames/s decoded, {encoded:,.0f} encoded;"
        f" python-can reads {compared:,.0f} of a buffer, {decoded / compared:.0f} times less",
        end="",
    )
    bus.shutdown()


def rate(call: Callable[[], object]) -> float:
    """Return the frames a second of the best of several runs."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return FRAMES / best
