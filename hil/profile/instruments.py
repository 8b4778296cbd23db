"""Instrument files: devices whose words a file describes (``hil.core.described``)."""

from pathlib import Path

from hil.core.described import DescribedChamber
from hil.profile.bases import on_top
from hil.profile.files import find
from hil.profile.forms import adapter_of
from hil.profile.problems import read
from hil.profile.tree import Table, Text, load_table

KEY, FILE = "description", "file"


def load_instrument(path_or_name: str | Path, root: Path | None = None) -> DescribedChamber:
    """Return a description by its path or its name in ``root/instruments``. Raises ConfigErrors."""
    path = find(str(path_or_name), "instruments", root)
    found: DescribedChamber = read(adapter_of(DescribedChamber), load_table(path, str(path)))
    return found


def name_descriptions(tree: Table) -> None:
    """Write ``description: NAME`` as ``description: {file: NAME}``, to set keys beside it."""
    for device in _devices(tree).values():
        given = device.get(KEY)
        if isinstance(given, Text):
            table = Table(given.mark)
            table.put(FILE, given, given.mark)
            device.put(KEY, table, device.keys_at[KEY])


def put_descriptions_in(tree: Table, root: Path | None) -> None:
    """Replace each device's description by its file with the bench's own keys on top.

    Done on the tree, before anything is read, so that a mistake is told at its own file and line.
    Raises ConfigErrors.
    """
    for name, device in _devices(tree).items():
        given = device.get(KEY)
        file = given.get(FILE) if isinstance(given, Table) else None
        if isinstance(given, Table) and isinstance(file, Text):
            given.pop(FILE)
            given.keys_at.pop(FILE)
            path = find(str(file), "instruments", root, file.mark, f"devices.{name}.{KEY}")
            device.put(KEY, on_top(load_table(path, str(path)), given), device.keys_at[KEY])


def _devices(tree: Table) -> dict[str, Table]:
    devices = tree.get("devices")
    every = devices.items() if isinstance(devices, Table) else ()
    return {name: device for name, device in every if isinstance(device, Table)}
