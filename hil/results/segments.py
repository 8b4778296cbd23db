"""Segments: ticks in Arrow IPC streams, each batch sealed with its length and CRC-32.

A segment is an Arrow stream that every Arrow reader opens: one message with the schema, then one
record batch with a single row for each batch of ticks. Its columns are lists: ``seq``, ``at`` (ns)
and ``wire`` have one item a tick; ``values`` has all samples, signal by signal, which compresses
to three quarters of what row by row takes.

Arrow checks nothing: 64 zeroed bytes inside a stream go unnoticed. So each message carries, in its
metadata, a seal of fixed width: its whole length and the CRC-32 of all its bytes, the digits of
the CRC itself counted as zeros. Nothing of a message is believed, nor given to Arrow, before its
seal has been checked; behind a damaged one the scan finds the next seal and goes on. The first
message also carries the run's first record, so that a segment can be read where nothing else is
left: it names every signal and its unit.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hil.core.records import Tick

PATTERN = "ticks-*.arrow"
WIRE_BYTES = 32

_SCHEMA = pa.schema(
    [
        pa.field("seq", pa.list_(pa.int64())),
        pa.field("at", pa.list_(pa.int64())),
        pa.field("wire", pa.list_(pa.binary(WIRE_BYTES))),
        pa.field("values", pa.list_(pa.float64())),
    ]
)
_OPTIONS = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=3))

_BLANK = b"hil-seal length=0000000000 crc32=00000000"
_SEAL = re.compile(rb"hil-seal length=(\d{10}) crc32=([0-9a-f]{8})")
_START = b"\xff\xff\xff\xff"
_END = _START + b"\0\0\0\0"
_SEARCHED = 1 << 20
"""Bytes from the start of a message in which its seal stands; a long profile makes a long head."""

FIRST = "first-record"
"""Key of the first record in the metadata of segments and archives."""

SeqTick = tuple[int, Tick]


def name_of(number: int) -> str:
    """Return the file name of a segment, from 1."""
    return f"ticks-{number:05d}.arrow"


# --- writing -------------------------------------------------------------------------------------


class Encoder:
    """Makes the messages of one segment."""

    def __init__(self, first_line: bytes) -> None:
        """Begin the stream, of a run with this first record; its first bytes are ``head``."""
        self._sink = _Collected()
        schema = _SCHEMA.with_metadata({"seal": _BLANK, FIRST: first_line})
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._sink, "w"), schema, options=_OPTIONS)
        head = schema.serialize().to_pybytes()
        self.head = _sealed(head)
        self._not_yet_written = len(head)  # Arrow writes the schema with the first batch

    def batch(self, ticks: Sequence[SeqTick]) -> bytes:
        """Return the sealed message of at least one tick, all of one width."""
        # Packed row by row: twice as fast as handing NumPy a list of tuples.
        pack = struct.Struct(f"={len(ticks[0][1].values)}d").pack
        rows = np.frombuffer(b"".join([pack(*tick.values) for _, tick in ticks]))
        samples = rows.reshape(len(ticks), -1).T.ravel()
        wire = b"".join(bytes.fromhex(tick.wire) for _, tick in ticks)
        columns = [
            pa.array([seq for seq, _ in ticks], pa.int64()),
            pa.array([tick.at for _, tick in ticks], pa.int64()),
            pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(WIRE_BYTES), len(ticks), [None, pa.py_buffer(wire)]
            ),
            pa.array(samples),
        ]
        row = [pa.ListArray.from_arrays([0, len(column)], column) for column in columns]
        batch = pa.RecordBatch.from_arrays(row, schema=_SCHEMA)
        self._writer.write_batch(batch, custom_metadata={"seal": _BLANK})
        return _sealed(self._taken())

    def end(self) -> bytes:
        """Return the bytes that end the stream."""
        self._writer.close()
        return self._taken()

    def _taken(self) -> bytes:
        """Return what Arrow has written, without the schema, whose sealed form is ``head``."""
        taken = self._sink.take()[self._not_yet_written :]
        self._not_yet_written = 0
        return taken


class _Collected:
    """A file for Arrow that keeps what is written until somebody takes it."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        """Keep a copy: the buffer is Arrow's own."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: there is nothing behind it."""

    def close(self) -> None:
        """Do nothing: what was written is still to be taken."""

    def take(self) -> bytes:
        """Return everything written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _sealed(message: bytes) -> bytes:
    """Fill in the seal of a message."""
    at = message.index(_BLANK)
    head = _BLANK.replace(b"0000000000", b"%010d" % len(message))
    blank = message[:at] + head + message[at + len(_BLANK) :]
    digits = at + len(head) - 8
    return blank[:digits] + b"%08x" % zlib.crc32(blank) + blank[digits + 8 :]


def crc_of(message: bytes) -> int:
    """Return the CRC-32 that a sealed message carries."""
    seal = _SEAL.search(message, 0, _SEARCHED)
    assert seal is not None  # noqa: S101 - it has been sealed
    return int(seal[2], 16)


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Whole:
    """A message whose seal is good. ``index`` counts from 0, the schema; ``crc`` is the seal's."""

    offset: int
    length: int
    index: int
    crc: int


