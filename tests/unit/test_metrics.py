"""Each metric against figures worked out by hand, and where and when it says it was read."""

import math
from collections.abc import Sequence

import pytest

from hil.core.instants import DAY, HOUR, MINUTE, SECOND, Duration
from hil.core.records import RunStarted, StepEnded, StepStarted, Tick
from hil.core.signals import Layout, Signal, tick_layout
from hil.core.spec import Accuracy
from hil.verdict.metrics import METRICS, Metrics, MetricValue, Uncertainties

CELLS = 4
LAYOUT = tick_layout(CELLS, 2)
CAPACITY_AH = (100.0, 98.0, 101.0, 99.0)
EXACT = Uncertainties()


class Run:
    """A run in the making: signals keep their value until they are set anew."""

    def __init__(
        self,
        tick: Duration = SECOND,
        uncertainties: Uncertainties = EXACT,
        layout: Layout = LAYOUT,
        capacity_ah: Sequence[float] = CAPACITY_AH,
    ) -> None:
        """Start with a pack at rest at half charge."""
        self.metrics = Metrics()
        self.tick_ns, self.at, self.layout = tick, 0, layout
        signals = tuple((s.name, s.unit, s.width) for s in layout.signals)
        truth = {"plant.capacity_ah": tuple(capacity_ah)} if capacity_ah else {}
        constants = truth | uncertainties.constants()
        self.metrics.feed(RunStarted(0, "p", "b", 1, tick, "", signals, constants))
        self.row = [0.0] * layout.width
        self.put("plant.soc", 0.5)
        self.put("plant.cell_v", 3.3)
        self.put("emulator.read_v", 3.3)

    def put(self, name: str, value: float | Sequence[float]) -> None:
        """Set a signal; one number goes to all its columns."""
        if name in self.layout:
            place = self.layout.columns(name)
            count = place.stop - place.start
            self.row[place] = [value] * count if isinstance(value, float) else list(value)

    def start(self, index: int, path: str) -> None:
        """Begin a step."""
        self.metrics.feed(StepStarted(self.at, index, path, ""))
        self.put("step", float(index))

    def end(self, index: int) -> None:
        """End a step."""
        self.metrics.feed(StepEnded(self.at, index, "", "until"))

    def ticks(self, count: int) -> None:
        """Let time pass."""
        for _ in range(count):
            self.at += self.tick_ns
            self.metrics.feed(Tick(self.at, tuple(self.row), ""))

    def __getitem__(self, name: str) -> MetricValue:
        """Return one metric."""
        return self.metrics.result()[name]


# --- state -------------------------------------------------------------------------------------


def test_usable_capacity_and_spread() -> None:
    run = Run()
    run.put("plant.soc", (0.50, 0.60, 0.40, 0.50))
    run.ticks(3)
    # charge out 50, 58.8, 40.4, 49.5 Ah; charge in 50, 39.2, 60.6, 49.5 Ah; Qmin 98 Ah
    assert run["usable_capacity"].value == pytest.approx((40.4 + 39.2) / 98.0)
    assert run["usable_capacity"].where == "cell[3] is empty first, cell[2] full"
    assert run["soc_spread"].value == pytest.approx((60.6 - 39.2) / 98.0)
    assert run["soc_spread"].where == "cell[2] over cell[3]"
    assert run["soc_spread"].read_at == 3 * SECOND


def test_a_pack_balanced_at_the_bottom_has_a_spread_and_loses_nothing() -> None:
    run = Run()
    run.put("plant.soc", [10.0 / q for q in CAPACITY_AH])  # 10 Ah left in every cell
    run.ticks(1)
    assert run["usable_capacity"].value == pytest.approx(1.0)
    assert run["soc_spread"].value == pytest.approx(3.0 / 98.0)


