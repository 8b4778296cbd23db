"""One run as a whole: parts assembled, run played, criteria judged, figures collected."""

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hil.bench import assembly
from hil.bench.driven import make_plant, warm_up
from hil.bench.estimate import longest
from hil.bench.expectations import of_run, uncertainty_of
from hil.bench.extrapolated import Extrapolated
from hil.bench.guard import Unguarded
from hil.bench.recorded import run_started
from hil.bench.rig import Rig
from hil.bench.run import Plan, Run
from hil.bench.stop import StopLadder
from hil.bench.tick import Parts
from hil.bench.wall_time import monotonic_ns
from hil.core.errors import ConfigErrors
from hil.core.instants import MILLISECOND, Duration, Instant, to_seconds
from hil.core.records import (
    BenchFailed,
    Deviation,
    DoorKept,
    ExpectationJudged,
    LimitWarned,
    Record,
    RunEnded,
    StepEnded,
)
from hil.core.signals import Layout
from hil.core.terminations import told
from hil.ports import Clock, Guard
from hil.profile import Bench, Profile
from hil.profile.terminations import stated
from hil.results.journal import Journal
from hil.results.wire_hash import WireHash
from hil.verdict.judgement import Judge, Verdict
from hil.verdict.metrics import Metrics
from hil.verdict.registry import finite


@dataclass(frozen=True, slots=True)
class Status:
    """How a run stands, told after every tick."""

    elapsed: Duration
    expected: Duration | None
    path: str
    chamber_degc: float
    current_a: float
    lowest_v: float
    highest_v: float
    bleeding: int


Progress = Callable[[Status], None]

TOLD_EVERY_NS = 100 * MILLISECOND


