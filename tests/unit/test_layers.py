"""What each layer promises, whatever the strategy inside of it decides."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hil.balancing import LAYERS
from hil.balancing.evidence import MeasurementDiscipline, OpenWireSafety, Plausibility
from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.heat import BangBang, Derating
from hil.balancing.layers import AnyLayer, Layered
from hil.balancing.rationing import NeighbourExclusion, PowerBudget
from hil.balancing.strategy import Bools, Decision, Floats, Observation
from hil.core.instants import MINUTE, Duration

CELLS = 16


def observe(cell_v: Any, time_s: float = 0.0, pcb_degc: float = 30.0) -> Observation:
    volts = np.array(cell_v, float)
    return Observation(
        time_s=np.array(time_s),
        cell_v=volts,
        current_a=np.array(0.0),
        ntc_degc=np.full(4, 25.0),
        pcb_degc=np.array(pcb_degc),
        age_s=np.array(0.1),
        valid=np.isfinite(volts),
    )


class Nothing(NamedTuple):
    """No state."""


@dataclass(frozen=True)
class Always:
    """Wants the duties it is told, of whatever it sees; and asks for all else there is."""

    needs_truth: ClassVar[bool] = False
    every_ns: Duration = 2 * MINUTE
    duty: tuple[float, ...] = (1.0,) * CELLS

    def initial(self, cells: int) -> Nothing:  # noqa: ARG002 - the protocol's signature
        """Remember nothing."""
        return Nothing()

    def step(self, state: Nothing, observation: Observation) -> tuple[Nothing, Decision]:  # noqa: ARG002 - the protocol's signature
        """Ask."""
        return state, Decision(np.array(self.duty), np.full(CELLS, 0.25), np.array(True))  # noqa: FBT003 - an array


@dataclass
class Controller:
    """A strategy in layers, with its state."""

    strategy: Layered

    def __post_init__(self) -> None:
        """Start from the initial state."""
        self.state: Any = self.strategy.initial(CELLS)

    def decide(self, observation: Observation) -> Decision:
        """Return one decision."""
        self.state, decision = self.strategy.step(self.state, observation)
        return decision


def around(*layers: AnyLayer, base: Any = None) -> Controller:
    return Controller(Layered(base or Always(), layers))


duty_rows = arrays(np.float64, CELLS, elements=st.sampled_from([0.0, 0.0, 0.35, 1.0]))
volt_rows = arrays(np.float64, CELLS, elements=st.integers(2000, 3700).map(lambda mv: mv / 1000))

# --- what holds for all of them ----------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYERS)
@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(volt_rows, duty_rows, st.floats(20.0, 95.0)), min_size=1, max_size=6),
    missing=arrays(np.bool_, CELLS),
)
def test_a_layer_takes_evidence_away_and_lowers_duties_and_nothing_else(
    kind: str, rows: list[tuple[Floats, Floats, float]], missing: Bools
) -> None:
    layer: AnyLayer = LAYERS[kind]()
    state = layer.initial(CELLS)
    for k, (volts, duty, pcb_degc) in enumerate(rows):
        seen = observe(np.where(missing, np.nan, volts), 120.0 * k, pcb_degc)
        state, shown = layer.before(state, seen)
        assert not (shown.valid & ~seen.valid).any()
        asked = Decision(duty, np.full(CELLS, 0.25), np.array(True))  # noqa: FBT003 - an array
        state, given_ = layer.after(state, shown, asked)
        assert np.all((given_.duty >= 0.0) & (given_.duty <= duty))
        assert given_.transfer is asked.transfer
        assert given_.wants_full is asked.wants_full


def test_layers_are_a_strategy_of_the_period_and_the_needs_of_the_one_inside() -> None:
    layered = Layered(Always(every_ns=MINUTE), (NeighbourExclusion(),))
    assert layered.every_ns == MINUTE
    assert layered.needs_truth is False


def test_a_strategy_that_counts_hears_what_its_layers_left() -> None:
    heard = []

    class Counting(Always):
        def given(self, state: Nothing, share: Floats) -> Nothing:
            heard.append(share.tolist())
            return state

    wanted = (0.5, 0.5, 0.0, *([0.5] * 13))
    around(NeighbourExclusion(), base=Counting(duty=wanted)).decide(observe([3.4] * CELLS))
    assert heard == [[1.0, 0.0, 1.0, 0.0, *([1.0, 0.0] * 6)]]


# --- rationing ---------------------------------------------------------------------------------


@given(wanted=st.lists(duty_rows, min_size=2, max_size=6))
def test_no_two_neighbours_bleed_at_once(wanted: list[Floats]) -> None:
    layer = NeighbourExclusion()
    state = layer.initial(CELLS)
    for duty in wanted:
        state, decision = layer.after(state, observe([3.4] * CELLS), Decision(duty))
        on = decision.duty > 0.0
        assert not (on[1:] & on[:-1]).any()
        # a cell that has to wait, waits for a neighbour
        waits = (duty > 0.0) & ~on
        beside = np.zeros(CELLS, np.bool_)
        beside[1:] |= on[:-1]
        beside[:-1] |= on[1:]
        assert not (waits & ~beside).any()


def test_odd_cells_come_first_and_a_lone_cell_need_not_wait() -> None:
    controller = around(NeighbourExclusion(), base=Always(duty=(1.0, 1.0, 0.0, 1.0, *([0.0] * 12))))
    seen = [controller.decide(observe([3.4] * CELLS)).duty[:4].tolist() for _ in range(2)]
    assert seen == [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]]


@given(duty=duty_rows, begin=st.booleans())
def test_whoever_wants_to_bleed_gets_to_in_one_of_two_decisions(
    duty: Floats,
    begin: bool,  # noqa: FBT001 - drawn
) -> None:
    layer = NeighbourExclusion()
    state = layer.initial(CELLS)._replace(even=np.array(begin))
    total = np.zeros(CELLS)
    for _ in range(2):
        state, decision = layer.after(state, observe([3.4] * CELLS), Decision(duty))
        total += decision.duty
    assert np.all(total[duty > 0.0] > 0.0)


@given(volts=volt_rows, duty=duty_rows, limit_w=st.floats(0.01, 12.0))
def test_a_power_budget_is_kept_and_used(volts: Floats, duty: Floats, limit_w: float) -> None:
    layer = PowerBudget(limit_w, bleed_ohm=16.5)
    _, decision = layer.after(layer.initial(CELLS), observe(volts), Decision(duty))
    power_w = volts**2 / 16.5
    spent_w, asked_w = float(power_w @ decision.duty), float(power_w @ duty)
    assert spent_w <= limit_w + 1e-9
    # no more is left over than one step of a duty (1/200) of one cell
    assert spent_w >= min(asked_w, limit_w) - power_w.max() / 200 - 1e-9


def test_the_highest_cells_come_first() -> None:
    volts = np.linspace(3.30, 3.45, CELLS)
    each_w = 3.45**2 / 68.0
    duty = around(PowerBudget(2.5 * each_w)).decide(observe(volts)).duty
    assert duty[-2:].tolist() == [1.0, 1.0]
    assert 0.5 <= duty[-3] < 0.52
    assert not duty[:-3].any()


def test_a_cell_of_unknown_voltage_counts_as_one_at_its_highest() -> None:
    volts = np.full(CELLS, np.nan)
    duty = around(PowerBudget(3.65**2 / 68.0 * 4)).decide(observe(volts)).duty
    assert duty.sum() == pytest.approx(4.0)


# --- evidence ----------------------------------------------------------------------------------

HIGH = [*([3.40] * 15), 3.48]


class Coupled:
    """A board that does not mute: a bleed lowers its own reading and raises its neighbours'."""

    def __init__(self, controller: Controller, shift_v: float) -> None:
        """Start with nothing bleeding."""
        self.controller, self.shift_v = controller, shift_v
        self.duty = np.zeros(CELLS)

    def read(self, cell_v: Floats, time_s: float) -> Observation:
        """Return what is read while the present duties flow."""
        read_v = cell_v - 2.0 * self.shift_v * self.duty
        read_v[1:] += self.shift_v * self.duty[:-1]
        read_v[:-1] += self.shift_v * self.duty[1:]
        return observe(read_v, time_s)

    def decide(self, cell_v: Floats, time_s: float) -> Floats:
        """Read, decide, bleed."""
        self.duty = self.controller.decide(self.read(cell_v.copy(), time_s)).duty
        return self.duty


