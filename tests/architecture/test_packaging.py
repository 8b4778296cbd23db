"""What is installed is ours, what is committed can go anywhere, and the papers are in order."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from house import ROOT, project_files, relative

from hil.core.spec import DeviceSpec
from hil.ports import Describing, Disturber, LinkKind
from hil.profile import load_instrument

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GROUPS = ("hil.drivers", "hil.twins", "hil.links", "hil.disturbers")

# In pieces, so that this file does not hold what it looks for.
PRIVATE = re.compile(
    "|".join(["/" + "home/[a-z]", "/" + "root/", "/" + "work/", "/" + "Users/"])
    + "|"
    + "|".join(["pypi" + r"\.org", "python" + "hosted", "index" + "-url", "/sim" + "ple/"])
)


@pytest.mark.parametrize("package", ["hil", "drivers"])
def test_the_installed_package_is_ours(package: str, tmp_path: Path) -> None:
    """``drivers`` is a common name: another distribution's would be imported without a word."""
    assert set(packages_distributions()[package]) == {PROJECT["name"]}
    where = f"import {package}; print({package}.__file__)"
    found = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()) == ROOT / package / "__init__.py"


@pytest.mark.parametrize("group", GROUPS)
def test_every_entry_point_loads(group: str) -> None:
    ours = {point.name: point for point in entry_points(group=group)}
    assert set(ours) == set(PROJECT["entry-points"][group])
    for point in ours.values():
        found = point.load()
        assert callable(found.make if isinstance(found, LinkKind | Disturber) else found)


def test_every_driver_has_data_and_a_twin() -> None:
    twins = {point.name for point in entry_points(group="hil.twins")}
    for point in entry_points(group="hil.drivers"):
        driver = point.load()
        if isinstance(driver, Describing):
            driver = driver.described(load_instrument("cts"))
        assert isinstance(driver.SPEC, DeviceSpec), point.name
        assert point.name in twins


def test_every_instrument_that_is_described_can_be_driven() -> None:
    files = sorted((ROOT / "profiles" / "instruments").glob("*.yaml"))
    assert len(files) >= 4
    for file in files:
        assert load_instrument(file).instrument == file.stem


def normalised(requirement: str) -> str:
    """Return a requirement's name the way package indexes compare names."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def test_every_requirement_is_pinned_without_an_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", pin) for pin in pins)
    wanted = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    assert {normalised(name) for name in wanted} <= {normalised(pin) for pin in pins}


def test_no_file_names_a_private_place_or_a_registry() -> None:
    found = [
        f"{relative(path)}:{number}"
        for path in project_files()
        for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), 1)
        if PRIVATE.search(line)
    ]
    assert not found


@pytest.mark.parametrize("line", ["cd /" + "home/anna", "--index" + "-url x", "/" + "work/main"])
def test_a_private_place_is_found(line: str) -> None:
    assert PRIVATE.search(line)


DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_says_status_context_decision_and_consequences(decision: Path) -> None:
    text = decision.read_text(encoding="utf-8")
    assert re.match(r"\d{4}-[a-z0-9-]+\.md", decision.name)
    assert text.startswith("# ")
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings[:4] == ["Status", "Context", "Decision", "Consequences"]


def test_decisions_are_numbered_once() -> None:
    numbers = [path.name[:4] for path in DECISIONS]
    assert DECISIONS
    assert len(set(numbers)) == len(numbers)
