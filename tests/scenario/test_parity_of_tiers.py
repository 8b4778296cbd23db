"""Parity of tiers: what a bench recorded, once more through the batch engine of the studies.

Same inputs, same cells to 1e-9 V; same observations, same decisions. The recorded pack stands
between two others in the batch, which are asked for something else: so nothing may leak across.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenario import Play

from hil.balancing import LAYERS, STRATEGIES
from hil.balancing.layers import Layered
from hil.balancing.strategy import AnyStrategy, Floats, Observation, Truth
from hil.bench.driven import Driven, make_plant
from hil.bench.observation import Observer
from hil.bench.recorded import Recorded
from hil.bench.replay_physics import TOLERANCE_V
from hil.core.records import RunStarted, Tick
from hil.core.signals import Layout, Signal
from hil.physics.batch import Batch
from hil.results.reader import read

Profile = Callable[..., Path]

PLACE, OTHERS = 1, (0, 2)
"""Where the recorded pack stands in the batch."""

TOP_CHARGE = """\
  - charge: {{current: {amps} A, until: [any cell.voltage >= 3.45 V, after: 3 min]}}
  - hold: {{voltage: 3.45 V, cell_max: 3.50 V, max_current: {amps} A, until: [after: 3 min]}}
  - rest: 1 min
  - discharge: {{current: {amps} A, until: [after: 1 min]}}
"""
SPREAD = "spread: {capacity: 1 %, soc: 0.8 %, resistance: 4 %, leakage: 30 %}"
FIXED = "{strategy: fixed-threshold, every: 10 s, start: 10 mV, stop: 5 mV}"
TOP = "{strategy: top-balance, every: 10 s, start: 8 mV, stop: 4 mV}"
RUNS = {
    "circuit": ("lfp-100ah", 30.0, FIXED, "soc: 98.5 %"),
    "circuit in other air": (
        "lfp-280ah",
        60.0,
        TOP,
        "soc: 98.5 %, ambient: 38 degC, gradient: 6 K",
    ),
    "diffusion": ("bpx-2ah", 1.0, FIXED, "soc: 96 %"),
}


class InBatch:
    """The recorded pack as ``Driven`` knows a plant, in the middle of a batch."""

    def __init__(self, started: RunStarted, recorded: Recorded) -> None:
        plant = make_plant(recorded.cells, recorded.pack, recorded.cell, started.seed)
        seeds = (started.seed + 1, started.seed, started.seed + 2)
        self.batch = Batch(plant.pack, seeds)
        self._bleed_a = np.zeros((3, recorded.cells))

    @property
    def cell_degc(self) -> Floats:
        degc: Floats = self.batch.truth().cell_degc[PLACE]
        return degc

    @property
    def soc(self) -> Floats:
        soc: Floats = self.batch.truth().soc[PLACE]
        return soc

    def step(self, dt_s: float, current_a: float, bleed_a: Floats, ambient_degc: float) -> None:
        self._bleed_a[PLACE] = bleed_a
        self._bleed_a[OTHERS, :] = np.roll(bleed_a, 1)
        flow_a = np.array([-0.5 * current_a, current_a, 0.3])
        self.batch.impose(dt_s, flow_a, self._bleed_a, np.array([10.0, ambient_degc, 45.0]))

    def voltage_at(self, current_a: float) -> Floats:
        shown_v: Floats = self.batch.voltage_at(np.full(3, current_a), self._bleed_a)[PLACE]
        return shown_v


@dataclass(frozen=True)
class Run:
    """A recorded run: its start and its rows."""

    started: RunStarted
    ticks: tuple[Tick, ...]

    @property
    def layout(self) -> Layout:
        return Layout(Signal(*signal) for signal in self.started.signals)

    @property
    def strategy(self) -> AnyStrategy:
        told: dict[str, Any] = json.loads(self.started.resolved)[0]["controller"]
        cls, parameters = STRATEGIES[told["strategy"]], told["parameters"]
        if "layers" not in parameters:
            bare: AnyStrategy = built(cls, parameters)
            return bare
        layers = [built(LAYERS[layer["kind"]], layer) for layer in parameters["layers"]]
        return Layered(built(cls, parameters["base"]), tuple(layers))


def built(cls: type[Any], told: dict[str, Any]) -> Any:
    """Return a strategy or a layer of what the record says of it."""
    lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
    return cls(**{name: value for name, value in (told | lists).items() if name != "kind"})


def played(play: Play, path: Path) -> Run:
    """Play a profile, and read what was recorded."""
    records = [record for _, record in read(Path(play(path, seed=5).summary["folder"]))]
    [started] = [record for record in records if isinstance(record, RunStarted)]
    return Run(started, tuple(record for record in records if isinstance(record, Tick)))


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest, play: Play, profile: Profile) -> Run:
    """Play one of ``RUNS``."""
    cell, amps, controller, more = RUNS[request.param]
    pack = f"{{cell: {cell}, {SPREAD}, {more}}}"
    return played(play, profile(TOP_CHARGE.format(amps=amps), pack=pack, controller=controller))


def test_recorded_inputs_give_the_recorded_cells_in_the_batch_engine(run: Run) -> None:
    same_cells(run)
    assert len(run.ticks) > 200


def same_cells(run: Run) -> None:
    """Hold a pack in a batch that is given the recorded inputs against the recorded cells."""
    recorded, layout = Recorded.of(run.started), run.layout
    pack = InBatch(run.started, recorded)
    driven = Driven(pack, layout, recorded.channels, recorded.pack.constant_degc)  # type: ignore[arg-type]
    current = layout.index("pack.current_a")
    columns = [layout.columns(f"plant.{name}") for name in ("cell_v", "soc", "cell_degc")]
    largest = np.zeros(3)
    row: tuple[float, ...] = ()
    for tick in run.ticks:
        driven.advance(tick.at, row)
        row = tick.values
        replayed = (pack.voltage_at(row[current]), pack.soc, pack.cell_degc)
        off = [
            np.abs(np.array(row[columns[k]]) - values).max() for k, values in enumerate(replayed)
        ]
        largest = np.maximum(largest, off)
    print(f"\n  largest differences over {len(run.ticks)} ticks: {largest} (V, 1, K)", end="")  # noqa: T201 - the figure
    assert largest.max() < TOLERANCE_V
    seen_v = pack.batch.seen_v
    assert np.abs(seen_v[OTHERS, :] - seen_v[PLACE]).min(axis=1).max() > 1e-6


def test_recorded_observations_give_the_recorded_decisions_in_a_batch(run: Run) -> None:
    assert bled_by_same_decisions(run) > 0.0


EAGER = "every: 10 s, start: 10 mV, stop: 5 mV"
CONTROLLERS = {
    "compensated-physics": EAGER,
    "compensated-trade": EAGER,
    "diybms": "every: 10 s, bypass: 3.40 V",
    "fixed-threshold": EAGER,
    "foxbms-history": "every: 10 s, threshold: 10 mV, hysteresis: 5 mV, relax: 10 s",
    "libresolar": "every: 10 s, delay: 10 s",
    "state-aware": EAGER,
    "top-balance": EAGER,
}
"""What makes a strategy act within a few minutes; the others do as they are, each 10 s."""
NEVER_BLEEDS = {"none"}

IN_LAYERS = ", ".join(sorted(LAYERS))
ASKED = {
    name: f"{{strategy: {name}, {CONTROLLERS.get(name, 'every: 10 s')}}}" for name in STRATEGIES
}
ASKED |= {"all layers": f"{{strategy: fixed-threshold, {EAGER}, layers: [{IN_LAYERS}]}}"}

NEAR_THE_TOP = """\
  - rest: 40 s
  - charge: {current: 8 A, until: [any cell.voltage >= 3.55 V, after: 2 min]}
  - rest: 90 s
  - discharge: {current: 20 A, until: [after: 20 s]}
