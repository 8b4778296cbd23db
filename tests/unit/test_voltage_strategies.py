"""What the strategies that judge voltages decide where they were made for, and where they fail."""

import math
from typing import Any

import numpy as np
import pytest

from hil.balancing.compensated import CompensatedPhysics, CompensatedTrade
from hil.balancing.diybms import DiyBms
from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.foxbms_history import FoxBmsHistory
from hil.balancing.libresolar import LibreSolar, highest_apart
from hil.balancing.polarisation import LFP
from hil.balancing.state_aware import StateAware
from hil.balancing.strategy import AnyStrategy, Floats, Observation
from hil.balancing.temperatures import cell_degc
from hil.physics.lone_cell import LoneCell
from hil.profile.load import load_cell

CELLS = 16
EVEN = np.full(CELLS, 3.30)


def observe(
    cell_v: Any,
    time_s: float = 0.0,
    current_a: float = 0.0,
    ntc_degc: Any = (25.0, 25.0, 25.0, 25.0),
    pcb_degc: float = 30.0,
) -> Observation:
    volts = np.array(cell_v, float)
    return Observation(
        time_s=np.array(time_s),
        cell_v=volts,
        current_a=np.array(current_a),
        ntc_degc=np.array(ntc_degc),
        pcb_degc=np.array(pcb_degc),
        age_s=np.array(0.1),
        valid=np.isfinite(volts),
    )


class Controller:
    """A strategy with its state."""

    def __init__(self, strategy: AnyStrategy) -> None:
        """Start from the initial state."""
        self.strategy, self.state = strategy, strategy.initial(CELLS)

    def decide(self, observation: Observation) -> Floats:
        """Return the duties of one decision."""
        self.state, decision = self.strategy.step(self.state, observation)
        duty: Floats = decision.duty
        return duty


def raised(by_v: float, cell: int = 8, level_v: float = 3.30) -> Floats:
    volts = np.full(CELLS, level_v)
    volts[cell] += by_v
    return volts


# --- temperatures and polarisation -------------------------------------------------------------


def test_temperatures_lie_between_the_thermistors() -> None:
    degc = cell_degc(np.array([10.0, 20.0]), (4, 8), 10)
    assert degc == pytest.approx([10, 10, 10, 10, 12.5, 15, 17.5, 20, 20, 20])
    spread = cell_degc(np.array([0.0, 5.0, 10.0, 15.0]), (), CELLS)
    assert spread == pytest.approx(np.arange(16.0))
    peak = cell_degc(np.array([0.0, 10.0, 0.0]), (2, 4, 6), 7)
    assert peak == pytest.approx([0, 0, 5, 10, 5, 0, 0])
    assert cell_degc(np.array([7.0]), (), 3).tolist() == [7.0] * 3
    assert cell_degc(np.array([10.0, np.nan]), (), 3).tolist() == [10.0] * 3
    assert np.isnan(cell_degc(np.array([np.nan, np.nan]), (), 3)).all()
    with pytest.raises(ValueError, match="ntc_cells"):
        cell_degc(np.array([10.0, 20.0]), (4,), 10)


@pytest.mark.parametrize("current_a", [25.0, -25.0, 10.0])
@pytest.mark.parametrize(("cold_degc", "warm_degc"), [(0.0, 10.0), (10.0, 25.0), (25.0, 40.0)])
def test_polarisation_differs_with_temperature_as_the_cell_itself_does(
    current_a: float, cold_degc: float, warm_degc: float
) -> None:
    """Against the plant's cell, 20 min from half full: what a colder cell shows more of."""
    cell, shown_v = load_cell("lfp-100ah"), []
    for degc in (cold_degc, warm_degc):
        lone = LoneCell(cell, 0.5, degc, cooling_w_per_k=1e4)
        for _ in range(120):
            lone.step(10.0, current_a, degc)
        shown_v.append(lone.voltage_v(current_a))
    slow_a = LFP.slowed(np.array(0.0), np.array(current_a), np.array(1200.0))
    eta_v = LFP.voltage_v(np.array(current_a), slow_a, np.array([cold_degc, warm_degc]), 100.0)
    assert np.diff(shown_v)[0] == pytest.approx(-np.diff(eta_v)[0], rel=0.12, abs=0.002)


