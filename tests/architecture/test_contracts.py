"""Who may import whom holds, and each contract goes red when it is broken on purpose."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from house import BIN, PACKAGES, ROOT


def lint_imports(checkout: Path) -> subprocess.CompletedProcess[str]:
    # The copy under test comes first on the path, before the installed project.
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.run(  # noqa: S603 - our own tool
        [BIN / "lint-imports", "--no-logo", "--no-cache"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("checkout")
    for package in PACKAGES:
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, copy / package, ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def test_every_contract_is_kept() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


BREAKS = {
    "hil: what is above": ("hil/core/bad.py", "import hil.bench"),
    "hil does not know drivers": ("hil/bench/bad.py", "import drivers.wire"),
    "drivers see hil.ports": ("drivers/virtual/bad.py", "import hil.balancing"),
    "drivers: device families": ("drivers/virtual/bad.py", "import drivers.boards"),
    "the board's electronics": ("hil/physics/wiring.py", "import hil.physics.pack"),
    "core, ports, physics": ("hil/verdict/bad.py", "from time import monotonic"),
}


@pytest.mark.parametrize("contract", BREAKS)
def test_a_broken_contract_is_named(copied: Path, contract: str) -> None:
    place, line = BREAKS[contract]
    target = copied / place
    before = target.read_text(encoding="utf-8") if target.exists() else None
    target.write_text(f"{before or '# Breaks a contract on purpose.'}\n{line}\n", encoding="utf-8")
    try:
        result = lint_imports(copied)
    finally:
        target.unlink()
        if before is not None:
            target.write_text(before, encoding="utf-8")
    assert result.returncode == 1
    broken = " ".join(result.stdout.split()).partition("Broken contracts")[2]
    assert [name for name in BREAKS if name in broken] == [contract]


def test_a_cell_emulator_twin_may_not_know_cells(copied: Path) -> None:
    """The virtual board reads terminals: with a cell's own voltage it would skip the drivers."""
    broken = copied / "drivers/virtual/bad.py"
    (copied / "hil/physics/bad_cell.py").write_text('"""A cell."""\n', encoding="utf-8")
    broken.write_text('"""Breaks it."""\nimport hil.physics.bad_cell\n', encoding="utf-8")
    try:
        result = lint_imports(copied)
    finally:
        broken.unlink()
        (copied / "hil/physics/bad_cell.py").unlink()
    assert result.returncode == 1
    assert "drivers.virtual.bad -> hil.physics.bad_cell" in result.stdout
