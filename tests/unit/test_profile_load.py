"""Loading: the shipped files, overrides, parameters, includes, and what a run's record keeps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hil.balancing.fixed_threshold import FixedThreshold
from hil.core.errors import ConfigErrors
from hil.core.instants import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from hil.core.wiring import Channel, NtcWire
from hil.profile import load_bench, load_cell, load_profile
from hil.profile.conditions import After, Compare
from hil.profile.files import CHECKOUT
from hil.profile.model import Charge, Expect, ExpectFault, Inject, Limit, Repeat, Rest, all_steps

RUNS = sorted(path.stem for path in (CHECKOUT / "runs").glob("*.yaml"))
BENCHES = sorted(path.stem for path in (CHECKOUT / "benches").glob("*.yaml"))
CELLS = sorted(path.stem for path in (CHECKOUT / "cells").glob("*.yaml"))

HEAD = """\
profile: example
needs: {cells: 16}
controller: {strategy: none}
pack: {cell: lfp-100ah}
verdict: [usable_capacity >= 98 %]
"""


def profile_with(steps: str, tmp_path: Path, head: str = HEAD) -> Path:
    path = tmp_path / "example.yaml"
    path.write_text(f"{head}steps:\n{steps}")
    return path


@pytest.mark.parametrize("name", RUNS)
def test_every_shipped_profile_loads_and_names_a_shipped_bench(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.bench in BENCHES
    assert all(step.text and step.line and step.path for step in all_steps(profile.steps))


@pytest.mark.parametrize("name", BENCHES)
def test_every_shipped_bench_loads_and_wires_each_cell_once(name: str) -> None:
    bench = load_bench(name)
    assert bench.name == name
    assert len(set(bench.wiring.cells)) == bench.board.cells
    assert len(bench.wiring.lead_ohm) == bench.board.cells + 1


@pytest.mark.parametrize("name", CELLS)
def test_every_shipped_cell_loads(name: str) -> None:
    assert load_cell(name).capacity_ah > 0


def test_the_virtual_bench_in_numbers() -> None:
    bench = load_bench("virtual-16s")
    assert bench.tick_ns == SECOND
    assert bench.board.cycle_ns == 100 * MILLISECOND
    assert bench.wiring.cells[8] == Channel("emulator-2", 1)
    assert bench.wiring.ntcs[1] == NtcWire(2, 6, Channel("emulator-1", 2))
    assert set(bench.wiring.lead_ohm) == {0.060}
    assert bench.wiring.shunt is not None
    assert bench.wiring.shunt.ratio == 100.0
    assert bench.devices["emulator-2"].virtual == {"serial": "V-0002"}


def test_steps_become_numbers_with_their_place(tmp_path: Path) -> None:
    steps = """\
  - repeat: 7
    every: 24 h
    steps:
      - charge: {power: 1.5 kW, limit: none, until: [all cell.voltage > 3.5 V, after: 1:30]}
      - rest: 5 min
  - inject: {target: wiring, fault: open-lead, cell: 5, for: 10 s}
  - expect: {board: open-wire, cell: 5, within: 5 s}
  - expect: {chamber.temperature: {min: 20 degC, max: 30 degC}, read: at last}
