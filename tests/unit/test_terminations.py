"""What ends a charge: said before the run, in one line after it, and beside every gap."""

from dataclasses import replace
from typing import Any

import pytest

from hil.core.terminations import ceiling_text, told
from hil.physics.termination import KNEE_V, Termination, gap_ceiling_v
from hil.profile import load_bench, load_profile
from hil.profile.files import CHECKOUT
from hil.profile.terminations import ceilings, stated

BENCH = load_bench("virtual-16s", ())
PROFILES = CHECKOUT / "runs"


def statement(*overrides: str) -> dict[str, Any]:
    """Return what the demo says, with changes."""
    profile = load_profile(PROFILES / "hot-summer-day.yaml", list(overrides))
    return stated(profile, BENCH)


def firsts(*overrides: str) -> list[tuple[str, float | None, str]]:
    """Return kind, voltage of the first cell and who ends each charging step of the demo."""
    profile = load_profile(PROFILES / "hot-summer-day.yaml", list(overrides))
    return [(one.step.kind, one.first_v, one.by) for one in ceilings(profile, BENCH)]


def test_every_way_to_charge_has_its_own_ceiling() -> None:
    own = "the step's own limit"
    assert firsts() == [("follow", 3.45, own), ("charge", 3.45, own), ("hold", 3.50, own)]


@pytest.mark.parametrize(
    ("charge", "first_v", "by"),
    [
        ("{current: 20 A, until: [after: 9 h]}", 3.65, "the board's over-voltage protection"),
        ("{current: 20 A, until: [pack.voltage >= 56 V]}", 3.65, "the board's over-voltage"),
        ("{current: 20 A, until: [all cell.voltage >= 3.4 V]}", 3.65, "the board's over-voltage"),
        ("{current: 20 A, limit: none, until: [after: 9 h]}", 3.65, "the interlock of the bench"),
        (
            "{current: 20 A, until: [any cell.voltage >= 3.6 V, any cell.voltage >= 3.5 V]}",
            3.5,
            "the step's own",
        ),
        ("{current: 20 A, until: [any cell.voltage <= 3.5 V, after: 9 h]}", 3.65, "the board's"),
        # a limit above what ends the charge anyway
        ("{current: 20 A, until: [any cell.voltage >= 5 V]}", 3.65, "the board's over-voltage"),
        ("{current: 20 A, limit: none, until: [any cell.voltage >= 5 V]}", 3.65, "the interlock"),
        ("{current: 20 A, until: [any cell.voltage >= 3.65 V]}", 3.65, "the step's own"),
    ],
)
def test_a_charge_without_a_limit_of_a_cell_is_ended_by_another(
    charge: str, first_v: float, by: str
) -> None:
    kind, at_v, whom = firsts(f"steps.3.charge={charge}")[1]
    assert (kind, at_v) == ("charge", first_v)
    assert whom.startswith(by)


def test_the_gap_has_the_ceiling_of_the_loosest_step() -> None:
    """1.4 of the design: 95 to 170 mV where the first cell ends it at 3.50, 245 to 320 at 3.65."""
    assert statement()["gap_ceiling_v"] == pytest.approx(0.155)
    loose = statement("steps.3.charge={current: 20 A, until: [after: 9 h]}")
    assert loose["gap_ceiling_v"] == pytest.approx(0.305)
    assert ceiling_text(loose) == "ceiling by termination 305 mV"
    assert ceiling_text({}) == ""
    assert gap_ceiling_v(KNEE_V - 0.1) == 0.0


def test_one_line_says_what_ended_the_charges_and_within_which_limits() -> None:
    ended = [("1.soak", "dwelt"), ("3.charge", "any cell.voltage >= 3.45 V"), ("4.hold", "taper")]
    line = told(statement(), [*ended, ("4.hold", "taper")])
    assert line == (
        "Charge ended by: any cell.voltage >= 3.45 V (3.charge); taper (4.hold, 2 times). "
        "Limits: 2.follow, 3.charge first cell at 3.45 V, the step's own limit; "
        "4.hold first cell at 3.50 V, the step's own limit; "
        "board: over-voltage 3.65 V, released at 3.50 V, under-voltage 2.50 V, released at 2.80 V, "
        "each after 1 s; no charge below 0 degC, 0.1C below 5 degC"
    )
    assert "nothing yet" in told(statement(), [])


def test_a_run_of_before_says_nothing() -> None:
    assert told({}, [("3.charge", "any")]) == ""


# --- the rules as numbers ---------------------------------------------------------------------


def test_the_defaults_are_those_of_the_design() -> None:
    line = Termination().line()
    for figure in ("3.45 V a cell", "3.50 V", "0.05C", "3.65 V", "1 s", "0 degC", "0.1C below 5"):
        assert figure in line


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hold_v": 3.55}, "cell_max_v"),
        ({"over_voltage_v": 3.45}, "over_voltage_v"),
        ({"over_voltage_release_v": 3.65}, "over_voltage_release_v"),
        ({"over_voltage_release_v": 3.40}, "over_voltage_release_v"),
        ({"under_voltage_release_v": 2.4}, "under_voltage_release_v"),
        ({"cold_charge_below_degc": -1.0}, "cold_charge_below_degc"),
        ({"delay_s": -1.0}, "delay_s"),
        ({"under_voltage_v": 0.0}, "under_voltage_v"),
    ],
)
def test_refuses_limits_in_the_wrong_order(change: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}: "):
        replace(Termination(), **change)
