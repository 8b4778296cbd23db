"""Seeded garbage for parsers, and what came of feeding it to one.

Random bytes alone never get past the first token, so a stream mixes kinds: bytes from nowhere,
words of the grammar in no order or one of them thousands of times, valid input with a few cuts and
flips, and valid input as it is.
"""

import gc
import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import _lru_cache_wrapper

Feed = Callable[[bytes], bool]
"""Takes a piece; returns whether the parser made sense of it, or raises what it declares."""

LONGEST = 10_000
"""Bytes of one word repeated: more than any buffer for a line holds."""

LEAK = 4
"""A parser that keeps one byte in four of what it is fed has no bound."""


@dataclass(frozen=True)
class Parser:
    """One parser: how to make it, what it reads, and the only errors that may come out of it.

    ``make`` may keep what must be closed (a loop) on the stack; ``longest`` bounds random pieces.
    """

    name: str
    make: Callable[[ExitStack], Feed]
    refuses: tuple[type[Exception], ...]
    valid: Sequence[bytes]
    words: Sequence[bytes]
    longest: int = 200


@dataclass(frozen=True)
class Outcome:
    """``growth`` is what the second half left behind, ``peak`` the most in use at any moment."""

    fed: int
    accepted: int
    refused: int
    growth: int
    peak: int
    kept_for_ever: int


def stream(parser: Parser, size: int, seed: int) -> Iterator[bytes]:
    """Yield ``size`` bytes in pieces, a function of its arguments."""
    draw = random.Random(f"{parser.name}/{seed}")  # noqa: S311 - to be drawn again, not guessed
    while size > 0:
        piece = _piece(parser, draw)[:size] or b"\0"
        size -= len(piece)
        yield piece


def _piece(parser: Parser, draw: random.Random) -> bytes:
    kind = draw.random()
    if kind < 0.2:
        return draw.randbytes(draw.randint(1, parser.longest))
    if kind < 0.5:
        return b"".join(draw.choices(parser.words, k=draw.randint(1, 12)))
    if kind < 0.505:
        word = draw.choice(parser.words)
        return word * draw.randint(1, max(1, LONGEST // len(word)))
    piece = draw.choice(parser.valid)
    if kind < 0.9:
        for _ in range(draw.randint(1, 4)):
            piece = _damaged(piece, parser, draw)
    return piece


def _damaged(piece: bytes, parser: Parser, draw: random.Random) -> bytes:
    """Return a piece with one thing wrong: a flip, a cut, a repetition or an insertion."""
    first = draw.randrange(len(piece) + 1)
    last = min(len(piece), first + draw.randint(0, 12))
    middles = (
        bytes(byte ^ 1 << draw.randrange(8) for byte in piece[first:last][:1]),
        b"",
        piece[first:last] * 2,
        draw.randbytes(draw.randint(1, 4)) + piece[first:last],
        draw.choice(parser.words) + piece[first:last],
    )
    return piece[:first] + draw.choice(middles) + piece[last:]


def fed(parser: Parser, size: int, seed: int, *, again: bool) -> Outcome:
    """Feed a parser twice ``size / 2`` bytes and see what it keeps.

    With ``again`` the second half repeats the first: caches have seen it all, so hardly anything
    may stay. Without, it is new, so what is remembered by its content shows as well. An error that
    the parser does not declare is raised.
    """
    counts = {True: 0, False: 0}
    with ExitStack() as stack:
        feed = parser.make(stack)

        def half(seed: int) -> int:
            for piece in stream(parser, size // 2, seed):
                try:
                    counts[feed(piece)] += 1
                except parser.refuses:
                    counts[False] += 1
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        gc.collect()
        tracemalloc.start()
        try:
            before = half(seed)
            unbounded = _kept_for_ever()
            tracemalloc.reset_peak()
            after = half(seed if again else seed + 1)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    kept = _kept_for_ever() - unbounded
    return Outcome(2 * (size // 2), counts[True], counts[False], after - before, peak, kept)


def _kept_for_ever() -> int:
    """Return how many results our functions remember in caches without a bound."""
    caches = [one for one in gc.get_objects() if isinstance(one, _lru_cache_wrapper)]
    ours = [one for one in caches if one.__module__.split(".")[0] in ("hil", "drivers")]
    return sum(info.currsize for one in ours if (info := one.cache_info()).maxsize is None)
