"""The command line: one line an error, an exit code that means something, no trace-back."""

import json
import math
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from hil.app import Request
from hil.cli import BAD_INPUT, BUG, ENVIRONMENT, USAGE, main
from hil.core.instants import HOUR

QUICK = """\
profile: quick
about: three seconds
needs: {cells: 16}
controller: {strategy: none}
pack: {cell: lfp-100ah, soc: 60 %}
verdict: [max_cell_voltage <= 3.60 V]
steps: [{rest: 3 s}]
"""


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder with one quick profile."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "quick.yaml"
    path.write_text(QUICK, encoding="utf-8")
    nowhere = f"bench: virtual-17s\n{QUICK}"
    (tmp_path / "nowhere.yaml").write_text(nowhere, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run"], USAGE, "requires an argument"),
        (["run", "x", "--sede", "3"], USAGE, "Did you mean --seed"),
        (["rum"], USAGE, "rum"),
        (["run", "quick.yaml", "--until", "soon"], USAGE, "soon"),
        (["run", "quick.yaml", "--until", "9nan"], USAGE, "--until: found '9nan', expected a dur"),
        (
            ["run", "quick.yaml", "--until", "-5s"],
            USAGE,
            "--until: found '-5s', expected a duration",
        ),
        (
            ["run", "quick.yaml", "--seed", "-1"],
            USAGE,
            "found '-1', expected a whole number from 0 to",
        ),
        (["run", "quick.yaml", "--seed", "1.5"], USAGE, "found '1.5', expected a whole number"),
        (
            ["run", "quick.yaml", "--seed", f"{2**48}"],
            USAGE,
            "whole number from 0 to 281474976710655",
        ),
        (["check", "quick.yaml", "--set", "bench=x"], BAD_INPUT, "--set bench=x: bench: no bench"),
        (["check", "nowhere.yaml"], BAD_INPUT, "nowhere.yaml:1:1: bench: no bench 'virtual-17s'"),
        (["run", "no-such-profile"], BAD_INPUT, "no profile 'no-such-profile'"),
        (["run", "quick.yaml", "--bench", "virtual-17s"], BAD_INPUT, "virtual-17s"),
        (["run", "quick.yaml", "--set", "pack.soc=half"], BAD_INPUT, "half"),
        (["run", "quick.yaml", "--set", "pack.sock=1 %"], BAD_INPUT, "sock"),
        (["check", "quick.yaml", "--set", "bench.devices.chamber.driver=f4"], BAD_INPUT, "f4"),
        (["runs", "show", "last"], ENVIRONMENT, "no such run"),
        (["run", "quick.yaml", "--runs-dir", "quick.yaml"], ENVIRONMENT, "cannot make a folder"),
    ],
)
def test_what_is_wrong_gets_one_line_and_a_code_from_64(
    arguments: list[str], code: int, says: str, quick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert says in printed.err
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    assert not (quick.parent / "runs").exists(), "an error in the files leaves no folder"


def test_a_bug_is_shown_whole_and_told_apart(
    quick: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bug(*_arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("hil.app.preparation.check_profile", bug)
    assert main(["check", str(quick)]) == BUG
    assert "Traceback" in capsys.readouterr().err


def test_a_run_is_listed_shown_and_exported(
    quick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(quick), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)

    assert main(["runs", "list"]) == 0
    assert body["run"] in capsys.readouterr().out
    assert main(["runs", "list", "--json"]) == 0
    assert [run["digest"] for run in json.loads(capsys.readouterr().out)] == [body["digest"]]
    assert main(["runs", "show", "last"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == body["digest"]


def test_the_log_of_a_run_keeps_what_a_quiet_console_leaves_out(
    quick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(quick), "--json"]) == 0
    assert "run-started" not in capsys.readouterr().err
    [log] = quick.parent.glob("runs/*/run.log")
    events = [json.loads(line)["event"] for line in log.read_text("utf-8").splitlines()]
    assert (events[0], events[-1]) == ("run-started", "run-ended")


def test_an_export_has_decimals_for_people_and_hex_for_the_digest(
    quick: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    main(["run", str(quick), "--json"])
    capfdbinary.readouterr()
    assert main(["runs", "export", "last"]) == 0
    people = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert main(["runs", "export", "last", "--canonical"]) == 0
    canonical = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    [tick, *_] = [line for line in people if line["kind"] == "tick"]
    [exact, *_] = [line for line in canonical if line["kind"] == "tick"]
    bits = bytes.fromhex(exact["values"])
    values = struct.unpack(f">{len(bits) // 8}d", bits)
    assert [None if math.isnan(value) else value for value in values] == tick["values"]


def test_the_summary_for_people_names_the_verdict_first_and_how_to_repeat(
    quick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(quick), "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("PASS  quick")
    assert lines[-1].startswith("repeat  hil run ")
    assert lines[-1].endswith("quick.yaml --seed 3")
    assert any(re.fullmatch(r"digest  [0-9a-f]{64}", line) for line in lines)


def test_the_command_that_repeats_a_run_carries_everything_that_decides_it() -> None:
    request = Request("day", "bench.yaml", ("pack.soc=50 %",), seed=4, until=HOUR)
    assert request.command() == (
        "hil run day --bench bench.yaml --set 'pack.soc=50 %' --until '3600 s' --seed 4"
    )


def test_listing_runs_does_not_wait_for_the_compiler() -> None:
    """Only commands that simulate pay for it (docs/adr/0005)."""
    lists = "import sys; from hil.cli import main; main(['runs', 'list'])"
    code = f"{lists}; print('numba' in sys.modules)"
    found = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    "words",
    [
        ["run", "room-baseline", "mqtt://ann:geh/e@im@broker"],
        ["mqtt://ann:geh/e@im@broker"],
        ["run", "room-baseline", "--seed", "mqtt://ann:geh/e@im@broker"],
        ["check", "mqtt://ann:geh/e@im@broker"],
        ["run", "room-baseline", "--set", "mqtt://ann:geh/e@im@broker"],
        ["runs", "show", "mqtt://ann:geh/e@im@broker"],
    ],
)
def test_a_password_in_the_wrong_place_is_not_repeated(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Who forgets ``--mqtt`` reads in a CI log what was not understood, but not the password."""
    assert main(words) >= 64
    told = capsys.readouterr()
    assert "geh" not in told.out + told.err
    assert "broker" in told.err
