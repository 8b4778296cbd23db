"""One arm against the best of others, variant by variant: who wins where, and by how much.

The best of others is the one whose pack is most usable at the median; of those that are as good
within what does not count (``AS_GOOD``) the one that leaves the least spread. So an arm that does
nothing where nothing has to be done is no better than one that also keeps its cells together.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from hil.profile.columns import LESS, Column
from hil.study.grids import median_of, of_draws, shown
from hil.study.intervals import interval_of_median
from hil.study.judge import ORACLE_MAY_LOSE as AS_GOOD
from hil.study.judge import Results

if TYPE_CHECKING:
    from hil.profile.columns import Contest
    from hil.study.experiment import Outcome

USABLE, SPREAD, BLED = "usable_capacity", "soc_spread", "bled_charge"
TOLD = (USABLE, SPREAD, BLED)


class Told(NamedTuple):
    """A contest as a table: a row a variant, whose first cell is its name."""

    arm: str
    about: str
    columns: list[str]
    rows: list[list[str]]


def contest_of(outcome: "Outcome") -> Told | None:
    """Return the table of an experiment's contest, if it has one."""
    contest = outcome.experiment.head.contest
    if contest is None:
        return None
    arm = contest.arm
    about = (
        f"Of {', '.join(contest.against)} the one with the most usable capacity in the median; of "
        f"those within {100 * AS_GOOD:g} points of it, the one with the least spread. Medians; "
        f"what {arm} has more (+) or less (-) is the median of the differences pack by pack, in "
        "brackets with its 95 % interval."
    )
    columns = ["variant", "the best of the others"]
    for what in ("usable %", "spread %"):
        columns += [f"{what}: it", arm, "oracle", f"{arm} less it"]
    columns += ["bled Ah: it", arm, "oracle"]
    variants = dict.fromkeys(one.variant for one in outcome.experiment.arms)
    rows = [list(_row(outcome, contest, variant)) for variant in variants]
    return Told(arm, about, columns, rows)


def contest_lines(outcome: "Outcome") -> Iterator[str]:
    """Yield the table of an experiment's contest in Markdown; nothing if it has none."""
    told = contest_of(outcome)
    if told is None:
        return
    yield f"## {told.arm} against the best of the others\n"
    yield f"{told.about}\n"
    yield f"| {' | '.join(told.columns)} |\n|{'---|' * len(told.columns)}"
    for row in told.rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _row(outcome: "Outcome", contest: "Contest", variant: str) -> Iterator[str]:
    """Yield the cells of a variant's row; a variant without one of the arms says so in its place.

    Differences are of pairs, so their median is not the difference of the two medians beside it.
    """
    label = {name: f"{variant}/{name}" if variant else name for name in _names(contest)}
    best = best_of(outcome.results, [label[name] for name in contest.against])
    if best is None or label[contest.arm] not in outcome.results:
        yield from (variant or "as written", "not all of these arms are in it", *[""] * 11)
        return
    best_name = best.rpartition("/")[2]
    yield from (variant or "as written", best_name)
    for metric in TOLD:
        for own in (best, label[contest.arm], label["oracle"]):
            values, _ = shown(of_draws(outcome, own, Column(metric)), Column(metric))
            yield f"{median_of(values):.4g}"
        if metric != BLED:
            column = Column(metric, LESS, best_name)
            less, _ = shown(of_draws(outcome, label[contest.arm], column), column)
            low, high = interval_of_median(less)
            yield f"{median_of(less):+.3g} ({low:+.3g} to {high:+.3g})"


def best_of(results: Results, labels: Sequence[str]) -> str | None:
    """Return which of these arms is the best, as this file's head says; None of no arms at all."""
    there = [label for label in labels if label in results]
    usable = {label: median_of(results[label][USABLE]) for label in there}
    # less than what the oracle may be missed by is no difference between strategies either
    near = [label for label in there if usable[label] >= max(usable.values()) - AS_GOOD]
    return min(near, key=lambda label: median_of(results[label][SPREAD]), default=None)


def _names(contest: "Contest") -> tuple[str, ...]:
    return (*contest.against, contest.arm, "oracle")