"""
UNEVEN = "{cell: lfp-100ah, spread: {capacity: 1 %, soc: 0.5 %, resistance: 4 %}, soc: 98.8 %}"


@pytest.mark.nightly
@pytest.mark.parametrize("name", ASKED)
def test_each_strategy_decides_on_the_bench_as_in_a_batch(
    name: str, play: Play, profile: Profile
) -> None:
    """Over the whole protocol path: frames, readings, boards and cells as they are on a bench."""
    run = played(play, profile(NEAR_THE_TOP, pack=UNEVEN, controller=ASKED[name]))
    assert (bled_by_same_decisions(run) > 0.0) is (name not in NEVER_BLEEDS)
    same_cells(run)


def bled_by_same_decisions(run: Run) -> float:
    """Hold decisions in a batch against the recorded ones; return the sum of their duties."""
    strategy, commanded = run.strategy, run.layout.columns("command.duty")
    state, decided, due, bled = strategy.initial(16), np.zeros((3, 16)), 0, 0.0
    decisions = 0
    for tick, seen in observed(run):
        if tick.at >= due:
            due = tick.at + strategy.every_ns
            state, decision = strategy.step(state, beside_others(seen))
            decided = decision.duty
            decisions += 1
        assert decided[PLACE].tolist() == list(tick.values[commanded])
        bled += float(decided[PLACE].sum())
    assert decisions > 20
    return bled


def observed(run: Run) -> Iterator[tuple[Tick, Observation]]:
    """Yield each tick with what the board had been given."""
    truth = np.array(run.started.constants["plant.capacity_ah"])
    observe = Observer(run.layout, truth if run.strategy.needs_truth else None)
    for tick in run.ticks:
        yield tick, observe(tick.at, tick.values, ())


def beside_others(seen: Observation) -> Observation:
    """Return an observation (3, ...) with the recorded one among cells in another order."""
    upside_down = seen._replace(
        cell_v=np.flip(seen.cell_v), ntc_degc=np.flip(seen.ntc_degc), valid=np.flip(seen.valid)
    )
    other = seen._replace(cell_v=seen.cell_v + np.linspace(0.0, 0.05, 16))
    packs = (upside_down, seen, other)
    fields = zip(*(pack[:-1] for pack in packs), strict=True)
    truth = None
    if seen.truth is not None:
        upside_down_truth = Truth(*(np.flip(part) for part in seen.truth))
        truth = Truth(*map(np.stack, zip(upside_down_truth, seen.truth, seen.truth, strict=True)))
    return Observation._make((*(np.stack(field) for field in fields), truth))