class Session:
    """Plays one profile on one bench and keeps what is needed to report on it."""

    def __init__(
        self,
        profile: Profile,
        bench: Bench,
        seed: int,
        until: Duration | None,
        stop: StopLadder,
        progress: Progress,
        *,
        fail_fast: bool = False,
    ) -> None:
        """Draw the pack; ``fail_fast`` ends the run with its first finding.

        Raises ConfigErrors for a pack that cannot be.
        """
        self._profile, self._bench, self._seed = profile, bench, seed
        self._until, self._stop, self._progress = until, stop, progress
        self._fail_fast = fail_fast
        self._judge = Judge()
        self._expectations: list[ExpectationJudged] = []
        self._deviations: list[Deviation] = []
        self._steps_ended: list[tuple[str, str]] = []
        self._warnings: list[str] = []
        self._door = ""
        self._extrapolated: Extrapolated | None = None
        self.wire = WireHash()
        self.left_safe = True
        self.tick: Duration = profile.tick_ns or bench.tick_ns
        try:
            cells, cell = profile.needs.cells, profile.cell_parameters
            self._plant = make_plant(cells, profile.pack, cell, seed)
        except ValueError as error:
            raise ConfigErrors([profile.wrong("pack", str(error))]) from error

    async def play(
        self, clock: Clock, rig: Rig, journal: Journal, guard: Guard | None = None
    ) -> None:
        """Run to the end and record the verdict; everything that folds listens to the journal.

        ``guard`` watches a run that can reach something outside its process.
        """
        profile, bench, plant = self._profile, self._bench, self._plant
        self._journal = journal
        strategy = profile.controller.parameters
        shadow = profile.controller.mode == "shadow"
        weather = profile.pack.weather
        layout = assembly.make_layout(bench, shadow=shadow, weather=weather is not None)
        metrics = Metrics()
        self._extrapolated = Extrapolated(profile.cell_parameters, layout, self.tick)
        for listener in (metrics.feed, self._judge.feed, self._keep, self._extrapolated.feed):
            self._journal.listen(listener)
        uncertainties = assembly.uncertainties(rig)
        self._journal.emit(
            run_started(profile, bench, self._seed, self.tick, layout, plant, uncertainties)
        )
        interlock = assembly.make_interlock(profile, bench, rig, layout, self._journal.emit)
        parts = Parts(
            rig=rig,
            plant=plant,
            strategy=strategy,
            layout=layout,
            interlock=interlock,
            watch=assembly.make_watch(bench, rig, layout, self.tick, strategy if shadow else None),
            clock=clock,
            period=self.tick,
            emit=self._journal.emit,
            wire=self.wire.so_far,
            ambient_degc=profile.pack.constant_degc,
            weather=weather,
            shadow=shadow,
        )
        plan = Plan(
            steps=profile.steps,
            chamber=profile.needs.chamber,
            until=self._until,
            uncertainty_of=uncertainty_of(uncertainties, rig.stack.cells),
            progress=self._teller(layout),
            emulated_ntcs=frozenset(wire.ntc for wire in bench.wiring.ntcs),
            has_failed=self._has_failed,
        )
        self.run = Run(plan, parts, self._journal, self._stop, guard or Unguarded())
        if bench.clock == "wall":
            warm_up(profile.needs.cells, profile.pack, profile.cell_parameters)
        # What stands here stays to the end: the collector need not look at it again (a tick's
        # worst pauses came from that, see docs/adr/0001-clock.md).
        gc.collect()
        gc.freeze()
        self.left_safe = False
        try:
            await self.run.play()
        finally:
            gc.unfreeze()
            self.left_safe = self.run.left_safe
        self._conclude(clock.now(), metrics)

    def _has_failed(self) -> bool:
        """Say whether a finding has settled the verdict, and nobody wants to see more of them."""
        if not self._fail_fast:
            return False
        return any(verdict is Verdict.FAIL for verdict, _ in self._judge.noted)

    # --- what is kept for the report ---------------------------------------------------------

    def _keep(self, record: Record) -> None:
        if isinstance(record, ExpectationJudged):
            self._expectations.append(record)
        elif isinstance(record, Deviation):
            self._deviations.append(record)
        elif isinstance(record, LimitWarned):
            found = f"{record.subject} is {record.value:.4g} {record.unit}"
            self._warnings.append(f"{record.limit}: {found}")
        elif isinstance(record, DoorKept):
            self._door = f"{record.phase}, coldest {record.coldest_degc:.1f} degC: {record.reason}"
        elif isinstance(record, StepEnded):
            self._steps_ended.append((record.path, record.reason))

    def _teller(self, layout: Layout) -> Callable[[Duration, str, Sequence[float]], None]:
        """Return what the run calls after every tick; people are told ten times a second."""
        cell_v, duty = layout.columns("plant.cell_v"), layout.columns("board.duty")
        air, amps = layout.index("chamber.air_degc"), layout.index("pack.current_a")
        expected = longest(self._profile.steps)
        last_ns = 0

        def tell(elapsed: Duration, path: str, row: Sequence[float]) -> None:
            nonlocal last_ns
            if monotonic_ns() - last_ns < TOLD_EVERY_NS:
                return
            last_ns = monotonic_ns()
            volts = row[cell_v]
            bleeding = sum(share > 0.0 for share in row[duty])
            self._progress(
                Status(
                    elapsed, expected, path, row[air], row[amps], min(volts), max(volts), bleeding
                )
            )

        return tell

    # --- the end -----------------------------------------------------------------------------

    def _conclude(self, at: Instant, metrics: Metrics) -> None:
        """Judge the criteria on the whole run, and write the verdict down as the last record."""
        self._journal.sync(at)
        problem = self._journal.problem
        if problem is not None and self.run.reason != str(problem):
            self._journal.emit(BenchFailed(at, type(problem).__name__, str(problem)))
        self.metrics = metrics.result()
        for criterion in self._profile.verdict:
            self._journal.emit(of_run(criterion, self.metrics, at, whole=self.run.complete))
        self.judgement = self._judge.result()
        verdict = self.judgement.verdict.name
        self._journal.emit(RunEnded(at, verdict, self.judgement.reason))

    def summary(self) -> dict[str, Any]:
        """Return the figures of the run under the names that ``hil run --json`` keeps."""
        run, counts = self.run, self._journal.counts
        simulated_s = to_seconds(run.simulated)
        wall_s = run.wall_ns / 1e9
        return {
            "verdict": self.judgement.verdict.name,
            "profile": self._profile.name,
            "bench": self._bench.name,
            "seed": self._seed,
            "simulated_s": simulated_s,
            "wall_s": wall_s,
            "speed": simulated_s / wall_s if wall_s else 0.0,
            "digest": self._journal.digest(),
            "expectations": [self._expectation(one) for one in self._expectations],
            "metrics": {name: one.plain() for name, one in self.metrics.items()},
            "events": dict(sorted(counts.items())),
            "traffic": self._traffic(simulated_s),
            "timing": self._timing(wall_s),
            "reasons": list(self.judgement.reasons),
            "termination": told(stated(self._profile, self._bench), self._steps_ended),
            "extrapolated_s": self._extrapolated.seconds() if self._extrapolated else {},
            "warned": list(self._warnings),
            "door": self._door,
            "ended": run.reason,
        }

    def _expectation(self, one: ExpectationJudged) -> dict[str, Any]:
        return {
            "name": one.name,
            "value": finite(one.value),
            "uncertainty": finite(one.uncertainty),
            "unit": one.unit,
            "comparison": one.comparison,
            "limit": one.limit,
            "passed": one.passed,
            "read_at_s": to_seconds(one.read_at - self.run.started),
            "where": one.where,
        }

    def _traffic(self, simulated_s: float) -> dict[str, float]:
        """Return what crossed the links per simulated second; lines count both ways."""
        span = simulated_s or math.inf
        return {
            "can_frames": round(self.wire.frames / span, 3),
            "scpi_lines": round(self.wire.lines / span, 3),
            "board_cycles": round(self.run.board_cycles / span, 3),
        }

    def _timing(self, wall_s: float) -> dict[str, Any] | None:
        """Return how well ticks kept to the wall clock; None in virtual time, which is never late.

        ``cpu_share`` is of one core, for the whole process while it ticked.
        """
        if self._bench.clock == "virtual":
            return None
        run = self.run
        return {
            "ticks": run.ticks,
            "late_ms": run.late.plain(),
            "took_ms": run.took.plain(),
            "cpu_share": run.cpu_s / wall_s if wall_s else 0.0,
        }
