"""What a draw becomes: every assumed value reaches its pack or board, every row its time of day."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hil.study.arms as arms_module
from hil.balancing.none import NoBalancing
from hil.core.errors import ConfigErrors
from hil.core.instants import HOUR, MINUTE, SECOND
from hil.physics.batch import Batch
from hil.physics.boards import Boards
from hil.physics.parameters import PackParameters
from hil.profile.designs import load_board
from hil.profile.experiment import Conditions, Household, Phase
from hil.profile.load import load_cell
from hil.profile.load_experiment import load_experiment
from hil.profile.series import Series
from hil.profile.weather import Weather
from hil.study.arms import pack_of, run_arm, schedule_of
from hil.study.draws import draws_of
from hil.study.packs import run
from hil.study.schedule import Schedule

HOUR_ON = (Phase(HOUR, charge_a=10.0), Phase(HOUR))
CELL = load_cell("lfp-100ah")
FILE = """\
experiment: T1
title: a test
claim: something is so
duration: 4 min
draws: 2
seeds: [1]
conditions:
  schedule: [{{discharge: 10 A, for: 2 min}}, {{for: 2 min}}]
assumed: {{{assumed}}}
arms:
  none: {{strategy: none}}
  oracle: {{strategy: oracle}}
checks:
  - {{name: is so, role: claim, metric: usable_capacity, arm: none, above: 0 %}}
