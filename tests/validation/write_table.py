"""Write the table of docs/physics.md: every case of both halves on both meshes, the worst first.

    .venv/bin/python tests/validation/write_table.py docs/physics.md

It goes between two comments of the page, so that the text around it stays by hand.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from held_against import CELLS, Held, held, index

BEGIN, END = "<!-- table: make validate -->", "<!-- end of table -->"


def line(sets: Sequence[Held]) -> str:
    """Return one row of the table: a case, on every mesh."""
    figures = [
        figure
        for one in sets
        for figure in (one.errors.rms_mv, one.errors.max_mv, one.errors.dsoc_pct, one.errors.rms_k)
    ]
    shown = " | ".join("-" if value is None else f"{value:.2f}" for value in figures)
    return f"| {sets[0].half} | {sets[0].name} | {shown} |"


def furthest_mv(sets: Sequence[Held]) -> float:
    """Return the larger RMS of a case, by which the table is sorted."""
    return max(one.errors.rms_mv or 0.0 for one in sets)


def table() -> str:
    """Return both halves, the unseen one first, the worst voltage first in each."""
    made = index()["made_with"]
    by = f"PyBaMM {made['pybamm']} {made['model']}, by `tests/validation/write_table.py`"
    meshes = " | ".join(f"{mesh}: rms mV | max mV | dSOC % | rms K" for mesh in CELLS)
    against = ", ".join(f"`{cell}` against the {mesh} mesh" for mesh, cell in CELLS.items())
    head = [
        f"Against {by}: {against}.",
        "",
        f"| half | case | {meshes} |",
        "|---|---|" + "---|" * 4 * len(CELLS),
    ]
    rows = []
    for half in ("unseen", "fit"):
        cases = zip(*(held(mesh, half) for mesh in CELLS), strict=True)
        rows += [line(sets) for sets in sorted(cases, key=lambda sets: -furthest_mv(sets))]
    return "\n".join([*head, *rows])


def main() -> None:
    """Replace what stands between the comments. Raises ValueError where the page has none."""
    page = Path(sys.argv[1])
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: expected a line '{BEGIN}' and after it a line '{END}'")
    page.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
