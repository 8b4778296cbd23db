"""Board files: designs based on others, designs that cannot be, and all that are in the folder."""

import dataclasses
import json
from pathlib import Path

import pytest

from hil.cli import main
from hil.core.errors import ConfigErrors
from hil.physics.board import BoardDesign
from hil.profile.bench import load_bench
from hil.profile.designs import load_board
from hil.profile.tree import load_table

PROFILES = Path(__file__).parents[2] / "profiles"
BOARDS = sorted((PROFILES / "boards").glob("*.yaml"))
BENCHES = {16: "virtual-16s", 32: "virtual-32s", 64: "virtual-64s"}


def refused(path: Path) -> list[str]:
    """Return what is wrong with a board file: one ``line: message`` each, its name left out."""
    with pytest.raises(ConfigErrors) as caught:
        load_board(path, PROFILES)
    return [str(error).replace(f"{path}:", "") for error in caught.value.errors]


def board_file(tmp_path: Path, text: str, name: str = "own.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_board_file_is_a_whole_design_on_a_bench(path: Path) -> None:
    board = load_board(path.stem, PROFILES)
    assert board.model == path.stem
    bench = load_bench(BENCHES[board.cells], [f"board={path.stem}"], PROFILES)
    assert bench.board == board
    # what a run keeps is the whole design, whatever the file left to its base
    kept = json.loads(bench.resolved_text())["board"]
    assert kept["over_voltage_v"] == board.over_voltage_v
    assert "based_on" not in kept
    groups = {key for key, value in kept.items() if isinstance(value, dict)}
    assert groups == {name for name, value in vars(board).items() if hasattr(value, "__dict__")}


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_board_can_run_a_profile(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = load_board(path.stem, PROFILES).cells
    bench = BENCHES[cells]
    changes = [f"bench.board={path.stem}", f"needs.cells={cells}"]
    arguments = [part for change in changes for part in ("--set", change)]
    assert main(["check", "room-baseline", "--bench", bench, *arguments]) == 0
    assert f"room-baseline can run on {bench}" in capsys.readouterr().out


def test_what_the_field_builds_is_there() -> None:
    designs = {path.stem: load_board(path.stem, PROFILES) for path in BOARDS}
    assert {one.front_ends for one in designs.values()} == {1, 2, 4}
    assert {one.cells for one in designs.values()} == {16, 32, 64}
    assert {one.offset_v for one in designs.values()} >= {10e-3, 5e-3, 2e-3}
    sold = {one.bleed_current_a for one in designs.values()} - {None}
    assert sold == {0.05, 0.1, 0.2}
    # whatever a design may have, one of them has
    optional = [field.name for field in dataclasses.fields(BoardDesign) if field.default is None]
    assert len(optional) == 15
    for name in optional:
        assert any(getattr(one, name) is not None for one in designs.values()), name


def test_a_design_is_its_base_with_its_own_keys(tmp_path: Path) -> None:
    own = board_file(tmp_path, "based_on: isolated-zone\nmodel: own\nzones: {between: 1 W/K}\n")
    base, found = load_board("isolated-zone", PROFILES), load_board(own, PROFILES)
    assert (found.model, found.cells, found.resistor) == ("own", base.cells, base.resistor)
    assert found.zones is not None
    assert base.zones is not None
    # a group is joined key by key
    assert found.zones.between_w_per_k == 1.0
    assert found.zones.bleed_air_w_per_k == base.zones.bleed_air_w_per_k
    assert found.bleed_ohm == 16.5  # from the base of its base


def test_a_base_beside_the_file_comes_first(tmp_path: Path) -> None:
    board_file(tmp_path, "based_on: standard-50mA\nmodel: mine\ncells: 8\n", "mine.yaml")
    own = board_file(tmp_path, "based_on: mine\nmodel: own\nbleed: 70 ohm\n")
    found = load_board(own, PROFILES)
    assert (found.cells, found.bleed_ohm) == (8, 70.0)


def test_a_bench_puts_its_own_keys_on_top_of_a_group() -> None:
    overrides = ["board.design=isolated-zone", "board.zones.between=2 W/K"]
    zones = load_bench("virtual-16s", overrides, PROFILES).board.zones
    assert zones is not None
    assert (zones.between_w_per_k, zones.bleed_air_w_per_k) == (2.0, 0.3)


def test_a_circle_of_bases_is_refused(tmp_path: Path) -> None:
    for name, base in (("one", "two"), ("two", "three"), ("three", "one")):
        board_file(tmp_path, f"based_on: {base}\nmodel: {name}\n", f"{name}.yaml")
    [error] = refused(tmp_path / "one.yaml")
    assert error == (
        f"{tmp_path}/three.yaml:1:11: based_on: a board design cannot be its own base: "
        "one -> two -> three -> one"
    )
    itself = board_file(tmp_path, "model: own\nbased_on: own\n")
    assert refused(itself) == ["2:11: based_on: a board design cannot be its own base: own -> own"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("model: own\nbased_on: standard-50ma\n", "2:11: based_on: no board 'standard-50ma' in "),
        ("model: own\nbased_on: [a, b]\n", "2:1: based_on: expected the name of a board design"),
        ("based_on: standard-50mA\n", "1:1: missing key 'model': a board design that differs"),
        ("based_on: standard-50mA\nmodel: own\nbleeds: 3 ohm\n", "3:1: bleeds: unknown key"),
        (
            "based_on: standard-50mA\nmodel: own\nzones: {bleed_air: 1 W/K}\n",
            "3:1: zones: missing key 'front_end_air'",
        ),
        (
            "based_on: standard-50mA\nmodel: own\nresistor:\n  derate_to: 60 degC\n",
            "4:14: resistor.derate_to: found 60 degC, expected more than derate_from",
        ),
    ],
)
def test_mistakes_are_told_where_they_were_made(tmp_path: Path, text: str, error: str) -> None:
    assert refused(board_file(tmp_path, text))[0].startswith(error)


def test_two_hundred_milliampere_through_an_internal_fet_are_refused(tmp_path: Path) -> None:
    own = board_file(tmp_path, "based_on: internal-fet\nmodel: own\nbleed_current: 200 mA\n")
    [error] = refused(own)
    assert error == (
        "3:16: bleed_current: found 200 mA, expected 39.5 to 61.8 mA, which is what an internal "
        "FET of 15 to 46 ohm behind 2 x 20 ohm gives at 3.4 V; state that, or take an external "
        "transistor (no internal_fet, a bleed in ohm)"
    )


@pytest.mark.parametrize(
    ("base", "keys", "error"),
    [
        ("standard-50mA", "bleed_current: 70 mA", "bleed_current: found 70 mA, expected 45 to 55"),
        ("internal-fet", "bleed: 33 ohm", "bleed: found 33 ohm, expected 0 ohm beside internal"),
        ("internal-fet", "filter_resistance: 1 kohm", "filter_resistance: found 1000 ohm, expect"),
        ("internal-fet", "sense: kelvin", "sense: found kelvin, expected shared beside internal"),
        ("internal-fet", "mosfet: {}", "mosfet: found one beside internal_fet, expected one of"),
        ("internal-fet", "mute: false", "mute: found no, expected yes beside slots"),
        ("standard-50mA", "bleed: 0 ohm", "bleed: found 0.0, expected more than 0"),
        ("humid", "leakage: {lead: 18}", "leakage: found lead 18, expected 0 (all) to 17 for 16"),
        ("active-2A", "balancer: {efficiency: 105 %}", "balancer.efficiency: found 1.05, expect"),
        ("internal-fet", "slots: {slow: 3}", "slots.slow: found 3, expected 1, 2, 4 or 8"),
    ],
)
def test_designs_that_cannot_be_are_refused(
    tmp_path: Path, base: str, keys: str, error: str
) -> None:
    own = board_file(tmp_path, f"based_on: {base}\nmodel: own\n{keys}\n")
    [told] = refused(own)
    place, _, message = told.partition(" ")
    assert place.startswith("3:")
    assert message.startswith(error)


def test_a_plain_design_keeps_its_record() -> None:
    """Groups that a file could not name before leave no trace in the record of one without."""
    kept = json.loads(load_bench("virtual-16s", root=PROFILES).resolved_text())["board"]
    written = load_table(PROFILES / "boards" / "reference-16s.yaml", "f")
    assert len(kept) == len(written) - 3  # the three of its own balancing are at their defaults
    assert isinstance(load_board("reference-16s", PROFILES), BoardDesign)
