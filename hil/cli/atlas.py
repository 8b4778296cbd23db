"""``hil atlas``: put every claim of a folder to the test, and write the pages and their index."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hil.bench.wall_time import monotonic_ns
from hil.cli import signals
from hil.cli.study import BELIEVED, NOT_BELIEVED, ClusterAddress, Workers, fan_of, one_study, took
from hil.core.instants import SECOND

if TYPE_CHECKING:
    from hil.study.atlas import Entry


def atlas(
    experiments: Path | None = None,
    /,
    *,
    page: Path = Path("docs/atlas"),
    workers: Workers = None,
    cluster: ClusterAddress = None,
    results: Path = Path("studies"),
    only: Annotated[tuple[str, ...], Parameter(negative=())] = (),
) -> int:
    """Put every experiment of a folder to the test; write a page for each, and the index of all.

    Exit code 0 says that all of them can be believed, 2 that one cannot. What is in the folder of
    results is not computed again, so after a change this takes as long as what it changed.

    Example: hil atlas --workers 2

    Parameters
    ----------
    experiments
        Folder of experiments; profiles/experiments unless said.
    page
        Folder of the pages.
    workers
        How many processes of this machine compute; as many as there are cores unless said.
    cluster
        Address of a Dask scheduler whose workers compute instead: tcp://lab-7:8786.
    results
        Folder that keeps what was computed.
    only
        Make these pages alone, and leave the index as it is: the name of an experiment's file.
    """
    from hil.study.atlas import Entry, experiments_of, write_index  # noqa: PLC0415 - brings the compiler
    from hil.study.page import require_plots, write_page  # noqa: PLC0415 - the same

    require_plots()
    chosen = experiments_of(experiments, only)
    signals.ends("in an atlas: what was done is kept, the same command goes on there")
    entries, began_ns = [], monotonic_ns()
    with fan_of(workers, cluster) as fan:
        for experiment in chosen:
            started_ns = monotonic_ns()
            outcome = one_study(experiment, None, fan, results)
            wall_s = (monotonic_ns() - started_ns) / SECOND
            write_page(outcome, outcome.plain(wall_s), page)
            entries.append(Entry(experiment.file.stem, outcome))
            sys.stdout.write(f"{_told(entries[-1], wall_s)}\n")
            sys.stdout.flush()
    if not only:
        write_index(entries, page)
    sys.stdout.write(f"{len(entries)} pages in {(monotonic_ns() - began_ns) / SECOND:.0f} s\n")
    return BELIEVED if all(one.outcome.verdict.valid for one in entries) else NOT_BELIEVED


def _told(entry: "Entry", wall_s: float) -> str:
    """Return a line an experiment: ``E5  supported 96 %, 2448 packs in 80 s``."""
    outcome = entry.outcome
    found = ", ".join(
        f"{one.supported} {one.share:.0%}" for one in outcome.verdict.regimes.values()
    )
    doubt = "" if outcome.verdict.valid else "  NOT TO BE BELIEVED"
    return f"{entry.page}  {found}{doubt}; {took(outcome.work, wall_s)}"
