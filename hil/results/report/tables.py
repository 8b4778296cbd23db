"""The rows of a report's tables, in words: each is what one line of the template needs."""

from collections.abc import Iterator, Mapping
from typing import Any

from hil.core import terminations
from hil.core.errors import printable
from hil.core.instants import Instant, to_seconds
from hil.core.records import (
    Deviation,
    ExpectationJudged,
    LimitWarned,
    SafeStateArmed,
    SafeStateReached,
    StepEnded,
    StepStarted,
    Tripped,
)
from hil.core.watched import Watched
from hil.results.account import Account, Weighed
from hil.results.figures import compared, figure, lasting, plain, when
from hil.results.report.events import FAMILIES, Event
from hil.verdict.judgement import Verdict
from hil.verdict.registry import METRICS


def judged(one: Weighed) -> ExpectationJudged:
    """Return the expectation that was weighed."""
    assert isinstance(one.record, ExpectationJudged)  # noqa: S101 - account.expectations has no other
    return one.record


def told(one: Weighed) -> str:
    """Return the judge's reason with the figures rounded as their uncertainty allows."""
    record = judged(one)
    measured = figure(record.value, record.uncertainty, record.unit)
    limit = f"{compared(record.comparison)} {plain(record.limit, record.unit)}"
    rest = one.reason.partition(f"expected {record.comparison} {record.limit:.6g}")[2]
    return f"{record.name}: {measured}, expected {limit}{rest}"


def expectation(one: Weighed, account: Account) -> dict[str, Any]:
    """Return a row of the table of expectations."""
    record = judged(one)
    measured = figure(record.value, record.uncertainty, record.unit)
    met = record.passed is True and one.verdict is None
    verdict = one.verdict.name.lower() if one.verdict else "pass" if met else "open"
    word = {"pass": "met", "fail": "FAIL", "inconclusive": "cannot tell"}.get(
        verdict, "not reached"
    )
    return {
        "verdict": verdict,
        "word": word,
        "name": record.name,
        "value": measured.value,
        "uncertainty": f"± {measured.uncertainty}" if measured.uncertainty else "exact",
        "limit": f"{compared(record.comparison)} {plain(record.limit, record.unit)}",
        "at": when(record.read_at, account.zero),
        "at_s": to_seconds(record.read_at - account.zero),
        "where": _beside_a_gap(record.name, record.where, account.manifest),
        "reason": told(one) if one.reason else "",
        "precise": f"{record.value!r} {record.unit}",
    }


def event(one: Event, zero: Instant) -> dict[str, Any]:
    """Return a row of the table of events."""
    return {
        "at": when(one.at, zero),
        "at_s": to_seconds(one.at - zero),
        "until": when(one.until, zero) if one.count > 1 else "",
        "family": one.family,
        "kind": FAMILIES[one.family],
        "what": one.what,
        "detail": one.detail,
        "count": one.count,
    }


def deviation(one: Weighed, zero: Instant) -> dict[str, Any]:
    """Return a row of the table of deviations."""
    record = one.record
    assert isinstance(record, Deviation)  # noqa: S101 - account.deviations has no other
    excused = one.verdict is not None and one.verdict is not Verdict.FAIL
    return {
        "at": when(record.at, zero),
        "at_s": to_seconds(record.at - zero),
        "name": record.name,
        "subject": record.subject,
        "value": plain(record.value, record.unit),
        "limit": plain(record.limit, record.unit),
        "situation": record.situation,
        "verdict": "inconclusive" if excused else "fail" if one.verdict else "open",
        "word": "cannot tell" if excused else "FAIL" if one.verdict else "after the end",
    }


def marked_steps(account: Account) -> list[dict[str, Any]]:
    """Return the steps as the plots mark them: where each begins and ends."""
    return [
        {"at": to_seconds(began.at - account.zero), "until": until, "label": printable(began.path)}
        for began, ended in _paired(account)
        for until in (to_seconds(ended.at - account.zero) if ended else None,)
    ]


