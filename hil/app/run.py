"""A run from the request to the outcome, with its record."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hil import live
from hil.app.engines import engine_told, with_firmware
from hil.app.lab_doors import engine_in_lab
from hil.app.outside import Outside, outside
from hil.app.preparation import Prepared, Request, has_twins, prepare
from hil.app.protection import protection
from hil.app.rehearsal import rehearse
from hil.app.rig import build
from hil.app.wiring import cited, in_manifest, told
from hil.bench.clock import run_virtual
from hil.bench.recording import recording
from hil.bench.rig import Rig
from hil.bench.session import Progress, Session
from hil.bench.stop import StopLadder
from hil.bench.wall_time import monotonic_ns, run_wall
from hil.core.errors import DeviceError
from hil.ports import Clock, Guard
from hil.profile import Bench
from hil.profile.terminations import stated
from hil.results import manifest
from hil.results.link_faults import LinkFaults
from hil.verdict.judgement import Verdict


@dataclass(frozen=True)
class Outcome:
    """What came of a run: ``summary`` is what ``--json`` prints."""

    summary: Mapping[str, Any]
    exit_code: int


def run_profile(request: Request, stop: StopLadder, progress: Progress) -> Outcome:
    """Run a profile to its end, whatever that is, and leave a folder with its record.

    Raises ConfigErrors or EnvironmentProblem before anything is touched; after that there is
    always a record.
    """
    begun_ns, prepared = monotonic_ns(), prepare(request)
    if has_twins(prepared.bench):
        prepared = replace(prepared, bench=with_firmware(prepared.bench))
    profile, bench, seed = prepared.profile, prepared.bench, request.seed
    cites = cited(bench, request.certificates)
    session = Session(
        profile, bench, seed, request.until, stop, progress, fail_fast=request.fail_fast
    )
    faults = LinkFaults()

    async def main(clock: Clock, others: Outside | None = None) -> Outcome:
        others = others or Outside()
        rig = build(bench, seed, clock, session.wire, faults, fences=others.fences)
        async with others.watched(rig, clock, stop, lambda: session.left_safe) as guard:
            return await recorded(clock, rig, guard, others)

    async def recorded(clock: Clock, rig: Rig, guard: Guard, others: Outside) -> Outcome:
        about = {**_about(request, prepared), "engine": await _engine(bench), **others.plain()}
        about |= {**protection(bench), **in_manifest(bench, cites, prepared.notes)}
        mqtt = request.mqtt if bench.clock == "wall" else None
        with ExitStack() as telling:  # left last: the record does not wait for a broker
            with recording(request.runs, about, beside=bench.clock == "wall") as record:
                beside = live.beside(mqtt, record.folder, record.journal, clock, stop)
                mirror = telling.enter_context(beside)
                faults.record_in(record.journal.emit)
                others.record_in(record.folder)
                try:
                    await session.play(clock, rig, record.journal, guard)
                finally:
                    stop.over()
            summary = {"run": record.folder.name, "folder": str(record.folder), **session.summary()}
            summary |= {"engine": about["engine"], **others.plain(), **faults.plain()}
            summary["startup_s"] = (monotonic_ns() - begun_ns) / 1e9 - summary["wall_s"]
            summary["wiring"] = told(bench, cites, session.run.who)
            if mirror is not None:
                summary["telemetry"] = mirror.counts()  # sealed is what is owed by now
            record.conclude(summary)
            if mirror is not None:
                mirror.conclude(summary["verdict"], summary["reasons"])
        if mirror is not None:
            summary["telemetry"] = mirror.counts()
        return Outcome(summary, Verdict[summary["verdict"]].exit_code)

    if bench.clock == "wall":
        if has_twins(bench):
            rehearse(bench, seed)
        with outside(bench, request, f"the run of {profile.name}") as others:
            return run_wall(lambda clock: main(clock, others))
    outcome = run_virtual(main)
    if request.mqtt is None:
        return outcome
    # No socket is polled in virtual time (docs/adr/0004): the record is told when it is whole.
    counts = live.afterwards(request.mqtt, Path(outcome.summary["folder"]), stop)
    return replace(outcome, summary={**outcome.summary, "telemetry": counts})


async def _engine(bench: Bench) -> Mapping[str, Any] | None:
    """Return what runs the virtual board, here or in the bench's lab; None for a real one."""
    if has_twins(bench):
        return engine_told(bench)
    try:
        return await engine_in_lab(bench)
    except DeviceError:
        return None  # nobody answers: the run itself finds that, and records it


def _about(request: Request, prepared: Prepared) -> dict[str, Any]:
    """Return what the manifest says of the run before it begins."""
    profile, bench = prepared.profile, prepared.bench
    return {
        "operator": request.operator,
        "profile": profile.name,
        "bench": bench.name,
        "overrides": list(request.overrides),
        "seed": request.seed,
        "repeat": request.command(),
        "resolved": {
            "profile": json.loads(profile.resolved_text()),
            "bench": json.loads(bench.resolved_text()),
        },
        "termination": stated(profile, bench),
        "interlock": [one.plain() for one in prepared.watched],
        "git": {
            "bench": _git_state(Path(__file__).parent),
            "profile": _git_state(profile.file.parent),
        },
        "versions": manifest.versions(),
        "host": manifest.host(),
    }


_git_state = cache(manifest.git_state)
