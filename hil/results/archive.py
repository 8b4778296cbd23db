"""The archive: a closed run's ticks in one Parquet file, a column a signal, as analysts read them.

It takes the segments' place when it has been read back and found equal to them, bit by bit. Pages
carry checksums; a damaged one costs its row group. The footer, without which nothing of a Parquet
file can be read, is kept in a file beside it too.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hil.core.errors import EnvironmentProblem
from hil.core.records import RunStarted, Tick
from hil.core.signals import Layout, Signal
from hil.results import canonical, segments
from hil.results.disk import sync_file, sync_folder

FILE = "ticks.parquet"
PARTIAL = FILE + ".partial"
FOOTER = FILE + ".footer"
ROWS_A_GROUP = 8_192
_LEADING = [
    ("seq", pa.int64()),
    ("at_ns", pa.int64()),
    ("wire", pa.binary(segments.WIRE_BYTES)),
]
_FIXED = len(_LEADING)
"""Columns before the signals: seq, at_ns, wire."""

FEW = 3
"""A column with fewer different values than a third of its rows is kept as a dictionary."""

Found = Callable[[str, str], None]
"""Takes a file's name and what is wrong with it."""

Samples = tuple[Any, Any, list[bytes], Any]
"""seq (n,), at_ns (n,), n times 32 bytes, values (n, width)."""


def is_whole(folder: Path) -> bool:
    """Say whether the ticks are archived: the segments go only after the archive is complete."""
    return (folder / FILE).is_file()


# --- making it -----------------------------------------------------------------------------------


def make(folder: Path, started: RunStarted, ticks: int) -> bool:
    """Archive the segments of a closed run, compare, and remove them; False if there are none.

    ``ticks`` is how many were recorded. Whatever is raised, the segments stay: OSError when there
    is no room, ValueError if what was read back differs, EnvironmentProblem if the segments no
    longer hold what was recorded.
    """
    paths = segments.segments(folder)
    if not paths and not ticks:
        return False
    partial = folder / PARTIAL
    try:
        _write(partial, _groups(paths), started)
        _compare(partial, _groups(paths))
        rows = pq.ParquetFile(partial).metadata.num_rows
        if rows != ticks:
            text = f"{rows} of {ticks} recorded ticks stand in its segments"
            raise EnvironmentProblem(f"{folder.name}: {text}; try: hil runs verify")  # noqa: TRY301 - tidied up below
        (folder / FOOTER).write_bytes(_footer_of(partial))
        sync_file(partial)
        sync_file(folder / FOOTER)
    except BaseException:
        partial.unlink(missing_ok=True)
        (folder / FOOTER).unlink(missing_ok=True)
        raise
    partial.replace(folder / FILE)
    sync_folder(folder)  # only what survives a power loss may take the segments' place
    for path in paths:
        path.unlink()
    return True


def write(folder: Path, path: Path, started: RunStarted) -> None:
    """Write the segments of a run to a Parquet file elsewhere. Raises OSError."""
    _write(path, _groups(segments.segments(folder)), started)


def _groups(paths: Sequence[Path]) -> Iterator[Samples]:
    """Yield the segments' samples in row groups; what is damaged is left out."""
    held: list[Samples] = []
    rows, last = 0, -1
    for path in paths:
        data = path.read_bytes()
        for part in segments.scan(data):
            if isinstance(part, segments.Whole) and part.index:
                samples = segments.decode_arrays(segments.bytes_of(data, part))
                if samples[0][0] > last:  # else it was written a second time, see contents
                    held.append(samples)
                    rows, last = rows + len(samples[0]), int(samples[0][-1])
            if rows >= ROWS_A_GROUP:
                yield _joined(held)
                held, rows = [], 0
    if held:
        yield _joined(held)


def _joined(parts: Sequence[Samples]) -> Samples:
    seq, at_ns, wire, values = zip(*parts, strict=True)
    return (
        np.concatenate(seq),
        np.concatenate(at_ns),
        [one for part in wire for one in part],
        np.concatenate(values),
    )


def _none(width: int) -> Samples:
    """Return no samples."""
    return np.empty(0, np.int64), np.empty(0, np.int64), [], np.empty((0, width))


def _table(samples: Samples, layout: Layout) -> Any:
    seq, at_ns, wire, values = samples
    names = ["seq", "at_ns", "wire", *layout.names()]
    units = [unit for s in layout.signals for unit in [s.unit] * max(1, s.width)]
    columns = [pa.array(seq), pa.array(at_ns), pa.array(wire, pa.binary(segments.WIRE_BYTES))]
    columns += [pa.array(np.ascontiguousarray(values[:, k])) for k in range(values.shape[1])]
    types = [column.type for column in columns]
    tagged = [
        pa.field(name, kind, metadata={"unit": unit} if unit else None)
        for name, kind, unit in zip(names, types, ["", "ns", "", *units], strict=True)
    ]
    return pa.table(columns, schema=pa.schema(tagged))


def _write(path: Path, groups: Iterator[Samples], started: RunStarted) -> None:
    layout = Layout(Signal(*signal) for signal in started.signals)
    writer = None
    try:
        for samples in groups:
            table = _table(samples, layout)
            writer = writer or pq.ParquetWriter(path, table.schema, **_settings(table))
            writer.write_table(table)
        if writer is None:
            table = _table(_none(layout.width), layout)
            writer = pq.ParquetWriter(path, table.schema)
        writer.add_key_value_metadata({segments.FIRST: canonical.line(0, started).decode()})
    finally:
        if writer is not None:
            writer.close()


