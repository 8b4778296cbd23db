"""``hil devices`` and ``hil safe``: what they print and which exit code says it."""

import asyncio
import json
from datetime import date

import pytest

from hil.app.devices import calibration_due, discovered, survey
from hil.app.reading_back import made_safe
from hil.cli import main
from hil.core.errors import InstrumentFault
from hil.ports import Identity

VIRTUAL = "virtual-16s"
OLD = "bench.devices.emulator-2.virtual.calibrated=2019-05-01"


def test_every_device_has_a_line_with_its_identity(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--bench", VIRTUAL]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["device", "role", "driver", "link"]
    assert [line.split()[0] for line in lines] == ["emulator-1", "emulator-2", "chamber", "board"]
    assert "Bloomy Controls ABS" in lines[0]
    assert "V-0001" in lines[0]


def test_an_overdue_calibration_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--bench", VIRTUAL, "--set", OLD]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "OVERDUE" in line] == ["emulator-2"]
    assert "2020-04-30" in lines[2]


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--bench", VIRTUAL, "--json", "--set", OLD]) == 0
    body = json.loads(capsys.readouterr().out)
    emulator = body["devices"][1]
    assert emulator["who"]["calibrated"] == "2019-05-01"
    assert (emulator["due"], emulator["overdue"]) == ("2020-04-30", True)
    assert (body["devices"][3]["due"], body["devices"][3]["overdue"]) == (None, False)


@pytest.mark.parametrize(
    ("calibrated", "days", "due"),
    [
        ("2026-01-15", 365, date(2027, 1, 15)),
        ("2024-02-29", 1, date(2024, 3, 1)),
        ("2026-01-15", None, None),
        ("", 365, None),
        ("last spring", 365, None),
        ("9999-12-31", 365, None),
    ],
)
def test_a_calibration_is_due_when_date_and_interval_are_known(
    calibrated: str, days: int | None, due: date | None
) -> None:
    assert calibration_due(calibrated, days) == due


def test_a_device_that_does_not_answer_is_named_and_the_others_are_too() -> None:
    faults = "bench.devices.chamber.link.faults={lost: 100 %}"
    found = {one.device: one for one in survey(VIRTUAL, [faults])}
    assert [name for name, one in found.items() if one.who is None] == ["chamber"]
    assert "nothing came" in found["chamber"].problem


@pytest.mark.nightly
def test_what_could_be_reached_is_listed_by_link() -> None:
    found = discovered()
    assert set(found) == {"can", "serial", "visa"}
    assert not [one for places in found.values() for one in places if "cannot look" in one]


def test_a_bench_is_made_safe_in_order_and_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["safe", "--bench", VIRTUAL]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [
        ["safe", "board"],
        ["safe", "emulator-1"],
        ["safe", "emulator-2"],
        ["safe", "chamber"],
    ]
    assert "outputs 0,0,0,0,0,0,0,0" in lines[1]


def test_a_dead_device_keeps_no_other_on(capsys: pytest.CaptureFixture[str]) -> None:
    faults = "bench.devices.emulator-1.link.faults={lost: 100 %}"
    assert main(["safe", "--bench", VIRTUAL, "--json", "--set", faults]) == 69
    body = json.loads(capsys.readouterr().out)
    assert body["safe"] is False
    good = {one["device"]: one["ok"] for one in body["devices"]}
    assert good == {"board": True, "emulator-1": False, "emulator-2": True, "chamber": True}


class Stranger:
    """Another device than the bench file names, which can be switched off all the same."""

    name = "chamber"
    closed = False

    async def connect(self) -> None:
        """Open."""

    async def identify(self) -> Identity:
        raise InstrumentFault(self.name, "expected a Watlow F4T, found a toaster", 0)

    async def arm(self) -> None:
        raise AssertionError("nothing is switched on")

    def check(self) -> None:
        """It is there."""

    async def make_safe(self) -> str:
        return "output 1 OFF"

    async def close(self) -> None:
        self.closed = True


def test_a_stranger_is_reported_and_made_safe() -> None:
    strangers: dict[str, str] = {}
    device = Stranger()
    assert asyncio.run(made_safe(device, strangers)) == "output 1 OFF"
    assert strangers == {"chamber": "expected a Watlow F4T, found a toaster"}
    assert device.closed


def test_one_that_is_known_at_the_second_attempt_is_no_stranger() -> None:
    """The first answer after a power cycle may be anything; the last attempt counts."""

    class Sleepy(Stranger):
        asked = 0

        async def identify(self) -> Identity:
            self.asked += 1
            if self.asked == 1:
                raise InstrumentFault(self.name, "expected a Watlow F4T, found half a line", 0)
            return Identity("Watlow", "F4T", "1", "1", "")

    strangers: dict[str, str] = {}
    device = Sleepy()
    asyncio.run(made_safe(device, strangers))
    assert strangers
    asyncio.run(made_safe(device, strangers))
    assert strangers == {}