def test_the_state_is_that_of_the_last_tick_that_knew_it() -> None:
    run = Run()
    run.ticks(1)
    run.put("plant.soc", (0.5, math.nan, 0.5, 0.5))
    run.ticks(1)
    assert run["soc_spread"].read_at == SECOND
    assert run["soc_spread"].value == pytest.approx(1.5 / 98.0)


# --- gaps --------------------------------------------------------------------------------------

UNEVEN_V = (3.45, 3.43, 3.50, 3.47)


def test_the_gap_at_the_end_of_charge_is_that_of_the_last_tick_below_c_20() -> None:
    run = Run()
    run.start(0, "1.charge")
    run.put("pack.current_a", -20.0)
    run.put("plant.cell_v", (3.40, 3.30, 3.50, 3.40))
    run.ticks(10)
    run.end(0)
    assert math.isnan(run["gap_end_of_charge"].value)  # ended at C/5
    run.start(1, "2.hold")
    run.ticks(5)
    run.put("pack.current_a", -4.9)
    run.put("plant.cell_v", UNEVEN_V)
    run.ticks(1)
    assert math.isnan(run["gap_end_of_charge"].value)  # not over yet
    run.end(1)
    run.start(2, "3.rest")
    run.put("pack.current_a", 0.0)
    run.put("plant.cell_v", 3.3)
    run.ticks(10)
    gap = run["gap_end_of_charge"]
    assert gap.value == pytest.approx(0.07)
    assert gap.read_at == 16 * SECOND
    assert gap.where == "2.hold: cell[3] 3.5000 V over cell[2] 3.4300 V"


@pytest.mark.parametrize("end_first", [True, False])
def test_the_last_tick_may_come_before_or_after_the_record_of_the_end(end_first: bool) -> None:  # noqa: FBT001 - the parameter of the case
    run = Run()
    run.start(7, "1.repeat/2.discharge")
    run.put("pack.current_a", 20.0)
    run.ticks(5)
    run.put("plant.cell_v", UNEVEN_V)
    if end_first:
        run.end(7)
        run.ticks(1)
    else:
        run.ticks(1)
        run.end(7)
    assert run["gap_end_of_discharge"].value == pytest.approx(0.07)
    assert run["gap_end_of_discharge"].read_at == 6 * SECOND


def test_each_round_of_a_repeat_ends_anew_and_the_last_one_counts() -> None:
    run = Run()
    for spread_v in (0.01, 0.02, 0.03):  # one and the same step, with nothing in between
        run.start(3, "2.repeat/1.discharge")
        run.put("plant.cell_v", (3.0, 3.0, 3.0, 3.0 + spread_v))
        run.ticks(4)
        run.end(3)
    run.start(3, "2.repeat/1.discharge")
    run.put("plant.cell_v", 3.2)
    run.ticks(2)
    assert run["gap_end_of_discharge"].value == pytest.approx(0.03)
    assert run["gap_end_of_discharge"].read_at == 12 * SECOND


def test_a_rest_counts_after_an_hour() -> None:
    run = Run(tick=MINUTE)
    run.put("pack.current_a", 10.0)
    run.ticks(5)
    run.put("pack.current_a", 0.1)
    run.put("plant.cell_v", UNEVEN_V)
    run.ticks(59)
    assert math.isnan(run["gap_end_of_rest"].value)
    run.ticks(1)
    assert run["gap_end_of_rest"].read_at == 65 * MINUTE
    assert run["gap_end_of_rest"].value == pytest.approx(0.07)
    run.put("pack.current_a", 1.0)
    run.put("plant.cell_v", 3.0)
    run.ticks(30)
    assert run["gap_end_of_rest"].read_at == 65 * MINUTE


