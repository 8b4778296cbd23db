"""Bad input of every kind, as a user meets it: one clear line, exit code 65, and no run folder.

``tests/unit/test_profile_errors.py`` holds the wording of each mistake in a file that can be read;
here are the files that cannot, in every place where a file can be named, and texts that are meant
to do harm.
"""

import os
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.cli import BAD_INPUT, USAGE, main
from hil.profile.files import CHECKOUT
from hil.profile.source import Mark
from hil.profile.tree import load_table, walk

PROFILE = """\
profile: quick
needs: {cells: 16}
controller: {strategy: none}
pack: {cell: CELL, soc: 60 %}
verdict: [max_cell_voltage <= 3.60 V]
steps: [{STEP}]
"""
SERIES = "follow: {series: {file: SERIES, column: net_w}, cell_min: 3 V, cell_max: 3.6 V}"
ROWS = b"time_s,net_w\n0,1\n60,2\n120,3\n"

ROLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "profile": ("", ("bad.yaml",)),
    "bench": ("rest: 3 s", ("good.yaml", "--bench", "bad.yaml")),
    "bench of the profile": ("rest: 3 s", ("good.yaml", "--set", "bench=bad.yaml")),
    "board": ("rest: 3 s", ("good.yaml", "--set", "board=bad.yaml")),
    "cell": ("rest: 3 s", ("good.yaml", "--set", "pack.cell=bad.yaml")),
    "include": ("include: bad.yaml", ("good.yaml",)),
}
"""Where a YAML file can be named: the step of ``good.yaml`` and the arguments."""


