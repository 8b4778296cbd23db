"""What ``hil check`` knows before it touches hardware, on data sheets made up here."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from hil.app import Request, prepare
from hil.balancing import STRATEGIES
from hil.core.instants import MILLISECOND, SECOND
from hil.core.spec import Accuracy, BoardSpec, ChamberSpec, DeviceSpec, EmulatorSpec, Range
from hil.ports import EngineKind, LinkFactory, LinkKind
from hil.profile import Findings, Known, check_profile, load_bench, load_profile
from hil.profile.files import CHECKOUT

EMULATOR = EmulatorSpec(
    model="E8",
    channels=8,
    set_v=Range(0.0, 5.0),
    set_resolution_v=1e-4,
    set_accuracy_v=Accuracy(1e-3),
    read_accuracy_v=Accuracy(1e-3),
    read_accuracy_a=Accuracy(1e-3),
    source_a=5.0,
    sink_a=5.0,
    settle=5 * MILLISECOND,
    reply=5 * MILLISECOND,
    aux_outputs=8,
    aux_v=Range(-10.0, 10.0),
)
CHAMBER = ChamberSpec("C1", Range(-40.0, 85.0), 5.0, Accuracy(0.5), 50 * MILLISECOND)
FAULTS = ("open-wire", "over-voltage", "top-lead-open", "front-end-silent")
BOARD = BoardSpec("B", 32, Range(0.0, 5.0), 1e-4, 0.01, SECOND // 10, SECOND // 100, FAULTS)
SPECS: dict[str, DeviceSpec] = {
    "emulator-1": EMULATOR,
    "emulator-2": EMULATOR,
    "chamber": CHAMBER,
    "board": BOARD,
}
DRIVERS = ("bloomy-abs", "watlow-f4t", "reference-board")


def link(carries: Literal["bytes", "frames"], *, virtual: bool) -> LinkKind:
    """Return a kind of link that nobody builds here."""
    return LinkKind(object, needs_twin=virtual, carries=carries, make=cast("LinkFactory", None))


KNOWN = Known(
    drivers=DRIVERS,
    twins=DRIVERS,
    links=("memory", "memory-can", "tcp", "slcan"),
    faults={
        "wiring": {"open-lead": True},
        "board": {"silent": False, "stuck-cell": True, "front-end-silent": True},
        "emulator-1": {"open": True},
        "emulator-2": {"open": True},
    },
    kinds={
        "memory": link("bytes", virtual=True),
        "memory-can": link("frames", virtual=True),
        "tcp": link("bytes", virtual=False),
        "slcan": link("frames", virtual=False),
    },
    speaks={"bloomy-abs": "bytes", "watlow-f4t": "bytes", "reference-board": "frames"},
    engines={"lib": EngineKind(object, cast("Any", None), make=cast("Any", object))},
    firmware=("reference-board",),
)
RUNS = sorted(path.stem for path in (CHECKOUT / "runs").glob("*.yaml"))


def check(
    *overrides: str,
    profile: str | Path = "room-baseline",
    specs: Mapping[str, DeviceSpec] = SPECS,
    bench: str = "virtual-16s",
) -> Findings:
    loaded = load_profile(profile, overrides)
    return check_profile(loaded, load_bench(bench, overrides), specs, KNOWN)


def lines(findings: Findings) -> list[str]:
    return [f"{error.key}: {error.message}" for error in findings.errors]


@pytest.mark.parametrize("name", RUNS)
def test_shipped_profiles_fit_their_benches_without_a_warning(name: str) -> None:
    """Where the board is to decide by itself, it needs firmware: the bench files name none."""
    shadow = load_profile(name).controller.mode == "shadow"
    assert prepare(Request(name, overrides=[ENGINE] if shadow else [])).warnings == ()


ENGINE = "bench.devices.board.engine=lib"
CASES = {
    "needs.cells=32": "needs.cells: the profile needs 32 cells, and virtual-16s has 16",
    "needs.chamber.max=120 degC": (
        "needs.chamber.max: 120 degC is outside the range of C1, -40 to 85 degC"
    ),
    "steps.1.soak.chamber=60 degC": (
        "steps.1.soak.chamber: 60 degC is outside what the profile needs, 20 to 30 degC"
        " (needs.chamber)"
    ),
    "steps.1.soak.ramp=9 K/min": "steps.1.soak.ramp: 9 K/min, and C1 does 5 K/min",
    "steps.3.hold.cell_max=5.5 V": (
        "steps.3.hold.cell_max: 5.5 V is outside the range of the cell emulators, 0 to 5 V"
    ),
    "limits.cell.voltage.max=6 V": (
        "limits.cell.voltage.max: 6 V is outside the range of the bench, 0 to 5 V"
    ),
    "limits.cell.voltage={min: 1 V, max: 1.5 V}": (
        "limits.cell.voltage: the limits of bench and profile on cell.voltage leave nothing"
        " between them"
    ),
    "steps.2.charge.until=[any cell.voltage >= 5.1 V]": (
        "steps.2.charge.until.1: 5.1 V is outside the range of the bench, 0 to 5 V"
    ),
    "steps.2.charge.until=[current < 5 A]": (
        "steps.2.charge.until: can go on for ever: expected a voltage it rises to, or after: TIME"
    ),
    "steps.2.charge.until=[any cell.voltage < 3 V]": (
        "steps.2.charge.until: can go on for ever: expected a voltage it rises to, or after: TIME"
    ),
    "steps.6.discharge.until=[any cell.voltage > 3 V]": (
        "steps.6.discharge.until: can go on for ever: expected a voltage it falls to, or after:"
        " TIME"
    ),
    "steps.3.hold.until=[pack.voltage > 50 V]": (
        "steps.3.hold.until: can go on for ever: expected a current it falls to, or after: TIME"
    ),
    "steps.4={repeat: 2, every: 1 h, steps: [rest: 40 min, rest: 30 min]}": (
        "steps.4.every: 01:00:00, and one turn takes at least 01:10:00"
    ),
    "steps.4={inject: {target: bord, fault: silent}}": (
        "steps.4.inject.target: 'bord' takes no faults; did you mean 'board'?"
    ),
    "steps.4={inject: {target: board, fault: silnt}}": (
        "steps.4.inject.fault: board knows no fault 'silnt'; did you mean 'silent'?"
    ),
    "steps.5={expect: {pack.voltage: {max: 90 V}}}": (
        "steps.5.expect.pack.voltage.max: 90 V is outside the range of the bench, 0 to 80 V"
    ),
    "controller={mode: shadow, strategy: none}": (
        "controller.mode: 'board' of virtual-16s has no firmware that decides by itself: "
        "give it an engine (--engine lib), or use mode: command"
    ),
    "controller.every=0 s": "controller.every: found 0 s, expected more",
    "bench.devices.chamber.driver=watlow": (
        "devices.chamber.driver: no driver 'watlow'; did you mean 'watlow-f4t'?"
    ),
    "bench.devices.chamber.link.kind=tcq": (
        "devices.chamber.link.kind: no link 'tcq'; did you mean 'tcp'?"
    ),
    "bench.devices.chamber.link.kind=tcp": (
        "devices.chamber.link.kind: found 'tcp', expected a memory link with clock: virtual"
    ),
    "bench.devices.chamber.link.kind=memory-can": (
        "devices.chamber.link.kind: 'memory-can' carries frames, "
        "and watlow-f4t needs a link for bytes"
    ),
    "bench.devices.board.link.kind=memory": (
        "devices.board.link.kind: 'memory' carries bytes, "
        "and reference-board needs a link for frames"
    ),
    "steps.4={inject: {target: board, fault: stuck-cell}}": (
        "steps.4.inject.fault: 'stuck-cell' is a fault of one cell: expected 'cell' beside it"
    ),
    "steps.4={inject: {target: wiring, fault: open-lead}}": (
        "steps.4.inject.fault: 'open-lead' is a fault of one cell: expected 'cell' beside it"
    ),
    "steps.4={inject: {target: board, fault: silent, cell: 3}}": (
        "steps.4.inject.cell: 'silent' is a fault of the whole board: expected no 'cell'"
    ),
    "steps.4={inject: {target: emulator-1, fault: open, cell: 12}}": (
        "steps.4.inject.cell: cell 12 is emulated by emulator-2, not by emulator-1"
    ),
    "steps.4={expect: {board: open-wyre, within: 10 s}}": (
        "steps.4.expect.board: B reports no fault 'open-wyre'; did you mean 'open-wire'?"
    ),
    "steps.2.charge={current: 201 A, limit: none, until: [after: 1 h]}": (
        "steps.2.charge.current: up to 201 A, and the shunt's emulation shows -200 to 200 A"
    ),
    "steps.6.discharge={power: 9 kW, limit: none, until: [after: 1 h]}": (
        "steps.6.discharge.power: up to 225 A, and the shunt's emulation shows -200 to 200 A"
    ),
    "steps.3.hold={voltage: 3.4 V, cell_max: 3.5 V, max_current: 300 A, limit: none,"
    " until: [after: 1 h]}": "steps.3.hold.max_current: up to 300 A, and the shunt's emulation",
    "steps.4={follow: {series: {file: household_day.csv, column: net_w}, cell_min: 2.9 V,"
    " cell_max: 3.4 V, scale: 9, limit: none}}": "steps.4.follow.series: up to ",
    "tick=10 ms": "tick: found 0.01 s, and chamber takes 0.05 s to settle and reply",
    "tick=3 s": (
        "tick: found 3 s, and the board stops bleeding 3 s after a command (board.command_timeout)"
    ),
    "bench.tick=1 h": "tick: found 3600 s, and the board stops bleeding 3 s after a command",
    "bench.wiring.shunt.ratio=1000": "wiring.shunt.by: needs -60 to 60 V, and emulator-2 gives",
    "bench.wiring.shunt.by=emulator-2 aux 9": "wiring.shunt.by: no output 9: E8 has 8",
}


@pytest.mark.parametrize("override", CASES)
def test_one_wrong_value_is_found_and_only_that(override: str) -> None:
    [line] = lines(check(override))
    assert line.startswith(CASES[override])


def test_errors_name_the_override_or_the_line() -> None:
    [error] = check("needs.cells=32").errors
    assert error.file == "--set needs.cells=32"
    narrow = replace(EMULATOR, set_v=Range(0.0, 3.48))
    errors = check(specs={**SPECS, "emulator-2": narrow}).errors
    rows = load_profile("room-baseline").file.read_text().splitlines()
    at = [rows[error.line - 1][error.column - 1 :] for error in errors]
    assert [text.split(":")[0] for text in at] == ["max", "cell_max"]


def test_a_gradient_needs_emulated_ntcs() -> None:
    assert lines(check("pack.gradient=10 K")) == []
    [line] = lines(check("pack.gradient=10 K", "bench.wiring.ntcs={}"))
    assert (
        line
        == "pack.gradient: a gradient needs emulated NTCs, and this bench has none (wiring.ntcs)"
    )


@pytest.mark.parametrize("role", ["board", "chamber"])
def test_a_bench_without_a_role_is_refused(role: str) -> None:
    specs = {**SPECS, role: EMULATOR}
    assert f"devices: a bench needs a {role}, and this one has none" in lines(check(specs=specs))


def test_cells_on_what_is_no_emulator_or_has_no_such_channel() -> None:
    found = lines(check(specs={**SPECS, "emulator-2": replace(EMULATOR, channels=7)}))
    assert found == ["stack: cell 16: emulator-2 has channels 1 to 7"]
    found = lines(check(specs={**SPECS, "emulator-2": BOARD}))
    assert "stack: cell 9: 'emulator-2' is no cell emulator" in found


REAL = (
    "clock=wall",
    *(f"devices.{name}.link.kind=tcp" for name in ("emulator-1", "emulator-2", "chamber")),
    "devices.board.link.kind=slcan",
)


def test_only_a_bench_of_real_devices_keeps_the_truth_from_a_strategy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert lines(check(*REAL)) == []
    monkeypatch.setattr(STRATEGIES["top-balance"], "needs_truth", True)
    assert lines(check("clock=wall")) == []  # the virtual lab at the pace of a real one
    [line] = lines(check(*REAL))
    assert "needs the true state of the cells" in line


def test_the_oracle_is_refused_on_real_devices_and_runs_on_virtual_ones() -> None:
    assert lines(check("controller={strategy: oracle}")) == []
    [line] = lines(check("controller={strategy: oracle}", *REAL))
    assert "needs the true state of the cells" in line


def test_a_bench_is_all_real_or_all_virtual() -> None:
    found = lines(check("clock=wall", "devices.chamber.link.kind=tcp"))
    assert len(found) == 3
    assert all("ends at a virtual device, and chamber is real" in line for line in found)


@pytest.mark.parametrize(
    "override",
    [
        "steps.4={inject: {target: wiring, fault: open-lead, cell: 17}}",
        "steps.4={inject: {target: board, fault: stuck-cell, cell: 16}}",
        "steps.4={inject: {target: emulator-2, fault: open, cell: 9}}",
        "steps.4={expect: {board: open-wire, within: 10 s}}",
        # what the board allows, 100 A, is all that will flow
        "steps.2.charge={current: 500 A, until: [after: 1 h]}",
        "steps.3.hold={voltage: 3.4 V, cell_max: 3.5 V, limit: none, until: [after: 1 h]}",
        "tick=51 ms",
        "tick=2.9 s",
    ],
)
def test_what_can_be_done_is_not_refused(override: str) -> None:
    assert lines(check(override)) == []


def test_a_shunt_that_is_not_centred_shows_less_one_way() -> None:
    # 2.5 V at rest of -10 to 10 V: 7.5 V left above, so 150 A of discharge
    centre, charge = (
        "bench.wiring.shunt.centre=2.5 V",
        "{current: 160 A, limit: none, until: [after: 1 h]}",
    )
    assert lines(check(centre, f"steps.2.charge={charge}")) == []
    [line] = lines(check(centre, f"steps.6.discharge={charge}"))
    assert line.startswith(
        "steps.6.discharge.current: up to 160 A, and the shunt's emulation shows -250 to 150"
    )


def test_a_bench_too_coarse_for_a_tolerance_is_said_as_a_warning() -> None:
    coarse = {**SPECS, "emulator-1": replace(EMULATOR, set_accuracy_v=Accuracy(0.02))}
    findings = check("steps.5.expect.gap.max=60 mV", specs=coarse)
    assert findings.errors == []
    [warning] = findings.warnings
    assert warning.key == "steps.5.expect.gap"
    assert warning.message.startswith("U = 28 mV is more than a quarter of 60 mV")


def test_a_charge_that_the_board_would_have_to_end_is_said_as_a_warning() -> None:
    endless = "{current: 20 A, until: [after: 9 h]}"
    [warning] = check(f"steps.2.charge={endless}").warnings
    assert warning.key == "steps.2.charge.until"
    assert "the board would end it, first cell at 3.65 V" in warning.message
    for ended in (
        "{current: 20 A, until: [any cell.voltage >= 3.5 V, after: 9 h]}",
        "{current: 20 A, limit: none, until: [after: 9 h]}",
        "{current: 20 A, until: [after: 5 min]}",
    ):
        assert check(f"steps.2.charge={ended}").warnings == []


def test_a_pack_has_an_age_only_if_its_cells_say_how_they_age() -> None:
    assert lines(check("pack.age=2 years", "pack.life.temperature=35 degC")) == []
    [line] = lines(check("pack.age=2 years", "pack.cell=bpx-2ah"))
    assert line.startswith("pack.age: 'bpx-2ah' does not say how it ages")


def test_a_board_is_held_against_a_strategy_that_says_what_it_could_decide() -> None:
    wired = ("bench.clock=wall", *(f"bench.devices.{name}.link.kind=tcp" for name in WIRED))
    wired = (*wired, "bench.devices.board.link.kind=slcan")
    for strategy in ("none", "fixed-threshold"):
        assert lines(check(f"controller={{mode: shadow, strategy: {strategy}}}", *wired)) == []
    [line] = lines(check("controller={mode: shadow, strategy: top-balance}", *wired))
    assert line == (
        "controller.strategy: a board cannot be held against 'top-balance': "
        "expected one of fixed-threshold, none, or mode: command"
    )


def test_a_board_that_decides_by_itself_is_asked_for_no_share_of_the_time() -> None:
    asked = "controller={mode: shadow, strategy: fixed-threshold, duty: 35 %}"
    [line] = lines(check(asked, ENGINE))
    assert line.startswith("controller.duty: a board that decides by itself bleeds all the time")


def test_a_board_that_decides_by_itself_has_no_layers_of_ours() -> None:
    asked = "controller={mode: shadow, strategy: fixed-threshold, layers: [neighbour-exclusion]}"
    [line] = lines(check(asked, ENGINE))
    assert line.startswith("controller.layers: a board that decides by itself has no layers")


def test_a_strategy_in_layers_needs_what_it_needs_without_them() -> None:
    layered = "layers: [neighbour-exclusion]"
    assert lines(check(f"controller={{strategy: top-balance, {layered}}}")) == []
    [line] = lines(check(f"controller={{strategy: top-balance, every: 0 s, {layered}}}"))
    assert line == "controller.every: found 0 s, expected more"


WIRED = ("emulator-1", "emulator-2", "chamber")


def test_an_engine_gives_a_virtual_board_something_to_decide_with() -> None:
    assert lines(check("controller={mode: shadow, strategy: none}", ENGINE)) == []
