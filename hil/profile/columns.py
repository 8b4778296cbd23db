"""What an experiment's page shows in grids, one arm a row and one variant a column.

::

    grids: [usable_capacity, usable_capacity less oracle, bled_charge times oracle]
    contest: {arm: self-proving, against: [fixed-threshold, top-balance]}

A column is a metric, what it is more or less than that of another arm for the same pack, or how
many times that. A contest is told in a table: in each variant one arm against the best of others.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hil.core.errors import ConfigErrors
from hil.profile.conditions import nearest
from hil.profile.tree import Text
from hil.verdict.registry import METRICS

LESS, TIMES = "less", "times"


class Column(NamedTuple):
    """A metric, or how it lies to that of the arm ``against``; ``text`` is as it was written."""

    metric: str
    how: str = ""
    against: str = ""

    @property
    def text(self) -> str:
        """Return ``bled_charge times oracle``."""
        return " ".join(part for part in self if part)


@dataclass(frozen=True)
class Contest:
    """One arm, and those of which the best is held against it in each variant."""

    arm: str
    against: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse one against nobody, or against itself. Raises ValueError."""
        if not self.against or self.arm in self.against:
            raise ValueError("against: expected other arms than 'arm', at least one")


def columns_of(nodes: Iterable[Any], arms: Sequence[str]) -> Iterator[Column]:
    """Yield the columns that a file asks for. Raises ConfigErrors for what there is not."""
    for text in nodes:
        metric, *rest = text.split()
        if metric not in METRICS:
            _refuse(text, f"no metric '{metric}'{nearest(metric, METRICS)}")
        if not rest:
            yield Column(metric)
            continue
        if len(rest) != 2 or rest[0] not in (LESS, TIMES):  # noqa: PLR2004 - a word and an arm
            _refuse(text, f"found '{text}', expected 'METRIC less ARM' or 'METRIC times ARM'")
        if rest[1] not in arms:
            _refuse(text, f"no arm '{rest[1]}'{nearest(rest[1], arms)}")
        yield Column(metric, *rest)


def check_contest(node: Any, contest: Contest, arms: Sequence[str]) -> None:
    """Refuse a contest of arms that are not there. Raises ConfigErrors."""
    for name in (contest.arm, *contest.against):
        if name not in arms:
            raise ConfigErrors(
                [node.mark.error("contest", f"no arm '{name}'{nearest(name, arms)}")]
            )


def _refuse(text: Text, message: str) -> None:
    raise ConfigErrors([text.mark.error("grids", message)])