def bomb(levels: int) -> bytes:
    """Return a list of nine lists of nine lists..., written in a line a level."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(rows).encode()


CONTENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "bad.yaml: is empty"),
    "only comments": (b"# one\n# two\n", "bad.yaml: is empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", "bad.yaml: is empty"),
    "only the start of a document": (b"---\n", "bad.yaml: is empty"),
    "null": (b"null\n", "bad.yaml:1:1: expected a mapping of keys to values"),
    "list": (b"- a\n- b\n", "bad.yaml:1:1: expected a mapping of keys to values"),
    "NUL": (b"a: b\0c\n", "bad.yaml:1:5: found the control character U+0000"),
    "UTF-16": ("a: b\n".encode("utf-16"), "bad.yaml:1:1: found byte 0xff, expected text in UTF-8"),
    "UTF-16 without mark": ("a: b".encode("utf-16-le"), "bad.yaml:1:2: found the control char"),
    "Latin-1": (b"a: b\nb: K\xe4lte\n", "bad.yaml:2:5: found byte 0xe4, expected text in UTF-8"),
    "surrogate in UTF-8": (b"a: \xed\xa0\x80", "bad.yaml:1:4: found byte 0xed"),
    "ELF": (b"\x7fELF\x02\x01\x01\0", "bad.yaml:1:1: found the control character U+007F"),
    "gzip": (b"\x1f\x8b\x08\0", "bad.yaml:1:2: found byte 0x8b"),
    "text turned round": ("a: \u202eb\n".encode(), "bad.yaml:1:4: found the control character"),
    "escape": (b"a: \x1b[31mred\n", "bad.yaml:1:4: found the control character U+001B"),
    "escape by name": (b'a: "x\\e[31mred"\n', "bad.yaml:1:4: found the control character U+001B"),
    "escape in a key": (b'"\\a": b\n', "bad.yaml:1:1: found the control character U+0007"),
    "line feed in a key": (
        b'"a\\nb": c\n',
        "bad.yaml:1:1: found 'a b', expected a key in one line",
    ),
    "C1 control": (b'a: "\\x9b31m"\n', "bad.yaml:1:4: found the control character U+009B"),
    "lone surrogate": (b'a: "\\ud800"\n', "bad.yaml:1:4: found the control character U+D800"),
    "deep brackets": (b"a: " + b"[" * 50_000, "bad.yaml:1:27: nested deeper than 24 levels"),
    "deep braces": (b"{a: " * 50_000, "bad.yaml:1:97: nested deeper than 24 levels"),
    "deep dashes": (b"- " * 50_000, "bad.yaml:1:49: nested deeper than 24 levels"),
    "deep indentation": (
        b"".join(b" " * depth + b"a:\n" for depth in range(300)),
        "bad.yaml:25:25: nested deeper than 24 levels",
    ),
    "alias bomb": (bomb(30), "bad.yaml:5:15: more than 20000 values, aliases written out"),
    "anchor inside itself": (b"a: &a [*a]\n", "bad.yaml:1:8: '*a' refers to no anchor before it"),
    "no anchor": (b"a: *b\n", "bad.yaml:1:4: '*b' refers to no anchor before it"),
    "object": (b"a: !!python/object/apply:os.system [id]\n", "bad.yaml:1:4: tag 'tag:yaml.org,"),
    "binary": (b"a: !!binary aGVsbG8=\n", "bad.yaml:1:4: tag 'tag:yaml.org,2002:binary'"),
    "tag of one's own": (b"a: !mine b\n", "bad.yaml:1:4: tag '!mine': tags are not used here"),
    "escape in a tag": (b"a: !<%1b[31m> b\n", "bad.yaml:1:4: tag '\\x1b[31m': tags are not used"),
    "two documents": (b"a: b\n---\na: b\n", "bad.yaml:2:1: a second document"),
    "key twice": (b"a: b\na: c\n", "bad.yaml:2:1: key 'a' stands here twice, first in line 1"),
    "list as key": (b"? [a]\n: b\n", "bad.yaml:1:3: expected a text as key"),
    "open quote": (b'a: "b\n', "bad.yaml:2:1: found unexpected end of stream"),
    "too many values": (b"- a\n" * 20_001, "bad.yaml:20000:3: more than 20000 values"),
    "too long": (
        b"a: " + b"x" * 300_000,
        "bad.yaml: found 300003 bytes, expected at most 262144 (256 KiB)",
    ),
}
"""What no YAML file of the bench may be, and how the one line about it begins."""


Refused = Callable[..., list[str]]


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refused:
    """Return a function that runs ``hil run`` in an empty folder and returns its complaints."""
    monkeypatch.chdir(tmp_path)

    def complaints(*arguments: str, code: int = BAD_INPUT) -> list[str]:
        assert main(["run", *arguments, "--runs-dir", "made"]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert err.endswith("\n")
        lines = err.removesuffix("\n").split("\n")
        assert all(line.isprintable() for line in lines)
        assert "Traceback" not in err
        assert not Path("made").exists(), "a configuration error precedes the run"
        return lines

    return complaints


def good(step: str = "rest: 3 s", cell: str = "lfp-100ah") -> None:
    """Write a profile that can run into the current folder."""
    text = PROFILE.replace("STEP", step).replace("CELL", cell)
    Path("good.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("role", "content"),
    [
        *(("profile", content) for content in CONTENTS),
        *((role, content) for role in ROLES for content in ("empty", "NUL", "alias bomb")),
    ],
)
def test_a_file_that_is_no_yaml_of_ours_is_one_line_wherever_it_is_named(
    role: str, content: str, refused: Refused
) -> None:
    step, arguments = ROLES[role]
    data, says = CONTENTS[content]
    good(step)
    Path("bad.yaml").write_bytes(data)
    [line] = refused(*arguments)
    assert line.startswith(says)


# --- paths that are no files ---------------------------------------------------------------------


def a_folder(path: Path) -> None:
    path.mkdir()


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)  # relative: the name of a socket may not be long


def nothing(path: Path) -> None:
    assert not path.exists()


def a_path_through_a_file(path: Path) -> None:
    path.write_text("a: b", encoding="utf-8")


NO_FILES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "folder": (a_folder, "bad.yaml", "is a folder, expected a file"),
    "dangling link": (a_dangling_link, "bad.yaml", "cannot be read: no such file or directory"),
    "link to itself": (a_link_to_itself, "bad.yaml", "cannot be read: too many levels of symbol"),
    "device": (a_device, "bad.yaml", "is a device, expected a file"),
    "socket": (a_socket, "bad.yaml", "is a socket, expected a file"),
    "missing": (nothing, "bad.yaml", "cannot be read: no such file or directory"),
    "below a file": (a_path_through_a_file, "bad.yaml/a.yaml", "cannot be read: not a directory"),
    "long name": (nothing, f"{'a' * 300}.yaml", "cannot be read: file name too long"),
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", NO_FILES)
def test_a_path_that_is_no_file_is_told_where_it_was_named(
    role: str, kind: str, refused: Refused
) -> None:
    make, name, says = NO_FILES[kind]
    step, arguments = ROLES[role]
    good(step.replace("bad.yaml", name))
    make(Path("bad.yaml"))
    arguments = tuple(one.replace("bad.yaml", name) for one in arguments)
    [line] = refused(*arguments)
    places = {"include": "good.yaml:6:", "profile": f"{name}: ", "bench": f"{name}: "}
    assert line.startswith(places.get(role, f"--set {arguments[-1][:40]}"))
    assert says in line


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb.yaml", r"a\nb.yaml: cannot be read"),
        ("\x1b[31mred.yaml", r"\x1b[31mred.yaml: cannot be read"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07: no profile '\x1b]0;title\x07'"),
        ("a\0b.yaml", r"a\x00b.yaml: cannot be read: no file has such a name"),
        ("\udcff.yaml", r"\udcff.yaml: cannot be read"),
        ("\u202egpj.yaml", r"\u202egpj.yaml: cannot be read"),
    ],
)
def test_names_are_shown_and_not_sent(name: str, shown: str, refused: Refused) -> None:
    [line] = refused(name)
    assert line.startswith(shown)


def test_a_name_with_a_line_feed_makes_no_second_line(refused: Refused) -> None:
    Path("a\nPASS.yaml").write_text("a", encoding="utf-8")
    [line] = refused("a\nPASS.yaml")
    assert line == r"a\nPASS.yaml:1:1: expected a mapping of keys to values"


@pytest.mark.parametrize("role", ["profile", "bench"])
def test_a_name_that_is_empty_is_no_default(role: str, refused: Refused) -> None:
    good()
    [line] = refused("") if role == "profile" else refused("good.yaml", "--bench", "")
    assert f": no {role} '' in " in line


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "series.yaml").write_text(
        PROFILE.replace("CELL", "lfp-100ah").replace("STEP", SERIES.replace("SERIES", "pipe.yaml")),
        encoding="utf-8",
    )
    for name in ("pipe.yaml", "/dev/stdin", "series.yaml"):
        done = subprocess.run(  # noqa: S603 - our own program; a process, since it could hang
            [sys.executable, "-m", "hil.cli", "check", name],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        shown = "pipe.yaml" if name == "series.yaml" else name
        assert (done.returncode, done.stdout) == (BAD_INPUT, ""), done.stderr
        assert done.stderr == f"{shown}: is a pipe, expected a file\n"


@pytest.mark.parametrize("name", ["huge.yaml", "series"])
def test_what_is_huge_is_refused_by_its_size_and_not_read(name: str, refused: Refused) -> None:
    size = 100_000_000
    huge = Path("huge.csv" if name == "series" else name)
    with huge.open("wb") as file:
        file.truncate(size)
    good(SERIES.replace("SERIES", "huge.csv"))
    tracemalloc.start()
    try:
        [line] = refused("good.yaml" if name == "series" else name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert line.startswith(f"{huge}: found {size} bytes, expected at most ")
    assert peak < size / 10


# --- series --------------------------------------------------------------------------------------

BAD_SERIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "bad.csv:1:1: is empty, expected 'time_s' or 'time'"),
    "header only": (b"time_s,net_w\n", "bad.csv:1:1: expected at least two rows"),
    "one row": (b"time_s,net_w\n0,1\n", "bad.csv:2:1: expected at least two rows"),
    "no header": (b"0,1\n60,2\n", "bad.csv:1:1: found '0', expected 'time_s' or 'time'"),
    "wrong unit": (ROWS.replace(b"net_w", b"net_kw"), "bad.csv:1:1: net_w: no column 'net_w'; did"),
    "gap": (ROWS.replace(b"60,2\n", b"30,2\n"), "bad.csv:4:1: 90 s after the row before, expected"),
    "time backwards": (ROWS.replace(b"120", b"30"), "bad.csv:4:1: the time does not increase"),
    "time twice": (ROWS.replace(b"120", b"60"), "bad.csv:4:1: the time does not increase"),
    "NaN": (ROWS.replace(b",3", b",nan"), "bad.csv:4:1: net_w: found 'nan', expected a finite"),
    "infinity": (ROWS.replace(b",3", b",-inf"), "bad.csv:4:1: net_w: found '-inf', expected a fin"),
    "overflow": (ROWS.replace(b",3", b",1e999"), "bad.csv:4:1: net_w: found '1e999', expected a"),
    "too few values": (ROWS.replace(b",3", b""), "bad.csv:4:1: found 1 values, expected 2 values"),
    "too many values": (ROWS.replace(b",3", b",3,4"), "bad.csv:4:1: found 3 values, expected 2"),
    "semicolons": (
        ROWS.replace(b",", b";"),
        "bad.csv:1:1: found 'time_s;net_w', expected 'time_s'",
    ),
    "NUL": (ROWS.replace(b",3", b",\0"), "bad.csv:4:5: found the control character U+0000"),
    "UTF-16": (ROWS.decode().encode("utf-16"), "bad.csv:1:1: found byte 0xff, expected text in"),
    "spreadsheet": (b"PK\x03\x04\x14\0", "bad.csv:1:3: found the control character U+0003"),
    "page not found": (b"<html>404</html>\n", "bad.csv:1:1: found '<html>404</html>', expected"),
    "open quote": (ROWS.replace(b",3", b',"3'), "bad.csv:4:1: is no CSV text: unexpected end"),
    "long line": (
        b"time_s,net_w\n0," + b"1" * 200_000,
        "bad.csv:2:1: is no CSV text: field larger",
    ),
}


@pytest.mark.parametrize("case", BAD_SERIES)
def test_a_bad_series_is_one_line_in_its_own_file(case: str, refused: Refused) -> None:
    data, says = BAD_SERIES[case]
    good(SERIES.replace("SERIES", "bad.csv"))
    Path("bad.csv").write_bytes(data)
    [line] = refused("good.yaml")
    assert line.startswith(says)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (a_link_to_itself, "bad.csv: cannot be read: too many levels of symbolic links"),
        (a_dangling_link, "bad.csv: cannot be read: no such file or directory"),
        (a_device, "bad.csv: is a device, expected a file"),
        (a_folder, "good.yaml:6:19: steps.1.follow.series: no file 'bad.csv' beside the profile"),
        (nothing, "good.yaml:6:19: steps.1.follow.series: no file 'bad.csv' beside the profile"),
    ],
)
def test_a_series_that_is_no_file(
    make: Callable[[Path], None], says: str, refused: Refused
) -> None:
    good(SERIES.replace("SERIES", "bad.csv"))
    make(Path("bad.csv"))
    [line] = refused("good.yaml")
    assert line.startswith(says)


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", ""), "--set : expected key=value"),
        (("--set", "=x"), "--set =x: expected key=value"),
        (("--set", "pack.soc="), "--set pack.soc=: is empty"),
        (("--set", "pack.soc=60 %\n---\nx"), "--set pack.soc=60 % --- x: a second document"),
        (("--set", "\x1b[31m=1"), r"--set \x1b[31m=1: \x1b[31m: unknown key"),
        (("--set", 'about="\\e[31m"'), r'--set about="\e[31m": found the control character U+001B'),
        (("--set", "about=\udcff"), r"--set about=\udcff: found the control character U+DCFF"),
        (("--set", "a." * 10_000 + "a=1"), "--set a.a.a.a."),
        (("--set", f"about={'[' * 10_000}"), "--set about=[["),
        (("--set", "pack.soc=!!python/name:os.system x"), "--set pack.soc=!!python/name:os.sys"),
        (("--set", "pack.spread.leakage=1e9 %"), "--set pack.spread.leakage=1e9 %: pack.spread."),
        (("--set", "board.ntc_beta=1e9 K"), "--set board.ntc_beta=1e9 K: board.ntc_beta: found"),
        (("--set", "board.charge_limit=-1 A"), "--set board.charge_limit=-1 A: board.charge_limit"),
        (("--set", "board.cycle=20 d"), "--set board.cycle=20 d: board.cycle: found 1728000 s, ex"),
        (
            ("--set", "steps.1={soak: {chamber: 25 degC, for: 1 s, ramp: 1e-9 K/min}}"),
            "--set steps.1={soak: {chamber: 25 degC, for: 1 s, ramp: 1e-9 K/min}}: steps.1.soak",
        ),
        (
            ("--set", "devices.board.virtual.serial=-1"),
            "--set devices.board.virtual.serial=-1: ser",
        ),
        (
            ("--set", 'devices.emulator-1.virtual.serial="a\\nb"'),
            r'--set devices.emulator-1.virtual.serial="a\nb": serial: found',
        ),
        (("--set", "devices.chamber.virtual.serial=é"), "--set devices.chamber.virtual.serial=é: "),
    ],
)
def test_an_override_that_makes_no_sense_is_one_line(
    arguments: tuple[str, ...], says: str, refused: Refused
) -> None:
    good()
    [line] = refused("good.yaml", *arguments)
    assert line.startswith(says)
    assert len(line) < 1000


@pytest.mark.parametrize(
    "arguments",
    [
        ("--seed", "1.5"),
        ("--seed", "1_0"),
        ("--seed", "9" * 5000),
        ("--seed", "\x1b[31m"),
        ("--until", "\x1b[31m\n"),
        ("--until", "nan s"),
        ("--until", "1e300 h"),
        ("--\x1b[31m",),
        ("\x1b[31m\n",),
    ],
)
def test_arguments_that_make_no_sense_are_one_line(
    arguments: tuple[str, ...], refused: Refused
) -> None:
    good()
    [line] = refused("good.yaml", *arguments, code=USAGE)
    assert line.startswith("hil: ")
    assert len(line) < 1000


def test_thousands_of_mistakes_are_a_few_screens(refused: Refused) -> None:
    good(", ".join(["{rest: 1 q}"] * 3000).removeprefix("{").removesuffix("}"))
    lines = refused("good.yaml")
    assert lines[-1] == "hil: 2900 more errors in these files"
    assert len(lines) == 101


# --- texts that would steer a terminal -----------------------------------------------------------


def texts(folder: str, name: str, before: str) -> Iterator[str]:
    """Yield every key of a file of ours that can be overridden."""
    path = CHECKOUT / folder / name
    for key, _ in walk(load_table(path, name)):
        yield f"{before}{key}"


@pytest.mark.parametrize(
    "key",
    [
        *texts("runs", "room-baseline.yaml", ""),
        *texts("benches", "virtual-16s.yaml", "bench."),
    ],
)
def test_no_text_of_a_file_steers_the_terminal(key: str, refused: Refused) -> None:
    [line] = refused("room-baseline", "--set", f'{key}="\\e]0;x\\a\\x9b31m"')
    assert line.endswith("found the control character U+001B, expected printable text")


def test_a_label_cannot_pretend_to_be_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    good(r'rest: 3 s}, {expect: {gap: {max: 1 uV}, read: "a\nPASS  quick\rPASS\u2028PASS"}')
    assert main(["run", "good.yaml"]) > 0
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("PASS")]


def test_a_mark_counts_lines_and_columns_from_1() -> None:
    text = "ab\ncd"
    places = [Mark("f").at(text, index)[1:3] for index in (0, 1, 3, 4)]
    assert places == [(1, 1), (1, 2), (2, 1), (2, 2)]
