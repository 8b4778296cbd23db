"""A run's folder, from its first file to its seal."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

from hil.bench.wall_time import monotonic_ns, utc_now_text
from hil.core.errors import EnvironmentProblem
from hil.results import catalogue, disk, manifest
from hil.results.journal import Journal
from hil.results.runlog import RunLog
from hil.results.seal import Sealer
from hil.results.store import Store
from hil.results.writer import Batches, InThread
from hil.verdict.judgement import Verdict


class Recording:
    """The folder of a run and the journal in it."""

    def __init__(
        self, folder: Path, begun: Mapping[str, Any], journal: Journal, log: RunLog
    ) -> None:
        """``begun`` is the manifest as it was written at the start."""
        self.folder, self.journal, self._log = folder, journal, log
        self._begun = begun
        self._sealer = Sealer()
        journal.listen(self._sealer.feed)

    def conclude(self, summary: dict[str, Any]) -> None:
        """Write the summary and seal everything, when the journal has been closed.

        What cannot be kept cannot be shown to have passed: then ``summary`` says so.
        """
        summary["log"] = {"run_log_dropped": self._log.dropped}
        problem: EnvironmentProblem | None = self.journal.problem
        try:
            if problem is None:
                with disk.locked(self.folder):  # nobody repairs what is still being archived
                    catalogue.write_json(self.folder, catalogue.SUMMARY, summary)
                    ended = {"ended_utc": utc_now_text(), "digest": summary["digest"]}
                    self._sealer.seal(self.folder, self._begun, records=self.journal.seq, **ended)
        except EnvironmentProblem as found:
            problem = found
        if problem is not None:
            _weaken(summary, str(problem))
            with suppress(EnvironmentProblem):  # the user is shown it, with the reason in it
                catalogue.write_json(self.folder, catalogue.SUMMARY, summary)


def _weaken(summary: dict[str, Any], problem: str) -> None:
    """Let a summary say that its record is not whole; such a run has not passed."""
    summary["problem"] = problem
    if summary["verdict"] == Verdict.PASS.name:
        summary["verdict"] = Verdict.INCONCLUSIVE.name
        summary["reasons"] = [problem, *summary["reasons"]]


@contextmanager
def recording(runs: Path, about: Mapping[str, Any], *, beside: bool) -> Iterator[Recording]:
    """Make the folder of a run, which from here on leaves a record; close the journal at the end.

    ``about`` begins the manifest; ``beside`` lets a thread do the writing. Raises
    EnvironmentProblem, with no folder left behind, where it cannot be made.
    """
    started_utc = utc_now_text()
    stem = f"{started_utc[:19].replace('-', '').replace(':', '')}Z"
    folder = catalogue.new_folder(runs, f"{stem}-{about['profile']}-s{about['seed']}")
    begun = {"run": folder.name, "started_utc": started_utc, **about}
    with ExitStack() as opened:
        try:
            manifest.write(folder, begun)
            context = {"run": folder.name, "profile": about["profile"], "bench": about["bench"]}
            log = opened.enter_context(closing(RunLog(folder, context, beside=beside)))
            batches = Batches(Store(folder, utc_now_text), monotonic_ns)
        except EnvironmentProblem:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        journal = Journal(InThread(batches) if beside else batches)
        opened.enter_context(closing(journal))
        # For what others log meanwhile, a third party's driver for one.
        opened.enter_context(structlog.contextvars.bound_contextvars(**context))
        journal.listen(log.feed)
        yield Recording(folder, begun, journal, log)