@dataclass(frozen=True, slots=True)
class Damaged:
    """Bytes that are no whole message; ``at_end`` if nothing whole follows them."""

    offset: int
    length: int
    at_end: bool


def scan(data: bytes) -> Iterator[Whole | Damaged]:
    """Yield what stands in a segment, every byte of it but the end mark. Never raises."""
    offset = index = 0
    while offset < len(data):
        if len(data) - offset == len(_END) and data.endswith(_END):
            return
        found = _whole_at(data, offset, index)
        if found is None:
            # A message that cannot be read took a place all the same: later ones keep their number.
            index += 1
            found = _next_whole(data, offset, index)
            end = len(data) if found is None else found.offset
            yield Damaged(offset, end - offset, found is None)
        if found is None:
            return
        yield found
        offset, index = found.offset + found.length, found.index + 1


def _whole_at(data: bytes, offset: int, index: int) -> Whole | None:
    """Return the message that starts here, if its seal is good."""
    seal = _SEAL.search(data, offset, offset + _SEARCHED)
    if seal is None or not data.startswith(_START, offset):
        return None
    length, crc = int(seal[1]), int(seal[2], 16)
    if not seal.end() - offset <= length <= len(data) - offset:
        return None
    digits = seal.start(2)
    found = zlib.crc32(data[offset:digits])
    found = zlib.crc32(b"00000000", found)
    found = zlib.crc32(data[digits + 8 : offset + length], found)
    return Whole(offset, length, index, crc) if found == crc else None


def _next_whole(data: bytes, offset: int, index: int) -> Whole | None:
    """Return the next message with a good seal that starts behind ``offset``."""
    for seal in _SEAL.finditer(data, offset):
        start = seal.start()
        while (start := data.rfind(_START, max(offset + 1, seal.start() - _SEARCHED), start)) >= 0:
            found = _whole_at(data, start, index)
            if found is not None:
                return found
    return None


def bytes_of(data: bytes, part: Whole) -> bytes:
    """Return a message of a segment."""
    return data[part.offset : part.offset + part.length]


def is_batch(data: bytes, part: Whole) -> bool:
    """Say whether a message holds ticks; the first of a segment does not."""
    message = pa.ipc.read_message(pa.py_buffer(data).slice(part.offset, part.length))
    return bool(message.type == "record batch")


def first_seq(message: bytes) -> int:
    """Return the number of the first tick of a batch."""
    return int(decode_arrays(message)[0][0])


def last_seq(message: bytes) -> int:
    """Return the number of the last tick of a batch."""
    return int(decode_arrays(message)[0][-1])


def first_line(head: bytes) -> bytes:
    """Return the run's first record, as a canonical line, from a head whose seal is good."""
    schema = pa.ipc.read_schema(pa.py_buffer(head))
    return bytes((schema.metadata or {}).get(FIRST.encode(), b""))


def decode(message: bytes) -> list[SeqTick]:
    """Return the ticks of a message whose seal is good, with their sequence numbers."""
    seq, at, wire, values = decode_arrays(message)
    rows = values.tolist()
    return [
        (int(s), Tick(int(t), tuple(row), w.hex()))
        for s, t, w, row in zip(seq, at, wire, rows, strict=True)
    ]


def decode_arrays(message: bytes) -> tuple[Any, Any, list[bytes], Any]:
    """Return seq (n,), at (n,) in ns, n times 32 bytes, and values (n, width)."""
    batch = pa.ipc.read_record_batch(pa.py_buffer(message), _SCHEMA)
    seq, at, wire, values = (column.values for column in batch.columns)
    samples = values.to_numpy()
    rows = samples.reshape(-1, len(seq)).T
    return seq.to_numpy(), at.to_numpy(), wire.to_pylist(), rows


def segments(folder: Path) -> list[Path]:
    """Return the segments of a run's folder, in order."""
    return sorted(folder.glob(PATTERN))
