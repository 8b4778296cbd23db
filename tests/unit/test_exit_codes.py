"""Exit codes that nothing outside a run can change: signals, pipes, full disks, closed streams."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hil.bench.stop import StopLadder
from hil.results.verify import verify

PROFILE = """\
profile: quick
needs: {cells: 16}
controller: {strategy: none}
pack: {cell: lfp-100ah, soc: 60 %}
verdict: [max_cell_voltage <= LIMIT]
steps: [{rest: 3 s}, {expect: {gap: {max: 1 V}, read: "a [/x] [red]b :smile:"}}]
"""
HIL = f"{sys.executable} -m hil.cli"
FAIL, OUTPUT = 1, 74
PATIENCE_S = 120


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """Return a folder with a profile that any board fails: its code, 1, is told from all others."""
    (tmp_path / "fails.yaml").write_text(PROFILE.replace("LIMIT", "3 V"), encoding="utf-8")
    return tmp_path


def shell(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash in ``folder``; the code is that of the first command in its pipe."""
    return subprocess.run(  # noqa: S603 - our own program
        ["/bin/bash", "-c", f"{command}\nexit ${{PIPESTATUS[0]}}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "line",
    [
        "run fails.yaml | head -1",
        pytest.param("run fails.yaml | true", marks=pytest.mark.nightly),
        pytest.param("run fails.yaml --json | true", marks=pytest.mark.nightly),
        "run fails.yaml 2>&1 | true",
        pytest.param("run fails.yaml 2>&-", marks=pytest.mark.nightly),
        "run fails.yaml --verbose 2>/dev/full",
        pytest.param("run fails.yaml >&-", marks=pytest.mark.nightly),
        "run fails.yaml --json >&- 2>&-",
    ],
)
def test_a_verdict_stands_though_nobody_reads_it(line: str, failing: Path) -> None:
    done = shell(f"{HIL} {line}", failing)
    assert done.returncode == FAIL, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stderr
    [folder] = (failing / "runs").iterdir()
    assert json.loads((folder / "summary.json").read_text())["verdict"] == "FAIL"


@pytest.mark.nightly
@pytest.mark.parametrize("line", ["run fails.yaml --json", "run fails.yaml", "--help", "runs list"])
def test_output_that_cannot_be_written_is_one_line_and_its_own_code(
    line: str, failing: Path
) -> None:
    done = shell(f"{HIL} {line} >/dev/full", failing)
    assert done.returncode == OUTPUT
    assert done.stderr.endswith("hil: cannot write the output: No space left on device\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "line", ["--help | true", "runs list --json | head -0", "--version | true"]
)
def test_who_reads_no_further_has_no_complaint(line: str, failing: Path) -> None:
    done = shell(f"{HIL} {line}", failing)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_error_with_closed_standard_error_keeps_its_code_and_off_standard_output(
    failing: Path,
) -> None:
    done = shell(f"{HIL} run no-such-profile 2>&-", failing)
    assert (done.returncode, done.stdout) == (65, "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_before_a_run_ends_in_one_line_and_3(name: str, tmp_path: Path) -> None:
    # The signal comes from inside the first heavy import, where no command is known yet.
    (tmp_path / "cyclopts.py").write_text(
        f"import os, signal\nos.kill(os.getpid(), signal.{name})\nraise ImportError('too late')\n"
    )
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "hil.cli", "run", "room-baseline"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"hil: {name} before a run had begun\n"


def test_a_ladder_tells_a_late_listener_all_that_came_before() -> None:
    ladder = StopLadder()
    early: list[tuple[str, str]] = []
    late: list[tuple[str, str]] = []
    ladder.listen(lambda *told: early.append(told))
    for source in ("SIGTERM", "SIGINT", "SIGINT", "SIGHUP"):
        ladder.request(source)
    ladder.listen(lambda *told: late.append(told))
    levels = ["stop", "abort", "panic", "panic"]
    assert (
        late == early == list(zip(("SIGTERM", "SIGINT", "SIGINT", "SIGHUP"), levels, strict=True))
    )
    assert (ladder.source, ladder.requests, ladder.level) == ("SIGTERM", 4, "panic")


def test_a_request_out_of_a_listener_is_told_once_and_in_order() -> None:
    ladder = StopLadder()
    told: list[str] = []

    def listener(_source: str, level: str) -> None:
        told.append(level)
        if level == "stop":
            ladder.request("SIGINT")  # a signal in the middle of telling

    ladder.request("SIGINT")
    ladder.listen(listener)
    assert told == ["stop", "abort"]


def test_signals_that_come_while_the_verdict_is_told_change_nothing(failing: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "import hil.cli.summary as summary\n"
        "from hil.cli import main\n"
        "shown = summary.show\n"
        "import hil.cli.run as run\n"
        "def show(*arguments):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    shown(*arguments)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "run.show = show\n"
        "sys.argv = ['hil', 'run', 'fails.yaml']\n"
        "code = main()\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code], cwd=failing, capture_output=True, text=True, check=False
    )
    assert done.returncode == FAIL, done.stderr
    assert done.stdout.startswith("FAIL  quick")


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("grace_s", "sent"), [(1, [signal.SIGTERM]), (3600, [signal.SIGTERM, signal.SIGINT])]
)
def test_a_reader_that_does_not_read_holds_no_run_up_that_is_asked_to_end(
    grace_s: int, sent: list[signal.Signals], failing: Path
) -> None:
    """One signal leaves a slow reader some time, a second one none; the verdict stands.

    The text takes so long to make that the signals come before its write blocks: nothing that they
    interrupt then would let Python look at them.
    """
    code = (
        "import os, sys\n"
        "from hil.cli import main, signals\n"
        "import hil.cli.run as run\n"
        f"signals.GRACE_S = {grace_s}\n"
        "def show(*arguments):\n"
        "    os.write(2, b'telling\\n')\n"
        "    sys.stdout.write('x' * 100_000_000)\n"
        "run.show = show\n"
        "sys.argv = ['hil', 'run', 'fails.yaml']\n"
        "sys.exit(main())\n"
    )
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", code], cwd=failing, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr is not None
            assert b"telling\n" in iter(process.stderr.readline, b"")
            for number in sent:  # the second may come while the first is handled
                process.send_signal(number)
            assert process.wait(PATIENCE_S) == FAIL
        finally:
            process.kill()
    [folder] = (failing / "runs").iterdir()
    assert verify(folder).whole
    assert (folder / "report.html").is_file()


def test_text_of_a_profile_is_printed_as_it_is(failing: Path) -> None:
    done = shell(f"{HIL} run fails.yaml", failing)
    assert "a [/x] [red]b :smile:" in done.stdout
    assert done.returncode == FAIL
