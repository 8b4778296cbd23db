"""What the pack's current becomes under every limit at once."""

import math
from typing import Any

import pytest

from hil.bench.demand import REST, Demand, current_for
from hil.ports import BoardReport

REPORT = BoardReport(
    cells_at=0,
    heard_at=0,
    cell_v=[3.3],
    ntc_degc=[25.0],
    pcb_degc=25.0,
    current_a=0.0,
    duty=[0.0],
    charge_limit_a=40.0,
    discharge_limit_a=60.0,
    charge_allowed=True,
    discharge_allowed=True,
    faults=frozenset(),
    rejected_frames=0,
    cell_sets=1,
)


class FakePlant:
    """A plant of 50 V that remembers what it was asked."""

    def current_for_power(self, power_w: float) -> float:
        return power_w / 50.0

    def current_within(self, current_a: float, cell_min_v: float, cell_max_v: float) -> float:
        assert cell_min_v < cell_max_v
        return current_a / 2.0

    def current_for_cell_voltage(self, mean_v: float, cell_max_v: float, charge_a: float) -> float:
        assert mean_v <= cell_max_v
        return -min(charge_a, 30.0)


def ask(demand: Demand, report: BoardReport | None = REPORT, **changes: Any) -> float:
    if report is not None:
        report = report._replace(**changes)
    return current_for(demand, FakePlant(), report)  # type: ignore[arg-type]  # a plant's three methods


@pytest.mark.parametrize(
    ("demand", "current_a"),
    [
        (REST, 0.0),
        (Demand(value=20.0), 20.0),
        (Demand(value=80.0), 60.0),
        (Demand(value=-80.0), -40.0),
        (Demand(value=-80.0, max_a=10.0), -10.0),
        (Demand(value=-80.0, obey_board=False), -80.0),
        (Demand("power", 1500.0), 30.0),
        (Demand("power", -5000.0), -40.0),
        (Demand("hold", 3.45, cell_max_v=3.5), -30.0),
        (Demand("hold", 3.45, cell_max_v=3.5, max_a=5.0), -5.0),
        (Demand(value=20.0, cell_min_v=2.9, cell_max_v=3.5), 10.0),
    ],
)
def test_every_limit_holds(demand: Demand, current_a: float) -> None:
    assert ask(demand) == current_a


def test_a_board_that_forbids_a_direction_gets_no_current_in_it() -> None:
    assert ask(Demand(value=20.0), discharge_allowed=False) == 0.0
    assert ask(Demand(value=-20.0), discharge_allowed=False) == -20.0
    assert ask(Demand(value=-20.0), charge_allowed=False) == 0.0
    assert ask(Demand("hold", 3.45, cell_max_v=3.5), charge_allowed=False) == 0.0


def test_a_board_that_has_not_spoken_allows_nothing() -> None:
    assert ask(Demand(value=20.0), None) == 0.0
    assert ask(Demand(value=20.0), discharge_limit_a=math.nan) == 0.0
    assert ask(Demand(value=20.0, obey_board=False), None) == 20.0
