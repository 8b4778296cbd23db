"""The one line that each mistake in a file prints: found, expected, nearest right name."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.core.errors import ConfigErrors
from hil.profile import load_bench, load_profile
from hil.profile.files import CHECKOUT
from hil.profile.source import Mark

PROFILE = """\
profile: example
needs: {cells: 16}
controller: {strategy: top-balance}
pack:
  cell: lfp-100ah
  soc: 50 %
limits:
  cell.voltage: {min: 2.5 V, max: 3.65 V}
steps:
  - soak: {chamber: 25 degC, for: 1 h}
  - charge: {current: 20 A, until: [any cell.voltage >= 3.45 V]}
  - hold: {voltage: 3.45 V, cell_max: 3.50 V, until: [current < 5 A, after: 2 h]}
  - rest: 1 h
  - expect: {gap: {max: 60 mV}}
verdict:
  - usable_capacity >= 98 %
"""

PROFILES = {
    "wrong key": ("soc:", "sok:", "6:3: pack.sok: unknown key 'sok'; did you mean 'soc'?"),
    "key in place of a required one": (
        "needs:",
        "need:",
        "2:1: need: unknown key 'need'; did you mean 'needs'?",
    ),
    "wrong unit": (
        "current: 20 A",
        "current: 20 V",
        "11:23: steps.2.charge.current: found '20 V', expected a current such as 20 A",
    ),
    "missing unit": (
        "for: 1 h",
        "for: 1",
        "10:35: steps.1.soak.for: found '1', expected a duration such as 10 s; a unit is missing",
    ),
    "unit in the wrong case": (
        "max: 60 mV",
        "max: 60 mv",
        (
            "14:25: steps.5.expect.gap.max: found '60 mv', expected a voltage such as 50 mV; "
            "did you mean 60 mV?"
        ),
    ),
    "difference for a temperature": (
        "25 degC",
        "25 K",
        (
            "10:21: steps.1.soak.chamber: found '25 K', expected a temperature such as 25 degC; "
            "did you mean 25 degC?"
        ),
    ),
    "cell index 17": (
        "soc: 50 %",
        "cells: {17: {soc: 40 %}}",
        "6:11: pack.cells.17: no cell 17; the profile has cells 1 to 16",
    ),
    "unknown step": ("- soak:", "- sook:", "10:5: steps.1: found 'sook'; did you mean 'soak'?"),
    "step without a mapping": (
        "- rest: 1 h",
        "- rest",
        "13:5: steps.4: found 'rest', expected a step such as 'rest: 1 h'",
    ),
    "two steps in one entry": (
        "- rest: 1 h",
        "- rest: 1 h\n    hold: 3",
        "14:5: steps.4.hold: unknown key 'hold'; expected one of: rest",
    ),
    "tab in the indentation": (
        "  cell: lfp",
        "\tcell: lfp",
        "5:1: found a tab, expected spaces (YAML forbids tabs in indentation)",
    ),
    "duplicate key": (
        "verdict:",
        "pack: {}\nverdict:",
        "15:1: key 'pack' stands here twice, first in line 4",
    ),
    "unknown metric": (
        "usable_capacity",
        "usable_capasity",
        "16:5: verdict.1: no metric 'usable_capasity'; did you mean 'usable_capacity'?",
    ),
    "missing key": ("  cell: lfp-100ah\n", "", "4:1: pack: missing key 'cell'"),
    "unknown strategy": (
        "top-balance",
        "top-ballance",
        "3:24: controller.strategy: found 'top-ballance'; did you mean 'top-balance'?",
    ),
    "no strategy": (
        "strategy: top-balance",
        "mode: command",
        "3:1: controller: missing key 'strategy'",
    ),
    "parameter the strategy does not have": (
        "top-balance}",
        "top-balance, begin: 5 mV}",
        "3:37: controller.begin: unknown key 'begin'; expected one of: ",
    ),
    "parameters that make no strategy": (
        "top-balance}",
        "top-balance, start: 1 mV}",
        "3:1: controller: start 0.001 and stop 0.005: expected 0 < stop <= start",
    ),
    "unknown layer": (
        "top-balance}",
        "top-balance, layers: [neighbor-exclusion]}",
        (
            "3:46: controller.layers.1: found 'neighbor-exclusion'; "
            "did you mean 'neighbour-exclusion'?"
        ),
    ),
    "parameter the layer does not have": (
        "top-balance}",
        "top-balance, layers: [bang-bang, {derating: {limt: 80 degC}}]}",
        "3:69: controller.layers.2.derating.limt: unknown key 'limt'; did you mean 'limit'?",
    ),
    "parameter of a layer in another unit": (
        "top-balance}",
        "top-balance, layers: [{derating: {limit: 80 K}}]}",
        (
            "3:65: controller.layers.1.derating.limit: found '80 K', expected a temperature "
            "such as 25 degC; did you mean 80 degC?"
        ),
    ),
    "parameters that make no layer": (
        "top-balance}",
        "top-balance, layers: [{power-budget: {limit: 0 W}}]}",
        "3:47: controller.layers.1.power-budget: limit 0.0, bleed 68.0: expected more than 0",
    ),
    "no list of layers": (
        "top-balance}",
        "top-balance, layers: derating}",
        "3:45: controller.layers: found 'derating', expected a list",
    ),
    "unknown quantity": (
        "any cell.voltage",
        "any cell.volt",
        "11:37: steps.2.charge.until.1: no quantity 'cell.volt'; did you mean 'cell.voltage'?",
    ),
    "no any or all": (
        "any cell.voltage",
        "cell.voltage",
        (
            "11:37: steps.2.charge.until.1: 'cell.voltage' is one value a cell: "
            "write 'any cell.voltage' or 'all cell.voltage'"
        ),
    ),
    "comparison that is none": (
        "current < 5 A",
        "current == 5 A",
        "12:55: steps.3.hold.until.1: found '==', expected one of <, <=, >, >=",
    ),
    "condition that is none": (
        "current < 5 A",
        "empty",
        (
            "12:55: steps.3.hold.until.1: found 'empty', expected a comparison such as "
            "any cell.voltage >= 3.50 V"
        ),
    ),
    "text for a list": (
        "[any cell.voltage >= 3.45 V]",
        "any cell.voltage >= 3.45 V",
        "11:36: steps.2.charge.until: found 'any cell.voltage >= 3.45 V', expected a list",
    ),
    "text for a number": (
        "cells: 16",
        "cells: many",
        "2:16: needs.cells: found 'many', expected a whole number",
    ),
    "list for a quantity": (
        "current: 20 A",
        "current: [20 A]",
        "11:14: steps.2.charge.current: expected a quantity, found a list",
    ),
    "current and power": (
        "current: 20 A",
        "current: 20 A, power: 1 kW",
        "11:5: steps.2.charge: expected exactly one of current and power",
    ),
    "negative current": (
        "current: 20 A",
        "current: -20 A",
        "11:23: steps.2.charge.current: found '-20 A', expected more than 0",
    ),
    "ratio beyond its range": (
        "50 %",
        "150 %",
        "6:8: pack.soc: found '150 %', expected 0 % to 100 %, such as 50 %",
    ),
    "limits upside down": (
        "min: 2.5 V",
        "min: 4.5 V",
        "8:3: limits.cell.voltage: min lies above max",
    ),
    "cell type that is not there": (
        "lfp-100ah",
        "lfp-100",
        "5:9: pack.cell: no cell 'lfp-100' in profiles/cells; did you mean 'lfp-100ah'?",
    ),
    "unknown parameter": (
        "soc: 50 %",
        "soc: ${start}",
        "6:8: pack.soc: no parameter 'start'; the profile has no parameters",
    ),
    "series that is not there": (
        "- rest: 1 h",
        "- follow: {series: {file: house.csv, column: net_w}, cell_min: 3 V, cell_max: 4 V}",
        (
            "13:14: steps.4.follow.series: no file 'house.csv' beside the profile or in inputs; "
            "did you mean 'household_day.csv'?"
        ),
    ),
    "include that is not there": (
        "- rest: 1 h",
        "- include: room-basline",
        "13:14: include: no profile 'room-basline' in profiles/runs; did you mean 'room-baseline'?",
    ),
    "repeat of nothing": (
        "- rest: 1 h",
        "- repeat: 2\n    steps: []",
        "14:5: steps.4.steps: found an empty list, expected at least one item",
    ),
    "fault without a deadline": (
        "{gap: {max: 60 mV}}",
        "{board: open-wire}",
        "14:5: steps.5.expect: a fault of the board is expected 'within' or 'gone_within' a time",
    ),
    "deadline of nothing": (
        "{gap: {max: 60 mV}}",
        "{board: open-wire, within: 0 s}",
        "14:40: steps.5.expect.within: found '0 s', expected more than 0",
    ),
    "name of a profile": (
        "profile: example",
        "profile: a [red] day",
        ("1:10: profile: found 'a [red] day', expected a name: 1 to 80 of A-Z a-z 0-9 . _ -"),
    ),
    "no name": (
        "profile: example",
        'profile: " "',
        "1:10: profile: found ' ', expected a name: 1 to 80 of A-Z a-z 0-9 . _ -",
    ),
    "bare number for a share": (
        "soc: 50 %",
        "soc: 60",
        "6:8: pack.soc: found '60', expected 0 % to 100 %, such as 50 %",
    ),
    "include of a folder": (
        "- rest: 1 h",
        "- include: profiles/runs",
        "13:14: include: 'profiles/runs' is a folder, expected a file",
    ),
    "include of a path that is not there": (
        "- rest: 1 h",
        "- include: other/day.yaml",
        "13:14: include: 'other/day.yaml' cannot be read: no such file or directory",
    ),
    "tag": (
        "soc: 50 %",
        "soc: !!python/name:os.system x",
        "6:8: tag 'tag:yaml.org,2002:python/name:os.system': tags are not used here",
    ),
    "second document": (
        "verdict:",
        "---\nverdict:",
        "15:1: a second document: expected one a file",
    ),
    "unclosed bracket": (
        "after: 2 h]}",
        "after: 2 h",
        "13:9: expected ',' or ']', but got ':' while parsing a flow sequence",
    ),
}

BENCH = """\
bench: example
clock: virtual
board: reference-16s
devices:
  emulator-1: {driver: bloomy-abs, link: {kind: memory}}
  emulator-2: {driver: bloomy-abs, link: {kind: memory}}
  board: {driver: reference-board, link: {kind: memory-can}}