def test_a_step_that_follows_a_house_is_read_at_the_knees_only() -> None:
    run = Run()
    run.start(0, "1.follow")
    run.put("pack.current_a", -3.0)  # sunset on the plateau
    run.ticks(3)
    run.put("pack.current_a", 30.0)
    run.ticks(3)
    assert math.isnan(run["gap_end_of_charge"].value)
    assert math.isnan(run["gap_end_of_discharge"].value)
    run.put("pack.current_a", -3.0)
    run.put("plant.cell_v", UNEVEN_V)
    run.ticks(2)
    run.put("pack.current_a", 30.0)
    run.ticks(2)
    run.put("plant.cell_v", (3.2, 3.0, 3.1, 3.2))
    run.ticks(2)
    assert run["gap_end_of_charge"].value == pytest.approx(0.07)
    assert run["gap_end_of_charge"].read_at == 8 * SECOND
    assert run["gap_end_of_discharge"].value == pytest.approx(0.2)
    assert run["gap_end_of_discharge"].read_at == 12 * SECOND


def test_a_gap_is_as_uncertain_as_two_emulators() -> None:
    run = Run(uncertainties=Uncertainties(set_v=Accuracy(0.001, 0.0001)))
    run.start(0, "1.discharge")
    run.put("plant.cell_v", (3.0, 3.0, 3.0, 3.1))
    run.ticks(1)
    run.end(0)
    assert run["gap_end_of_discharge"].uncertainty == pytest.approx(math.hypot(1.3e-3, 1.31e-3))
    assert run["max_cell_voltage"].uncertainty == pytest.approx(1.31e-3)


# --- extremes ----------------------------------------------------------------------------------


def test_extremes_say_which_cell_and_when() -> None:
    run = Run()
    run.ticks(2)
    run.put("plant.cell_v", (3.3, 3.2, 3.61, 3.3))
    run.put("plant.cell_degc", (20.0, 31.5, 25.0, 25.0))
    run.put("board.pcb_degc", 61.0)
    run.ticks(2)
    run.put("plant.cell_v", 3.3)
    run.put("plant.cell_degc", 60.0)
    run.put("board.pcb_degc", math.nan)
    run.ticks(2)
    high, low = run["max_cell_voltage"], run["min_cell_voltage"]
    assert (high.value, high.where, high.read_at) == (3.61, "cell[3]", 3 * SECOND)
    assert (low.value, low.where, low.read_at) == (3.2, "cell[2]", 3 * SECOND)
    assert run["cell_temperature_spread"].value == 11.5
    assert run["peak_pcb_temperature"].value == 61.0


# --- bleeding ----------------------------------------------------------------------------------


def test_bled_charge_and_energy_are_those_of_the_emulators() -> None:
    run = Run(tick=MINUTE, uncertainties=Uncertainties(read_a=Accuracy(0.001, 0.01)))
    run.put("emulator.read_a", (0.05, 0.0, 0.1, 0.0))
    run.put("emulator.read_v", (3.4, 3.3, 3.5, 3.3))
    run.ticks(120)
    charge = run["bled_charge"]
    assert charge.value == pytest.approx(0.3)
    assert run["bled_energy"].value == pytest.approx(2 * (0.05 * 3.4 + 0.1 * 3.5))
    # per channel 2 h x 1 mA and 1 % of what flowed; channels are independent
    assert charge.uncertainty == pytest.approx(math.hypot(0.003, 0.002, 0.004, 0.002))


def test_a_reading_covers_the_time_since_the_one_before_it() -> None:
    run = Run(tick=MINUTE)
    for k in range(60):
        run.put("emulator.read_a", math.nan if k % 3 else 0.06)
        run.ticks(1)
    # the last reading stands at minute 58; the two minutes after it are not known
    assert run["bled_charge"].value == pytest.approx(4 * 0.06 * 58 / 60)


def test_duty_and_switching_hold_what_is_not_known() -> None:
    run = Run(tick=HOUR)
    for duty in (1.0, math.nan, 0.0, 0.5):
        run.put("board.duty", (duty, 0.0, 0.0, 0.0))
        run.put("command.duty", math.nan)
        run.ticks(1)
    assert run["duty"].value == pytest.approx((1.0 + 1.0 + 0.0 + 0.5) / 16)
    assert run["switch_cycles"].value == pytest.approx(3 * 24 / 4)


