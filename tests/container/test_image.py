"""The image works: built in bare root file systems, run as its user under its init, stopped.

Takes minutes and the packages of a whole image, so only `make nightly` runs it, as root.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bare_root import Builder, Image, bare_debian, lacking
from dockerfile import Context, parse

pytestmark = [pytest.mark.nightly, pytest.mark.skipif(bool(lacking()), reason=lacking())]

ROOT = Path(__file__).resolve().parents[2]
GRACE_S = 30.0
"""What the Dockerfile and compose.yaml give a run to go safe."""
WAIT_S = 300.0
"""How long a busy machine may take for anything else."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Build the image once; say what it took and what is in it."""
    folder = tmp_path_factory.mktemp("image")
    bare_debian(folder / "base")
    began = time.monotonic()
    stages = parse((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    built = Builder(folder / "base", Context(ROOT), folder).build(stages)
    took_s = time.monotonic() - began
    base_mb, whole_mb = Image(folder / "base").megabytes(), built.megabytes()
    print(f"\nbuilt in {took_s:.0f} s; {whole_mb:.0f} MB, {whole_mb - base_mb:.0f} above the base")  # noqa: T201 - figures for the record
    packages = "/opt/hil/lib/python3.11/site-packages"
    for part in ("/opt/hil", *(f"{packages}/{name}" for name in ("llvmlite", "pyarrow", "numpy"))):
        print(f"  {part.removeprefix(packages)}: {built.megabytes(part):.0f} MB")  # noqa: T201 - the same
    yield built
    subprocess.run(["/bin/rm", "-rf", str(folder)], check=True)  # noqa: S603 - a folder of our own


def finished(process: "subprocess.Popen[str]", within_s: float = WAIT_S) -> tuple[int, str, str]:
    """Wait; return exit code, output and messages."""
    out, err = process.communicate(timeout=within_s)
    return process.returncode, out, err


def process_one(outside: "subprocess.Popen[str]") -> int:
    """Return the number that process 1 of the container has outside of it."""
    children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
    deadline = time.monotonic() + WAIT_S
    while not (found := children.read_text(encoding="ascii").split()):
        assert time.monotonic() < deadline
        assert outside.poll() is None
    return int(found[0])


def compiled(image: Image) -> dict[str, float]:
    """Return the files of compiled physics and when each was written."""
    folder = image.root / "opt/hil-compiled"
    return {path.name: path.stat().st_mtime for path in folder.rglob("*.nb?")}


def test_a_run_passes_and_nothing_is_compiled_for_it(image: Image) -> None:
    before, began = compiled(image), time.monotonic()
    code, out, err = finished(image.start("run", "open-sense-lead", "--json"))
    print(f"\nfirst run: {time.monotonic() - began:.1f} s")  # noqa: T201 - a figure for the record
    assert code == 0, err
    summary: dict[str, Any] = json.loads(out)
    assert summary["verdict"] == "PASS"
    assert summary["folder"].startswith("runs/")
    assert before
    assert compiled(image) == before
    # made from data files of the packages, and by libraries that the image might lack
    left = {path.name for path in (image.root / "bench" / summary["folder"]).iterdir()}
    assert {"report.html", "junit.xml", "ticks.parquet"} <= left


def test_the_user_may_write_runs_and_nothing_of_the_program(image: Image) -> None:
    inside = ["/bin/sh", "-c", "id -u; touch /bench/runs/x && rm /bench/runs/x; touch /opt/hil/x"]
    done = subprocess.run(  # noqa: S603 - our own image
        image.command(inside), env=image.settings(), capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() not in {"", "0"}
    assert done.returncode != 0
    assert done.stderr.count("denied") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_container_goes_safe_in_time(image: Image, number: int) -> None:
    """What `docker stop` sends goes to process 1: the run ends as ABORTED, its record whole."""
    process = image.start("run", "hot-summer-week", "--seed", "3")
    assert process.stderr is not None
    while "cells" not in (line := process.stderr.readline()):
        assert line, "ended before its first progress"
    began = time.monotonic()
    os.kill(process_one(process), number)
    code, out, err = finished(process, GRACE_S)
    print(f"\nsignal {number}: over after {time.monotonic() - began:.1f} s")  # noqa: T201 - a figure for the record
    assert code == 3, err
    assert out.startswith("ABORTED")
    code, out, err = finished(image.start("runs", "verify", "last"))
    assert code == 0, err
    assert out.rstrip().endswith("whole")
