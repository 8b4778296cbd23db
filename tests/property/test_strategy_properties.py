"""What holds for every registered strategy, bare and inside of every layer, whatever cells do."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hil.balancing import LAYERS, STRATEGIES
from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.foxbms_history import FoxBmsHistory
from hil.balancing.layers import Layered
from hil.balancing.libresolar import LibreSolar
from hil.balancing.none import NoBalancing
from hil.balancing.strategy import AnyStrategy, Floats, Observation, Truth
from hil.balancing.top_balance import TopBalance

DEFAULTS: dict[str, AnyStrategy] = {name: cls() for name, cls in STRATEGIES.items()}
VARIANTS: list[AnyStrategy] = [
    FixedThreshold(compare="adjacent"),
    FixedThreshold(gate_v=3.35, gate_a=5.0),
    TopBalance(board_error_v=0.010, tail_s=0.0),
    # as they are, they wait half an hour, and for differences that no healthy pack shows
    LibreSolar(delay_s=120.0),
    FoxBmsHistory(threshold_v=0.01, hysteresis_v=0.005, relax_s=120.0, bleed_ohm=2.0),
]
LAYERED: list[AnyStrategy] = [
    *(Layered(FixedThreshold(), (layer(),)) for layer in LAYERS.values()),
    Layered(FixedThreshold(), tuple(layer() for layer in LAYERS.values())),
    *(Layered(base, (LAYERS["neighbour-exclusion"](),)) for base in DEFAULTS.values()),
]
EVERY: list[AnyStrategy] = [*DEFAULTS.values(), *VARIANTS, *LAYERED]
CELLS = 16

millivolts = st.integers(2000, 3700)
cell_v = arrays(np.float64, CELLS, elements=millivolts.map(lambda mv: mv / 1000))
top_v = arrays(np.float64, CELLS, elements=st.integers(3380, 3480).map(lambda mv: mv / 1000))
currents = st.one_of(st.floats(-100.0, 100.0), st.sampled_from([0.0, -3.0, 3.0, np.nan]))
calm = st.sampled_from([0.0, -3.0])
"""At rest, and at the end of charge: where some strategies decide and others do not."""


def observe(volts: Floats, current_a: float = 0.0, time_s: float = 0.0) -> Observation:
    """Return what a warm board was given; the truth is one that fits such voltages at the top."""
    known_v = np.where(np.isfinite(volts), volts, 3.4)
    return Observation(
        time_s=np.array(time_s),
        cell_v=volts,
        current_a=np.array(current_a),
        ntc_degc=np.array([21.0, 24.0, 26.0, 27.0]),
        pcb_degc=np.array(31.0),
        age_s=np.array(0.0),
        valid=np.isfinite(volts),
        truth=Truth(np.clip(0.98 + (known_v - 3.38) / 5.0, 0.0, 1.0), np.full(CELLS, 100.0)),
    )


def in_time(rows: list[Floats], current_a: float) -> list[Observation]:
    """Return one observation every two minutes."""
    return [observe(volts, current_a, 120.0 * k) for k, volts in enumerate(rows)]


def duties(strategy: AnyStrategy, observations: list[Observation]) -> list[Floats]:
    """Return the duty of each decision in a row."""
    state: Any = strategy.initial(CELLS)
    decided = []
    for observation in observations:
        state, decision = strategy.step(state, observation)
        decided.append(decision.duty)
    return decided


def stack(observations: list[Observation]) -> Observation:
    """Return one observation of many packs."""
    columns: dict[str, Any] = {
        name: np.stack([getattr(one, name) for one in observations])
        for name in Observation._fields[:-1]  # all but the truth
    }
    truths = [one.truth for one in observations if one.truth is not None]
    return Observation(**columns, truth=Truth(*map(np.stack, zip(*truths, strict=True))))


def kind_of(strategy: AnyStrategy) -> str:
    """Return the name of a strategy, or those of its layers."""
    if isinstance(strategy, Layered):
        return f"{kind_of(strategy.base)} in {'+'.join(one.kind for one in strategy.layers)}"
    return type(strategy).__name__


every_strategy = pytest.mark.parametrize("strategy", EVERY, ids=kind_of)
few = settings(max_examples=settings().max_examples // 5)
"""Each of these tests runs for some thirty strategies."""

# --- duties and evidence -----------------------------------------------------------------------


@every_strategy
@few
@given(rows=st.lists(cell_v, min_size=1, max_size=8), current_a=currents)
def test_a_duty_lies_between_0_and_1(
    strategy: AnyStrategy, rows: list[Floats], current_a: float
) -> None:
    for duty in duties(strategy, in_time(rows, current_a)):
        assert duty.shape == (CELLS,)
        assert np.all((duty >= 0.0) & (duty <= 1.0))


COMPARING = [
    FixedThreshold(),
    *VARIANTS[:2],
    LibreSolar(delay_s=120.0),
    DEFAULTS["compensated-trade"],
]


@pytest.mark.parametrize("strategy", COMPARING, ids=kind_of)
@few
@given(rows=st.lists(cell_v, min_size=1, max_size=8), current_a=currents)
def test_what_compares_cells_never_bleeds_the_lowest(
    strategy: AnyStrategy, rows: list[Floats], current_a: float
) -> None:
    for duty, v in zip(duties(strategy, in_time(rows, current_a)), rows, strict=True):
        assert not duty[v == v.min()].any()


@given(rows=st.lists(top_v, min_size=1, max_size=8))
def test_top_balance_never_bleeds_the_lowest_cell_while_it_decides(rows: list[Floats]) -> None:
    for duty, v in zip(duties(TopBalance(tail_s=0.0), in_time(rows, -3.0)), rows, strict=True):
        assert not duty[v == v.min()].any()
        if v.max() <= 3.40:
            assert not duty.any()


@given(rows=st.lists(cell_v, min_size=1, max_size=8))
def test_nothing_bleeds_below_stop_and_everything_bleeds_above_start(rows: list[Floats]) -> None:
    strategy = FixedThreshold()
    for duty, v in zip(duties(strategy, in_time(rows, 0.0)), rows, strict=True):
        excess_v = v - v.min()
        assert not duty[excess_v < strategy.stop_v].any()
        assert duty[excess_v > strategy.start_v].all()


@given(volts=cell_v)
def test_between_stop_and_start_it_stays_as_it_was(volts: Floats) -> None:
    strategy = FixedThreshold()
    excess_v = volts - volts.min()
    between = (excess_v >= strategy.stop_v) & (excess_v <= strategy.start_v)
    for was in (False, True):
        state = strategy.initial(CELLS)._replace(bleeding=np.full(CELLS, was))
        _, decision = strategy.step(state, observe(volts))
        assert (decision.duty[between] == float(was)).all()


@every_strategy
@few
@given(rows=st.lists(top_v, min_size=4, max_size=6), current_a=calm, data=st.data())
def test_a_cell_whose_measurement_is_no_evidence_never_bleeds(
    strategy: AnyStrategy, rows: list[Floats], current_a: float, data: st.DataObject
) -> None:
    """Unknown, or known and not valid, or all of it too old: at the start and while bleeding."""
    missing, invalid = data.draw(arrays(np.bool_, CELLS)), data.draw(arrays(np.bool_, CELLS))
    age_s = data.draw(st.sampled_from([0.1, 0.1, 60.0, np.nan]))
    *before, last = in_time(rows, current_a)
    torn = last._replace(
        cell_v=np.where(missing, np.nan, last.cell_v),
        valid=last.valid & ~invalid,
        age_s=np.array(age_s),
    )
    duty = duties(strategy, [*before, torn])[-1]
    assert not duty[invalid].any()
    if not strategy.needs_truth:  # which looks at no reading, and so not at its age
        assert not duty[missing].any()
        assert age_s < 60.0 or not duty.any()


# --- the plateau -------------------------------------------------------------------------------

ON_VOLTAGE = {"fixed-threshold", "compensated-trade", "compensated-physics", "libresolar"}
"""Those that bleed at rest on the plateau, because voltages differ there: their known trouble."""
BY_OTHER_MEANS = {"oracle"}
"""Knows what cells have; it needs no voltage."""


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - ON_VOLTAGE - BY_OTHER_MEANS))
@few
@given(data=st.data(), current_a=st.sampled_from([0.0, 0.05, -0.15]))
def test_nothing_bleeds_at_rest_on_the_plateau_on_voltage_alone(
    name: str, data: st.DataObject, current_a: float
) -> None:
    """Two hours at 20 to 95 % of charge; the highest reading is OCV, hysteresis and error."""
    level_mv = data.draw(arrays(np.int64, CELLS, elements=st.integers(3215, 3364)))
    noise_mv = data.draw(arrays(np.int64, (60, CELLS), elements=st.integers(-2, 2)))
    rows = [(level_mv + row) / 1000.0 for row in noise_mv]
    assert not any(duty.any() for duty in duties(DEFAULTS[name], in_time(rows, current_a)))


@pytest.mark.parametrize("name", sorted(ON_VOLTAGE))
def test_the_others_do_bleed_there(name: str) -> None:
    volts = np.full(CELLS, 3.30)
    volts[3] = 3.36
    assert any(duty.any() for duty in duties(DEFAULTS[name], in_time([volts] * 60, 0.0)))


# --- order, purity, packs ----------------------------------------------------------------------


def knows_places(strategy: AnyStrategy) -> bool:
    """Say whether a strategy knows neighbours, or where thermistors sit."""
    if isinstance(strategy, Layered):
        return True
    names = {field.name for field in fields(strategy)}  # type: ignore[arg-type]
    return (
        "ntc_cells" in names
        or isinstance(strategy, LibreSolar)
        or getattr(strategy, "compare", "") == "adjacent"
    )


@pytest.mark.parametrize("strategy", [s for s in EVERY if not knows_places(s)], ids=kind_of)
@few
@given(
    rows=st.lists(top_v, min_size=1, max_size=5),
    order=st.permutations(range(CELLS)),
    current_a=calm,
)
def test_who_bleeds_does_not_depend_on_the_order_of_the_cells(
    strategy: AnyStrategy, rows: list[Floats], order: list[int], current_a: float
) -> None:
    straight = duties(strategy, in_time(rows, current_a))
    turned = duties(strategy, in_time([v[order] for v in rows], current_a))
    for a, b in zip(straight, turned, strict=True):
        assert np.array_equal(a[order], b)


@pytest.mark.parametrize(
    "strategy", [s for s in EVERY if knows_places(s) and not isinstance(s, Layered)], ids=kind_of
)
@few
@given(data=st.data(), current_a=calm)
def test_what_knows_places_decides_the_same_of_a_pack_seen_from_its_other_end(
    strategy: AnyStrategy, data: st.DataObject, current_a: float
) -> None:
    """All readings differ: of two equal neighbours one has to be the first."""
    distinct = st.lists(st.integers(3380, 3480), min_size=CELLS, max_size=CELLS, unique=True)
    rows = [np.array(data.draw(distinct)) / 1000.0 for _ in range(3)]
    straight = in_time(rows, current_a)
    mirrored = [
        one._replace(ntc_degc=one.ntc_degc[::-1])
        for one in in_time([v[::-1] for v in rows], current_a)
    ]
    for a, b in zip(duties(strategy, straight), duties(strategy, mirrored), strict=True):
        assert np.array_equal(a[::-1], b)


@every_strategy
@few
@given(rows=st.lists(top_v, min_size=2, max_size=5), current_a=calm)
def test_a_step_is_pure(strategy: AnyStrategy, rows: list[Floats], current_a: float) -> None:
    observations = in_time(rows, current_a)
    for observation in observations:
        for part in observation[:-1]:
            part.flags.writeable = False
    first, second = duties(strategy, observations), duties(strategy, observations)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def scenes(packs: int, decisions: int) -> list[list[Observation]]:
    """Return packs at the top, with missing cells, old readings, low cells and all currents."""
    draw = np.random.default_rng(20)
    flow_a = np.where(np.arange(packs) % 2 == 0, 0.0, draw.normal(0.0, 8.0, packs))
    made = []
    for k in range(decisions):
        volts = draw.normal(3.42, 0.03, (packs, CELLS))
        volts[draw.random((packs, CELLS)) < 0.02] = np.nan
        volts[draw.random((packs, CELLS)) < 0.02] -= 0.6
        made.append(
            [
                observe(volts[p], float(flow_a[p]), 120.0 * k)._replace(
                    age_s=np.array(draw.choice([0.1, 0.1, 0.1, 9.0]))
                )
                for p in range(packs)
            ]
        )
    return made


SCENES = scenes(packs=40, decisions=20)


@every_strategy
def test_many_packs_at_once_equal_one_by_one_to_the_bit(strategy: AnyStrategy) -> None:
    together = duties(strategy, [stack(scene) for scene in SCENES])
    for p in range(len(SCENES[0])):
        alone = duties(strategy, [scene[p] for scene in SCENES])
        assert all(np.array_equal(a[p], b) for a, b in zip(together, alone, strict=True))
    base = strategy.base if isinstance(strategy, Layered) else strategy
    if not isinstance(base, NoBalancing):
        assert any(duty.any() for duty in together)  # else the test compares nothing
