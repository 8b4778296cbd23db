"""The records of a run, in order, or the reason why they cannot be believed."""

from collections.abc import Iterator
from pathlib import Path

from hil.core.errors import EnvironmentProblem
from hil.core.records import Record
from hil.results import disk
from hil.results.contents import Contents


class DamagedRecord(EnvironmentProblem):
    """A run's record that is damaged: what is left of it must not be taken for the whole."""


def read(folder: Path) -> Iterator[tuple[int, Record]]:
    """Yield sequence number and record.

    Raises DamagedRecord where something is damaged or missing, at the latest at the end; a run
    that was killed has an end like any other. Raises EnvironmentProblem while it is being recorded:
    files change places when a run is closed.
    """
    with disk.locked(folder, shared=True):
        contents = Contents(folder)
        _refuse(folder, contents)
        yield from contents.records()
        _refuse(folder, contents)


def _refuse(folder: Path, contents: Contents) -> None:
    if contents.findings:
        more = f" and {len(contents.findings) - 1} more" if len(contents.findings) > 1 else ""
        raise DamagedRecord(
            f"{folder.name}: {contents.findings[0]}{more}; try: hil runs verify, hil runs repair"
        )