def test_polarisation_grows_in_the_cold_and_turns_round_with_the_current() -> None:
    degc = np.array([-10.0, 0.0, 25.0, 55.0])
    out_v = LFP.voltage_v(np.array(20.0), np.array(20.0), degc, 100.0)
    assert np.all(np.diff(out_v) < 0.0)
    assert LFP.voltage_v(np.array(-20.0), np.array(-20.0), degc, 100.0) == pytest.approx(-out_v)
    assert not LFP.voltage_v(np.array(0.0), np.array(0.0), degc, 100.0).any()


def test_slow_diffusion_follows_the_current() -> None:
    slow_a = LFP.slowed(np.array(np.nan), np.array(10.0), np.array(np.nan))
    assert slow_a == 0.0
    slow_a = LFP.slowed(slow_a, np.array(10.0), np.array(400.0))
    assert slow_a == pytest.approx(10.0 * (1.0 - math.exp(-1.0)))
    degc = np.array([-10.0, 0.0, 25.0])
    done_v, begun_v = (
        LFP.voltage_v(np.array(10.0), np.array(slow_a), degc, 100.0) for slow_a in (10.0, 0.0)
    )
    assert done_v - begun_v == pytest.approx(0.1 * np.array([38e-3, 16e-3, 1.3e-3]))


# --- compensated -------------------------------------------------------------------------------


def test_the_trade_makes_the_threshold_wider_in_the_cold_by_one_thermistor() -> None:
    def bleeds(by_v: float, ntc_degc: Any, **parameters: Any) -> bool:
        controller = Controller(CompensatedTrade(**parameters))
        return bool(controller.decide(observe(raised(by_v), ntc_degc=ntc_degc))[8])

    assert bleeds(0.051, [25.0] * 4)
    assert not bleeds(0.074, [0.0, 25.0, 25.0, 25.0])
    assert bleeds(0.076, [0.0, 25.0, 25.0, 25.0])
    assert bleeds(0.051, [25.0, 0.0, 0.0, 0.0])  # it knows one place only
    assert not bleeds(0.051, [25.0, 0.0, 0.0, 0.0], ntc=2)
    assert bleeds(0.045, [35.0] * 4)
    assert not bleeds(0.034, [90.0] * 4)  # narrower by half of the stop threshold at most
    assert not bleeds(0.2, [math.nan, 25.0, 25.0, 25.0])


def test_physics_takes_polarisation_for_what_it_is() -> None:
    """A pack of equal charge under load, one end 4 K colder: what shows is polarisation alone."""
    ntc_degc = np.array([12.0, 13.3, 14.7, 16.0])
    degc = cell_degc(ntc_degc, (), CELLS)
    eta_v = LFP.voltage_v(np.array(-10.0), np.array(-10.0), degc, 100.0)
    parameters: dict[str, Any] = {"start_v": 0.006, "stop_v": 0.003, "model_error_ratio": 0.0}
    seen = [observe(3.3 - eta_v, 600.0 * k, -10.0, ntc_degc) for k in range(6)]
    physics = Controller(CompensatedPhysics(**parameters))
    plain = Controller(FixedThreshold(start_v=0.006, stop_v=0.003))
    assert np.ptp(eta_v) > 0.006
    assert any(plain.decide(one).any() for one in seen)
    # the slow diffusion has to settle before voltages are those of a steady current
    assert not np.array([physics.decide(one) for one in seen])[3:].any()
    # and it sees through it: a cell that really stands out is bled, at the cold end too
    low = seen[-1]._replace(cell_v=seen[-1].cell_v + raised(0.010, 15, 0.0), time_s=np.array(4e3))
    assert np.flatnonzero(physics.decide(low)).tolist() == [15]


def test_physics_guards_its_threshold_by_what_the_model_may_be_wrong() -> None:
    def bleeds(by_v: float, **parameters: Any) -> bool:
        controller = Controller(CompensatedPhysics(**parameters))
        decided = [
            controller.decide(observe(raised(by_v), 600.0 * k, 20.0, [5.0] * 4)) for k in range(6)
        ]
        return bool(decided[-1][8])

    eta_v = float(LFP.voltage_v(np.array(20.0), np.array(20.0), np.array([5.0]), 100.0)[0])
    guard_v = 2.0 * 0.10 * eta_v
    assert guard_v > 0.010
    assert bleeds(0.051, model_error_ratio=0.0)
    assert not bleeds(0.050 + 0.95 * guard_v, model_error_ratio=0.10)
    assert bleeds(0.050 + 1.05 * guard_v, model_error_ratio=0.10)
    assert not bleeds(0.051 + guard_v, model_error_ratio=0.10, guard_ratio=3.0)


