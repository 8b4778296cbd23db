"""docs/balancing.md names what is registered, and nothing else; its figures are the defaults."""

import re
from pathlib import Path

import pytest

from hil.balancing import LAYERS, STRATEGIES
from hil.balancing.compensated import CompensatedTrade
from hil.balancing.evidence import MeasurementDiscipline, OpenWireSafety, Plausibility
from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.foxbms_history import FoxBmsHistory
from hil.balancing.heat import BangBang, Derating
from hil.balancing.libresolar import LibreSolar
from hil.balancing.rationing import PowerBudget
from hil.profile.controllers import STRATEGY
from hil.profile.problems import read
from hil.profile.source import Mark
from hil.profile.tree import Table, parse

PAGE = (Path(__file__).parents[2] / "docs" / "balancing.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, str]:
    """Return the rows of the table below a heading, by the name in their first column."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return {
        row[1]: row[2] for row in re.finditer(r"^\| `([\w-]+)` \|(.*)\|$", section, re.MULTILINE)
    }


@pytest.mark.parametrize(("heading", "registry"), [("Strategies", STRATEGIES), ("Layers", LAYERS)])
def test_the_tables_name_what_is_registered(heading: str, registry: dict[str, object]) -> None:
    named = list(rows(heading))
    assert named == sorted(registry), "docs/balancing.md has a row for each, in alphabetical order"
    assert all(row.count("|") == 2 for row in rows(heading).values())


def test_the_figures_of_the_tables_are_the_defaults() -> None:
    strategies, layers = rows("Strategies"), rows("Layers")
    fixed, foxbms = FixedThreshold(), FoxBmsHistory()
    told = {
        strategies["fixed-threshold"]: (1e3 * fixed.start_v, "mV", 1e3 * fixed.stop_v, "mV"),
        strategies["compensated-trade"]: (1e3 * CompensatedTrade().slope_v_per_k, "mV/K"),
        strategies["foxbms-history"]: (1e3 * (foxbms.threshold_v + foxbms.hysteresis_v), "mV"),
        strategies["libresolar"]: (LibreSolar().delay_s / 60, "min"),
        layers["bang-bang"]: (BangBang().limit_degc, "degC", BangBang().hysteresis_k, "K"),
        layers["derating"]: (Derating().limit_degc - Derating().margin_k, "degC"),
        layers["open-wire-safety"]: (1e3 * OpenWireSafety().mirror_v, "mV"),
        layers["plausibility"]: (Plausibility().high_v, "V", Plausibility().jump_v, "V"),
        layers["power-budget"]: (PowerBudget().limit_w, "W"),
    }
    for row, figures in told.items():
        for value, unit in zip(figures[::2], figures[1::2], strict=True):
            assert f"{value:g} {unit}" in row
    assert MeasurementDiscipline().bleed_decisions == 5
    assert "five decisions" in layers["measurement-discipline"]


def test_the_example_is_one() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    whole = parse(block, Mark("docs/balancing.md"))
    assert isinstance(whole, Table)
    layered = read(STRATEGY, whole["controller"])
    assert layered.base == FixedThreshold(start_v=0.020, stop_v=0.010)
    assert [layer.kind for layer in layered.layers] == ["neighbour-exclusion", "derating"]
    assert layered.layers[1].limit_degc == 80.0