def test_discipline_decides_on_quiet_samples_only() -> None:
    """The bleed shifts its own reading by 80 mV: bare, the bleed goes off, and on, and off."""
    cells = np.array(HIGH)
    bare = Coupled(Controller(Layered(FixedThreshold(), ())), 0.040)
    seen = [bool(bare.decide(cells, 120.0 * k)[15]) for k in range(12)]
    assert seen == [True, False] * 6
    quiet = Coupled(around(MeasurementDiscipline(5), base=FixedThreshold()), 0.040)
    seen = [bool(quiet.decide(cells, 120.0 * k)[15]) for k in range(12)]
    assert seen == [*([True] * 5), False, *([True] * 5), False]


def test_discipline_waits_until_readings_have_settled() -> None:
    controller = around(MeasurementDiscipline(1, settle_s=300.0), base=FixedThreshold())
    seen = [bool(controller.decide(observe(HIGH, 120.0 * k)).duty[15]) for k in range(8)]
    assert seen == [True, False, False, False, True, False, False, False]


def test_discipline_lets_a_bleed_end_and_none_begin_between_samples() -> None:
    controller = around(MeasurementDiscipline(5), base=FixedThreshold())
    assert controller.decide(observe(HIGH)).duty[15] == 1.0
    other = [3.48, *HIGH[1:]]
    assert controller.decide(observe(other, 120.0)).duty.tolist() == [*([0.0] * 15), 1.0]
    lost = [*([3.40] * 15), math.nan]
    assert not controller.decide(observe(lost, 240.0)).duty.any()


