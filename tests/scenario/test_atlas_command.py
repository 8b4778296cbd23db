"""``hil atlas``: a page for every experiment of a folder, and a table of what came of them."""

import subprocess
import sys
from pathlib import Path

import pytest
from studied import EXPERIMENT

MARKS = ("<!-- verdicts: hil atlas -->", "<!-- end of verdicts -->")


def atlas(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "hil.cli", "atlas", "claims", "--workers", "1", *arguments]
    return subprocess.run(  # noqa: S603 - our own
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two claims, the second of which is wrong, and a file that they could include."""
    claims = tmp_path / "claims"
    claims.mkdir()
    (claims / "T01-more.yaml").write_text(EXPERIMENT, encoding="utf-8")
    wrong = EXPERIMENT.replace("T1", "T2").replace("above: 1 mAh}\n  - ", "above: 1 kAh}\n  - ")
    (claims / "T02-much-more.yaml").write_text(wrong, encoding="utf-8")
    (claims / "ranges.yaml").write_text("lead: 20 mohm to 500 mohm\n", encoding="utf-8")
    return tmp_path


@pytest.mark.nightly
def test_every_claim_has_a_page_and_a_line_in_the_index(folder: Path) -> None:
    pages = folder / "docs/atlas"
    pages.mkdir(parents=True)
    before, after = "# What works where\n\n", "\n\nWritten by hand.\n"
    (pages / "README.md").write_text(before + "\n".join(MARKS) + after, encoding="utf-8")
    done = atlas(folder)
    assert done.returncode == 0, done.stderr
    assert {one.name for one in pages.glob("*.md")} == {
        "README.md",
        "T01-more.md",
        "T02-much-more.md",
    }
    index = (pages / "README.md").read_text(encoding="utf-8")
    assert index.startswith(before)
    assert index.endswith(after)
    assert (
        "| [T1](T01-more.md) | A threshold that is half as high bleeds more. | as written "
        "| **supported** | 100% of 6 |"
    ) in index
    assert "| [T2](T02-much-more.md) | A threshold that is half as" in index
    assert "| as written | **not supported** | 0% of 6 |" in index
    first = {one: one.read_bytes() for one in pages.iterdir()}
    again = atlas(folder)
    assert again.stdout.count("48 of them known from before") == 2
    assert "tasks" not in again.stdout
    assert {one: one.read_bytes() for one in pages.iterdir()} == first


def test_one_page_can_be_made_alone(folder: Path) -> None:
    done = atlas(folder, "--only", "T01-more", "--page", "out")
    assert done.returncode == 0, done.stderr
    assert {one.name for one in (folder / "out").iterdir()} == {"T01-more.md", "T01-more.svg"}


@pytest.mark.nightly
def test_an_index_without_room_for_the_table_is_told(folder: Path) -> None:
    pages = folder / "docs/atlas"
    pages.mkdir(parents=True)
    (pages / "README.md").write_text("# Mine\n", encoding="utf-8")
    done = atlas(folder)
    assert done.returncode == 69
    assert "README.md: expected the lines <!-- verdicts: hil atlas -->" in done.stderr
    assert (pages / "README.md").read_text(encoding="utf-8") == "# Mine\n"


def test_a_claim_that_is_written_wrong_is_told_before_any_is_run(folder: Path) -> None:
    wrong = EXPERIMENT.replace("strategy: none", "strategy: nothing")
    (folder / "claims/T09-wrong.yaml").write_text(wrong, encoding="utf-8")
    done = atlas(folder)
    assert (done.returncode, done.stdout) == (65, "")
    assert "T09-wrong.yaml:" in done.stderr
    assert not (folder / "studies").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--only", "T01-mroe"],
            "claims: found no experiment 'T01-mroe'; did you mean 'T01-more'?",
        ),
        (["--only", "T01-more", "--only", "T7"], "claims: found no experiment 'T7'; expected one"),
    ],
)
def test_a_page_of_no_experiment_is_told(folder: Path, arguments: list[str], told: str) -> None:
    done = atlas(folder, *arguments)
    assert (done.returncode, done.stdout) == (65, "")
    assert told in done.stderr


def test_a_folder_without_experiments_leaves_the_index_as_it_is(folder: Path) -> None:
    pages = folder / "docs/atlas"
    pages.mkdir(parents=True)
    index = "\n".join((MARKS[0], "| all that was found |", MARKS[1]))
    (pages / "README.md").write_text(index, encoding="utf-8")
    for path in (folder / "claims").glob("T*.yaml"):
        path.unlink()
    done = atlas(folder)
    assert (done.returncode, done.stdout) == (65, "")
    assert "claims: found no experiment in it, expected a folder of YAML files" in done.stderr
    assert (pages / "README.md").read_text(encoding="utf-8") == index
