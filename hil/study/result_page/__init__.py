"""The result of a study as one HTML file that needs nothing else, not even a network.

Every figure on it is one that ``hil study --json`` prints, or an interval of one
(``hil.study.intervals``). The same outcome gives the same bytes.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil import __version__
from hil.core.errors import EnvironmentProblem
from hil.core.instants import DAY
from hil.results.disk import replace_text
from hil.results.self_contained import environment, policy_hash, text_of
from hil.study.contest import contest_of
from hil.study.grids import columns_of
from hil.study.identity import code_version
from hil.study.intervals import interval_of_share
from hil.study.page import flip_in_words
from hil.study.plots import SHOWN
from hil.study.result_page.strips import plots_of
from hil.study.result_page.tables import SIDES, differences_of, medians_of

if TYPE_CHECKING:
    from hil.study.experiment import Outcome

__all__ = ["html", "write_html"]

_PACKAGE = "hil.study.result_page"
_file = partial(text_of, _PACKAGE)
_CODE_DIGITS = 12

KINDS = {"supported": "pass", "partly": "inconclusive", "not supported": "none"}
"""How a verdict is coloured: a claim that is contradicted is a finding, no failure."""
UNBELIEVED = (
    "This study cannot be believed: an effect shows without its cause, or something beats the "
    "oracle. See its controls and the oracle among the checks."
)


def write_html(outcome: "Outcome", plain: Mapping[str, Any], path: Path) -> Path:
    """Write the page and return where it stands. Raises EnvironmentProblem if it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, html(outcome, plain))
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


def html(outcome: "Outcome", plain: Mapping[str, Any]) -> str:
    """Return the page of an outcome, whose JSON form is ``plain``."""
    # the look of a run's report, so that who reads one can read the other
    style = text_of("hil.results.report", "report.css") + "\n" + _file("result.css")
    script = _file("result.js")
    metrics = metrics_of(outcome)
    plots = plots_of(outcome, metrics)
    return (
        environment(_PACKAGE)
        .get_template("result.html.j2")
        .render(
            style=style,
            script=script,
            style_hash=policy_hash(style),
            script_hash=policy_hash(script),
            plain=plain,
            kind=KINDS[plain["supported"]] if plain["valid"] else "fail",
            unbelieved="" if plain["valid"] else UNBELIEVED,
            regimes=list(_regimes(plain)),
            tallies=list(_tallies(outcome, plain)),
            checks=[one for one in plain["checks"] if not _is_quiet(one)],
            quiet=[one for one in plain["checks"] if _is_quiet(one)],
            flips=[
                (one["name"], *flip_in_words(outcome, flip))
                for one in plain["checks"]
                for flip in one["flips"]
            ],
            contest=contest_of(outcome),
            plots=plots,
            not_drawn=metrics[len(plots) :],
            medians=medians_of(plain, metrics),
            differences=[differences_of(outcome, side, metrics[:SHOWN_LESS]) for side in SIDES],
            assumed=[(one.key, one.text) for one in outcome.experiment.assumed],
            repeat=_repeat(outcome),
        )
    )


SHOWN_LESS = 5
"""Of how many metrics differences are told: those of the claim, and what every page has. There are
two such tables, and each has a row for every arm."""


def metrics_of(outcome: "Outcome") -> list[str]:
    """Return what the page shows, first of all what the claim is about, then what every page has.

    Behind them come other checks, and what the experiment wants in grids.
    """
    experiment = outcome.experiment
    claims = [one.metric for one in experiment.checks if one.role == "claim"]
    checks = [one.metric for one in experiment.checks]
    grids = [one.metric for one in columns_of(experiment)]
    return list(dict.fromkeys([*claims, *SHOWN, *checks, *grids]))


def _regimes(plain: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each regime's verdict, the share of draws that show the effect, and its interval."""
    for name, regime in plain["regimes"].items():
        # the verdict keeps the share; of so many draws it is a whole number
        shown = round(regime["share"] * plain["draws"])
        low, high = interval_of_share(shown, plain["draws"])
        yield {
            "name": name,
            "supported": regime["supported"],
            "kind": KINDS[regime["supported"]],
            "shown": shown,
            "share": f"{regime['share']:.0%}",
            "interval": f"{100 * low:.1f} to {100 * high:.1f} %",
        }


def _is_quiet(check: Mapping[str, Any]) -> bool:
    """Return whether nobody looks for a check: of the oracle's, two a variant, those that hold."""
    return check["role"] == "oracle" and bool(check["passed"])


def _tallies(outcome: "Outcome", plain: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield how it came about, in a few figures."""
    work = outcome.work
    yield "draws an arm", str(plain["draws"])
    yield "seeds", ", ".join(map(str, plain["seeds"]))
    yield "days each", f"{outcome.experiment.head.duration_ns / DAY:g}"
    yield "arms", str(len(outcome.experiment.arms))
    known = f", {work.known:,} of them known from before" if work.known else ""
    yield "packs", f"{work.packs:,}{known}"
    yield "workers", str(work.workers)
    yield "time", f"{plain['wall_s']:g} s ({work.worker_s:.0f} s of work)"
    yield "hil", f"{__version__}, code {code_version()[:_CODE_DIGITS]}"


def _repeat(outcome: "Outcome") -> str:
    changed = "".join(f' --set "{one}"' for one in outcome.experiment.overrides)
    seeds = ",".join(map(str, outcome.seeds))
    return f"hil study {outcome.experiment.file.stem}{changed} --seeds {seeds} --html result.html"
