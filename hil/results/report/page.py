"""The page: what an account says, in the words and the order in which a lab engineer asks for it.

Texts of profiles and devices are anybody's. The template escapes them, control characters are shown
as their escapes, what the script reads is JSON without a ``<`` in it, and the page's own policy
forbids every other script and every connection.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from hil.core.errors import printable
from hil.core.instants import SECOND, to_seconds
from hil.results.account import Account
from hil.results.figures import lasting
from hil.results.junit import requirements
from hil.results.report import tables
from hil.results.report.events import FAMILIES, Event, events_of
from hil.results.report.scene import Drawn, resolution
from hil.results.self_contained import environment, policy_hash, text_of
from hil.verdict.judgement import Verdict

MOST_ROWS = 300
"""Rows of a table: a report is read by people."""

MOST_TEXT = 200_000
"""Characters of profile and bench as they were resolved."""

WORDS = {
    Verdict.PASS.name: "Every expectation is met by more than its uncertainty.",
    Verdict.FAIL.name: "The board is shown to be wrong.",
    Verdict.INCONCLUSIVE.name: "The bench cannot tell whether the board is right.",
    Verdict.ABORTED.name: "The run was ended before it could be judged.",
}

PROBLEMS = {
    "unfinished": (
        "The record ends before the run does: the process was killed or lost its power. "
        "There is no verdict."
    ),
    "damaged": "The record is damaged: what is left must not be taken for the whole.",
    "not sealed": "The run was not closed: nothing shows that the record is what was written.",
}


def html(account: Account, drawn: Drawn) -> str:
    """Return the page; the same account gives the same text."""
    script = _file("uPlot.iife.min.js") + "\n" + _file("report.js")
    style = _file("uPlot.min.css") + "\n" + _file("report.css")
    events, more_events = events_of(account.others)
    about, data = _for_the_script(account, drawn, events)
    manifest = account.manifest
    return _ENVIRONMENT.get_template("report.html.j2").render(
        script=script,
        style=style,
        script_hash=policy_hash(script),
        style_hash=policy_hash(style),
        uplot_licence=_file("uPlot.LICENSE"),
        run=account.run,
        head=_head(account),
        expectations=_first([tables.expectation(e, account) for e in account.expectations]),
        deviations=_first([tables.deviation(d, account.zero) for d in account.deviations]),
        plots=_plots(account, drawn),
        resolution=resolution(drawn.picture, account.started),
        events=Some([tables.event(one, account.zero) for one in events], more_events),
        steps=_first(list(tables.steps(account))),
        metrics=list(tables.metrics(account)),
        devices=tables.devices(account),
        standing=list(tables.standing(account)),
        watched=tables.watched(account),
        unguarded=tables.unguarded(account),
        facts=list(tables.facts(account)),
        versions=dict(manifest.get("versions", {})),
        files=dict(manifest.get("files", {})),
        resolved=list(_resolved(manifest)),
        termination=tables.termination(account),
        requirements=requirements(manifest),
        repeat=str(manifest.get("repeat", "")),
        about=about,
        data=data,
    )


class Some(NamedTuple):
    """Rows of a table, and how many more there are."""

    rows: list[dict[str, Any]]
    more: int


def _first(rows: list[dict[str, Any]]) -> Some:
    return Some(rows[:MOST_ROWS], max(0, len(rows) - MOST_ROWS))


def _for_the_script(
    account: Account, drawn: Drawn, events: Sequence[Event]
) -> tuple[dict[str, Any], str]:
    """Return what the page's script reads: a description, and the points in base64."""
    about, data = drawn.body(account.zero)
    about["families"] = FAMILIES
    about["steps"] = tables.marked_steps(account)[:MOST_ROWS]
    about["events"] = [
        {
            "at": to_seconds(one.at - account.zero),
            "until": to_seconds(one.until - account.zero),
            "family": one.family,
            "text": printable(one.what) + (f" ({one.count} times)" if one.count > 1 else ""),
        }
        for one in events
    ]
    return about, data


def _plots(account: Account, drawn: Drawn) -> list[dict[str, str]]:
    return [
        {
            "key": plot.key,
            "title": plot.title,
            "about": plot.about,
            "missing": drawn.missing(plot),
            "alternative": drawn.alternative(plot, account.zero),
        }
        for plot in drawn.plots()
    ]