def _paired(account: Account) -> Iterator[tuple[StepStarted, StepEnded | None]]:
    """Yield each step's begin with its end, None where it was broken off."""
    ends: dict[int, StepEnded] = {}
    open_steps: list[StepStarted] = []
    began: list[StepStarted] = []
    for record in account.others:
        if isinstance(record, StepStarted):
            open_steps.append(record)
            began.append(record)
        elif isinstance(record, StepEnded):
            # the last one of that path that is open: repeats play one path again and again
            for place in range(len(open_steps) - 1, -1, -1):
                if open_steps[place].path == record.path:
                    ends[id(open_steps.pop(place))] = record
                    break
    yield from ((one, ends.get(id(one))) for one in began)


def steps(account: Account) -> Iterator[dict[str, Any]]:
    """Yield rows of the table of steps."""
    for began, ended in _paired(account):
        yield {
            "path": began.path,
            "text": began.text,
            "at": when(began.at, account.zero),
            "at_s": to_seconds(began.at - account.zero),
            "until_s": to_seconds(ended.at - account.zero) if ended else None,
            "lasted": lasting(ended.at - began.at) if ended else "",
            "reason": ended.reason if ended else "broken off",
        }


def metrics(account: Account) -> Iterator[dict[str, Any]]:
    """Yield rows of the table of metrics."""
    for name, one in account.metrics.items():
        measured = figure(one.value, one.uncertainty, one.unit)
        yield {
            "name": name,
            "value": measured.value,
            "uncertainty": f"± {measured.uncertainty}" if measured.uncertainty else "",
            "where": _beside_a_gap(name, one.where, account.manifest),
            "about": METRICS[name].about if name in METRICS else "",
            "precise": f"{one.value!r} {one.unit}",
        }


def _beside_a_gap(name: str, where: str, manifest: Mapping[str, Any]) -> str:
    """Return where a figure was read, and beside a gap the ceiling that terminations set it."""
    ceiling = (
        terminations.ceiling_text(manifest.get("termination", {}))
        if _is_gap_at_the_top(name)
        else ""
    )
    return f"{where}; {ceiling}" if ceiling else where


def _is_gap_at_the_top(name: str) -> bool:
    """Say whether a metric or expectation is a gap that the end of a charge bounds."""
    return name.startswith("gap") and "discharge" not in name


def termination(account: Account) -> str:
    """Return what ended the run's charges, in one line; empty for a run that did not charge."""
    ended = [(one.path, one.reason) for one in account.of(StepEnded)]
    return terminations.told(account.manifest.get("termination", {}), ended)


def devices(account: Account) -> list[dict[str, Any]]:
    """Return who answered, and how each device was left: its last read-back counts.

    That of the guardian comes after the run's own. ``alone`` is what the device does by itself when
    its host dies.
    """
    last = {record.device: record for record in account.of(SafeStateReached)}
    armed = {record.device: record for record in account.of(SafeStateArmed)}
    who = {record.device: record for record in account.devices}
    guardian = {one["device"]: one for one in account.guardian.get("devices", ())}
    alone = account.manifest.get("host_loss", {})
    rows = []
    for name in sorted({*who, *armed}, key=list({**who, **armed}).index):
        device, safe = who.get(name), last.get(name)
        ok, read_back = (safe.ok, safe.read_back) if safe else (False, "not read back")
        if name in guardian:
            ok, told = guardian[name].get("ok", False), guardian[name].get("read_back", "")
            read_back = f"by the guardian: {told}"
        rows.append(
            {
                "name": name,
                "model": f"{device.maker} {device.model}" if device else "did not answer",
                "serial": device.serial if device else "",
                "firmware": device.firmware if device else "",
                "calibrated": (device.calibrated if device else "") or "not told",
                "safe": read_back,
                "ok": ok,
                "alone": alone.get(name, "ends with the run"),
            }
        )
    return rows


