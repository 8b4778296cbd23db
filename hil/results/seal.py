"""Closing a run: ticks into the archive, and a manifest that names every file by its SHA-256."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hil.core.errors import EnvironmentProblem
from hil.core.records import DeviceIdentified, Record, RunEnded, RunStarted, Tick
from hil.results import archive, manifest


class Sealer:
    """A listener of the journal that remembers what the manifest will say."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._started: RunStarted | None = None
        self._devices: list[dict[str, Any]] = []
        self._verdict = ""
        self._at_ns = 0
        self._ticks = 0

    def feed(self, record: Record) -> None:
        """Take one record."""
        self._at_ns = max(self._at_ns, record.at)
        if isinstance(record, Tick):
            self._ticks += 1
        elif isinstance(record, RunStarted):
            self._started = record
        elif isinstance(record, DeviceIdentified):
            self._devices.append({k: v for k, v in asdict(record).items() if k != "at"})
        elif isinstance(record, RunEnded):
            self._verdict = record.verdict

    def seal(self, folder: Path, begun: Mapping[str, Any], **more: Any) -> None:
        """Archive, and write the sealed manifest: ``begun`` with what is known now.

        A disk without room for the archive, or one that gives back something else, keeps the
        segments, which are the same record. Raises EnvironmentProblem if they no longer are, or if
        the manifest cannot be written.
        """
        note = ""
        if self._started is not None:
            try:
                archive.make(folder, self._started, self._ticks)
            except OSError as error:
                note = f"not archived: {error.strerror or error}"
            except ValueError as error:
                note = f"not archived: {error}"
        body = {
            **begun,
            "devices": self._devices,
            "bench_clock_ns": self._at_ns,
            "verdict": self._verdict,
            **more,
        }
        if note:
            body["note"] = note
        try:
            names = sorted(path.name for path in folder.iterdir() if path.is_file())
            body["files"] = {n: manifest.measured(folder / n) for n in names if n != manifest.FILE}
        except OSError as error:
            raise EnvironmentProblem(f"{folder.name}: cannot be sealed: {error}") from error
        manifest.write(folder, body)
