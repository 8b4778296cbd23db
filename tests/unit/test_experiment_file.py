"""Experiments from files: what is read, what is refused, and where the error points."""

from pathlib import Path

import pytest

from hil.core.errors import ConfigErrors
from hil.profile.files import CHECKOUT
from hil.profile.load_experiment import load_experiment
from hil.study.arms import pack_of
from hil.study.draws import drawn, draws_of

FOLDER = CHECKOUT / "experiments"
FILES = sorted(path for path in FOLDER.glob("E*.yaml"))

SMALL = """\
experiment: T1
title: a test
claim: something is so
duration: 1 d
draws: 4
conditions:
  gradient: 6 K
  schedule: [{discharge: 10 A, for: 2 h}, {charge: 10 A, for: 2 h}]
assumed:
  leakage: 0.1 mA to 1 mA, log
  spread.capacity: 0.3 % to 2 %
variants:
  even: {gradient: 0 K, arms: [fixed]}
  tight: {leakage: 0.5 mA}
arms:
  none: {strategy: none}
  oracle: {strategy: oracle}
  fixed: {strategy: fixed-threshold, board: standard-200mA}
  other: {strategy: top-balance, lead: 10 mohm}
checks:
  - {name: is so, role: claim, metric: usable_capacity, arm: fixed, against: none, below: -0.1 %}
"""


def written(tmp_path: Path, text: str = SMALL) -> Path:
    path = tmp_path / "test.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_experiment_that_is_shipped_loads(path: Path) -> None:
    found = load_experiment(path)
    assert path.stem.startswith(f"E{int(found.head.experiment[1:]):02d}-")
    assert found.head.draws >= 50  # design/physics.md, section 4
    assert len(found.head.seeds) >= 3
    assert any(check.role == "control" for check in found.checks)


def test_arms_are_conditions_on_top_of_variants_on_top_of_the_experiment(tmp_path: Path) -> None:
    arms = {arm.label: arm for arm in load_experiment(written(tmp_path)).arms}
    labels = [arm for arm in arms if not arm.startswith("tight")]
    assert labels == ["none", "oracle", "fixed", "other", "even/none", "even/oracle", "even/fixed"]
    assert arms["fixed"].conditions.gradient_k == 6.0
    assert arms["even/fixed"].conditions.gradient_k == 0.0
    assert arms["even/fixed"].design.model == "standard-200mA"
    assert arms["other"].conditions.lead_ohm == pytest.approx(0.010)


def test_a_strategy_is_commissioned_with_what_its_board_and_pack_say(tmp_path: Path) -> None:
    text = SMALL.replace(
        "strategy: top-balance, lead", "strategy: top-balance, board_error: 7 mV, lead"
    )
    text = text.replace("  schedule:", "  cell: lfp-280ah\n  schedule:")
    arms = {arm.label: arm for arm in load_experiment(written(tmp_path, text)).arms}
    assert arms["other"].strategy.capacity_ah == 280.0  # of the cell
    assert arms["other"].strategy.board_error_v == pytest.approx(0.007)  # as the file says


@pytest.mark.parametrize(
    ("board", "rth_k_per_w"),
    [
        ("standard-200mA", 2.0),
        # 0.30 W/K of its own, and 0.05 W/K through the slot to a zone with 0.20 W/K
        ("isolated-zone", 1.0 / (0.30 + 1.0 / (1.0 / 0.05 + 1.0 / 0.20))),
    ],
)
def test_derating_is_told_how_warm_its_board_gets(
    tmp_path: Path, board: str, rth_k_per_w: float
) -> None:
    text = SMALL.replace(
        "strategy: top-balance, lead",
        f"strategy: top-balance, board: {board}, layers: [derating, {{derating: {{rth: 9 K/W}}}}], "
        "lead",
    )
    [arm] = [one for one in load_experiment(written(tmp_path, text)).arms if one.label == "other"]
    filled, given = arm.strategy.layers
    assert filled.rth_k_per_w == pytest.approx(rth_k_per_w)
    assert filled.bleed_ohm == pytest.approx(arm.design.bleed_path_ohm)
    assert given.rth_k_per_w == 9.0


def test_what_conditions_say_of_the_board_changes_it_and_what_is_commissioned(
    tmp_path: Path,
) -> None:
    layered = (
        "strategy: foxbms-history, board: standard-200mA, layers: [measurement-discipline], lead"
    )
    text = SMALL.replace("strategy: top-balance, lead", layered)
    settings = ["arms.fixed.strategy=charge-ledger", "sampling_error=4 mV"]
    path = written(tmp_path, text)
    arms = {arm.label: arm for arm in load_experiment(path, settings).arms}
    muted, layers = arms["fixed"], arms["other"]
    assert muted.design.mute
    assert muted.design.offset_v == muted.strategy.board_error_v == pytest.approx(0.004)
    window_ratio = muted.design.bleed_window_s / (muted.design.cycle_ns * 1e-9)
    assert muted.strategy.bleed_window_ratio == pytest.approx(window_ratio)
    assert window_ratio < 1.0
    assert layers.strategy.base.bleed_ohm == pytest.approx(layers.design.bleed_path_ohm)
    arms = {arm.label: arm for arm in load_experiment(path, [*settings, "muted=no"]).arms}
    unmuted = arms["fixed"]
    assert (unmuted.design.mute, unmuted.design.settle_ns) == (False, 0)
    assert unmuted.strategy.bleed_window_ratio == 1.0


