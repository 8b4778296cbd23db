"""``hil check``: everything that can be known of a profile and a bench before touching hardware."""

from typing import Annotated

from cyclopts import Parameter

from hil.app import Request, prepare
from hil.cli import arguments


def check(
    profile: str,
    *,
    bench: str | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    engine: arguments.Engine = None,
) -> None:
    """Check a profile against a bench without touching a device.

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
    for warning in prepared.warnings:
        print(f"warning: {warning}")  # noqa: T201 - the command line's own voice
    print(f"{prepared.profile.name} can run on {prepared.bench.name}")  # noqa: T201 - the same
