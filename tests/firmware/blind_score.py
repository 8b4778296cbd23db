"""Lays the key of a blind test beside the verdicts: the confusion matrix.

python tests/firmware/blind_score.py FOLDER/key.json verdicts.json
"""

import argparse
import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blind_drawer import SOUND


def matrix(
    key: Sequence[Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]]
) -> dict[str, Counter[str]]:
    """Return how often each defect was given which verdict. Raises KeyError for a missing one."""
    given = {one["board"]: one["verdict"] for one in verdicts}
    found: dict[str, Counter[str]] = {}
    for one in key:
        found.setdefault(one["defect"], Counter())[given[one["board"]]] += 1
    return found


def false_alarms(found: Mapping[str, Counter[str]]) -> tuple[int, int]:
    """Return how many sound boards were failed, and how many sound ones there are."""
    sound = found.get(SOUND, Counter())
    return sound["FAIL"], sound.total()


def main() -> None:
    """Print the matrix, false alarms and times to detection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("key", type=Path)
    parser.add_argument("verdicts", type=Path)
    asked = parser.parse_args()
    key = json.loads(asked.key.read_text())
    verdicts = {one["board"]: one for one in json.loads(asked.verdicts.read_text())}
    found = matrix(key, list(verdicts.values()))
    columns = sorted({verdict for row in found.values() for verdict in row})
    lines = [f"{'':34}" + "".join(f"{column:>14}" for column in columns)]
    lines += [
        f"{defect:34}" + "".join(f"{row[column]:14}" for column in columns)
        for defect, row in sorted(found.items())
    ]
    alarms, sound = false_alarms(found)
    lines.append(f"false alarms: {alarms} of {sound} sound boards")
    for defect in sorted(found):
        pairs = [(one, verdicts[one["board"]]) for one in key if one["defect"] == defect]
        took = [two["at_s"] - one["after_s"] for one, two in pairs if two["at_s"] is not None]
        if defect != SOUND and took:
            names = Counter(two["named"].split(" ")[0] for _, two in pairs if two["named"])
            lines.append(
                f"{defect}: found after {statistics.median(took):.0f} s (median, "
                f"{min(took):.0f} to {max(took):.0f} s), first by {dict(names)}"
            )
        missed = [
            f"cell {one['cell']} after {one['after_s']} s, {two['verdict']}"
            for one, two in pairs
            if defect != SOUND and two["verdict"] != "FAIL"
        ]
        lines += [f"  missed: {one}" for one in missed]
    print("\n".join(lines))  # noqa: T201 - the command line's own voice


if __name__ == "__main__":
    main()
