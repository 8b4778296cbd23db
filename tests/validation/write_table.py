"""Write the table of docs/physics.md: every case of both halves, the worst first.

    .venv/bin/python tests/validation/write_table.py docs/physics.md

It goes between two comments of the page, so that the text around it stays by hand.
"""

import sys
from pathlib import Path

from held_against import Held, held, index

BEGIN, END = "<!-- table: make validate -->", "<!-- end of table -->"


def line(one: Held) -> str:
    """Return one row of the table."""
    figures = (one.errors.rms_mv, one.errors.max_mv, one.errors.dsoc_pct, one.errors.rms_k)
    shown = " | ".join("-" if value is None else f"{value:.2f}" for value in figures)
    return f"| {one.half} | {one.kind} | {one.name} | {shown} |"


def table() -> str:
    """Return both halves, the unseen one first, the worst voltage first in each."""
    made = index()["made_with"]
    head = [
        f"Against PyBaMM {made['pybamm']} {made['model']}, by `tests/validation/write_table.py`.",
        "",
        "| half | kind | case | rms mV | max mV | dSOC % | rms K |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = []
    for half in ("unseen", "fit"):
        rows += [
            line(one) for one in sorted(held(half), key=lambda one: -(one.errors.rms_mv or 0.0))
        ]
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
