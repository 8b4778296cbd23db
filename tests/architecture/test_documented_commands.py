"""Every command that README or docs show is real: `hil` ones are run, `make` ones are targets.

Commands are the lines of fenced blocks marked ``console`` (after ``$``) or ``sh``. A document is a
walk: its commands run one after the other in one folder, so that a later one may use what an
earlier one left; it is empty but for the checkout's ``tests``, whose curves a document may name.
Text in angle brackets or capitals is no command and belongs in an unmarked block.
"""

import os
import re
import shlex
import subprocess
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from cyclopts import CycloptsError
from house import BIN, ROOT, relative
from tools import program

from hil.cli.commands import app

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(console|sh)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
# What a document may show beside hil and make, and why it is not run here.
NOT_RUN = {
    "git": "needs another repository",
    "pip": "changes the environment that the tests run in",
    ".venv/bin/pip": "the same",
    "dask": "goes on until it is stopped; tests/scenario/test_study_workers.py starts both",
    "bash": ".ci/run would start the tests within the tests",
}
MINUTES = 5
# Walked at every commit; all others by night, since each command is a program that starts.
AT_ONCE = ("README.md", "docs/how-to/write-a-profile.md")


def tier_of(document: Path) -> Any:
    """Return a document as a parameter, marked by when it is walked."""
    name = relative(document)
    return pytest.param(document, id=name, marks=[] if name in AT_ONCE else pytest.mark.nightly)


def commands(text: str) -> list[str]:
    """Return the commands of a document's fenced blocks, in order, comments left out."""
    found = []
    for language, block in FENCE.findall(text):
        lines = block.replace("\\\n", " ").splitlines()
        if language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        found += [" ".join(line.partition(" #")[0].split()) for line in lines]
    return [line for line in found if line]


def targets() -> set[str]:
    """Return what `make` can be asked for."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))


def run(command: str, folder: Path) -> None:
    """Run one `hil` command the way a reader would. Raises AssertionError if it fails."""
    # A reader's command is not slowed down by a tracer.
    environment = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    environment["PATH"] = f"{BIN}:{os.environ['PATH']}"
    result = subprocess.run(  # noqa: S603 - commands of our own documents
        ["/bin/bash", "-c", f"set -euo pipefail; {command}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=MINUTES * 60,
        check=False,
    )
    # 1 and 2 are verdicts on the board: the command itself did what it is shown for.
    good = {0, 1, 2} if command.startswith("hil run ") else {0}
    assert result.returncode in good, f"{command}: {result.returncode}\n{result.stderr}"


@pytest.mark.parametrize("document", [tier_of(one) for one in DOCUMENTS])
def test_the_commands_of_a_document(document: Path, tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    for command in commands(document.read_text(encoding="utf-8")):
        name, *arguments = shlex.split(command)
        if name == "make":
            assert {word for word in arguments if "=" not in word} <= targets(), command
        elif name == "hil":
            if "--engine" in arguments:
                program("cc")  # the reader is told what to install, and so is who runs this
            run(command, tmp_path)
        else:
            assert name in NOT_RUN, f"{command}: neither run nor excused"


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_a_document_shows_commands_that_there_are(document: Path) -> None:
    """Every commit: names, options and the values that options may have."""
    shown = commands(document.read_text(encoding="utf-8"))
    for words in (shlex.split(line) for line in shown if line.startswith("hil ")):
        plain = list(takewhile(lambda word: not set(word) & set("|<>&;"), words[1:]))
        if plain not in (["--help"], ["--version"]):
            app.parse_args(plain, exit_on_error=False, print_error=False)


def test_a_wrong_option_is_found() -> None:
    with pytest.raises(CycloptsError):
        app.parse_args(["run", "a", "--no-such"], exit_on_error=False, print_error=False)


def test_commands_are_found() -> None:
    text = (
        "```console\n$ hil check a  # why\nok\n```\n"
        "```sh\nmake demo\n\nhil run \\\n  b\n```\n"
        "```\nhil run PROFILE\n```\n"
    )
    assert commands(text) == ["hil check a", "make demo", "hil run b"]


def test_a_wrong_command_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run("hil no-such-command", tmp_path)
    assert "no-such-target" not in targets()
    assert {"demo", "test", "check", "bench", "nightly", "clean", "help"} <= targets()
