"""Board files: a whole design, or the keys in which one differs from another.

::

    based_on: reference-16s     # a file beside this one, or a name in profiles/boards
    model: standard-100mA
    bleed: 33 ohm

The base may itself be based on another design. Groups of keys are joined key by key. It is done on
the trees, before anything is read, so that every mistake is told at the line that made it, and what
a run keeps of its board is always the whole design.
"""

from pathlib import Path

from hil.core.errors import ConfigErrors
from hil.physics.board import BoardDesign
from hil.profile.files import find
from hil.profile.forms import adapter_of
from hil.profile.problems import read
from hil.profile.source import Mark
from hil.profile.tree import Table, Text, load_table

BASE = "based_on"


def load_board(path_or_name: str | Path, root: Path | None = None) -> BoardDesign:
    """Return a board by its path or its name in ``root/boards``. Raises ConfigErrors."""
    design: BoardDesign = read(adapter_of(BoardDesign), design_tree(str(path_or_name), root))
    return design


def design_tree(name: str, root: Path | None, mark: Mark | None = None, key: str = "") -> Table:
    """Return a whole design as a tree, all bases filled in. Raises ConfigErrors.

    ``mark`` and ``key`` are where the name was written (see ``files.find``).
    """
    return _with_bases(find(name, "boards", root, mark, key), root, ())


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


def _with_bases(path: Path, root: Path | None, above: tuple[Path, ...]) -> Table:
    """Read a design and put it on top of its base; ``above`` are the designs that asked for it."""
    own = load_table(path, str(path))
    base = own.pop(BASE, None)
    if base is None:
        return own
    place = own.keys_at.pop(BASE)
    if not isinstance(base, Text):
        raise ConfigErrors([place.error(BASE, "expected the name of a board design")])
    if "model" not in own:
        message = "missing key 'model': a design that differs from its base has its own name"
        raise ConfigErrors([place.error("", message)])
    below = _base_file(base, path, root)
    chain = (*above, path)
    if below.resolve() in [one.resolve() for one in chain]:
        circle = " -> ".join(one.stem for one in (*chain, below))
        raise ConfigErrors([base.mark.error(BASE, f"a design cannot be its own base: {circle}")])
    whole = on_top(_with_bases(below, root, chain), own)
    whole.mark = own.mark  # of a key that nobody wrote, the design that was asked for is told
    return whole


def _base_file(name: Text, path: Path, root: Path | None) -> Path:
    """Return the file of a base: the one beside the design, else the one of that name."""
    beside = path.with_name(f"{name}.yaml")
    return beside if beside.is_file() else find(name, "boards", root, name.mark, BASE)
