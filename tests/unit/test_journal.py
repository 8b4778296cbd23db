"""The journal: what is exported is what was hashed, and one bit of a record changes the digest."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.errors import EnvironmentProblem
from hil.core.records import Deviation, Record, RunEnded, RunStarted, Tick
from hil.results import canonical, catalogue, journal
from hil.results.wire_hash import WireHash

STARTED = RunStarted(0, "p", "b", 1, 10**9, "{}", (("a", "V", 2),), {"x": (1.5, math.nan)})
TICKS = [Tick(k * 10**9, (3.3 + k * 1e-4, math.nan), f"{k:064x}") for k in range(5)]
ENDED = RunEnded(5 * 10**9, "PASS", "all \u2264 1 \u03a9")
RUN: list[Record] = [STARTED, *TICKS, ENDED]


def written(folder: Path, records: list[Record]) -> str:
    folder.mkdir()
    book = journal.Journal(folder)
    for record in records:
        book.emit(record)
    book.close()
    book.close()
    return book.digest()


def test_the_digest_is_that_of_the_exported_lines(tmp_path: Path) -> None:
    digest = written(tmp_path / "run", RUN)
    lines = list(journal.lines(tmp_path / "run"))
    assert hashlib.sha256(b"".join(lines)).hexdigest() == digest
    assert [json.loads(line)["seq"] for line in lines] == list(range(len(RUN)))
    assert all(line.endswith(b"\n") for line in lines)


def test_one_bit_one_record_or_one_wire_byte_makes_another_digest(tmp_path: Path) -> None:
    tick = TICKS[2]
    other = [
        RUN,
        RUN[:3] + RUN[4:],
        [*RUN[:3], replace(tick, values=(math.nextafter(tick.values[0], 4.0), math.nan)), *RUN[4:]],
        [*RUN[:3], replace(tick, wire="f" * 64), *RUN[4:]],
        [*RUN[:3], replace(tick, at=tick.at + 1), *RUN[4:]],
    ]
    digests = {written(tmp_path / str(k), records) for k, records in enumerate(other)}
    assert len(digests) == len(other)


@given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=20))
def test_floats_survive_the_canonical_line_to_the_bit(values: list[float]) -> None:
    line = canonical.line(7, Tick(1, tuple(values), "00"))
    back = [float.fromhex(text) for text in canonical.parse(line)["values"]]
    assert all(
        a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(values, back, strict=True)
    )
    assert [math.copysign(1, a) for a in values if not math.isnan(a)] == [
        math.copysign(1, b) for b in back if not math.isnan(b)
    ]


def test_other_records_keep_every_field_and_hash_independent_of_mapping_order() -> None:
    deviation = Deviation(1, "reading-off", "cell[5]", 0.25, 0.015, "V", "at rest")
    body = canonical.parse(canonical.line(3, deviation))
    assert body == {
        "seq": 3,
        "kind": "deviation",
        "at": 1,
        "name": "reading-off",
        "subject": "cell[5]",
        "value": (0.25).hex(),
        "limit": (0.015).hex(),
        "unit": "V",
        "situation": "at rest",
    }
    one = replace(STARTED, constants={"a": (1.0,), "b": (2.0,)})
    two = replace(STARTED, constants={"b": (2.0,), "a": (1.0,)})
    assert canonical.line(0, one) == canonical.line(0, two)


def test_a_journal_cut_in_a_line_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    book = journal.Journal(folder)
    book._out.write(canonical.line(0, STARTED)[:-5])
    book.close()
    with pytest.raises(EnvironmentProblem, match="in the middle of a line"):
        list(journal.lines(folder))


def test_a_folder_without_a_journal_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="no journal here"):
        list(journal.lines(tmp_path))


def test_folders_of_one_second_do_not_collide_and_runs_are_found_by_their_start(
    tmp_path: Path,
) -> None:
    first, second = (catalogue.new_folder(tmp_path, "20260101T000000Z-a-s1") for _ in range(2))
    assert [first.name, second.name] == ["20260101T000000Z-a-s1", "20260101T000000Z-a-s1-2"]
    other = catalogue.new_folder(tmp_path, "20260102T000000Z-b-s1")
    for folder in (first, second, other):
        catalogue.write_json(folder, catalogue.MANIFEST, {})
    catalogue.write_json(other, catalogue.SUMMARY, {"run": other.name, "verdict": "PASS"})
    assert catalogue.find(tmp_path, "20260102") == other
    assert catalogue.find(tmp_path, first.name) == first
    with pytest.raises(EnvironmentProblem, match="2 runs start so"):
        catalogue.find(tmp_path, "20260101")
    with pytest.raises(EnvironmentProblem, match="no such run"):
        catalogue.find(tmp_path, "x")
    assert [body["verdict"] for body in catalogue.summaries(tmp_path)] == [
        "UNFINISHED",
        "UNFINISHED",
        "PASS",
    ]


def test_the_wire_hash_knows_device_direction_order_and_byte() -> None:
    def chain(*messages: tuple[str, bytes]) -> str:
        wire = WireHash()
        taps = {name: wire.byte_tap(name) for name in ("a", "b")}
        for name, data in messages:
            taps[name](data)
        return wire.so_far()

    one = ("a", b">MEAS?\n")
    hashes = {
        chain(one),
        chain(("b", b">MEAS?\n")),
        chain(("a", b"<MEAS?\n")),
        chain(("a", b">MEAS!\n")),
        chain(one, ("b", b"<1")),
        chain(("b", b"<1"), one),
        chain(),
    }
    assert len(hashes) == 7


def test_the_wire_hash_rolls() -> None:
    together, apart = WireHash(), WireHash()
    both, one = together.byte_tap("a"), apart.frame_tap("a")
    for data in (b">1", b"<2"):
        both(data)
    one(b">1")
    first = apart.so_far()
    one(b"<2")
    assert apart.so_far() == together.so_far() != first
