"""Every parser of files, texts and records, with what it reads and the errors it declares."""

import json
import math
import re
import zlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from garbage import Feed, Parser
from written import sample

from drivers.links.faulty_plan import FaultKeys
from hil.core import units
from hil.core.errors import ConfigErrors, UnitError
from hil.profile import load_bench, load_cell, load_profile, read_options
from hil.profile.conditions import QUANTITIES, parse_compare, parse_criterion
from hil.profile.files import CHECKOUT
from hil.profile.overrides import apply_overrides, fill_parameters
from hil.profile.series import parse_series
from hil.profile.source import Mark, decoded
from hil.profile.tree import Table, parse, walk
from hil.results import canonical, readable
from hil.verdict.registry import METRICS

MARK = Mark("f")
RUNS = [path.read_bytes() for path in sorted(CHECKOUT.glob("runs/*.yaml"))]
BENCHES = [path.read_bytes() for path in sorted(CHECKOUT.glob("benches/*.yaml"))]
CELLS = [path.read_bytes() for path in sorted(CHECKOUT.glob("cells/*.yaml"))]
BOARDS = [path.read_bytes() for path in sorted(CHECKOUT.glob("boards/*.yaml"))]
FAULTS = [b"{lost: 1 %, late: 0.5 %, by: 20 ms, at: [{to: host, message: 3, fault: lost}]}"]
ROWS = [
    b"time_s,net_w\n0,1\n60,2.5\n120,-3e2\n",
    b"time,net_w,pack_a\n2026-07-01T00:00:00,1,2\n2026-07-01T00:01:00Z,1,2\n",
    b'\xef\xbb\xbf"time_s","net_w"\r\n0,"1"\r\n1,2\r\n',
]


def words(*texts: str) -> list[bytes]:
    """Return texts as a parser gets them."""
    return [text.encode() for text in texts]


YAML = words(
    *("{", "}", "[", "]", ": ", "- ", ", ", "\n", "\n  ", "\t", "&a ", "*a", "!t ", "!!binary "),
    *("|\n", ">\n", "'", '"', "#", "---\n", "...\n", "%YAML 1.1\n", "? ", "<<: *a", "~", "null"),
    *('"\\e"', '"\\ud800"', "\u2028", "\ufeff", "\x1b", "\0", "${climate}", "${", "\u202e", "\x85"),
    *("0", "-1", "99999999999999999999", "1e999 V", "nan", "1:30", "20 A", "3.45 V", "50 %", "1 h"),
    *("steps", "charge", "hold", "until", "current", "pack", "cells", "soc", "limits", "repeat"),
    *("devices", "link", "kind", "faults", "stack", "wiring", "ntcs", "board", "design", "include"),
    "any cell.voltage >= 3.45 V",
)
NUMBERS = words(
    *("1", "-", "+", ".", "e", "E", "9" * 30, "nan", "inf", " ", ":", "%", "\u00b5", "\u03a9", "°"),
    *("m", "k", "V", "A", "ohm", "degC", "K", "/", "*", "(", ")", "min", "**", "_", "\u0663", "1/"),
)


def text_of(piece: bytes) -> str:
    """Return a piece as text, whatever bytes it has."""
    return piece.decode("utf-8", "surrogateescape")


def simple(read: Callable[[str], object]) -> Callable[[ExitStack], Feed]:
    """Return the maker of a parser without a state, of texts."""

    def feed(piece: bytes) -> bool:
        read(text_of(piece))
        return True

    return lambda _stack: feed


def of_file(folder: Path, load: Callable[[Path], object]) -> Callable[[ExitStack], Feed]:
    """Return the maker of a parser that reads a file."""
    path = folder / "garbage.yaml"

    def feed(piece: bytes) -> bool:
        path.write_bytes(piece)
        load(path)
        return True

    return lambda _stack: feed


def _tree(text: str) -> None:
    for _ in walk(parse(text, MARK)):
        pass


def _document(_stack: ExitStack) -> Feed:
    def feed(piece: bytes) -> bool:
        _tree(decoded(piece, MARK))
        return True

    return feed


def _cell(path: Path) -> None:
    load_cell(str(path))


def _board(path: Path) -> None:
    load_bench("virtual-16s", [f"board={path}"])


def _override(_stack: ExitStack) -> Feed:
    """An override acts in place, so that each gets a tree of its own."""
    whole = parse("{parameters: {climate: 45 degC}, pack: {soc: 50 %}, steps: [{rest: 1 h}]}", MARK)
    assert isinstance(whole, Table)

    def feed(piece: bytes) -> bool:
        tree = fill_parameters(whole)
        apply_overrides(tree, [text_of(piece)])
        fill_parameters(tree)
        return True

    return feed


def _finite(text: str, unit: str) -> None:
    assert math.isfinite(units.parse(text, unit))