stack: [emulator-1: 1-8, emulator-2: 1-8]
wiring:
  leads: 60 mohm
  ntcs: {1: {cell: 1, by: emulator-1 aux 1}}
"""

BENCHES = {
    "no board": ("board: reference-16s\n", "", "1:1: missing key 'board'"),
    "unknown board": (
        "reference-16s",
        "reference-16",
        "3:8: board: no board 'reference-16' in profiles/boards; did you mean 'reference-16s'?",
    ),
    "wrong key of a board": (
        "board: reference-16s",
        "board: {design: reference-16s, cycel: 1 s}",
        "3:32: board.cycel: unknown key 'cycel'; did you mean 'cycle'?",
    ),
    "board that cannot exist": (
        "board: reference-16s",
        "board: {design: reference-16s, bleed: 0 ohm}",
        "3:39: board.bleed: found 0.0, expected more than 0",
    ),
    "clock": (
        "clock: virtual",
        "clock: real",
        "2:8: clock: found 'real'; expected one of: virtual, wall",
    ),
    "tick of nothing": (
        "clock:",
        "tick: 0 s\nclock:",
        "2:7: tick: found '0 s', expected more than 0",
    ),
    "no link kind": (
        "{kind: memory-can}",
        "{}",
        "7:36: devices.board.link: expected a mapping with 'kind', such as {kind: memory}",
    ),
    "device of the stack that is not there": (
        "emulator-2: 1-8]",
        "emulator-3: 1-8]",
        "8:1: stack: no device 'emulator-3'; did you mean 'emulator-2'?",
    ),
    "channel wired twice": (
        "emulator-2: 1-8]",
        "emulator-2: 1-7, emulator-1: 8]",
        "8:1: stack: emulator-1 8 is wired twice",
    ),
    "too few channels": (
        ", emulator-2: 1-8]",
        "]",
        "8:1: stack: 8 channels for a board of 16 cells",
    ),
    "channels that are none": (
        "emulator-2: 1-8]",
        "emulator-2: all]",
        "8:26: stack.2: expected a device and its channels, such as emulator-1: 1-8",
    ),
    "output that is none": (
        "emulator-1 aux 1",
        "emulator-1",
        "11:27: wiring.ntcs.1.by: found 'emulator-1', expected an output such as emulator-1 aux 3",
    ),
    "lead without its unit": (
        "60 mohm",
        "0.06",
        (
            "10:10: wiring.leads: found '0.06', expected a resistance such as 60 mohm; "
            "a unit is missing"
        ),
    ),
    "two leads": (
        "60 mohm",
        "[60 mohm, 60 mohm]",
        "10:3: wiring.leads: found 2 leads, expected 1 or 17 for 16 cells",
    ),
    "NTC the board does not have": (
        "{1: {cell: 1",
        "{9: {cell: 1",
        "11:10: wiring.ntcs.9: no NTC 9: the board has 4",
    ),
}


def lines_of(load: Callable[[Path], object], path: Path) -> list[str]:
    with pytest.raises(ConfigErrors) as errors:
        load(path)
    return [str(error).removeprefix(f"{path}").removeprefix(":") for error in errors.value.errors]


@pytest.mark.parametrize("case", PROFILES)
def test_a_bad_profile_prints_one_line(case: str, tmp_path: Path) -> None:
    old, new, line = PROFILES[case]
    assert PROFILE.count(old) >= 1
    path = tmp_path / "example.yaml"
    path.write_text(PROFILE.replace(old, new, 1))
    [found] = lines_of(load_profile, path)
    assert found.startswith(line) if line.endswith(": ") else found == line


@pytest.mark.parametrize("case", BENCHES)
def test_a_bad_bench_prints_its_line(case: str, tmp_path: Path) -> None:
    old, new, line = BENCHES[case]
    assert BENCH.count(old) >= 1
    path = tmp_path / "example.yaml"
    path.write_text(BENCH.replace(old, new, 1))
    assert line in lines_of(load_bench, path)


def test_the_files_that_the_mistakes_are_put_into_are_right(tmp_path: Path) -> None:
    for text, load in ((PROFILE, load_profile), (BENCH, load_bench)):
        path = tmp_path / "example.yaml"
        path.write_text(text)
        load(path)


def test_all_mistakes_of_a_file_come_at_once_and_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    text = PROFILE.replace("3.65 V", "3.65").replace("20 A", "20").replace("98 %", "98 V")
    path.write_text(text.replace("lfp-100ah", "nimh"))
    starts = [line.split(":")[0] for line in lines_of(load_profile, path)]
    assert starts == ["5", "8", "11", "16"]


def test_a_mistake_in_a_board_file_names_that_file(tmp_path: Path) -> None:
    root = tmp_path / "profiles"
    shutil.copytree(CHECKOUT, root)
    board = root / "boards" / "reference-16s.yaml"
    board.write_text(board.read_text().replace("cycle: 100 ms", "cycle: 100"))
    with pytest.raises(ConfigErrors, match=r"reference-16s.yaml:\d+:8: board.cycle: found '100'"):
        load_bench("virtual-16s", root=root)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"profile", "1:1: expected a mapping of keys to values"),
        (b"profile: \xff\xfe", "1:10: found byte 0xff, expected text in UTF-8"),
        (b"profile: a\x00b", "1:11: found the control character U+0000, expected printable text"),
        (
            b"\x7fELF\x02\x01\x01\x00",
            "1:1: found the control character U+007F, expected printable text",
        ),
        (b"x: " + b"y" * 300_000, "found 300003 bytes, expected at most 262144 (256 KiB)"),
        (b"[" * 100, "1:25: nested deeper than 24 levels"),
    ],
)
def test_what_is_no_profile_at_all_is_one_line_too(
    content: bytes, line: str, tmp_path: Path
) -> None:
    path = tmp_path / "example.yaml"
    path.write_bytes(content)
    [found] = lines_of(load_profile, path)
    assert found.strip() == line


def test_an_alias_bomb_is_refused_where_it_grows_too_large(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    path = tmp_path / "example.yaml"
    path.write_text("\n".join(rows))
    [found] = lines_of(load_profile, path)
    assert found.endswith("more than 20000 values, aliases written out")


def test_missing_files_folders_and_names(tmp_path: Path) -> None:
    assert lines_of(load_profile, tmp_path / "no.yaml") == [
        " cannot be read: no such file or directory"
    ]
    assert lines_of(load_profile, tmp_path / "") == [" is a folder, expected a file"]
    with pytest.raises(ConfigErrors, match=r"no profile 'room-basline' in .*'room-baseline'"):
        load_profile("room-basline")
    with pytest.raises(ConfigErrors, match=r"no bench 'virtual-16' in .*'virtual-16s'"):
        load_bench("virtual-16")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("pack.cells.17.capacity=99 %", "pack.cells.17: no cell 17; the profile has cells 1 to 16"),
        ("pack.soc=half", "pack.soc: found 'half', expected a ratio such as 50 %"),
        ("bech=virtual-32s", "bech: unknown key 'bech'; did you mean 'bench'?"),
        ("steps.20.rest=1 h", "'steps.20' is no mapping and no list item"),
        ("steps.x=1", "expected an item from 1 to 8"),
        ("pack.soc", "expected key=value"),
        ("pack.soc=[", "expected the node content, but found '<stream end>' while parsing a flow"),
    ],
)
def test_a_wrong_override_is_named(override: str, line: str) -> None:
    with pytest.raises(ConfigErrors) as errors:
        load_profile("room-baseline", [override])
    assert str(errors.value).startswith(f"--set {override}: {line}")


def test_a_wrong_override_of_the_bench_is_shown_as_it_was_typed() -> None:
    with pytest.raises(ConfigErrors) as errors:
        load_bench("virtual-16s", ["bench.clock=real", "wiring.leads=1"])
    first, second = sorted(str(error) for error in errors.value.errors)
    assert first.startswith("--set bench.clock=real: clock: found 'real'")
    assert second.startswith("--set wiring.leads=1: wiring.leads: found '1'")


def test_a_bench_that_is_not_there_is_put_down_to_who_names_it() -> None:
    with pytest.raises(ConfigErrors) as errors:
        load_bench("virtual-17s", named_at=Mark("day.yaml", 3, 8))
    assert str(errors.value).startswith("day.yaml:3:8: bench: no bench 'virtual-17s' in ")
