"""Board files: a whole design, or the keys in which one differs from another (``bases``)."""

from pathlib import Path

from hil.physics.board import BoardDesign
from hil.profile.bases import BOARD, whole_tree
from hil.profile.forms import adapter_of
from hil.profile.problems import read
from hil.profile.source import Mark


def load_board(
    path_or_name: str | Path, root: Path | None = None, mark: Mark | None = None, key: str = ""
) -> BoardDesign:
    """Return a board by its path or its name in ``root/boards``. Raises ConfigErrors.

    ``mark`` and ``key`` are where the name was written (see ``files.find``).
    """
    tree = whole_tree(str(path_or_name), BOARD, root, mark, key)
    design: BoardDesign = read(adapter_of(BoardDesign), tree)
    return design
