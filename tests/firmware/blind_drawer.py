"""Draws what is wrong with each of many boards, if anything is, and tells nobody.

    python tests/firmware/blind_drawer.py FOLDER --boards 200 --seed SECRET

Half of the boards are sound. The others have one of the five seeded defects, in a cell and from a
time that are drawn too. FOLDER gets the images, numbered, and `key.json`, which the bench never
opens (`blind_bench.py` judges the images, `blind_score.py` lays both side by side).
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

from images import compiled

SOUND = "none"
DEFECTS = (
    "DEFECT_STUCK_BLEED",
    "DEFECT_BLEED_DURING_MEASUREMENT",
    "DEFECT_OFF_BY_ONE",
    "DEFECT_NTC_SIGN",
    "DEFECT_STATUS_LOST",
)
CELLS = 16


def draw(boards: int, seed: int, latest_s: int) -> list[dict[str, Any]]:
    """Return what each board has: defect, cell, and from when, in seconds after power-up."""
    drawn = random.Random(seed)  # noqa: S311 - to be repeated, not a secret of any worth
    return [
        {
            "board": f"board-{number:03d}.so",
            "defect": drawn.choice(DEFECTS) if drawn.random() < 0.5 else SOUND,
            "cell": drawn.randint(1, CELLS),
            "after_s": drawn.randint(0, latest_s),
            "seed": drawn.randint(1, 1_000_000),
        }
        for number in range(boards)
    ]


def main() -> None:
    """Build all boards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--boards", type=int, default=200)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--latest-s", type=int, default=1500, help="a defect begins by then")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    key = draw(asked.boards, asked.seed, asked.latest_s)
    for one in key:
        place = (f"DEFECT_CELL={one['cell']}", f"DEFECT_AFTER_S={one['after_s']}")
        define = () if one["defect"] == SOUND else (one["defect"], *place)
        compiled(asked.folder / one["board"], define)
    (asked.folder / "key.json").write_text(json.dumps(key, indent=1) + "\n")
    # the packs' seeds are the bench's business, and say nothing of the boards
    seeds = {one["board"]: one["seed"] for one in key}
    (asked.folder / "boards.json").write_text(json.dumps(seeds, indent=1) + "\n")


if __name__ == "__main__":
    main()
