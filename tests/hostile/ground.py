"""The ground on which hostile cases play, and the twins behind it."""

from pathlib import Path
from typing import Any

import pytest
from watch import Ground

from hil.app import rig

SECRET = "user: root\npassword: swordfish\n"  # noqa: S105 - what nobody may read or change


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """Return a folder to play in, another one to leave alone, and a hold on all twins built."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    (elsewhere / "secret.yaml").write_text(SECRET)
    (elsewhere / "secret.csv").write_text("time_s,net_w\n0,1\n60,2\n120,3\n")
    made = Ground(here, elsewhere)
    build = rig.build_twin

    def built(name: str, bench: Any, plan: Any, clock: Any, record: Any = None) -> None:
        build(name, bench, plan, clock, record)
        twin = made.twins[name] = plan.twins[name]
        if name in made.mangled:
            _mangle(twin, made.mangled[name])

    monkeypatch.setattr(rig, "build_twin", built)
    return made


def _mangle(twin: Any, what_becomes: Any) -> None:
    """Let a twin's words pass through a hand that changes them on their way to its link."""
    attach, count = twin.attach, iter(range(10**9))

    def attached(send: Any) -> None:
        def says(data: Any, *at: Any) -> None:
            for one in what_becomes(data, next(count)):
                send(one, *at)

        attach(says)

    twin.attach = attached