def test_discipline_begins_no_bleed_between_samples_whatever_the_strategy_decides() -> None:
    class Growing(Always):
        def step(self, state: Nothing, observation: Observation) -> tuple[Nothing, Decision]:
            grown = np.arange(CELLS) * 120.0 <= observation.time_s
            return state, Decision(grown.astype(np.float64))

    controller = around(MeasurementDiscipline(3), base=Growing())
    counts = [int(controller.decide(observe(HIGH, 120.0 * k)).duty.sum()) for k in range(6)]
    assert counts == [1, 1, 1, 0, 5, 5]


def test_plausibility_knows_what_no_cell_shows() -> None:
    def valid(*rows: list[float]) -> list[bool]:
        layer = Plausibility()
        state = layer.initial(CELLS)
        for k, row in enumerate(rows):
            state, shown = layer.before(state, observe(row, 120.0 * k))
        flags: list[bool] = shown.valid.tolist()
        return flags

    even = [3.30] * CELLS
    assert all(valid(even))
    assert valid([0.4, 4.6, *even[2:]])[:3] == [False, False, True]
    assert valid(even, [3.9, *even[1:]])[:2] == [False, True]
    assert all(valid(even, [2.7] * CELLS))  # a load moves all alike
    assert all(valid(even, [3.9, *even[1:]], [3.9, *even[1:]]))  # a level that stays is one


def test_plausibility_does_not_believe_an_open_or_a_shorted_thermistor() -> None:
    layer = Plausibility()
    seen = observe([3.3] * CELLS, pcb_degc=200.0)
    seen = seen._replace(ntc_degc=np.array([-75.0, 25.0, 180.0, np.nan]))
    _, shown = layer.before(layer.initial(CELLS), seen)
    assert np.isnan(shown.ntc_degc).tolist() == [True, False, True, True]
    assert np.isnan(shown.pcb_degc)


def test_a_lead_that_may_be_open_turns_off_its_cells_and_both_neighbours() -> None:
    volts = np.full(CELLS, 3.33)
    volts[6] -= 0.4
    volts[7] += 0.4
    duty = around(OpenWireSafety()).decide(observe(volts)).duty
    assert np.flatnonzero(duty == 0.0).tolist() == [5, 6, 7, 8]
    invalid = observe([3.33] * CELLS)._replace(valid=np.arange(CELLS) != 0)
    duty = around(OpenWireSafety()).decide(invalid).duty
    assert np.flatnonzero(duty == 0.0).tolist() == [0, 1]


def test_an_uneven_pack_has_no_open_lead() -> None:
    """One cell high, one low, apart; or beside each other but not by the same."""
    for high, low, by_v in ((3, 9, 0.4), (3, 4, 0.12)):
        volts = np.full(CELLS, 3.33)
        volts[high] += by_v
        volts[low] -= 0.4
        duty = around(OpenWireSafety()).decide(observe(volts)).duty
        assert duty.all()


# --- heat --------------------------------------------------------------------------------------

BOARD_TAU_S, NTC_TAU_S = 600.0, 10.0


