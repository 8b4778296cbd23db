"""Files that say only what differs from another one of their kind: boards, cells.

::

    based_on: reference-16s     # a file beside this one, or a name in the folder of its kind
    model: standard-100mA
    bleed: 33 ohm

The base may itself be based on another file. Groups of keys are joined key by key. It is done on
the trees, before anything is read, so that every mistake is told at the line that made it, and what
a run keeps is always the whole design or cell.
"""

from pathlib import Path
from typing import NamedTuple

from hil.core.errors import ConfigErrors
from hil.profile.files import beside, find
from hil.profile.source import Mark
from hil.profile.tree import Table, Text, load_table

BASE = "based_on"


class Kind(NamedTuple):
    """What files are joined: their folder, what one is called, and the key it must not inherit."""

    folder: str
    what: str
    own: str


BOARD = Kind("boards", "board design", "model")
CELL = Kind("cells", "cell", "about")


def whole_tree(
    name: str, kind: Kind, root: Path | None, mark: Mark | None = None, key: str = ""
) -> Table:
    """Return a file as a tree, all bases filled in. Raises ConfigErrors.

    ``mark`` and ``key`` are where the name was written (see ``files.find``).
    """
    return _with_bases(find(name, kind.folder, root, mark, key), kind, root, ())


def on_top(base: Table, own: Table) -> Table:
    """Return ``base`` with what ``own`` says instead of it; every key keeps its own place."""
    joined = Table(base.mark)
    for table in (base, own):
        for key, value in table.items():
            below = joined.get(key)
            if isinstance(below, Table) and isinstance(value, Table):
                value = on_top(below, value)  # noqa: PLW2901 - the same key, filled in
            joined.put(key, value, table.keys_at[key])
    return joined


def _with_bases(path: Path, kind: Kind, root: Path | None, above: tuple[Path, ...]) -> Table:
    """Read a file and put it on top of its base; ``above`` are the files that asked for it."""
    own = load_table(path, str(path))
    base = own.pop(BASE, None)
    if base is None:
        return own
    place = own.keys_at.pop(BASE)
    if not isinstance(base, Text):
        raise ConfigErrors([place.error(BASE, f"expected the name of a {kind.what}")])
    if kind.own not in own:
        message = f"missing key '{kind.own}': a {kind.what} that differs from its base has its own"
        raise ConfigErrors([place.error("", message)])
    below = _base_file(base, path, kind, root)
    chain = (*above, path)
    if below.resolve() in [one.resolve() for one in chain]:
        circle = " -> ".join(one.stem for one in (*chain, below))
        message = f"a {kind.what} cannot be its own base: {circle}"
        raise ConfigErrors([base.mark.error(BASE, message)])
    whole = on_top(_with_bases(below, kind, root, chain), own)
    whole.mark = own.mark  # of a key that nobody wrote, the file that was asked for is told
    return whole


def _base_file(name: Text, path: Path, kind: Kind, root: Path | None) -> Path:
    """Return the file of a base: the one beside the file, else the one of that name."""
    near = beside(path, name)
    found = str(near) if near is not None and near.is_file() else str(name)
    return find(found, kind.folder, root, name.mark, BASE)
