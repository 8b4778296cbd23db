"""An outlet makes nobody wait: what is written comes out in order, or is counted and told."""

import io
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.results.outlet import Outlet, plain_note

DEADLINE_S = 60.0


class Tap(io.StringIO):
    """A stream whose reader sleeps until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened, self.reached = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.opened.wait(DEADLINE_S)
        return super().write(text)


@given(st.lists(st.text(max_size=20)))
def test_what_is_written_comes_out(texts: list[str]) -> None:
    stream = io.StringIO(newline="")
    outlet = Outlet(stream)
    for text in texts:
        assert outlet.write(text) == len(text)
    outlet.close(DEADLINE_S)
    assert stream.getvalue() == "".join(texts)
    assert outlet.dropped == 0


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(20, 200))
def test_every_line_comes_out_or_is_counted_where_it_is_missing(
    lengths: list[int], most: int
) -> None:
    tap = Tap()
    outlet = Outlet(tap, lambda lines: f"-{lines}\n", most)
    lines = [f"{k}:{'x' * length}\n" for k, length in enumerate(lengths)]
    for line in lines[: len(lines) // 2]:
        outlet.write(line)
    tap.opened.set()
    for line in lines[len(lines) // 2 :]:
        outlet.write(line)
    outlet.close(DEADLINE_S)
    at = 0
    for line in tap.getvalue().splitlines(keepends=True):
        if line.startswith("-"):
            at += int(line[1:])
        else:
            assert line == lines[at]
            at += 1
    assert at == len(lines), "a note stands where lines are missing, and says how many"
    assert outlet.dropped == len(lines) - sum(
        not line.startswith("-") for line in tap.getvalue().splitlines()
    )


def test_a_stream_that_stalls_holds_nobody_up_and_bounds_what_waits() -> None:
    tap = Tap()
    outlet = Outlet(tap, most=1_000)
    for _ in range(1_000):
        outlet.write("a line of some length\n")
    assert tap.reached.wait(DEADLINE_S)
    assert 1_000 - 1_000 // 22 - 1 <= outlet.dropped < 1_000
    outlet.close(0.0)
    assert outlet._thread.is_alive(), "it still waits for the reader"
    assert outlet.dropped == 1_000, "the one that the reader has in hand, too"
    tap.opened.set()


def test_the_last_lines_of_a_slow_reader_are_not_lost() -> None:
    tap = Tap()
    outlet = Outlet(tap)
    outlet.write("the reason of a crash\n")
    threading.Timer(0.0, tap.opened.set).start()
    outlet.close(DEADLINE_S)
    assert tap.getvalue() == "the reason of a crash\n"


def test_a_stream_that_fails_takes_no_more_and_says_why() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        outlet = Outlet(full)
        outlet.write("one\n")
        outlet.close(DEADLINE_S)
        outlet.write("two\n")
        assert outlet.problem is not None
        assert outlet.dropped == 2
        with pytest.raises(OSError, match="No space"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def test_everything_else_is_the_streams_own() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)
    assert outlet.isatty() is False
    outlet.close()
    outlet.close()
    assert plain_note(3).count("\n") == 1
