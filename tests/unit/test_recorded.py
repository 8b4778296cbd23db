"""The first record gives back the profile and bench it was written from, without their files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hil.bench.assembly import make_layout
from hil.bench.driven import make_plant
from hil.bench.recorded import Recorded, run_started
from hil.core.instants import SECOND
from hil.core.records import RunStarted
from hil.core.spec import Accuracy
from hil.profile import Bench, Profile, load_bench, load_profile
from hil.profile.model import Expect, ExpectFault, all_steps
from hil.verdict.registry import Uncertainties

RUNS = Path(__file__).parents[2] / "profiles" / "runs"
NAMES = sorted(path.stem for path in RUNS.glob("*.yaml"))
CELLS = (
    "pack.cells.3.capacity=97.3 %",
    "pack.cells.16.leakage=0 %",
    "pack.ambient=31.7 degC",
    "pack.gradient=3 K",
    "pack.age=2 years",
    "pack.life.temperature=35 degC",
    "pack.spread.ageing=12 %",
)


def written(profile: Profile, bench: Bench, accuracies: Uncertainties | None = None) -> RunStarted:
    plant = make_plant(profile.needs.cells, profile.pack, profile.cell_parameters, 3)
    layout = make_layout(bench)
    u = accuracies or Uncertainties()
    return run_started(profile, bench, 3, SECOND, layout, plant, u)


def both(name: str, *overrides: str) -> tuple[Profile, Bench]:
    profile = load_profile(name, overrides)
    return profile, load_bench(profile.bench)


@pytest.mark.parametrize("overrides", [(), CELLS], ids=["as it is", "cells by hand"])
@pytest.mark.parametrize("name", NAMES)
def test_what_a_replay_needs_comes_back_as_it_was(name: str, overrides: tuple[str, ...]) -> None:
    profile, bench = both(name, *overrides)
    recorded = Recorded.of(written(profile, bench))
    assert recorded.pack == profile.pack
    assert recorded.cell == profile.cell_parameters
    assert recorded.criteria == profile.verdict
    assert recorded.steps == len(profile.steps)
    assert recorded.channels == bench.wiring.cells
    judging = [step for step in all_steps(profile.steps) if isinstance(step, Expect | ExpectFault)]
    assert recorded.expects == {step.path: replace(step, line=0) for step in judging}


def test_the_pack_that_comes_back_is_the_same_to_the_bit() -> None:
    profile, bench = both("hot-summer-day", *CELLS)
    drawn = make_plant(profile.needs.cells, profile.pack, profile.cell_parameters, 7)
    recorded = Recorded.of(written(profile, bench))
    again = make_plant(recorded.cells, recorded.pack, recorded.cell, 7)
    for plant in (drawn, again):
        plant.step(900.0, -20.0, [0.05] * plant.cells, 40.0)
    assert drawn.voltage_at(10.0).tolist() == again.voltage_at(10.0).tolist()
    assert drawn.cell_degc.tolist() == again.cell_degc.tolist()


def test_the_accuracies_come_back_as_they_were() -> None:
    accuracies = Uncertainties(
        set_v=Accuracy(0.0005, 1e-4), read_a=Accuracy(2e-4, 5e-4), chamber_k=Accuracy(0.3)
    )
    constants = written(*both("open-sense-lead"), accuracies).constants
    assert Uncertainties.of(constants) == accuracies
    assert Uncertainties.of({}) == Uncertainties()


@pytest.mark.parametrize(
    "resolved",
    ["", "{", "[]", "[1,2]", "[{},{}]", "null", "[" * 100_000, '[{"needs":{"cells":16}},{}]'],
)
def test_a_text_that_is_no_profile_is_refused_in_one_line(resolved: str) -> None:
    started = replace(written(*both("open-sense-lead")), resolved=resolved)
    with pytest.raises(ValueError, match=r"^profile and bench cannot be read from the record: .+$"):
        Recorded.of(started)


def test_a_pack_that_does_not_fit_its_bench_is_refused() -> None:
    started = written(*both("open-sense-lead"))
    profile, bench = json.loads(started.resolved)
    profile["needs"]["cells"] = 10**9
    with pytest.raises(ValueError, match="1000000000 cells on 16 channels"):
        Recorded.of(replace(started, resolved=json.dumps([profile, bench])))