def test_conditions_stand_in_place_of_figures_of_the_board(tmp_path: Path) -> None:
    settings = ["bleed_tolerance=5 %", "drift=80 ppm/K", "arms.fixed.board=isolated-zone"]
    settings += ["arms.fixed.zone_between=0.7 W/K", "seam_every=4"]
    arms = {arm.label: arm for arm in load_experiment(written(tmp_path), settings).arms}
    design = arms["fixed"].design
    assert design.bleed_tolerance_ratio == pytest.approx(0.05)
    assert design.drift_ppm_per_k == pytest.approx(80.0)
    assert design.zones is not None
    assert design.zones.between_w_per_k == pytest.approx(0.7)
    assert pack_of(arms["fixed"].conditions, arms["fixed"].cell).seam_every == 4


def test_two_temperatures_differ_by_kelvins(tmp_path: Path) -> None:
    metric = "metric: peak_pcb_temperature, arm: fixed"
    text = SMALL.replace("metric: usable_capacity, arm: fixed", metric)
    [check] = load_experiment(written(tmp_path, text.replace("-0.1 %", "-2 K"))).checks
    assert check.unit == "K"
    assert check.below == pytest.approx(-2.0)
    with pytest.raises(ConfigErrors, match="expected a temperature difference"):
        load_experiment(written(tmp_path, text.replace("-0.1 %", "25 degC")))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("zone_between=0.7 W/K", "'standard-50mA' has no zones, leave 'zone_between' out for it"),
        ("cells=32", "'standard-50mA' is for 16 cells, the pack has 32"),
    ],
)
def test_a_board_that_does_not_go_with_its_conditions_is_refused_at_its_arm(
    tmp_path: Path, setting: str, said: str
) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load_experiment(written(tmp_path), [setting])
    assert any(
        said in str(error) and "arms.none.board" in str(error) for error in raised.value.errors
    )


def test_an_arm_stands_over_a_variant_and_a_range_over_the_file_that_it_includes(
    tmp_path: Path,
) -> None:
    other = tmp_path / "ranges.yaml"
    other.write_text("leakage: 2 mA to 3 mA\nlink: 0.1 mohm to 0.3 mohm\n", encoding="utf-8")
    text = SMALL.replace("assumed:", "assumed:\n  include: ranges")
    text = text.replace("tight: {", "tight: {lead: 70 mohm, ")
    found = load_experiment(written(tmp_path, text))
    ranges = {one.key: one.low for one in found.assumed}
    assert ranges == pytest.approx({"leakage": 1e-4, "link": 1e-4, "spread.capacity": 0.003})
    arms = {arm.label: arm for arm in found.arms}
    assert arms["tight/fixed"].conditions.lead_ohm == pytest.approx(0.070)
    assert arms["tight/other"].conditions.lead_ohm == pytest.approx(0.010)


def test_a_check_compares_within_its_variant_unless_it_names_another(tmp_path: Path) -> None:
    inside = SMALL.replace("arm: fixed, against", "arm: fixed, variant: even, against")
    [check] = load_experiment(written(tmp_path, inside)).checks
    assert (check.arm, check.against) == ("even/fixed", "even/none")
    across = inside.replace("against: none", "against: none, against_variant: tight")
    [check] = load_experiment(written(tmp_path, across)).checks
    assert (check.arm, check.against) == ("even/fixed", "tight/none")


@pytest.mark.parametrize(
    ("wanted", "variants"), [("all", ["even", "tight"]), ("[tight]", ["tight"])]
)
def test_one_check_may_stand_for_one_in_each_variant(
    tmp_path: Path, wanted: str, variants: list[str]
) -> None:
    text = SMALL.replace("role: claim", f"variants: {wanted}, role: claim")
    checks = load_experiment(written(tmp_path, text)).checks
    assert [check.name for check in checks] == [f"{one}: is so" for one in variants]
    assert [(check.arm, check.against, check.below) for check in checks] == [
        (f"{one}/fixed", f"{one}/none", -0.001) for one in variants
    ]


def test_a_group_that_is_set_by_hand_is_known_in_all_its_parts(tmp_path: Path) -> None:
    found = load_experiment(written(tmp_path), ["spread={capacity: 1 %}"])
    assert [one.key for one in found.assumed] == ["leakage"]
    assert found.overrides == ("spread={capacity: 1 %}",)
    # "leakage_activation" is not "leakage"
    other = load_experiment(written(tmp_path), ["leakage_activation=40 kJ/mol"])
    assert [one.key for one in other.assumed] == ["leakage", "spread.capacity"]


