"""Who may reach a lab: this host; others by a token, and its devices by the user's own word."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.links.control import ask, serve
from hil.app.exposure import exposed, is_loopback, lab_token, refuse_open_control
from hil.bench.wall_time import run_wall
from hil.core.errors import DeviceError, EnvironmentProblem
from hil.ports import Clock

TOKEN = "correct horse battery"  # noqa: S105 - made for this test
HERE = ["127.0.0.1", "127.8.8.8", "::1", "localhost"]
ELSEWHERE = ["0.0.0.0", "::", "192.168.1.7", "bench.lab", "127.0.0.1.example.com", ""]  # noqa: S104


@pytest.mark.parametrize("host", HERE)
def test_this_host_needs_no_token(host: str) -> None:
    refuse_open_control(host, 5099, "")
    assert is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_a_control_port_that_others_reach_needs_one(host: str) -> None:
    with pytest.raises(EnvironmentProblem, match="others than this host could reach it"):
        refuse_open_control(host, 5099, "")
    refuse_open_control(host, 5099, TOKEN)


def test_devices_that_others_reach_are_named() -> None:
    class Endpoint:
        hosts = ("127.0.0.1", "192.168.1.7")

    endpoints: Any = {"chamber": Endpoint}
    assert exposed(endpoints) == [
        "chamber at 192.168.1.7: whoever reaches this host commands it, no token is asked for"
    ]


def test_a_token_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    assert lab_token({}) == ""
    assert lab_token({"HIL_LAB_TOKEN": TOKEN}) == TOKEN
    assert lab_token({"HIL_LAB_TOKEN_FILE": str(file)}) == TOKEN


@pytest.mark.parametrize(
    "environment",
    [
        {"HIL_LAB_TOKEN": "too short"},
        {"HIL_LAB_TOKEN": "x" * 1_001},
        {"HIL_LAB_TOKEN": "Schlüssel zum Labor 7"},
        {"HIL_LAB_TOKEN": "sixteen and\nmore, in two"},
        {"HIL_LAB_TOKEN_FILE": "/nowhere at all/token"},
        {"HIL_LAB_TOKEN": TOKEN, "HIL_LAB_TOKEN_FILE": "/dev/null"},
        {"HIL_LAB_TOKEN_FILE": "/dev/null"},
        {"HIL_LAB_TOKEN_FILE": "/dev/zero"},
    ],
)
def test_what_is_no_token_is_refused_and_not_repeated(environment: Mapping[str, str]) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        lab_token(environment)
    told = str(caught.value)
    assert "HIL_LAB_TOKEN" in told
    secret = environment.get("HIL_LAB_TOKEN", "no such thing")
    assert secret not in told


def test_nobody_without_the_token_is_heard() -> None:
    heard: list[Mapping[str, Any]] = []

    def handle(request: Mapping[str, Any]) -> Mapping[str, Any]:
        heard.append(request)
        return {}

    async def case(_clock: Clock) -> None:
        control = await serve(handle, "127.0.0.1", 0, TOKEN)
        host, _, port = control.address.rpartition(":")
        try:
            for wrong in ("", TOKEN[:-1], TOKEN + " ", TOKEN.upper()):
                with pytest.raises(DeviceError, match="missing or wrong") as caught:
                    await ask(host, int(port), {"do": "kill", "device": "board"}, wrong)
                assert TOKEN not in str(caught.value)
            assert not heard
            await ask(host, int(port), {"do": "truth"}, TOKEN)
            assert heard == [{"do": "truth"}], "and the token goes no further"
        finally:
            await control.close()

    run_wall(case)