def test_where_the_board_says_nothing_the_command_counts() -> None:
    run = Run(tick=HOUR)
    run.put("board.duty", math.nan)
    run.put("command.duty", (1.0, 0.0, 0.0, 0.0))
    run.ticks(2)
    assert run["duty"].value == pytest.approx(0.25)


# Needs: 5 Ah, 0.15 Ah, 0 Ah and 2 Ah, of Qmin 98 Ah: 0.2 % are 0.196 Ah, 1 % are 0.98 Ah.
NEEDY_SOC = [
    1.0 - (50.0 - need) / q for need, q in zip((5.0, 0.15, 0.0, 2.0), CAPACITY_AH, strict=True)
]


def test_wrong_cells_and_false_triggers() -> None:
    run = Run(tick=HOUR)
    run.put("plant.soc", NEEDY_SOC)
    run.put("board.duty", (1.0, 1.0, 0.0, 0.0))
    run.ticks(6)
    run.put("board.duty", (1.0, 0.0, 0.0, 0.0))
    run.ticks(6)
    run.put("board.duty", (1.0, 0.0, 1.0, 0.0))
    run.ticks(12)
    assert run["wrong_cell_share"].value == pytest.approx(18 / 42)
    assert run["false_triggers"].value == pytest.approx(2 / CELLS)


def test_a_need_that_the_bench_cannot_tell_makes_the_share_uncertain() -> None:
    """At 10 mA the need of cell 2 (0.15 Ah) is above 0.196 Ah - U after some four hours."""
    run = Run(tick=HOUR, uncertainties=Uncertainties(read_a=Accuracy(0.010)))
    run.put("plant.soc", NEEDY_SOC)
    run.put("board.duty", (1.0, 1.0, 0.0, 0.0))
    run.ticks(10)
    share = run["wrong_cell_share"]
    assert share.value == pytest.approx(0.5)
    # U = sqrt 2 x 10 mA x t exceeds 0.046 Ah from the fourth hour on: 7 of 20 cell-hours
    assert share.uncertainty == pytest.approx(7 / 20)


def test_missed_triggers_count_whole_stretches_of_a_day_or_more() -> None:
    run = Run(tick=HOUR)
    run.put("plant.soc", NEEDY_SOC)
    run.ticks(23)
    assert run["missed_triggers"].value == 0.0
    run.ticks(1)
    assert run["missed_triggers"].value == pytest.approx(2.0)  # cells 1 and 4, a day each
    run.ticks(12)
    assert run["missed_triggers"].value == pytest.approx(3.0)
    run.put("board.duty", (1.0, 0.0, 0.0, 0.0))
    run.ticks(1)
    run.put("board.duty", 0.0)
    run.ticks(11)
    assert run["missed_triggers"].value == pytest.approx(1.5 + 2.0)
    run.put("plant.soc", 1.0)
    run.ticks(100)
    assert run["missed_triggers"].value == pytest.approx(1.5 + 2.0)


def test_useful_share() -> None:
    run = Run(tick=HOUR)
    run.put("plant.soc", NEEDY_SOC)
    run.put("board.duty", (1.0, 0.0, 0.0, 1.0))
    run.put("emulator.read_a", (0.1, 0.0, 0.0, 0.1))
    run.ticks(10)
    assert run["useful_share"].value == pytest.approx(1.0)
    # the neediest gives as much as the others: nobody comes closer
    run.put("board.duty", 1.0)
    run.put("emulator.read_a", 0.1)
    run.ticks(10)
    assert run["useful_share"].value == pytest.approx(2.0 / 6.0)


def test_a_run_without_bleeding_was_wrong_nowhere_and_useful_nowhere() -> None:
    run = Run()
    run.ticks(5)
    assert run["wrong_cell_share"].value == 0.0
    assert run["wrong_cell_share"].where == "nothing was bled"
    assert math.isnan(run["useful_share"].value)