def test_physics_decides_nothing_where_polarisation_differs_too_much() -> None:
    wide = observe(raised(0.3), 0.0, -25.0, [0.0, 4.0, 8.0, 12.0])
    assert not Controller(CompensatedPhysics()).decide(wide).any()
    assert Controller(CompensatedPhysics(widest_v=0.2)).decide(wide)[8]
    assert (
        not Controller(CompensatedPhysics()).decide(wide._replace(current_a=np.array(np.nan))).any()
    )
    blind = observe(raised(0.3), ntc_degc=[np.nan] * 4)
    assert not Controller(CompensatedPhysics()).decide(blind).any()


# --- state-aware -------------------------------------------------------------------------------


def decided_after(minutes: int, cell_v: Floats, current_a: float, **parameters: Any) -> Floats:
    """Return the duties after some time in which nothing changes."""
    controller = Controller(StateAware(**parameters))
    for k in range(minutes // 2):
        duty = controller.decide(observe(cell_v, 120.0 * k, current_a))
    return duty


def test_full_is_strong_and_float_is_gentle_and_fine() -> None:
    top = raised(0.012, level_v=3.45)
    assert decided_after(10, top, -6.0)[8] == 1.0
    assert decided_after(10, top, 0.0)[8] == 0.5
    little = raised(0.008, level_v=3.45)
    assert decided_after(10, little, -6.0)[8] == 0.0
    assert decided_after(10, little, 0.0)[8] == 0.5


def test_charge_and_discharge_bleed_nothing() -> None:
    for current_a in (-30.0, 30.0):
        assert not decided_after(60, raised(0.2, level_v=3.40), current_a).any()


def test_rest_bleeds_above_the_knee_after_an_hour_only() -> None:
    knee = raised(0.015, level_v=3.370)
    assert not decided_after(40, knee, 0.0).any()
    assert np.flatnonzero(decided_after(70, knee, 0.0)).tolist() == [8]
    assert not decided_after(600, raised(0.100, level_v=3.260), 0.0).any()
    assert not decided_after(600, raised(0.400, level_v=2.900), 0.0).any()  # nor at the bottom


def test_no_threshold_lies_below_twice_the_boards_error() -> None:
    top = raised(0.012, level_v=3.45)
    assert not decided_after(10, top, -6.0, board_error_v=0.010).any()
    assert decided_after(10, raised(0.026, level_v=3.45), -6.0, board_error_v=0.010)[8] == 1.0


# --- public firmwares --------------------------------------------------------------------------


def test_libresolar_waits_half_an_hour_and_decides_in_the_middle_of_the_plateau() -> None:
    controller = Controller(LibreSolar())
    seen = [controller.decide(observe(raised(0.011), 120.0 * k))[8] for k in range(18)]
    assert seen == [0.0] * 15 + [1.0] * 3
    assert not controller.decide(observe(raised(0.011), 2160.0, 0.2)).any()  # no longer idle
    assert not controller.decide(observe(raised(0.011), 2280.0)).any()
    low = Controller(LibreSolar(delay_s=0.0))
    assert not low.decide(observe(raised(0.011, level_v=3.28))).any()
    assert not low.decide(observe(raised(0.009))).any()


def test_libresolar_takes_the_highest_first_and_no_neighbours() -> None:
    volts = np.array([3.30, 3.33, 3.35, 3.34, 3.33, 3.30, 3.36, 3.36, *([3.30] * 8)])
    duty = Controller(LibreSolar(delay_s=0.0)).decide(observe(volts))
    assert np.flatnonzero(duty).tolist() == [2, 4, 6]


def test_highest_apart_is_going_down_the_sorted_list() -> None:
    draw = np.random.default_rng(3)
    volts = draw.normal(3.3, 0.02, (200, CELLS))
    wanted = draw.random((200, CELLS)) < 0.6
    chosen = highest_apart(volts, wanted)
    for row_v, row, found in zip(volts, wanted, chosen, strict=True):
        taken: set[int] = set()
        for cell in np.argsort(-row_v):
            if row[cell] and not {cell - 1, cell + 1} & taken:
                taken.add(int(cell))
        assert set(np.flatnonzero(found).tolist()) == taken


SENSITIVE: dict[str, Any] = {"threshold_v": 0.010, "hysteresis_v": 0.005}


def test_foxbms_history_counts_down_what_it_looked_up_at_rest() -> None:
    """3.362 V is 99 %, 3.349 V is 98 % of charge: 1 Ah at 50 mA, in any state, then it stops."""
    controller = Controller(FoxBmsHistory(threshold_v=0.010, hysteresis_v=0.0))
    volts = raised(0.013, level_v=3.349)
    before_rest = [controller.decide(observe(volts, 120.0 * k)).any() for k in range(5)]
    assert not any(before_rest)
    assert np.flatnonzero(controller.decide(observe(volts, 600.0))).tolist() == [8]
    seconds = 1.0 * 3600.0 / (3.362 / 68.0)
    at_s, bled = 600.0, True
    while bled:
        at_s += 600.0
        bled = bool(controller.decide(observe(volts, at_s, 50.0))[8])
    assert at_s - 600.0 == pytest.approx(seconds, abs=600.0)


def test_foxbms_history_as_shipped_never_sees_400_mv_on_lfp_and_keeps_its_limits() -> None:
    def later(volts: Floats, **parameters: Any) -> Floats:
        controller = Controller(FoxBmsHistory(**parameters))
        controller.decide(observe(volts))
        return controller.decide(observe(volts, 600.0))

    assert not later(raised(0.2)).any()
    assert later(raised(0.45, level_v=3.0))[8]
    assert not later(raised(0.020, level_v=1.95), **SENSITIVE).any()
    hot = Controller(FoxBmsHistory(**SENSITIVE))
    hot.decide(observe(raised(0.02)))
    assert not hot.decide(observe(raised(0.02), 600.0, ntc_degc=[30.0, 71.0, 30.0, 30.0])).any()


def test_foxbms_history_bleeds_for_longer_if_less_is_given_than_it_decided() -> None:
    strategy = FoxBmsHistory(**SENSITIVE)
    state = strategy.initial(CELLS)
    for time_s in (0.0, 600.0):
        state, _ = strategy.step(state, observe(raised(0.02, level_v=3.345), time_s))
    later = observe(raised(0.02, level_v=3.345), 1200.0, 30.0)
    whole, _ = strategy.step(state, later)
    half, _ = strategy.step(strategy.given(state, np.full(CELLS, 0.5)), later)
    begun = state.left_ah[8]
    assert begun - half.left_ah[8] == pytest.approx(0.5 * (begun - whole.left_ah[8]))


def test_diybms_bleeds_what_is_above_its_threshold_for_its_time_and_looks_again() -> None:
    controller = Controller(DiyBms(period_s=300.0))
    high, low = raised(0.06, level_v=3.40), raised(0.01, level_v=3.40)
    assert not controller.decide(observe(low)).any()
    # while it bleeds, its voltage counts as it was when that began
    seen = [
        controller.decide(observe(high if k == 0 else low, 120.0 * (k + 1)))[8] for k in range(6)
    ]
    assert seen == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]


def test_diybms_lets_a_loop_on_temperature_set_the_duty() -> None:
    def duty(pcb_degc: float) -> float:
        controller = Controller(DiyBms())
        return float(controller.decide(observe(raised(0.1, level_v=3.4), pcb_degc=pcb_degc))[8])

    assert duty(50.0) == 1.0
    assert duty(60.0) == pytest.approx(0.2)
    assert duty(66.0) == 0.0
    assert duty(math.nan) == 0.0


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [
        (CompensatedTrade, {"ntc": 0}),
        (CompensatedTrade, {"slope_v_per_k": -0.001}),
        (CompensatedPhysics, {"capacity_ah": 0.0}),
        (CompensatedPhysics, {"model_error_ratio": -0.1}),
        (StateAware, {"float_duty_ratio": 0.0}),
        (StateAware, {"capacity_ah": -1.0}),
        (LibreSolar, {"idle_a": 0.0}),
        (FoxBmsHistory, {"bleed_ohm": 0.0}),
        (DiyBms, {"reset_s": 0.0}),
    ],
)
def test_parameters_that_make_no_strategy_are_refused(
    cls: type[Any], parameters: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="expected"):
        cls(**parameters)