def _settings(table: Any) -> dict[str, Any]:
    """Choose each column's encoding by the first row group: few values, or many near each other."""
    few: list[str] = ["wire"]
    many: list[str] = []
    for name in table.column_names[_FIXED:]:
        unlike = table[name].dictionary_encode().combine_chunks().dictionary
        (few if FEW * len(unlike) < len(table) else many).append(name)
    return {
        "compression": "zstd",
        "compression_level": 9,
        "use_dictionary": few,
        "use_byte_stream_split": many,
        "write_page_checksum": True,
        "write_statistics": False,
    }


def _compare(path: Path, groups: Iterator[Samples]) -> None:
    """Hold what is in the file against what should be. Raises ValueError."""
    file = pq.ParquetFile(path, page_checksum_verification=True)
    read = (_samples(file, k) for k in range(file.num_row_groups))
    for written, found in zip(groups, read, strict=True):
        same = all(np.array_equal(a, b) for a, b in zip(written[:3], found[:3], strict=True))
        bits = written[3].view(np.int64), found[3].view(np.int64)
        if not same or not np.array_equal(*bits):
            raise ValueError(f"{path.name}: what was read back is not what was written")


# --- the footer ----------------------------------------------------------------------------------

_TAIL = Struct("<I4s")
_COPY = Struct("<QI")
"""Where the footer begins, and a CRC-32 of that and of the footer, which Parquet does not have."""


def _crc(start: int, footer: bytes) -> int:
    return zlib.crc32(footer, zlib.crc32(b"%d" % start))


def _footer_of(path: Path) -> bytes:
    """Return the copy that is kept of a good file's footer: where, CRC-32, bytes."""
    with path.open("rb") as file:
        end = file.seek(-_TAIL.size, os.SEEK_END)
        length, _ = _TAIL.unpack(file.read())
    start = end - length
    footer = _from(path, start)
    return _COPY.pack(start, _crc(start, footer)) + footer


def _from(path: Path, start: int) -> bytes:
    """Return the end of a file."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read()


def _opened(folder: Path, found: Found) -> Any:
    """Open the file, with the copy of its footer if its own is damaged.

    Raises OSError, ArrowException.
    """
    path = folder / FILE
    source: Any = path
    copy = (folder / FOOTER).read_bytes() if (folder / FOOTER).is_file() else b""
    if len(copy) > _COPY.size:
        start, crc = _COPY.unpack(copy[: _COPY.size])
        footer = copy[_COPY.size :]
        if _crc(start, footer) == crc and _from(path, start) != footer:
            found(FILE, "its footer is damaged")
            rows = path.read_bytes()[:start].ljust(start, b"\0")
            source = pa.BufferReader(rows + footer)
    return pq.ParquetFile(source, page_checksum_verification=True)


# --- reading it ----------------------------------------------------------------------------------


def first_line(folder: Path) -> bytes:
    """Return the run's first record, as a canonical line; empty if it cannot be read."""
    try:
        file = _opened(folder, lambda _file, _what: None)
    except (OSError, pa.ArrowException):
        return b""
    return bytes((file.metadata.metadata or {}).get(segments.FIRST.encode(), b""))


def ticks(folder: Path, found: Found) -> Iterator[tuple[int, Tick]]:
    """Yield sequence number and tick; what cannot be read is told to ``found(file, what)``."""
    for seq, at_ns, wire, values in groups(folder, found):
        rows = zip(seq.tolist(), at_ns.tolist(), wire, values.tolist(), strict=True)
        for number, at, digest, row in rows:
            yield number, Tick(at, tuple(row), digest.hex())


def groups(folder: Path, found: Found) -> Iterator[Samples]:
    """Yield the samples a row group at a time; what cannot be read is told to ``found``."""
    try:
        file = _opened(folder, found)
    except (OSError, pa.ArrowException) as error:
        found(FILE, f"cannot be read: {_one_line(error)}")
        return
    for group in range(file.num_row_groups):
        try:
            samples = _samples(file, group)
        except (OSError, pa.ArrowException, ValueError) as error:
            found(FILE, f"row group {group + 1} of {file.num_row_groups}: {_one_line(error)}")
            continue
        yield samples


def count(folder: Path) -> int:
    """Return how many ticks the file says that it has, 0 if it cannot be read."""
    try:
        rows: int = _opened(folder, lambda _file, _what: None).metadata.num_rows
    except (OSError, pa.ArrowException):
        return 0
    return rows


def _samples(file: Any, group: int) -> Samples:
    """Read one row group. Raises ValueError for a table that is none of ticks."""
    table = file.read_row_group(group)
    kinds = [(field.name, field.type) for field in table.schema]
    if kinds[:_FIXED] != _LEADING or any(kind != pa.float64() for _, kind in kinds[_FIXED:]):
        raise ValueError("its columns are not those of ticks")
    columns = [column.to_numpy() for column in table.columns[_FIXED:]]
    return (
        table["seq"].to_numpy(),
        table["at_ns"].to_numpy(),
        table["wire"].to_pylist(),
        np.column_stack(columns),
    )


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