"""
    profile = load_profile(profile_with(steps, tmp_path))
    repeat, inject, fault, expect = profile.steps
    assert isinstance(repeat, Repeat)
    assert (repeat.count, repeat.every_ns, repeat.path) == (7, DAY, "1.repeat")
    charge, rest = repeat.steps
    assert isinstance(charge, Charge)
    assert (charge.current_a, charge.power_w, charge.limit) == (None, 1500.0, "none")
    assert charge.until == (
        Compare("all", "cell.voltage", ">", 3.5, "all cell.voltage > 3.5 V"),
        After(90 * MINUTE, "after 1:30"),
    )
    assert (charge.path, charge.line) == ("1.repeat/1.charge", 10)
    assert isinstance(rest, Rest)
    assert (rest.for_ns, rest.text) == (5 * MINUTE, "rest 5 min")
    assert isinstance(inject, Inject)
    assert (inject.target, inject.cell, inject.for_ns) == ("wiring", 5, 10 * SECOND)
    assert isinstance(fault, ExpectFault)
    assert (fault.fault, fault.cell, fault.within_ns) == ("open-wire", 5, 5 * SECOND)
    assert isinstance(expect, Expect)
    assert (expect.minimum, expect.maximum, expect.unit) == (20.0, 30.0, "degC")
    assert expect.name == "chamber.temperature, at last"


def test_overrides_reach_the_file_they_belong_to() -> None:
    overrides = [
        "pack.cells.5.capacity=99.9 %",
        "controller={strategy: fixed-threshold, start: 40 mV}",
        "steps.2.charge.current=10 A",
        "limits.cell.voltage.max=3.60 V",
        "limits.pack.voltage.max=58 V",
        "tick=2 s",
        "bench.tick=1 s",
        "board.cycle=1 s",
        "bench.devices.chamber.virtual.serial=X",
    ]
    profile, bench = load_profile("room-baseline", overrides), load_bench("virtual-16s", overrides)
    assert profile.pack.cells[5].capacity_ratio == 0.999
    assert profile.pack.cells[5].soc_ratio is None
    assert profile.controller.parameters == FixedThreshold(start_v=0.040)
    assert isinstance(profile.steps[1], Charge)
    assert profile.steps[1].current_a == 10.0
    assert next(one for one in profile.limits if one.quantity == "cell.voltage").maximum == 3.60
    assert Limit("pack.voltage", None, 58.0) in profile.limits
    assert profile.tick_ns == 2 * SECOND
    assert (bench.tick_ns, bench.board.cycle_ns) == (SECOND, SECOND)
    assert bench.devices["chamber"].virtual == {"serial": "X"}


def test_the_board_can_be_named_anew() -> None:
    assert load_bench("virtual-16s", ["board=substituted-16s"]).design == "substituted-16s"
    bench = load_bench("virtual-16s", ["board.design=substituted-16s", "board.bleed=33 ohm"])
    assert (bench.design, bench.board.bleed_ohm) == ("substituted-16s", 33.0)


def test_parameters_fill_in_and_can_be_overridden(tmp_path: Path) -> None:
    head = HEAD.replace("lfp-100ah}", 'lfp-100ah, ambient: "${climate}"}')
    head += "parameters: {climate: 45 degC, wait: 1 h}\n"
    path = profile_with("  - rest: ${wait}\n", tmp_path, head)
    profile = load_profile(path, ["parameters.climate=50 degC"])
    assert profile.pack.ambient_degc == 50.0
    assert profile.steps[0].text == "rest 1 h"
    assert isinstance(profile.steps[0], Rest)
    assert profile.steps[0].for_ns == HOUR


def test_included_steps_stand_in_place_and_keep_their_own_lines(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(f"{HEAD}steps:\n  - rest: ${{wait}}\n  - rest: 2\n")
    head = f"{HEAD}parameters: {{wait: 1 min}}\n"
    path = profile_with(f"  - include: {other}\n  - rest: 3 min\n", tmp_path, head)
    with pytest.raises(ConfigErrors, match=r"other.yaml:8:11: steps.2.rest: found '2'"):
        load_profile(path)
    other.write_text(f"{HEAD}steps:\n  - rest: ${{wait}}\n  - rest: 2 min\n")
    assert [step.text for step in load_profile(path).steps] == [
        "rest 1 min",
        "rest 2 min",
        "rest 3 min",
    ]


def test_a_profile_that_includes_itself_is_refused(tmp_path: Path) -> None:
    path = profile_with(f"  - include: {tmp_path / 'example.yaml'}\n", tmp_path)
    with pytest.raises(ConfigErrors, match="includes go deeper than 4 files"):
        load_profile(path)


def test_a_series_can_start_later(tmp_path: Path) -> None:
    rows = "\n".join(f"{60 * n},{n}" for n in range(10))
    (tmp_path / "ramp.csv").write_text(f"time_s,net_w\n{rows}\n")
    form = "{{series: {{file: ramp.csv, column: net_w{}}}, cell_min: 3 V, cell_max: 3.4 V}}"
    steps = f"  - follow: {form.format('')}\n  - follow: {form.format(', from: 7 min')}\n"
    whole, rest = (step.series for step in load_profile(profile_with(steps, tmp_path)).steps)  # type: ignore[union-attr]
    assert (whole.times_ns[0], whole.values[0], len(whole.values)) == (0, 0.0, 10)
    assert (rest.times_ns, rest.values) == ((0, MINUTE, 2 * MINUTE), (7.0, 8.0, 9.0))
    steps = f"  - follow: {form.format(', from: 9 min')}\n"
    with pytest.raises(ConfigErrors, match="the series ends before 00:09:00"):
        load_profile(profile_with(steps, tmp_path))


def test_the_record_keeps_what_decides_and_no_path(tmp_path: Path) -> None:
    profile = load_profile("hot-summer-day")
    bench = load_bench("virtual-16s")
    for text in (profile.resolved_text(), bench.resolved_text()):
        assert json.loads(text)["name"] in text
        assert str(Path.cwd()) not in text
        assert "yaml" not in text
    copy = tmp_path / "copy.yaml"
    copy.write_text(f"# one more line\n{profile.file.read_text()}")
    assert load_profile(copy).resolved_text() == profile.resolved_text()
    changed = load_profile("hot-summer-day", ["pack.cells.3.soc=49.9 %"])
    assert changed.resolved_text() != profile.resolved_text()
    assert replace(profile, about="x").resolved_text() != profile.resolved_text()


def test_names_are_looked_up_in_the_root_that_is_given(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="no profile 'room-baseline' in"):
        load_profile("room-baseline", root=tmp_path)
    profile_with("  - rest: 1 h\n", tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "example.yaml").rename(tmp_path / "runs" / "mine.yaml")
    with pytest.raises(ConfigErrors, match="no cell 'lfp-100ah' in"):
        load_profile("mine", root=tmp_path)
