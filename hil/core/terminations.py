"""What a run's manifest says of the ends of its charges, put in words.

Apart from where it is stated (``hil.profile.terminations``): a report need not know boards.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def told(statement: Mapping[str, Any], ended: Iterable[tuple[str, str]]) -> str:
    """Return the one line of a run: what ended its charges, and within which limits.

    ``ended`` are (path, reason) of the steps that ended, in their order; empty without a statement,
    as in runs that were recorded before there was one.
    """
    steps = statement.get("steps")
    if not steps:
        return ""
    reasons = Counter((path, reason) for path, reason in ended if path in steps)
    by = [
        f"{reason} ({path}{f', {times} times' if times > 1 else ''})"
        for (path, reason), times in reasons.items()
    ]
    limits = [
        f"{', '.join(path for path, text in steps.items() if text == one)} {one}"
        for one in dict.fromkeys(steps.values())
    ]
    return (
        f"Charge ended by: {'; '.join(by) or 'nothing yet'}. Limits: {'; '.join(limits)}; "
        f"board: {statement['protections']}"
    )


def ceiling_text(statement: Mapping[str, Any]) -> str:
    """Return the ceiling that belongs beside a gap read while or after charging."""
    ceiling_v = statement.get("gap_ceiling_v")
    return "" if ceiling_v is None else f"ceiling by termination {1000 * ceiling_v:.0f} mV"
