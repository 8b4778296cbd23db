"""``hil check``: everything that can be known of a profile and a bench before touching hardware."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from hil.app import Prepared, Request, prepare
from hil.cli import arguments


def check(
    profile: str,
    *,
    bench: str | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    engine: arguments.Engine = None,
    json_: arguments.AsJson = False,
) -> None:
    """Check a profile against a bench without touching a device; show what the bench will watch.

    Every error gets one line with file, line and column; exit code 65 if there is one.

    Example: hil check hot-summer-day --bench virtual-32s

    Parameters
    ----------
    profile
        Name of a profile (profiles/runs) or path of a YAML file.
    bench
        Name of a bench (profiles/benches) or path; the profile names its default.
    set_
        Change one key: KEY=VALUE, repeatable. Keys of the bench begin with bench.
    """
    prepared = prepare(Request(profile=profile, bench=bench, overrides=set_, engine=engine))
    if json_:
        sys.stdout.write(json.dumps(_plain(prepared)) + "\n")
        return
    lines = [f"warning: {warning}" for warning in prepared.warnings]
    lines.append(f"{prepared.profile.name} can run on {prepared.bench.name}")
    lines += _table(prepared)
    lines += [f"note: {note}" for note in prepared.notes]
    print("\n".join(lines))  # noqa: T201 - the command line's own voice


def _plain(prepared: Prepared) -> dict[str, object]:
    """Return what is printed as JSON has it."""
    return {
        "profile": prepared.profile.name,
        "bench": prepared.bench.name,
        "warnings": list(prepared.warnings),
        "watched": [one.plain() for one in prepared.watched],
        "notes": list(prepared.notes),
    }


def _table(prepared: Prepared) -> Sequence[str]:
    """Return a line for each rule: what it does, what is watched, its limit, whose it is."""
    rows = [
        (one.severity, one.rule, f"{one.value:.4g} {one.unit}", one.origin)
        for one in prepared.watched
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        for row in rows
    )
    return [f"  {line.rstrip()}" for line in padded]
