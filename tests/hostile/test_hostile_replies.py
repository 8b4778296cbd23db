"""Devices that answer with anything: the run names the device, and leaves nothing on.

Each case is a whole run in virtual time, in which one device begins to speak otherwise while the
outputs are on. What it hears is not touched: "off" arrives, and the twins tell whether it was said.
"""

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from can import Message
from watch import Ground, told

SOON, LATER = 6, 40
"""Replies that are left alone: of the second number, all that a run needs to begin."""

ENDINGS = (0, 1, 2, 3)

AS_IT_BEGINS = partial(pytest.param, id="as it begins", marks=pytest.mark.nightly)
IN_THE_MIDDLE = partial(pytest.param, id="in the middle")

Bytes = Callable[[bytes], list[bytes]]


def _line(text: bytes) -> Bytes:
    """Return what answers with one line, whatever was asked."""
    return lambda _: [text + b"\n"]


def _numbers(text: bytes) -> Bytes:
    """Return what writes another number for each that the device has measured."""
    return lambda data: [b",".join([text] * (data.count(b",") + 1)) + b"\n"]


REPLIES: dict[str, Bytes] = {
    "megabytes without an end": lambda _: [b"A" * 65_536] * 32,
    "megabytes of lines": lambda _: [b"1\n" * 32_768] * 8,
    "not a number": _numbers(b"NaN"),
    "infinity": _numbers(b"9.9E37"),
    "inf": _numbers(b"-inf"),
    "almost infinity": _numbers(b"1e308"),
    "beyond numbers": _numbers(b"1e999"),
    "a million digits": _numbers(b"1" * 10_000),
    "too few": _line(b"3.3"),
    "too many": lambda data: [b",".join([data.strip()] * 50) + b"\n"],
    "nothing between commas": _line(b"," * 200),
    "escape codes": _line(b"\x1b]0;owned\x07\x1b[2J3.3"),
    "a format string": _line(b"%n%n%s{0.__class__}${x}"),
    "code": _line(b"__import__('os').system('touch pwned_by_data')"),
    "half a character": lambda _: [b"\xc3", b"\xa9\xe2\x82\n"],
    "NULs": _line(b"\0" * 5_000),
    "every byte": lambda _: [bytes(range(256)) * 4],
    "only line ends": lambda _: [b"\r\n" * 2_000],
    "everything twice": lambda data: [data, data],
    "letter by letter": lambda data: [bytes([one]) for one in data],
    "nothing": lambda _: [],
    "markup": _line(b"<script>alert(1)</script>"),
}


def _frame(frame: Message, **changes: Any) -> Message:
    """Return a frame with something changed."""
    keys = ("arbitration_id", "data", "is_extended_id", "is_remote_frame", "timestamp")
    return Message(**{**{key: getattr(frame, key) for key in keys}, **changes})


_CHANCE = random.Random(9)  # noqa: S311 - repeatable, and guards nothing

FRAMES: dict[str, Callable[[Message], list[Message]]] = {
    "no data": lambda frame: [_frame(frame, data=b"")],
    "half of the data": lambda frame: [_frame(frame, data=frame.data[: len(frame.data) // 2])],
    "all ones": lambda frame: [_frame(frame, data=b"\xff" * 8)],
    "all zeros": lambda frame: [_frame(frame, data=b"\0" * 8)],
    "any data": lambda frame: [_frame(frame, data=_CHANCE.randbytes(8))],
    "any identifier": lambda frame: [_frame(frame, arbitration_id=_CHANCE.randrange(0x800))],
    "all identifiers": lambda frame: [
        _frame(frame, arbitration_id=one) for one in range(0, 0x800, 64)
    ],
    "extended identifiers": lambda frame: [
        _frame(frame, is_extended_id=True, arbitration_id=frame.arbitration_id << 18)
    ],
    "remote frames": lambda frame: [_frame(frame, is_remote_frame=True, data=b"")],
    "one bit": lambda frame: [
        _frame(frame, data=bytes([frame.data[0] ^ 1]) + bytes(frame.data[1:]))
        if frame.data
        else frame
    ],
    "everything three times": lambda frame: [frame, _frame(frame), _frame(frame)],
    "nothing": lambda _: [],
    "yesterday's": lambda frame: [_frame(frame, data=b"\x01\x02\x03\x04\x05\x06\x07\x08")],
}


def _play(
    device: str,
    becomes: Callable[[Any], list[Any]],
    after: int,
    ground: Ground,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Run with a device that speaks otherwise after so many messages, and look what it left."""
    ground.mangled[device] = lambda data, count: becomes(data) if count >= after else [data]
    words = ("run", "open-sense-lead", "--json", "--verbose")
    told(ground, capsys, *words, codes=ENDINGS)
    [folder] = (ground.here / "runs").iterdir()
    _named(folder, device)


def _named(folder: Path, device: str) -> None:
    """Hold a run that did not pass to naming the device, in lines that can be read."""
    summary = json.loads((folder / "summary.json").read_text())
    if summary["verdict"] == "PASS":  # what was said was still right
        return
    reasons = summary["reasons"]
    assert reasons
    if summary["verdict"] == "INCONCLUSIVE":
        assert any(device in one for one in reasons)
    assert all(one.isprintable() and len(one) < 1_000 for one in reasons)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert all(one == "\n" or one.isprintable() for one in page.replace("\t", ""))


@pytest.mark.parametrize("after", [AS_IT_BEGINS(SOON), IN_THE_MIDDLE(LATER)])
@pytest.mark.parametrize("device", ["emulator-2", "chamber"])
@pytest.mark.parametrize("name", REPLIES)
def test_hostile_replies(
    name: str, device: str, after: int, ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    _play(device, REPLIES[name], after, ground, capsys)


@pytest.mark.parametrize("after", [AS_IT_BEGINS(3), IN_THE_MIDDLE(400)])
@pytest.mark.parametrize("name", FRAMES)
def test_hostile_frames(
    name: str, after: int, ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    _play("board", FRAMES[name], after, ground, capsys)
