"""One controller a bench: what the second one sees, and how a person ends the first."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scenario import recorded
from served import Served, finished, hil, patiently, running, serving
from under_way import BOOTED, HOT, SLOW_BOARD, UnderWay, all_off

from hil.app.holding import held
from hil.app.leases import leases, myself, places
from hil.app.preparation import prepare_bench
from hil.bench.wall_time import monotonic_ns
from hil.core.errors import EnvironmentProblem

pytestmark = pytest.mark.alone

REFUSED_WITHIN_NS = 1_000_000_000
"""Fault case 19, from when the bench is asked for."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("lab"), *SLOW_BOARD, *BOOTED) as one:
        yield one


@pytest.fixture
def begun(served: Served, profile: Callable[..., Path]) -> Iterator[UnderWay]:
    one = UnderWay(served, profile(HOT))
    yield one
    for pid in (one.process.pid, one.guardian):
        if running(pid):
            os.kill(pid, signal.SIGKILL)
    one.process.communicate()
    if leases().held(shared_places(served)):
        code, _, err = safe(served)
        assert code == 0, err


def safe(lab: Served) -> tuple[int, str, str]:
    words = ("safe", "--bench", "loopback", "--json", *SLOW_BOARD, *lab.overrides())
    return finished(hil(*words, cwd=Path()))


def shared_places(lab: Served) -> list[str]:
    return list(places(prepare_bench("loopback", lab.overrides()[1::2])).values())


def second(begun: UnderWay, *more: str) -> tuple[int, str, str]:
    """Start another run on the bench."""
    words = ("run", str(begun.profile), "--bench", "loopback", "--json", *SLOW_BOARD, *more)
    return finished(hil(*words, *begun.lab.overrides(), cwd=begun.profile.parent))


def folders(begun: UnderWay) -> int:
    return len(list((begun.profile.parent / "runs").iterdir()))


def test_a_second_run_is_refused_and_the_first_goes_on(begun: UnderWay) -> None:
    code, _, err = second(begun)
    assert code == 69
    assert re.match(r"hil: loopback: [a-z0-9-]+ \(tcp 127\.0\.0\.1:", err)
    assert "is held by the run of scenario" in err
    assert f"pid {begun.process.pid}," in err
    assert err.endswith(": wait for its end, or end it: hil safe --bench loopback\n")
    assert folders(begun) == 1
    code, out, _ = finished(
        hil("devices", "--bench", "loopback", "--json", *begun.lab.overrides(), cwd=Path())
    )
    found = json.loads(out)["devices"]
    assert code == 69
    assert len(found) == 4
    assert all(f"pid {begun.process.pid}," in one["problem"] for one in found)
    bench, asked = prepare_bench("loopback", begun.lab.overrides()[1::2]), monotonic_ns()
    with pytest.raises(EnvironmentProblem, match="is held by"), held(bench, "another"):
        pytest.fail("it was let in")
    assert monotonic_ns() - asked < REFUSED_WITHIN_NS
    assert begun.process.poll() is None
    assert begun.hot()


def test_a_run_that_is_asked_goes_safe_and_ends_as_it_should(begun: UnderWay) -> None:
    code, out, _ = safe(begun.lab)
    told = json.loads(out)
    assert (code, told["safe"]) == (0, True)
    [holder] = told["held_by"]
    assert holder.endswith("was asked, and went safe")
    assert all_off(begun.lab)
    code, out, err = finished(begun.process)
    summary = json.loads(out or err)
    assert (code, summary["verdict"]) == (3, "ABORTED")
    assert "aborted by hil safe of " in summary["ended"]
    assert not (begun.folder() / "guardian.json").exists()


@pytest.mark.nightly
def test_the_guardian_is_asked_where_the_run_does_not_hear(begun: UnderWay) -> None:
    os.kill(begun.process.pid, signal.SIGSTOP)
    code, out, _ = safe(begun.lab)
    told = json.loads(out)
    assert (code, told["safe"]) == (0, True)
    assert all_off(begun.lab)
    assert begun.account()["safe"]
    assert begun.process.wait(60) == -signal.SIGKILL


@pytest.mark.nightly
def test_a_frozen_holder_is_ended_by_hand_alone(begun: UnderWay) -> None:
    """Its guardian is frozen too: no run may decide to kill it, a person may."""
    for pid in (begun.guardian, begun.process.pid):
        os.kill(pid, signal.SIGSTOP)
    code, _, err = second(begun)
    assert code == 69
    told = ", which does not answer: hil safe --bench loopback ends it and makes all safe\n"
    assert err.endswith(told)
    assert begun.hot()
    code, out, _ = safe(begun.lab)
    told = json.loads(out)
    assert (code, told["safe"]) == (0, True)
    assert told["held_by"][0].endswith("nor any guardian of it: fenced off and killed")
    assert begun.process.wait(60) == -signal.SIGKILL
    assert all_off(begun.lab)


@pytest.mark.nightly
def test_what_the_dead_left_on_is_off_before_anything_goes_on(begun: UnderWay) -> None:
    """Nobody has made it safe: the next run does, and begins only when all has read back."""
    for pid in (begun.guardian, begun.process.pid):
        os.kill(pid, signal.SIGKILL)
    begun.process.communicate()
    assert begun.hot()
    begun.lab.ask("kill", device="emulator-2")
    code, _, err = second(begun)
    assert code == 69
    assert f"pid {begun.process.pid}," in err
    assert "and not safe: emulator-2: " in err
    assert err.endswith(": nothing was switched on\n")
    begun.lab.ask("return", device="emulator-2", serial="V-0002")
    code, out, err = second(begun, "--until", "2 s")
    summary = json.loads(out or err)
    assert (code, summary["verdict"]) == (2, "INCONCLUSIVE")
    [refused] = summary["held"]["left_by"]
    assert refused.endswith(f"after the run of scenario, pid {begun.process.pid})")
    assert all_off(begun.lab)
    assert not leases().held(shared_places(begun.lab))


@pytest.mark.nightly
def test_a_run_that_wakes_up_behind_the_fence_moves_nothing(begun: UnderWay) -> None:
    """Somebody else holds the bench: neither its set-points nor its "off" get through."""
    for pid in (begun.guardian, begun.process.pid):
        os.kill(pid, signal.SIGSTOP)
    taken = leases().take(shared_places(begun.lab), myself("a test", "loopback"), force=True)
    for pid in (begun.guardian, begun.process.pid):
        os.kill(pid, signal.SIGCONT)
    patiently(lambda: not running(begun.guardian), "the guardian does not end")
    finished(begun.process)
    assert begun.hot()
    taken.free()
    if (begun.folder() / "summary.json").exists():
        lost = [one for one in recorded(begun.folder()) if one["kind"] == "safe-state-reached"]
        assert all("taken over since (lease " in one["read_back"] for one in lost)