def standing(account: Account) -> Iterator[str]:
    """Yield who had left the bench before, and what the guardian had to do."""
    for left in account.manifest.get("held", {}).get("left_by", ()):
        yield f"Taken over from {left}: every device was read back safe before anything went on."
    if account.guardian:
        cause, took_ms = account.guardian.get("cause", "?"), account.guardian.get("took_ms", 0)
        how = "made the bench safe" if account.guardian.get("safe") else "could not make all safe"
        yield f"The guardian {how}, {took_ms / 1000:.2f} s after it was needed: {cause}."


def facts(account: Account) -> Iterator[tuple[str, str]]:
    """Yield what the run was made of, as its manifest has it."""
    manifest = account.manifest
    yield "run", account.run
    yield "began", str(manifest.get("started_utc", "not recorded"))
    yield "ended", str(manifest.get("ended_utc", "not recorded"))
    yield "operator", str(manifest.get("operator") or "not named")
    yield from _engine(manifest.get("engine"))
    overrides = manifest.get("overrides", [])
    yield "changed on the command line", "; ".join(map(str, overrides)) or "nothing"
    for whose, state in manifest.get("git", {}).items():
        yield f"git of the {whose}", _git(state)
    host = manifest.get("host", {})
    yield "host", ", ".join(str(host[key]) for key in host) or "not recorded"
    yield from _pace(account.summary)
    yield "records", str(manifest.get("records", sum(account.counts.values())))
    yield "digest", account.sealed or "not sealed"


def _engine(engine: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield what ran the virtual board: no record holds that, a host's compiler makes it."""
    if engine is not None:
        told = dict(engine)
        yield "engine of the virtual board", str(told.pop("kind"))
        names = {"sha256": "firmware image, SHA-256", "file": "firmware image"}
        yield from ((names.get(key, f"firmware {key}"), str(one)) for key, one in told.items())


def _pace(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield how fast the run was on its host: no record holds that, its sealed summary does."""
    if "wall_s" in summary and "speed" in summary:
        yield (
            "took",
            f"{summary['wall_s']:.1f} s on the host, {summary['speed']:.3g} times real time",
        )
    timing = summary.get("timing") or {}
    for key, what in (("late_ms", "ticks late by"), ("took_ms", "ticks busy for")):
        if key in timing:
            figures = " / ".join(f"{timing[key][of]:.2g}" for of in ("p50", "p99", "max"))
            yield what, f"{figures} ms (median / 99th percentile / longest)"
    if "cpu_share" in timing:
        yield "processor", f"{100 * timing['cpu_share']:.0f} % of a core"


def _git(state: Mapping[str, Any]) -> str:
    """Say which commit a run was made with, and whether it was that."""
    if not state.get("commit"):
        return str(state.get("about", "not recorded"))
    if "about" in state:
        return f"{state['commit']}, {state['about']}"
    changed = state.get("changed", [])
    more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""  # noqa: PLR2004 - names shown
    told = f"changed: {', '.join(map(str, changed[:5]))}{more}" if changed else "unchanged"
    return f"{state['commit']}, {told}"


def unguarded(account: Account) -> list[str]:
    """Return the dangers to people that the bench had no input to see, as the manifest has them."""
    listed = account.manifest.get("unguarded", [])
    return [str(one) for one in listed] if isinstance(listed, list) else []


def watched(account: Account) -> list[dict[str, Any]]:
    """Return rows of the table of what the bench watched, as the manifest has it.

    A manifest may be anybody's, or of a program that kept no such table yet.
    """
    listed = account.manifest.get("interlock", [])
    crossed = {one.limit: one for one in [*account.of(LimitWarned), *account.of(Tripped)]}
    rows = []
    for one in listed if isinstance(listed, list) else ():
        row = {name: one.get(name, "") for name in ("rule", "value", "unit", "severity", "origin")}
        if not isinstance(row["value"], int | float):
            continue
        found = crossed.get(Watched(**row).name)
        rows.append(
            {
                **row,
                "limit": plain(row["value"], str(row["unit"])),
                "at": when(found.at, account.zero) if found else "",
                "at_s": to_seconds(found.at - account.zero) if found else None,
            }
        )
    return rows
