"""Judges boards of which it knows nothing: a run each, the verdict and when it was found.

python tests/firmware/blind_bench.py FOLDER --to verdicts.json
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from judged import judged

from hil.core.records import Deviation, ExpectationJudged
from hil.results import reader

PROFILE = "shadow-fixed-threshold"


def verdict(image: Path, seed: int, profile: str) -> dict[str, Any]:
    """Return what the bench says of one board; the first finding is what it is accused of."""
    runs = image.with_suffix(".runs")
    one = judged(image, (profile,), seed, runs)
    found = None if one.passed else first_finding(Path(one.summary["folder"]))
    shutil.rmtree(runs, ignore_errors=True)
    name, at_s = found or ("", None)
    return {
        "board": image.name,
        "verdict": one.verdict,
        "named": name,
        "at_s": at_s,
        "reasons": list(one.reasons),
        "speed": one.summary.get("speed"),
    }


def first_finding(folder: Path) -> tuple[str, float] | None:
    """Return the name and the time of the first thing that was held against the board."""
    for _, record in reader.read(folder):
        match record:
            case Deviation():
                return f"{record.name} {record.subject}", record.at / 1e9
            case ExpectationJudged(passed=False):
                return record.name, record.at / 1e9
    return None


def main() -> None:
    """Judge all boards of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", default=PROFILE)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--to", type=Path, default=Path("verdicts.json"))
    asked = parser.parse_args()
    seeds: dict[str, int] = json.loads((asked.folder / "boards.json").read_text())

    def one(board: str) -> dict[str, Any]:
        return verdict(asked.folder / board, seeds[board], asked.profile)

    with ThreadPoolExecutor(asked.workers) as pool:
        found: Sequence[dict[str, Any]] = list(pool.map(one, seeds))
    asked.to.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
