"""In wall time nothing is compiled, or loaded from the compiler's cache, once outputs are on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.cell_emulators.bloomy_abs import BloomyAbs

STEPS = """\
steps:
  - rest: 1 s
  - charge: {current: 5 A, limit: none, until: [any cell.voltage >= 3.45 V, after: 1 s]}
  - hold: {voltage: 3.35 V, cell_max: 3.45 V, max_current: 2 A, until: [after: 1 s]}
  - discharge: {power: 100 W, limit: none, until: [any cell.voltage <= 2.9 V, after: 1 s]}
verdict:
  - max_cell_voltage <= 3.60 V
"""
HEAD = """\
profile: warm
needs: {cells: 16}
tick: 500 ms
controller: {strategy: fixed-threshold, every: 1 s, start: 2 mV, stop: 1 mV}
pack: {cell: lfp-100ah, soc: 60 %, spread: {soc: 0.5 %}}
"""


def compiled() -> int:
    """Return how many functions the compiler has made, or fetched, in this process."""
    modules = [module for name, module in sys.modules.items() if name.startswith("hil.physics")]
    made = {
        id(one): len(one.signatures)
        for module in modules
        for one in vars(module).values()
        if hasattr(one, "signatures")
    }
    return sum(made.values())


def play(profile: str, runs: str) -> None:
    """Play a profile in wall time; print what was compiled when outputs went on, and at the end."""
    from hil.app import Request, run_profile  # noqa: PLC0415 - in the process that this starts
    from hil.bench.stop import StopLadder  # noqa: PLC0415 - the same

    counts: list[int] = []  # the rehearsal arms its units as well: the last one is the run's
    arm = BloomyAbs.arm

    async def counted(unit: BloomyAbs) -> None:
        counts.append(compiled())
        await arm(unit)

    pytest.MonkeyPatch().setattr(BloomyAbs, "arm", counted)
    request = Request(profile, "virtual-16s", ("bench.clock=wall",), runs=Path(runs))
    outcome = run_profile(request, StopLadder(), lambda _status: None)
    sys.stdout.write("\n" + json.dumps([counts[-1], compiled(), outcome.summary["ended"]]))


@pytest.mark.nightly
def test_nothing_is_compiled_once_outputs_are_on(tmp_path: Path) -> None:
    path = tmp_path / "warm.yaml"
    path.write_text(HEAD + STEPS, encoding="utf-8")
    here = Path(__file__).parent
    call = f"import sys; sys.path.insert(0, {str(here)!r}); import test_warm_start as test; "
    call += f"test.play({str(path)!r}, {str(tmp_path)!r})"
    done = subprocess.run(  # noqa: S603 - a process of ours, in which nothing is compiled yet
        [sys.executable, "-c", call],
        cwd=here.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after, ended = json.loads(done.stdout.splitlines()[-1])
    assert ended == "all steps done"
    assert before == after > 0
