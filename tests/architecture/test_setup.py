"""Setting up works from nothing: which Python, which package is missing, and nothing done twice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from house import ROOT

Result = subprocess.CompletedProcess[str]


def script(path: Path, text: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def start(*command: str, folder: Path, path: str, home: Path) -> Result:
    environment = {"PATH": path, "HOME": str(home), "PYENV_ROOT": str(home / "pyenv")}
    return subprocess.run(  # noqa: S603 - our own scripts and make
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_pythons_that_do_not_start_are_not_listed(tmp_path: Path) -> None:
    broken = tmp_path / "shims" / "python3.11"
    script(broken, "echo 'pyenv: python3.11: command not found' >&2; exit 127")
    ours = tmp_path / "pyenv" / "versions" / "ours" / "bin" / "python3"
    ours.parent.mkdir(parents=True)
    ours.symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    path = f"{broken.parent}:/usr/bin:/bin"
    listed = start("bash", ".ci/pythons", folder=ROOT, path=path, home=tmp_path)
    rows = [line.split(" ", 1) for line in listed.stdout.splitlines()]
    minors = [int(version.partition(".")[2]) for version, _ in rows]
    assert minors == sorted(set(minors))
    assert sys.version_info.minor in minors
    assert min(minors) >= 11
    assert str(broken) not in [python for _, python in rows]
    assert all(Path(python).exists() for _, python in rows)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return an empty checkout whose only Python has no ensurepip, with apt-get listening."""
    folder = tmp_path / "checkout"
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "venv", folder / ".ci")
    script(folder / "bin" / "python3.11", "exit 1")
    script(folder / ".ci" / "pythons", f"echo 3.11 {folder}/bin/python3.11")
    script(folder / "bin" / "apt-get", f'echo "$@" >> {folder}/apt.log')
    return folder


def set_up(checkout: Path, user: int) -> Result:
    script(checkout / "bin" / "id", f"echo {user}")
    path = f"{checkout}/bin:/usr/bin:/bin"
    return start("bash", ".ci/venv", ".ready", folder=checkout, path=path, home=checkout)


def test_an_ordinary_user_gets_the_line_to_run(checkout: Path) -> None:
    result = set_up(checkout, user=1000)
    assert result.returncode == 1
    assert result.stderr == (
        "make: this needs a system package; run: sudo apt-get install python3-venv\n"
    )
    assert not (checkout / "apt.log").exists()
    assert not (checkout / ".ready").exists()


def test_without_any_python_the_line_names_it_too(checkout: Path) -> None:
    script(checkout / ".ci" / "pythons", "exit 0")
    assert set_up(checkout, user=1000).stderr.endswith("apt-get install python3 python3-venv\n")


def test_root_installs_the_package_and_says_if_that_did_not_help(checkout: Path) -> None:
    result = set_up(checkout, user=0)
    assert result.returncode == 1
    assert "install -y -qq python3-venv" in (checkout / "apt.log").read_text(encoding="utf-8")
    assert "has no ensurepip" in result.stderr
    assert not (checkout / ".ready").exists()


def test_nothing_is_installed_twice_and_a_changed_pin_is(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    script(tmp_path / ".ci" / "venv", "mkdir -p .venv; echo once >> log; touch $1")

    def installed() -> int:
        make = start(
            "make", ".venv/.ready", folder=tmp_path, path=os.environ["PATH"], home=tmp_path
        )
        assert make.returncode == 0, make.stderr
        return len((tmp_path / "log").read_text(encoding="utf-8").splitlines())

    assert [installed(), installed()] == [1, 1]
    later = (tmp_path / ".venv" / ".ready").stat().st_mtime + 10
    os.utime(tmp_path / "constraints.txt", (later, later))
    assert installed() == 2