"""


def loaded(folder: Path, assumed: str, settings: Sequence[str] = ()) -> Any:
    path = folder / "test.yaml"
    path.write_text(FILE.format(assumed=assumed), encoding="utf-8")
    return load_experiment(path, settings)


@pytest.mark.parametrize(
    ("assumed", "field"),
    [
        ("soc: 40 % to 60 %", "soc_ratio"),
        ("gradient: 0 K to 9 K", "gradient_k"),
        ("ambient: 5 degC to 45 degC", "initial_temperature_degc"),
        ("leakage: 0.1 mA to 1 mA", "cell.leakage_a"),
        ("leakage_activation: 35 kJ/mol to 60 kJ/mol", "cell.leakage_ea_j_per_mol"),
        ("cell_cell: 0.5 W/K to 4 W/K", "cell_cell_w_per_k"),
        ("cell_air: 0.5 W/K to 4 W/K", "cell_air_w_per_k"),
        ("enclosure_ambient: 3 W/K to 8 W/K", "enclosure_ambient_w_per_k"),
        ("enclosure: 3 kJ/K to 8 kJ/K", "enclosure_j_per_k"),
        ("bleed_heat: 12 % to 37 %", "bleed_heat_ratio"),
        ("link: 0.1 mohm to 0.3 mohm", "link_ohm"),
        ("seam: 0.5 mohm to 2 mohm", "seam_ohm"),
        ("end_heat: 10 % to 60 %", "end_heat_ratio"),
        ("spread.capacity: 0.3 % to 2 %", "spread.capacity_ratio"),
        ("spread.soc: 0.3 % to 2 %", "spread.soc_ratio"),
        ("lead: 20 mohm to 500 mohm", "boards.lead_ohm"),
        ("board_heat: 50 % to 150 %", "boards.board_rth_ratio"),
        ("filter_tau: 1 ms to 30 ms", "boards.filter_tau_s"),
    ],
)
def test_what_is_drawn_reaches_its_pack_or_its_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assumed: str, field: str
) -> None:
    made: dict[str, Any] = {}

    def batch(packs: Sequence[PackParameters], *rest: Any, **named: Any) -> Batch:
        made["packs"] = packs
        return Batch(packs, *rest, **named)

    def boards(*rest: Any, **named: Any) -> Boards:
        made["boards"] = named
        return Boards(*rest, **named)

    monkeypatch.setattr(arms_module, "Batch", batch)
    monkeypatch.setattr(arms_module, "Boards", boards)
    experiment = loaded(tmp_path, assumed)
    draws = draws_of(experiment.assumed, 2, [1])
    run_arm(experiment.arms[0], experiment.assumed, draws, experiment.head.duration_ns)
    owner, _, name = field.rpartition(".")
    if owner == "boards":
        found = np.ravel(made["boards"][name]).tolist()
    else:
        parts = [getattr(pack, owner) if owner else pack for pack in made["packs"]]
        found = [getattr(part, name) for part in parts]
    assert found == [draw.values[0] for draw in draws]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    "assumed",
    [
        "sampling_error: 2 mV to 10 mV",
        "termination.hold: 3.40 V to 3.48 V",
        "bleed_tolerance: 1 % to 5 %",
        "drift: 10 ppm/K to 100 ppm/K",
        "zone_between: 0.01 W/K to 1 W/K",
    ],
)
def test_what_all_packs_of_an_arm_share_is_not_drawn(tmp_path: Path, assumed: str) -> None:
    with pytest.raises(ConfigErrors, match="is one for all packs of an arm"):
        loaded(tmp_path, assumed)


def test_resistors_have_drifted_by_what_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Boards] = []

    def boards(*rest: Any, **named: Any) -> Boards:
        made.append(Boards(*rest, **named))
        return made[0]

    monkeypatch.setattr(arms_module, "Boards", boards)
    experiment = loaded(tmp_path, "bleed_drift: -5 % to 5 %")
    draws = draws_of(experiment.assumed, 2, [1])
    run_arm(experiment.arms[0], experiment.assumed, draws, experiment.head.duration_ns)
    for of_board, draw in zip(made[0].drift_ratio, draws, strict=True):
        assert of_board == pytest.approx(draw.values[0], abs=1e-9)


def test_a_drift_of_its_resistors_is_what_a_board_bleeds_less_and_no_strategy_knows(
    tmp_path: Path,
) -> None:
    bled_ah = []
    for drift in ("0 %", "5 %"):
        settings = [
            *("arms.oracle.board=standard-200mA", f"bleed_drift={drift}", "duration=1 h"),
            *("conditions.schedule=[{for: 1 h}]", "single_cells={8: {soc: 40 %}}"),
        ]
        [_, arm] = loaded(tmp_path, "soc: 50 % to 51 %", settings).arms
        assert arm.strategy.bleed_ohm == arm.design.bleed_path_ohm
        bled_ah.append(run_arm(arm, (), draws_of((), 2, [1]), HOUR)["bled_charge"])
    assert bled_ah[0] == pytest.approx(1.05 * bled_ah[1], rel=1e-3)


def test_an_arm_has_its_own_cells_its_own_end_of_charge_and_packs_of_its_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Any] = {}

    def batch(packs: Sequence[PackParameters], seeds: Sequence[int], **named: Any) -> Batch:
        made.update(named, seeds=list(seeds))
        return Batch(packs, seeds, **named)

    monkeypatch.setattr(arms_module, "Batch", batch)
    own = {"single_cells.5.capacity": "91 %", "termination.hold": "3.41 V"}
    settings = [f"{key}={value}" for key, value in own.items()]
    experiment = loaded(tmp_path, "soc: 40 % to 60 %", settings)
    draws = draws_of(experiment.assumed, 2, [7])
    run_arm(experiment.arms[0], experiment.assumed, draws, experiment.head.duration_ns)
    assert made["overrides"] == [{5: {"capacity_ratio": pytest.approx(0.91)}}] * len(draws)
    assert made["termination"].hold_v == pytest.approx(3.41)
    assert made["seeds"] == [draw.pack_seed for draw in draws]


# --- rows -----------------------------------------------------------------------------------------


def household(step_s: float, values: Sequence[float]) -> Conditions:
    times = tuple(round(k * step_s * SECOND) for k in range(len(values)))
    series = Series("house.csv", "net_w", "power", times, tuple(values), "")
    return Conditions(household=Household(series, scale=2.0))


def test_a_coarser_series_is_held_and_begins_again_at_its_end() -> None:
    found = schedule_of([household(120.0, [1.0, 3.0])], 6 * MINUTE)
    assert found.demand.tolist() == [2.0, 2.0, 6.0, 6.0, 2.0, 2.0]
    assert found.kind == "power"


def test_a_finer_series_keeps_its_charge() -> None:
    found = schedule_of([household(20.0, [0.0, 0.0, 9.0, 3.0, 3.0, 3.0])], 4 * MINUTE)
    assert found.demand.tolist() == [6.0, 6.0, 6.0, 6.0]


@pytest.mark.parametrize(("step_s", "rows"), [(90.0, 2), (25.0, 12), (20.0, 4)])
def test_a_series_that_does_not_make_up_minutes_is_refused(step_s: float, rows: int) -> None:
    with pytest.raises(ValueError, match=r"house.csv: \d+ rows of \d+ s, expected rows that are"):
        schedule_of([household(step_s, [1.0] * rows)], 4 * MINUTE)


def test_weather_begins_at_its_first_hour_and_again_after_a_year() -> None:
    hourly = (10.0, 20.0, 40.0)
    weather = Weather("made", "shade", 0, 17, hourly[0], "", hourly)
    world = Conditions(ambient_degc=weather, schedule=HOUR_ON)
    by_row = np.asarray(schedule_of([world], 7 * HOUR).ambient_degc)
    expected = [weather.at(k * MINUTE) for k in range(7 * 60)]
    np.testing.assert_allclose(by_row, expected, rtol=0.0, atol=1e-9)
    assert by_row[0] == 10.0


def test_the_end_comes_once_and_last_whoever_charges_fully() -> None:
    full = (Phase(2 * HOUR, charge_a=3.0),)
    world = Conditions(schedule=HOUR_ON, full=full, at_end=(Phase(HOUR, discharge_a=5.0),))
    found = schedule_of([world], 5 * HOUR)
    assert found.lap_s == 7200.0
    assert found.demand[::60].tolist() == [-10.0, 0.0, -10.0, 0.0, 5.0]
    assert found.full is not None
    assert found.full[::60].tolist() == [-3.0, -3.0, -3.0, -3.0, 5.0]


def test_a_lap_that_would_begin_inside_of_a_leg_is_refused() -> None:
    """Every second of its days would else be what was asked for the one before."""
    rows = np.zeros(3)
    pack = pack_of(Conditions(schedule=HOUR_ON), CELL)
    batch = Batch([pack], [1])
    boards = Boards(load_board("standard-50mA"), batch)
    schedule = Schedule(60.0, rows, full=rows, lap_s=180.0)
    with pytest.raises(
        ValueError, match="a day of 'full' of 180 s: expected a whole number of 120"
    ):
        run(batch, boards, NoBalancing(), schedule, 720.0, look=lambda *_: 0, look_every_s=720.0)


def test_an_arm_has_the_leakage_of_its_cell_unless_its_conditions_say_another() -> None:
    world = Conditions(schedule=HOUR_ON)
    assert pack_of(world, CELL).cell == CELL
    assert pack_of(replace(world, leakage_a=0.0), CELL).cell.leakage_a == 0.0