def warmed(
    layer: AnyLayer, *, ambient_degc: float, rth_k_per_w: float, bleed_ohm: float, every_s: float
) -> tuple[Floats, Floats]:
    """Return temperature and duty at each second of six hours of a board that bleeds 16 cells.

    Energy balance of one lump: C dT/dt = P - (T - Tair)/Rth, P = sum of V^2/R times duty.
    """
    controller = around(layer)
    board_degc, ntc_degc, duty = ambient_degc, ambient_degc, np.zeros(CELLS)
    history, given_ = [], []
    for second in range(6 * 3600):
        if second % every_s == 0:
            seen = observe([3.45] * CELLS, float(second), ntc_degc)
            duty = controller.decide(seen._replace(ntc_degc=np.full(4, ambient_degc))).duty
        heat_w = float((3.45**2 / bleed_ohm * duty).sum())
        board_degc += (ambient_degc + rth_k_per_w * heat_w - board_degc) / BOARD_TAU_S
        ntc_degc += (board_degc - ntc_degc) / NTC_TAU_S
        history.append(board_degc)
        given_.append(float(duty[0]))
    return np.array(history), np.array(given_)


@pytest.mark.parametrize("every_s", [30.0, 120.0])
@pytest.mark.parametrize("rth_k_per_w", [1.4, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("ambient_degc", [45.0, 70.0])
def test_derating_settles_below_the_limit(
    ambient_degc: float, rth_k_per_w: float, every_s: float
) -> None:
    """200 mA on 16 cells, with a board up to 2.5 times as hard to cool as it was taken for."""
    degc, duty = warmed(
        Derating(bleed_ohm=17.0),
        ambient_degc=ambient_degc,
        rth_k_per_w=rth_k_per_w,
        bleed_ohm=17.0,
        every_s=every_s,
    )
    last = slice(-3600, None)
    free_degc = ambient_degc + rth_k_per_w * CELLS * 3.45**2 / 17.0
    assert degc.max() < (85.0 if rth_k_per_w <= 3.0 else 88.0)
    assert np.ptp(degc[last]) < 0.2
    assert np.ptp(duty[last]) < 0.02
    # and it leaves nothing undone: at the set point, or all of it is let through
    assert degc[-1] == pytest.approx(min(83.0, free_degc), abs=1.0)


def test_bang_bang_overshoots_and_never_settles() -> None:
    degc, duty = warmed(
        BangBang(), ambient_degc=70.0, rth_k_per_w=3.0, bleed_ohm=17.0, every_s=120.0
    )
    assert degc.max() > 85.0
    edges = np.count_nonzero(np.diff(duty[-3600:]))
    assert edges >= 6


def test_bang_bang_begins_again_below_its_hysteresis_only() -> None:
    controller = around(BangBang(limit_degc=85.0, hysteresis_k=5.0))
    seen = [
        bool(controller.decide(observe([3.4] * CELLS, 0.0, degc)).duty.any())
        for degc in (84.0, 85.5, 84.0, 81.0, 79.0, 84.0)
    ]
    assert seen == [True, False, False, False, True, True]


def test_nothing_is_let_through_at_an_unknown_temperature() -> None:
    for layer in (Derating(), BangBang()):
        controller = around(layer)
        assert not controller.decide(observe([3.4] * CELLS, 0.0, math.nan)).duty.any()


def test_a_share_falls_at_once_and_rises_slowly() -> None:
    controller = around(Derating(rise_per_h=6.0))
    assert controller.decide(observe([3.4] * CELLS, 0.0, 40.0)).duty[0] == 1.0
    assert controller.decide(observe([3.4] * CELLS, 120.0, 110.0)).duty[0] == 0.0
    rises = [
        controller.decide(observe([3.4] * CELLS, 240.0 + 120.0 * k, 40.0)).duty[0] for k in range(3)
    ]
    assert rises == pytest.approx([0.2, 0.4, 0.6])


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [
        (PowerBudget, {"limit_w": 0.0}),
        (PowerBudget, {"bleed_ohm": math.nan}),
        (Derating, {"reset_s": 0.0}),
        (Derating, {"rise_per_h": -1.0}),
        (BangBang, {"hysteresis_k": 0.0}),
        (MeasurementDiscipline, {"bleed_decisions": 0}),
        (Plausibility, {"low_v": 5.0}),
        (OpenWireSafety, {"mirror_v": -0.1}),
    ],
)
def test_parameters_that_make_no_layer_are_refused(
    cls: type[Any], parameters: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="expected"):
        cls(**parameters)