@pytest.mark.parametrize(
    ("plane", "said"),
    [
        ("[leakage, spread.capacity, oscillation]", ""),
        ("[leakage, lead, oscillation]", "found 'lead', expected two of the assumed conditions"),
        ("[leakage, spread.capacity, oscilation]", "found 'oscilation'.*'oscillation'"),
        ("[leakage, leakage, oscillation]", "expected two of the assumed"),
        ("[leakage]", "expected two of the assumed"),
    ],
)
def test_a_plane_is_of_what_is_drawn(tmp_path: Path, plane: str, said: str) -> None:
    path = written(tmp_path, SMALL.replace("draws: 4", f"draws: 4\nplane: {plane}"))
    if not said:
        assert len(load_experiment(path).head.plane) == 3
        assert load_experiment(path, ["leakage=1 mA"]).assumed[0].key == "spread.capacity"
        return
    with pytest.raises(ConfigErrors, match=rf"test.yaml:6:\d+: plane: .*{said}"):
        load_experiment(path)


def test_what_is_drawn_is_what_is_only_assumed(tmp_path: Path) -> None:
    """A range says nothing where the variant, the arm or the command line knows better."""
    found = load_experiment(written(tmp_path))
    draw = draws_of(found.assumed, 4, [1])[0]
    arms = {arm.label: arm for arm in found.arms}
    base, tight = (drawn(arms[label], found.assumed, draw) for label in ("fixed", "tight/fixed"))
    assert base.leakage_a == draw.values[0]
    assert tight.leakage_a == pytest.approx(0.0005)
    assert base.spread.capacity_ratio == tight.spread.capacity_ratio == draw.values[1]
    assert pack_of(base, arms["fixed"].cell).cell.leakage_a == draw.values[0]
    by_hand = load_experiment(written(tmp_path), ["leakage=0.2 mA"])
    assert [one.key for one in by_hand.assumed] == ["spread.capacity"]


def test_set_reaches_conditions_by_their_bare_names_and_everything_else_by_its_own(
    tmp_path: Path,
) -> None:
    found = load_experiment(
        written(tmp_path), ["gradient=12 K", "draws=60", "arms.fixed.lead=1 ohm"]
    )
    arms = {arm.label: arm for arm in found.arms}
    assert found.head.draws == 60
    assert arms["none"].conditions.gradient_k == 12.0
    assert arms["even/none"].conditions.gradient_k == 0.0  # the variant's own word
    assert arms["fixed"].conditions.lead_ohm == 1.0


def test_checks_are_read_in_the_unit_of_their_metric_and_said_in_words(tmp_path: Path) -> None:
    [check] = load_experiment(written(tmp_path)).checks
    assert check.below == pytest.approx(-0.001)
    assert check.expected == "usable_capacity of fixed less that of none below -0.1 %"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("gradient: 6 K", "gradiant: 6 K", r"test.yaml:7:3: gradiant: unknown key.*'gradient'"),
        ("gradient: 6 K", "gradient: 6 degC", r"test.yaml:7:13: gradient: "),
        ("arm: fixed,", "arm: fixd,", r"test.yaml:21:.*no arm 'fixd'.*'fixed'"),
        ("metric: usable_capacity", "metric: usable", r"no 'usable'"),
        ("below: -0.1 %", "below: -0.1 V", r"test.yaml:21:.*below"),
        (", below: -0.1 %", "", r"expected 'below', 'above' or both"),
        ("arms: [fixed]", "arms: [fxd]", r"test.yaml:13:.*no arm 'fxd'"),
        ("oracle: {strategy: oracle}", "best: {strategy: oracle}", r"expected 'oracle: "),
        ("0.1 mA to 1 mA", "1 mA to 0.1 mA", r"test.yaml:10:.*expected a rising range"),
        ("0.1 mA to 1 mA", "0.1 mA", r"expected '0.1 mA to 1 mA'"),
        ("leakage: 0.1", "leekage: 0.1", r"no condition 'leekage'.*'leakage'"),
        ("board: standard-200mA", "board: standard-32s", r"for 32 cells, the pack has 16"),
        ("board: standard-200mA", "board: standrd", r"no board 'standrd'"),
        ("role: claim", "role: clam", r"found 'clam'"),
        ("role: claim", "variants: evn, role: claim", r"test.yaml:21:.*expected 'all' or a list"),
        ("role: claim", "variants: [evn], role: claim", r"test.yaml:21:.*no variant 'evn'.*'even'"),
        (
            "role: claim",
            "variants: all, variant: even, role: claim",
            r"test.yaml:21:.*expected 'variant' or 'variants', not both",
        ),
        ("role: claim", "role: control", r"expected at least one with 'role: claim'"),
        ("checks:", "check:", r"expected a list of checks"),
        ("duration: 1 d", "duration: 1", r"duration"),
        ("strategy: top-balance", "strategy: top-balanse", r"top-balanse"),
    ],
)
def test_a_mistake_is_told_in_one_line_at_its_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in SMALL
    with pytest.raises(ConfigErrors, match=said) as refused:
        load_experiment(written(tmp_path, SMALL.replace(old, new, 1)))
    assert all("\n" not in str(one) for one in refused.value.errors)