def test_throughput_counts_both_ways() -> None:
    run = Run(tick=MINUTE, uncertainties=Uncertainties(pack_a=Accuracy(0.01, 0.001)))
    run.put("pack.current_a", -20.0)
    run.ticks(60)
    run.put("pack.current_a", 10.0)
    run.ticks(60)
    assert run["throughput"].value == pytest.approx(30.0)
    assert run["throughput"].uncertainty == pytest.approx(0.02 + 0.03)


# --- what is not there -------------------------------------------------------------------------


def test_without_truth_the_metrics_that_need_it_are_not_available() -> None:
    signals = [s for s in LAYOUT.signals if not s.name.startswith("plant.")]
    run = Run(layout=Layout(signals), capacity_ah=())
    run.put("board.pcb_degc", 40.0)
    run.start(0, "1.discharge")
    run.ticks(5)
    run.end(0)
    for name, info in METRICS.items():
        value = run[name]
        never = name in {"measured_gap_end_of_charge", "measured_gap_end_of_rest"}
        missing = info.needs in {"emulated", "shadow", "study"} or never
        assert math.isnan(value.value) == missing, name
        assert value.where.startswith("n/a") == missing, name


def test_every_metric_is_there_in_its_unit_from_the_start() -> None:
    run = Run()
    assert list(run.metrics.result()) == list(METRICS)
    assert all(math.isnan(value.value) for value in run.metrics.result().values())
    run.ticks(1)
    for name, value in run.metrics.result().items():
        assert value.unit == METRICS[name].unit


def test_records_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="before the run"):
        Metrics().feed(Tick(0, (), ""))
    with pytest.raises(ValueError, match="no run"):
        Metrics().result()


def test_a_missed_slot_is_no_missing_time() -> None:
    run = Run(tick=SECOND)
    run.put("emulator.read_a", 0.06)
    run.ticks(10)
    run.at += DAY - 20 * SECOND
    run.ticks(10)
    assert run["bled_charge"].value == pytest.approx(4 * 0.06 * 24)


def test_the_layout_is_the_records_own() -> None:
    """A recorded run with other signals in another order gives the same metrics."""
    turned = Layout([Signal("extra", "1", 3), *reversed(LAYOUT.signals)])
    values = []
    for layout in (LAYOUT, turned):
        run = Run(layout=layout)
        run.start(0, "1.charge")
        run.put("plant.soc", NEEDY_SOC)
        run.put("board.duty", (1.0, 0.5, 0.0, 0.0))
        run.put("emulator.read_a", 0.1)
        run.ticks(50)
        run.end(0)
        values.append(run.metrics.result())
    assert repr(values[0]) == repr(values[1])


def test_a_rest_goes_on_from_step_to_step() -> None:
    run = Run(tick=MINUTE)
    for k in range(4):
        run.start(k, f"{k + 1}.soak")
        run.ticks(15)
        run.end(k)
    assert run["gap_end_of_rest"].read_at == HOUR


def test_board_and_shadow_differ_where_one_of_them_bleeds_and_the_other_does_not() -> None:
    run = Run(layout=tick_layout(CELLS, 2, shadow=True))
    run.put("board.duty", math.nan)
    run.ticks(1)
    assert run["shadow_disagreement"].where == "n/a: the board has reported no duty"
    run.put("board.duty", (1.0, 0.0, 0.0, 1.0))
    run.put("reference.duty", (1.0, 0.0, 0.0, 0.5))
    run.ticks(5)
    assert run["shadow_disagreement"].value == 0.0
    run.put("reference.duty", (1.0, 1.0, 0.0, 0.0))
    run.ticks(4)
    run.put("reference.duty", (1.0, 0.0, 0.0, 0.0))
    run.ticks(1)
    # 4 of cell 2 and 5 of cell 4, of 4 cells in 10 ticks
    assert run["shadow_disagreement"].value == pytest.approx(9 / 40)
    assert run["shadow_disagreement"].where == "most on cell[4], 50 % of its time"
