"""How limits are written, combined, and shown before a run."""

import json
from pathlib import Path
from typing import Any

import pytest

from hil.app.preparation import specs_of
from hil.cli import main
from hil.core.errors import ConfigErrors
from hil.core.instants import MINUTE
from hil.profile import load_bench, load_profile
from hil.profile.files import CHECKOUT
from hil.profile.limits import combined
from hil.profile.model import Limit
from hil.profile.terminations import ceilings
from hil.profile.watch import unguarded


def limits(text: str) -> tuple[Limit, ...]:
    """Return the limits of a profile that has none on the chamber and the current but these."""
    found = load_profile("room-baseline", [f"limits={text}"]).limits
    return tuple(found)


def test_limits_are_written_as_values_rates_and_warnings() -> None:
    assert limits("{chamber.temperature: {max: 60 degC, rate: 2 K/min, over: 1 min}}") == (
        Limit("chamber.temperature", None, 60.0, 2.0, MINUTE),
    )
    assert limits("{current: {max: 50 A, warn: {max: 40 A}}}") == (
        Limit("current", None, 50.0),
        Limit("current", None, 40.0, severity="warn"),
    )
    assert limits("{current: {warn: {max: 40 A}}}") == (
        Limit("current", None, 40.0, severity="warn"),
    )


WRONG = {
    "{current: {}}": "limits.current: expected min, max or rate",
    "{current: {warn: {}}}": "limits.current.warn: expected min, max or rate",
    "{current: {min: 3 A, max: 2 A}}": "limits.current: min lies above max",
    "{current: {rate: 5 A/s}}": "limits.current: a rate is watched over a time",
    "{current: {over: 5 s, max: 3 A}}": "limits.current: a rate is watched over a time",
    "{current: {rate: 0 A/s, over: 5 s}}": "limits.current: found a rate of 0",
    "{current: {rate: 5 A/s, over: 2 h}}": "limits.current: a rate over 02:00:00",
    "{current: {rate: 5 A, over: 2 s}}": "limits.current.rate: found '5 A'",
    "{current: {max: 5 A, warn: {max: 5 A}}}": "limits.current: warn.max lies at or beyond max",
    "{current: {min: 5 A, warn: {min: 4 A}}}": "limits.current: warn.min lies at or beyond min",
    "{board.age: {rate: 1 s, over: 1 s}}": "limits.board.age.rate: unknown key 'rate'",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_limit_that_is_none_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        limits(text)
    assert WRONG[text] in str(caught.value)


def test_a_file_that_says_no_more_than_before_is_recorded_as_before() -> None:
    """New keys of limits leave no trace where they are not used: digests of old runs stand."""
    for text in (load_profile("room-baseline"), load_bench("virtual-16s")):
        body = json.loads(text.resolved_text())
        assert body["limits"]
        assert all(set(one) == {"quantity", "minimum", "maximum"} for one in body["limits"])
        assert "cell_limits" not in body


def origins(*overrides: str) -> dict[str, str]:
    profile, bench = load_profile("room-baseline", overrides), load_bench("virtual-16s", overrides)
    return {bound.rule: bound.origin for bound in combined(profile, bench, specs_of(bench))}


def test_each_origin_wins_where_it_is_the_tightest() -> None:
    usual = origins()
    assert usual["cell.voltage <="] == "profile"
    assert usual["board.temperature <="] == "profile"
    assert usual["chamber.temperature <="] == "device chamber"
    loose = origins("limits={current: {max: 9 A}}")
    assert loose["cell.voltage <="] == "bench"
    assert loose["cell.temperature <="] == "pack lfp-100ah"
    none = origins("limits={current: {max: 9 A}}", "bench.limits={current: {max: 8 A}}")
    assert none["cell.voltage <="] == "pack lfp-100ah"
    assert none["current <="] == "bench"
    bare = [*("limits={current: {max: 9 A}}", "bench.limits={}"), "pack.cell=bpx-2ah"]
    assert origins(*bare)["cell.voltage <="] == "device emulator-1"


def test_the_limits_of_a_cell_file_are_checked_at_its_line(tmp_path: Path) -> None:
    cell = (CHECKOUT / "cells" / "lfp-100ah.yaml").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(cell.replace("max: 3.85 V", "max: 3.85 A"))
    with pytest.raises(ConfigErrors) as caught:
        load_profile("room-baseline", [f"pack.cell={path}"])
    line = 1 + path.read_text().splitlines().index(
        next(one for one in path.read_text().splitlines() if "3.85 A" in one)
    )
    assert f"mine.yaml:{line}:" in str(caught.value)
    assert "limits.cell.voltage.max: found '3.85 A'" in str(caught.value)


def test_a_charge_that_only_the_cells_limit_ends_is_told_with_it() -> None:
    free = "{current: 20 A, limit: none, until: [after: 9 h]}"
    changes = ["limits={current: {max: 90 A}}", "bench.limits={}", f"steps.2.charge={free}"]
    profile, bench = load_profile("room-baseline", changes), load_bench("virtual-16s", changes)
    assert 3.85 in [one.first_v for one in ceilings(profile, bench)]
    warned = ["limits={cell.voltage: {warn: {max: 3.4 V}}}", *changes[1:]]
    profile = load_profile("room-baseline", warned)
    assert 3.85 in [one.first_v for one in ceilings(profile, bench)]


def test_a_stack_that_can_be_touched_needs_no_cover() -> None:
    bench = load_bench("virtual-16s")
    both = list(unguarded(bench, specs_of(bench)))
    assert [line.partition(":")[0] for line in both] == [
        "16 cells can make 80 V DC, above 60 V",
        "chamber goes from -40 to 180 degC",
    ]
    one_unit = {"emulator-1": specs_of(bench)["emulator-1"]}
    assert list(unguarded(bench, one_unit)) == []


def test_check_prints_what_will_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["--set", "limits.board.temperature.warn.max=70 degC"]
    main(["check", "room-baseline", *changes])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "room-baseline can run on virtual-16s"
    rows = [line.split() for line in lines]
    assert ["trip", "cell.voltage", "<=", "3.65", "V", "profile"] in rows
    assert ["warn", "board.temperature", "<=", "70", "degC", "profile"] in rows
    assert sum(line.startswith("note: ") for line in lines) == 2
    main(["check", "room-baseline", *changes, "--json"])
    body: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {one["rule"] for one in body["watched"]} >= {"cell.voltage <=", "board.age <="}
    assert len(body["watched"]) == len([row for row in rows if row[0] in ("trip", "warn")])
    assert len(body["notes"]) == 2
