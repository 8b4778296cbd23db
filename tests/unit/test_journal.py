"""The journal: what is exported is what was hashed, and one bit of a record changes the digest."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import closed, journal_in, sample, unfinished

from hil.core.errors import EnvironmentProblem
from hil.core.records import Deviation, Record, RunStarted, Tick
from hil.results import canonical, catalogue, exports, reader
from hil.results.wire_hash import WireHash

RUN = sample()
TICKS = RUN[2:7]


def lines_of(folder: Path) -> list[bytes]:
    return [line.encode() for line in exports.canonical_lines(folder)]


@pytest.mark.parametrize("write", [closed, unfinished])
def test_the_digest_is_that_of_the_exported_lines(
    write: Callable[[Path, list[Record]], str], tmp_path: Path
) -> None:
    digest = write(tmp_path / "run", RUN)
    lines = lines_of(tmp_path / "run")
    assert hashlib.sha256(b"".join(lines)).hexdigest() == digest
    assert [json.loads(line)["seq"] for line in lines] == list(range(len(RUN)))
    assert all(line.endswith(b"\n") for line in lines)


@pytest.mark.parametrize("write", [closed, unfinished])
def test_what_is_read_is_what_was_recorded(
    write: Callable[[Path, list[Record]], str], tmp_path: Path
) -> None:
    write(tmp_path / "run", RUN)
    back = list(reader.read(tmp_path / "run"))
    assert [canonical.line(*one) for one in back] == [
        canonical.line(seq, record) for seq, record in enumerate(RUN)
    ]
    assert [type(record) for _, record in back] == [type(record) for record in RUN]


def test_one_bit_one_record_or_one_wire_byte_makes_another_digest(tmp_path: Path) -> None:
    tick = TICKS[2]
    assert isinstance(tick, Tick)
    bit = math.nextafter(tick.values[0], 4.0)
    other = [
        RUN,
        RUN[:4] + RUN[5:],
        [*RUN[:4], replace(tick, values=(bit, *tick.values[1:])), *RUN[5:]],
        [*RUN[:4], replace(tick, wire="f" * 64), *RUN[5:]],
        [*RUN[:4], replace(tick, at=tick.at + 1), *RUN[5:]],
    ]
    digests = {closed(tmp_path / str(k), records) for k, records in enumerate(other)}
    assert len(digests) == len(other)


@given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=20))
def test_floats_survive_the_canonical_line_to_the_bit(values: list[float]) -> None:
    line = canonical.line(7, Tick(1, tuple(values), "00"))
    number, tick = canonical.record(line)
    assert (number, type(tick)) == (7, Tick)
    back = tick.values if isinstance(tick, Tick) else ()
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
    started = RUN[0]
    assert isinstance(started, RunStarted)
    one = replace(started, constants={"a": (1.0,), "b": (2.0,)})
    two = replace(started, constants={"b": (2.0,), "a": (1.0,)})
    assert canonical.line(0, one) == canonical.line(0, two)


@pytest.mark.parametrize("record", RUN)
def test_a_record_survives_its_canonical_line(record: Record) -> None:
    line = canonical.line(3, record)
    assert canonical.line(*canonical.record(line)) == line


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{oops", "Expecting"),
        (b"[]", "expected a JSON object"),
        (b'{"seq":0,"kind":"from-the-future"}', "another version"),
        (b'{"seq":0,"kind":"tick","at":0,"values":["3.3 V"],"wire":""}', "damaged"),
        (b'{"seq":0,"kind":"run-ended","at":0,"verdict":"PASS"}', "damaged"),
        (b"[" * 100_000, "too deep"),
        (b'{"seq":0,"kind":["tick"]}', "another version"),
        (b'{"seq":0,"kind":"tick","at":0,"values":["0x1p99999"],"wire":""}', "damaged"),
        (b'{"seq":0,"kind":"tick","at":0,"values":[[]],"wire":""}', "damaged"),
        (b'{"seq":0,"kind":"tick","at":0,"values":"400a66666666666","wire":""}', "damaged"),
        (b'{"seq":0,"kind":"tick","at":0,"values":"400a66 666666666666","wire":""}', "damaged"),
        (b'{"seq":0,"kind":"tick","at":0,"values":"400a6666","wire":""}', "damaged"),
        (b'{"seq":0,"kind":"tick","at":"0","values":[],"wire":""}', "damaged"),
        (b'{"seq":1e999,"kind":"tick","at":0,"values":[],"wire":""}', "damaged"),
        (b'{"seq":true,"kind":"tick","at":0,"values":[],"wire":""}', "damaged"),
    ],
)
def test_a_line_that_is_no_record_says_so(line: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        canonical.record(line)


def test_a_run_that_is_being_recorded_is_not_read(tmp_path: Path) -> None:
    book = journal_in(tmp_path)
    book.emit(RUN[0])
    with pytest.raises(EnvironmentProblem, match="is being recorded"):
        list(reader.read(tmp_path))
    book.close()
    assert next(record for _, record in reader.read(tmp_path)).kind == RUN[0].kind


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"ledger\.sqlite: is missing"):
        list(reader.read(tmp_path))


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
