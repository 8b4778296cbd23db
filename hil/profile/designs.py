"""Board files: a whole design, or the keys in which one differs from another (``bases``)."""

from pathlib import Path

from hil.physics.board import BoardDesign
from hil.profile.bases import BOARD, whole_tree
from hil.profile.forms import adapter_of
from hil.profile.problems import read


def load_board(path_or_name: str | Path, root: Path | None = None) -> BoardDesign:
    """Return a board by its path or its name in ``root/boards``. Raises ConfigErrors."""
    tree = whole_tree(str(path_or_name), BOARD, root)
    design: BoardDesign = read(adapter_of(BoardDesign), tree)
    return design
