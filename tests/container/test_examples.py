"""The compose file and the example pipelines do what they say: their commands are commands of ours.

No engine and no CI service is here to try them, so each `hil` line is read by the command line's
own parser and each profile and bench by the check; of what the services themselves read, only what
would hurt silently is looked at.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
import yaml

from hil.app.preparation import Request, prepare, prepare_bench
from hil.cli.commands import app
from hil.results import junit

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
GITHUB = yaml.safe_load((ROOT / "docs/ci/github-actions.yml").read_text(encoding="utf-8"))
GITLAB = yaml.safe_load((ROOT / "docs/ci/gitlab-ci.yml").read_text(encoding="utf-8"))
SHELL = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
OURS = {name: one for name, one in COMPOSE["services"].items() if one.get("image") == "hil"}


def filled(command: str, values: dict[str, str]) -> str:
    """Put a matrix's values into a command: `${{ matrix.NAME }}` and `$NAME`. KeyError if none."""
    command = re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda found: values[found[1]], command)
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], command)


def github() -> list[str]:
    """Return every `hil` command of the workflow, once for each cell of its job's matrix."""
    found = []
    for job in GITHUB["jobs"].values():
        cells = job.get("strategy", {}).get("matrix", {}).get("include", [{}])
        scripts = [step["run"] for step in job["steps"] if "run" in step]
        for line in "\n".join(scripts).splitlines():
            for cell in cells:
                values = {key: str(value) for key, value in cell.items()}
                found.append(filled(line.removeprefix("exec "), values))
    return [line for line in found if line.startswith("hil ")]


def gitlab() -> list[str]:
    """Return every `hil` command of the pipeline, once for each cell of its job's matrix."""
    found = []
    for job in (GITLAB["check"], GITLAB["profile"]):
        for cell in job.get("parallel", {}).get("matrix", [{}]):
            lists = [value if isinstance(value, list) else [value] for value in cell.values()]
            for values in product(*lists):
                named = dict(zip(cell, values, strict=True))
                found += [filled(line, named) for line in job["script"]]
    return found


COMMANDS = [
    *(["hil", *service["command"]] for name, service in OURS.items() if name != "real"),
    *map(shlex.split, github()),
    *map(shlex.split, gitlab()),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_can_be_run(words: list[str]) -> None:
    """Nothing is started: options are read, and files are checked against each other."""
    assert words[0] == "hil"
    if words[1:] == ["--help"]:
        return
    _, bound, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    given = bound.arguments
    if words[1] == "serve":
        assert prepare_bench(given["bench"], ()).lab
    else:
        request = Request(profile=given["profile"], bench=given.get("bench"))
        assert prepare(request).profile.steps


def test_a_command_that_is_none_is_found() -> None:
    with pytest.raises(Exception, match="--sead"):
        app.parse_args(["run", "a", "--sead", "1"], exit_on_error=False, print_error=False)


def test_both_pipelines_run_the_same() -> None:
    assert sorted(map(shlex.split, github())) == sorted(map(shlex.split, gitlab()))
    assert any(line.startswith("hil run ") for line in github())


def test_a_stopped_service_has_time_to_go_safe() -> None:
    for name, service in OURS.items():
        assert service["stop_grace_period"] == "30s", name
        assert "user" not in service, "the image's own, who is not root"


def test_runs_outlive_their_container() -> None:
    for name in ("bench", "run", "real"):
        assert "runs:/bench/runs" in OURS[name]["volumes"]
    assert "runs" in COMPOSE["volumes"]


def test_the_run_finds_the_lab_where_its_bench_says() -> None:
    """One network stack, and not before the lab's control port listens."""
    run, lab = OURS["run"], OURS["lab"]
    assert run["network_mode"] == "service:lab"
    assert run["depends_on"]["lab"]["condition"] == "service_healthy"
    named = [one["command"][one["command"].index("--bench") + 1] for one in (run, lab)]
    [bench] = set(named)
    host, port = prepare_bench(bench, ()).lab or ("", 0)
    assert f"('{host}', {port})" in lab["healthcheck"]["test"][-1]


@pytest.mark.nightly
def test_the_services_work_together_as_processes(tmp_path: Path) -> None:
    """The lab, its health check and the run, word for word, beside a broker that is not there."""
    lab = subprocess.Popen(["hil", *OURS["lab"]["command"]], cwd=tmp_path, env=SHELL)  # noqa: S603, S607 - our own program
    try:
        words = OURS["lab"]["healthcheck"]["test"][1:]
        deadline = time.monotonic() + 120
        while subprocess.run(words, env=SHELL, capture_output=True, check=False).returncode:  # noqa: S603 - our own words
            assert time.monotonic() < deadline
            assert lab.poll() is None
        command = ["hil", *OURS["run"]["command"]]
        done = subprocess.run(command, cwd=tmp_path, env=SHELL, capture_output=True, check=False)  # noqa: S603 - our own program
    finally:
        lab.terminate()
        lab.wait(timeout=60)
    # In wall time on a busy host the bench may not be able to tell; what is here is that it runs.
    assert done.returncode in {0, 2}, done.stderr.decode()
    assert len(list(tmp_path.glob(f"runs/*/{junit.FILE}"))) == 1


def test_results_are_kept_whatever_came_of_the_run() -> None:
    steps = [step for step in GITHUB["jobs"]["profile"]["steps"] if step.get("if") == "always()"]
    paths = [step["with"]["path"] for step in steps]
    assert paths == ["runs/", f"runs/*/{junit.FILE}"]
    artifacts = GITLAB["profile"]["artifacts"]
    assert artifacts["when"] == "always"
    assert artifacts["paths"] == ["runs/"]
    assert artifacts["reports"]["junit"] == f"runs/*/{junit.FILE}"


def test_a_cancelled_step_gets_its_signals() -> None:
    """GitHub signals the step's process alone: a shell that stays would keep them for itself."""
    lines = [step["run"] for step in GITHUB["jobs"]["profile"]["steps"] if "run" in step]
    assert [line for line in lines if "hil run" in line] == [
        line for line in lines if line.startswith("exec hil run")
    ]
    assert GITHUB["concurrency"]["cancel-in-progress"] is True
    assert GITLAB["default"]["interruptible"] is True


def test_nothing_runs_for_ever() -> None:
    for name, job in GITHUB["jobs"].items():
        assert job["timeout-minutes"] <= 30, name
    assert all("timeout" in GITLAB[name] for name in ("check", "profile"))
