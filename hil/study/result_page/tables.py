"""Tables of a study's page: medians of all arms, and how they differ from doing nothing, and all.

Differences are those of pairs: the same pack in both arms, one by one.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hil.profile.columns import LESS, Column
from hil.profile.load_experiment import ALWAYS
from hil.study.grids import median_of, of_draws, shown
from hil.study.intervals import interval_of_median
from hil.study.page import in_words

if TYPE_CHECKING:
    from hil.study.experiment import Outcome

SIDES = ALWAYS
"""What every arm is compared with: without balancing, and with all of the truth."""


class Cell(NamedTuple):
    """A figure: what it is sorted by (empty: not known), and how it is told."""

    key: str
    text: str


class Table(NamedTuple):
    """Rows of (arm, figures); ``of`` is what they are about."""

    of: str
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]


def medians_of(plain: Mapping[str, Any], metrics: Sequence[str]) -> Table:
    """Return all arms with the medians and ranges of some metrics."""
    rows = [
        (
            label,
            [Cell(_key(values[metric]["median"]), in_words(values[metric])) for metric in metrics],
        )
        for label, values in plain["arms"].items()
    ]
    return Table("", list(metrics), rows)


def differences_of(outcome: "Outcome", side: str, metrics: Sequence[str]) -> Table:
    """Return what each arm has more or less than ``side`` of the same variant, by medians."""
    columns = [Column(metric, LESS, side) for metric in metrics]
    rows = [
        (arm.label, [_difference(outcome, arm.label, column) for column in columns])
        for arm in outcome.experiment.arms
        if arm.name != side
    ]
    return Table(side, list(metrics), rows)


def _difference(outcome: "Outcome", label: str, column: Column) -> Cell:
    # pair by pair first, the median then: packs differ by more than strategies do
    less, unit = shown(of_draws(outcome, label, column), column)
    median = median_of(less)
    low, high = interval_of_median(less)
    if median != median:  # noqa: PLR0124 - NaN: no draw has a value in both
        return Cell("", "n/a")
    return Cell(_key(median), f"{median:+.3g} {unit} ({low:+.3g} to {high:+.3g})")


# Eight digits: enough to sort by, and a tenth of a large page less than all of them.
def _key(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"