def _series(_stack: ExitStack) -> Feed:
    def feed(piece: bytes) -> bool:
        series = parse_series(piece, "f.csv", "net_w")
        assert all(map(math.isfinite, series.values))
        return True

    return feed


def _faults(text: str) -> None:
    node = parse(text, MARK)
    read_options(FaultKeys, node if isinstance(node, Table) else {"at": node})


def _record(_stack: ExitStack) -> Feed:
    """A line that is believed can be written again, for people and for the digest."""

    def feed(piece: bytes) -> bool:
        seq, record = canonical.record(piece)
        canonical.line(seq, record)
        json.dumps(readable.plain(seq, record))
        return True

    return feed


RECORDS = [canonical.line(seq, record) for seq, record in enumerate(sample())]
LINES = [
    *RECORDS,
    *(re.sub(rb"p[+-]\d+", b"p+99999", line) for line in RECORDS if b'"0x1.' in line),
    b'{"seq":1e999,"kind":"tick","at":2,"values":"","wire":""}',
    b'{"seq":1,"kind":["tick"],"at":2,"values":"","wire":""}',
    b'{"seq":1,"kind":"tick","at":"2","values":"400c","wire":5}',
    b"[" * 3_000,
]
JSON = words(
    *("{", "}", "[", "]", ":", ",", '"', "null", "true", "1", "-", "1e999", "NaN", "Infinity"),
    *('"seq":', '"kind":', '"tick"', '"at":', '"values":', '"wire":', '"0x1p99999"', '"nan"', "\\"),
    *('"safe-state-armed"', '"run-started"', '"constants":{', '"signals":[[', "\\ud800", "\n"),
)
CONDITIONS = words(
    *("any ", "all ", "<", "<=", ">", ">=", "==", " ", "3.5 V", "98 %", "1 s", "-40 degC", "nan"),
    *QUANTITIES,
    *METRICS,
)
CRITERIA = {name: info.unit for name, info in METRICS.items()}


def one_of(*reads: Callable[[str], object]) -> Callable[[str], object]:
    """Return a parser that is one of several; its input says which, so that equals are equal."""
    return lambda text: reads[zlib.crc32(text.encode("utf-8", "surrogatepass")) % len(reads)](text)


def _quantity(text: str) -> object:
    """Read a text as a quantity of what its unit is of, or of any where nobody has that unit."""
    written = units.split(text)[1]
    own = [partial(_finite, unit=u) for u, kind in units.KINDS.items() if written in kind.spellings]
    return one_of(*(own or [partial(_finite, unit=unit) for unit in units.KINDS]))(text)


def text_parsers(folder: Path) -> Iterable[Parser]:
    """Yield the parsers; ``folder`` is for files that they read."""
    refused: Any = (ConfigErrors,)
    yield Parser("YAML tree", _document, refused, [*RUNS, *BENCHES], YAML)
    yield Parser("profile file", of_file(folder, load_profile), refused, RUNS, YAML)
    yield Parser("bench file", of_file(folder, load_bench), refused, BENCHES, YAML)
    yield Parser("board file", of_file(folder, _board), refused, BOARDS, YAML)
    yield Parser("cell file", of_file(folder, _cell), refused, CELLS, YAML)
    overrides = words("pack.soc=50 %", "steps.2.rest=1 h", "limits.cell.voltage.max=3.6 V", "a={}")
    keys = words("=", ".", "pack", "cells", "1", "17", "steps", "parameters", "climate", "cell")
    yield Parser("override", _override, refused, overrides, [*YAML, *keys])
    quantities = words(*(kind.example for kind in units.KINDS.values()), "99.9 %", "1 nan")
    yield Parser("quantity", simple(_quantity), (UnitError,), quantities, NUMBERS)
    durations = words("90 min", "1:30", "0:01:30", "1.5 h", "0 s", "9nan")
    yield Parser("duration", simple(units.parse_duration), (UnitError,), durations, NUMBERS)
    conditions = words("any cell.voltage >= 3.50 V", "current < 5 A", "usable_capacity >= 98 %")
    both = one_of(parse_compare, partial(parse_criterion, metrics=CRITERIA))
    yield Parser("condition", simple(both), (ValueError,), conditions, CONDITIONS)
    commas = words("time_s", "net_w", ",", ";", "\n", "\r\n", '"', "0", "60", "1e9", "2026-07-01T")
    yield Parser("CSV series", _series, refused, ROWS, [*commas, *NUMBERS])
    fault_words = words("lost", "late", "at", "to: host", "message: ", "bit: ", "by: ", "fault: ")
    yield Parser("fault plan", simple(_faults), refused, FAULTS, [*YAML, *fault_words])
    yield Parser("record line", _record, (ValueError,), LINES, JSON)
