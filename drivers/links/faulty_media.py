"""What a disturbed link must know of bytes and of frames: how they come, go and are spoilt."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Generic, NamedTuple, TypeVar

from can import Message

from drivers.links.faulty_lane import Alter
from drivers.links.memory_can import tap_bytes
from hil.core.instants import SECOND, Instant, from_seconds

M = TypeVar("M")
B = TypeVar("B")


class Medium(NamedTuple, Generic[M, B]):
    """Bytes or frames.

    ``split`` takes a batch that is looked at now apart, each message with the instant at which it
    came; ``join`` makes a batch of messages, each with the instant at which it passes; ``on_wire``
    writes one for a tap, with ``b">"`` or ``b"<"`` in front.
    """

    alter: Alter[M]
    split: Callable[[B, Instant], Sequence[tuple[Instant, M]]]
    join: Callable[[Sequence[tuple[Instant, M]]], B]
    on_wire: Callable[[bytes, M], bytes]


def _flipped(data: bytes | bytearray, bit: int) -> bytearray:
    """Return ``data`` with one bit turned, counted from the first byte's lowest."""
    turned = bytearray(data)
    turned[bit // 8] ^= 1 << bit % 8
    return turned


def _with_data(frame: Message, data: bytes | bytearray) -> Message:
    """Return a frame like ``frame`` with other data."""
    other = copy(frame)
    other.data, other.dlc = bytearray(data), len(data)
    return other


def _stamped(at: Instant, frame: Message) -> Message:
    """Return the frame as it came at ``at``."""
    if from_seconds(frame.timestamp) == at:
        return frame
    other = _with_data(frame, frame.data)
    other.dlc, other.timestamp = frame.dlc, at / SECOND
    return other


BYTES: Medium[bytes, bytes] = Medium(
    Alter(len, lambda data, kept: data[:kept], lambda data, bit: bytes(_flipped(data, bit))),
    split=lambda data, now: [(now, data)] if data else [],
    join=lambda passed: b"".join(data for _, data in passed),
    on_wire=lambda way, data: way + data,
)

FRAMES: Medium[Message, list[Message]] = Medium(
    Alter(
        lambda frame: len(frame.data),
        lambda frame, kept: _with_data(frame, frame.data[:kept]),
        lambda frame, bit: _with_data(frame, _flipped(frame.data, bit)),
    ),
    split=lambda frames, _: [(from_seconds(frame.timestamp), frame) for frame in frames],
    join=lambda passed: [_stamped(at, frame) for at, frame in passed],
    on_wire=tap_bytes,
)
