"""Random bytes into every parser: only the errors that it declares, and nothing piles up.

By night ten million bytes each, with a table of what came of them. DBC files are read by no part of
the bench: the board's codec is compiled from one by hand and held against it by a test.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from garbage import LEAK, Outcome, Parser, fed
from line_parsers import line_parsers
from message_parsers import message_parsers
from text_parsers import text_parsers
from wire_parsers import frame_parsers, scpi_parsers, session_parsers, slcan_parsers

SIZE = 70_000
NIGHTLY_SIZE = 10_000_000
MOST_IN_USE = 64 * 1024 * 1024


def parsers(folder: Path) -> Iterable[Parser]:
    """Yield every parser there is."""
    yield from text_parsers(folder)
    yield from scpi_parsers()
    yield from session_parsers()
    yield from line_parsers()
    yield from frame_parsers()
    yield from slcan_parsers()
    yield from message_parsers()


NAMES = [parser.name for parser in parsers(Path())]


SLOW = ("profile file", "board file", "bench file")
"""Read at every commit by tests/property/test_profile_fuzz.py too."""


def tier_of(name: str) -> Any:
    """Return a parser's name as a parameter, marked by when it is fed."""
    return pytest.param(name, marks=pytest.mark.nightly if name in SLOW else [])


def named(name: str, folder: Path) -> Parser:
    """Return a parser by its name."""
    return next(parser for parser in parsers(folder) if parser.name == name)


def check(outcome: Outcome) -> None:
    """Refuse growth, and a stream that tested one side only."""
    assert outcome.growth < outcome.fed / 2 / LEAK
    assert outcome.kept_for_ever < 100
    assert outcome.peak < MOST_IN_USE
    assert outcome.accepted


@pytest.mark.no_cover  # memory is measured, and a tracer keeps some itself
@pytest.mark.parametrize("name", [tier_of(name) for name in NAMES])
def test_random_bytes_are_read_or_refused_and_leave_nothing_behind(
    name: str, tmp_path: Path
) -> None:
    check(fed(named(name, tmp_path), SIZE, seed=1, again=True))


@pytest.mark.nightly
@pytest.mark.no_cover
@pytest.mark.parametrize("name", NAMES)
def test_ten_million_random_bytes(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.perf_counter()
    outcome = fed(named(name, tmp_path), NIGHTLY_SIZE, seed=2, again=False)
    seconds = time.perf_counter() - began
    with capsys.disabled():
        print(  # noqa: T201 - the table
            f"\n{name:16} {outcome.fed:>10} bytes  {outcome.accepted:>8} accepted  "
            f"{outcome.refused:>8} refused  {seconds:6.1f} s  "
            f"growth {outcome.growth / 1024:8.1f} KiB  peak {outcome.peak / 1024:8.1f} KiB"
        )
    check(outcome)


def test_what_a_leaking_parser_keeps_is_seen(tmp_path: Path) -> None:
    """The measurement itself: half of all bytes kept in a buffer is found."""
    whole = named("frame codec", tmp_path)
    kept: list[bytes] = []

    def feed(piece: bytes) -> bool:
        kept.append(piece[: len(piece) // 2])
        return True

    leaking = Parser("leak", lambda _stack: feed, (), whole.valid, whole.words)
    with pytest.raises(AssertionError):
        check(fed(leaking, SIZE, seed=1, again=True))


def test_an_error_that_is_not_declared_comes_out(tmp_path: Path) -> None:
    strict = named("SCPI answers", tmp_path)
    undeclared = Parser("x", strict.make, (UnicodeError,), strict.valid, strict.words)
    with pytest.raises(ValueError, match="expected"):
        fed(undeclared, SIZE, seed=1, again=True)