# --- parts of it ---------------------------------------------------------------------------------


def _head(account: Account) -> dict[str, Any]:
    """Return what must be seen first: the verdict or why there is none, and the reasons."""
    started, problem = account.started, account.problem
    nicer = {one.reason: tables.told(one) for one in account.expectations if one.reason}
    reasons = [nicer.get(reason, reason) for reason in account.judgement.reasons]
    ended = account.ended
    so_far = []
    if problem:
        word, sentence = problem.upper(), PROBLEMS[problem]
        so_far, reasons = reasons, [str(one) for one in account.findings]
        if account.unsafe():
            reasons.insert(0, f"not known to be in its safe state: {', '.join(account.unsafe())}")
        if ended is not None:
            so_far.insert(0, f"the run itself ended with {ended.verdict}: {ended.reason}")
    else:
        assert ended is not None  # noqa: S101 - else there were a problem
        word, sentence = ended.verdict, WORDS.get(ended.verdict, "")
        if ended.verdict != account.judgement.verdict.name:
            computed = account.judgement.verdict.name
            reasons.insert(
                0, f"recorded as {ended.verdict}; judged again from its record it is {computed}"
            )
    return {
        "word": word,
        "kind": "none" if problem else word.lower(),
        "sentence": sentence,
        "reasons": reasons[:MOST_ROWS],
        "so_far": so_far[:MOST_ROWS],
        "profile": started.profile if started else str(account.manifest.get("profile", "?")),
        "bench": started.bench if started else str(account.manifest.get("bench", "?")),
        "about": str(_profile(account.manifest).get("about", "")),
        "repaired": _repaired(account.manifest),
        "tallies": _tallies(account),
    }


def _tallies(account: Account) -> list[tuple[str, str]]:
    """Return the run in a few figures."""
    expected = account.expectations
    met = sum(one.verdict is None and tables.judged(one).passed is True for one in expected)
    ticks = account.counts["tick"]
    period = f" of {to_seconds(account.started.tick):g} s" if account.started else ""
    return [
        *_shadow(account.manifest),
        *_firmware(account.manifest),
        ("expectations met", f"{met} of {len(expected)}"),
        ("deviations", str(len(account.deviations))),
        ("bench time", lasting(account.span // SECOND * SECOND)),
        ("ticks", f"{ticks:,}{period}"),
        ("seed", str(account.started.seed if account.started else "?")),
        ("began (UTC)", str(account.manifest.get("started_utc", "?"))[:19].replace("T", " ")),
    ]


def _shadow(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say who decided the bleeds, where that was the board itself."""
    controller = _profile(manifest).get("controller")
    if not isinstance(controller, Mapping) or controller.get("mode") != "shadow":
        return []
    return [("bleeds decided by", f"the board; {controller.get('strategy')} beside it")]


def _firmware(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say whose firmware the verdict is about, where the board ran any; its details are below."""
    engine = manifest.get("engine")
    if not isinstance(engine, Mapping) or "sha256" not in engine:
        return []
    return [("firmware", f"{str(engine['sha256'])[:16]}, run by {engine.get('kind')}")]


def _repaired(manifest: Mapping[str, Any]) -> str:
    """Say that a record was repaired, empty if it was not."""
    repaired = manifest.get("repaired")
    if not isinstance(repaired, Mapping):
        return ""
    found = "; ".join(map(str, repaired.get("findings", [])[:3]))
    return f"This record was repaired on {repaired.get('utc', '?')}: {found or 'it had no end'}."


def _profile(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    profile = manifest.get("resolved", {}).get("profile", {})
    return profile if isinstance(profile, Mapping) else {}


def _resolved(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield profile and bench as the run used them."""
    for name, body in manifest.get("resolved", {}).items():
        text = json.dumps(body, indent=1, sort_keys=True)
        more = len(text) - MOST_TEXT
        cut = f"\n... {more} characters more stand in manifest.json" if more > 0 else ""
        yield str(name), text[:MOST_TEXT] + cut


# --- the file ------------------------------------------------------------------------------------

_PACKAGE = "hil.results.report"
_file = partial(text_of, _PACKAGE)
_ENVIRONMENT = environment(_PACKAGE)
