"""Telemetry against a real broker that is killed, frozen, refuses, or has never been there."""

import gc
import json
import socket
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from broker import DEADLINE_S, Broker, running_broker, subscribed
from fault_table import SEEDS, Hold
from faulted import drawn
from scenario import Play, finished, held_up, hil
from tools import program

from hil.app import Request, run_profile
from hil.bench.stop import StopLadder
from hil.bench.wall_time import monotonic_ns
from hil.core.instants import MILLISECOND, SECOND
from hil.core.records import BadMeasurement, Record, RunEnded, RunStarted, StepStarted, Tick
from hil.live.courier import Courier
from hil.live.spool import Spool
from hil.live.target import Target, parse_target
from hil.live.telemetry import Telemetry
from hil.results import manifest
from hil.results.verify import Report, verify

pytestmark = pytest.mark.alone

PASS, INCONCLUSIVE = 0, 2
DURABLE = ("persistence true", "autosave_on_changes true", "autosave_interval 1")
"""A broker that remembers its subscribers when it is killed; that it is told in time is ours."""

WALL = ("--set", "bench.clock=wall", "--set", "bench.board.cycle=100 ms")
SECRET = "gEh3im-17"  # noqa: S105 - looked for wherever it must not stand


class Told:
    """A run without a bench: records go to telemetry as fast as a test likes."""

    def __init__(self, folder: Path, url: str, spool: Spool | None = None) -> None:
        about = {"started_utc": "2026-01-02T03:04:05.000Z", "profile": "p", "bench": "b", "seed": 1}
        manifest.write(folder, about)
        self._began_ns = monotonic_ns()
        self.next = 0
        self.telemetry = Telemetry(
            parse_target(url, {}), folder, lambda: self.next, self.now, spool=spool
        )

    def now(self) -> int:
        return monotonic_ns() - self._began_ns

    def tell(self, *records: Record) -> None:
        for record in records:
            self.telemetry.listen(record)
            self.next += 1

    def begin(self) -> None:
        signals = (("pack.voltage_v", "V", 0), ("plant.cell_v", "V", 16))
        self.tell(RunStarted(0, "p", "b", 1, MILLISECOND, "{}", signals, {}))
        self.tell(StepStarted(0, 0, "1.rest", "rest"))

    def ticks(self, many: int) -> None:
        """Tell ticks, and every tenth time something else: one row of numbers for both."""
        for _ in range(many):
            at = self.next * MILLISECOND
            self.tell(Tick(at, (float(self.next), *[3.3] * 16), "0" * 64))
            if self.next % 10 == 0:
                self.tell(BadMeasurement(at, "chamber", "LinkTimeout", "no answer"))

    def end(self) -> None:
        self.tell(RunEnded(self.next * MILLISECOND, "PASS", "all is well"))
        self.telemetry.conclude("PASS", [])


def numbers(messages: list[dict[str, Any]]) -> list[int]:
    return [message["seq"] for message in messages]


def everything(told: Told) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda messages: set(range(told.next)) <= set(numbers(messages))


def first_seen(messages: list[dict[str, Any]]) -> list[int]:
    """Return the numbers in the order in which they came first: at least once may be twice."""
    return list(dict.fromkeys(numbers(messages)))


def figures(told: Told, seen: list[dict[str, Any]], each_ns: float) -> dict[str, float]:
    """Return the figures of fault case 14: every tenth tick tells two records."""
    return {
        "sequence numbers that did not arrive": len(set(range(told.next)) - set(numbers(seen))),
        "a record told to a broker that is away, mean": each_ns / MILLISECOND,
    }


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    with running_broker(folder, *DURABLE, f"persistence_location {folder}/") as broker:
        yield broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    with running_broker(folder, "persistence false") as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "a-run"
    path.mkdir()
    return path


# --- a broker that goes away ------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_and_back(seed: int, durable: Broker, folder: Path, hold: Hold) -> None:
    told, gone_for = Told(folder, durable.url), drawn(seed, 14).randrange(580, 900)
    with subscribed(durable) as outside:
        with told.telemetry:
            told.begin()
            told.ticks(50)
            outside.wait_for(everything(told), "tick", "event")
            durable.kill()
            began = monotonic_ns()
            told.ticks(gone_for)
            took = monotonic_ns() - began
            durable.start()
            told.ticks(50)
            told.end()
        outside.wait_for(everything(told), "tick", "event")
        seen = outside.messages("tick", "event")
    counts = told.telemetry.counts()
    hold(14, figures(told, seen, took / gone_for))
    assert first_seen(seen) == list(range(told.next)), "in order, none missing"
    assert counts["owed"] == []
    assert (counts["sent"], counts["dropped"], counts["reconnects"]) == (told.next, 0, 1)
    late = {message["seq"] for message in seen if message.get("backfill")}
    assert late >= set(range(60, 600)), "what was not sent in its time says so"
    assert not late & set(range(40)), "and what was does not"
    assert counts["backfilled"] == len(late)


@pytest.mark.parametrize("seed", SEEDS)
def test_frozen_and_thawed(seed: int, broker: Broker, folder: Path, hold: Hold) -> None:
    told, gone_for = Told(folder, broker.url), drawn(seed, 14).randrange(1_000, 2_000)
    with subscribed(broker) as outside:
        with told.telemetry:
            told.begin()
            told.ticks(50)
            outside.wait_for(everything(told), "tick", "event")
            broker.freeze()
            began = monotonic_ns()
            told.ticks(gone_for)
            took = monotonic_ns() - began
            broker.thaw()
            told.ticks(50)
            told.end()
        outside.wait_for(everything(told), "tick", "event")
        seen = outside.messages("tick", "event")
        outside.wait_for(lambda states: states[-1]["state"] == "ended", "state")
    assert first_seen(seen) == list(range(told.next))
    assert told.telemetry.counts()["owed"] == []
    hold(14, figures(told, seen, took / gone_for))


def test_frozen_to_the_end(broker: Broker, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends all the same, and says what the broker has not got."""
    monkeypatch.setattr("hil.live.telemetry.STUCK_S", 0.5)
    told = Told(folder, broker.url)
    with subscribed(broker) as outside:
        with told.telemetry:
            told.begin()
            outside.wait_for(everything(told), "event")
            broker.freeze()
            told.ticks(300)
        owed = told.telemetry.counts()["owed"]
        broker.thaw()
    assert owed == [[2, told.next - 1]]


def test_a_broker_that_comes_late_gets_all(tmp_path: Path, folder: Path) -> None:
    """The spool is full by then: what was dropped is counted, missing, and the only thing so."""
    place = tmp_path / "broker"
    place.mkdir()
    with running_broker(place, "persistence false") as broker:
        broker.kill()
        told = Told(folder, broker.url, Spool(folder, most_bytes=60_000))
        with told.telemetry:
            told.begin()
            for _ in range(20):  # in pieces that memory has room for, whenever the disk gets them
                told.ticks(100)
                moved(told)
            broker.start()
            with subscribed(broker) as outside:
                told.ticks(10)
                told.end()
                outside.wait_for(lambda seen: told.next - 1 in numbers(seen), "event")
                seen = set(numbers(outside.messages("tick", "event")))
        counts = told.telemetry.counts()
    missing = set(range(told.next)) - seen
    owed = {seq for first, last in counts["owed"] for seq in range(first, last + 1)}
    assert counts["dropped"] == len(owed) > 0
    assert missing >= owed, "what was dropped has not come"
    assert not list(folder.glob("*spool*")), "nothing is left behind"
    assert counts["problem"]


def moved(told: Told) -> None:
    """Wait until what is in memory is on the disk or dropped."""
    outbox = told.telemetry._outbox
    deadline_ns = monotonic_ns() + round(DEADLINE_S * SECOND)
    while len(outbox._fresh) >= 100:
        assert monotonic_ns() < deadline_ns, "nobody moves it"


# --- the record comes first -------------------------------------------------------------------


def test_a_run_is_sealed_before_anyone_waits_for_a_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever kills a run that waits for a frozen broker finds its record whole."""
    found: list[Report] = []
    told: list[dict[str, Any]] = []
    finish = Courier.finish

    def looked(courier: Courier, *limits: Any) -> bool:
        [folder] = (tmp_path / "runs").iterdir()
        found.append(verify(folder))
        told.append(json.loads(courier._letter.state()))
        return finish(courier, *limits)

    monkeypatch.setattr(Courier, "finish", looked)
    request = Request(
        "open-sense-lead",
        overrides=tuple(word for word in WALL if word != "--set"),
        runs=tmp_path / "runs",
        until=SECOND // 2,
        mqtt=parse_target(f"mqtt://127.0.0.1:{free_port()}", {}),
    )
    outcome = run_profile(request, StopLadder(), lambda _status: None)
    assert [one.whole for one in found] == [True]
    assert (told[0]["state"], told[0]["verdict"]) == ("ended", outcome.summary["verdict"])
    assert outcome.summary["telemetry"]["sent"] == 0


def test_no_verdict_is_told_before_it_stands(folder: Path) -> None:
    """A record that cannot be sealed has not passed, whatever its last record says."""
    told = Told(folder, f"mqtt://127.0.0.1:{free_port()}")
    told.begin()
    told.tell(RunEnded(told.next * MILLISECOND, "PASS", "all is well"))
    before = json.loads(told.telemetry._state())
    assert (before["state"], before["verdict"], before["reason"]) == ("running", None, "")
    told.telemetry.conclude("INCONCLUSIVE", ["cannot be sealed"])
    after = json.loads(told.telemetry._state())
    assert (after["state"], after["verdict"]) == ("ended", "INCONCLUSIVE")
    assert after["reason"] == "cannot be sealed"


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- whole runs -------------------------------------------------------------------------------


def test_a_run_is_told_as_it_is_recorded(tmp_path: Path) -> None:
    """Numbers without a gap, secrets nowhere, and what is sent again later is the same."""
    with guarded(tmp_path) as broker, subscribed(broker, *LOGIN) as outside:
        url = f"mqtt://bench:{SECRET}@127.0.0.1:{broker.port}/test"
        run = hil("run", "open-sense-lead", *WALL, "--until", "1 s", "--json", "--verbose",
                  "--mqtt", url, cwd=tmp_path)  # fmt: skip
        out, err = run.communicate(timeout=DEADLINE_S)
        body = json.loads(out)
        assert run.returncode == INCONCLUSIVE or held_up(body), err
        records = sum(body["events"].values())
        outside.wait_for(lambda seen: len(seen) >= records, "tick", "event")
        first = outside.messages("tick", "event")
        assert numbers(first) == list(range(records)), "each once, in order"
        assert body["telemetry"]["sent"] == records
        with subscribed(broker, *LOGIN, name="late") as late:
            late.wait_for(bool, "state")
            [state] = late.messages("state")
        again = hil("telemetry", "send", "last", "--all", "--mqtt", f"mqtt://bench@127.0.0.1:{broker.port}/test",
                    cwd=tmp_path, environment={"HIL_MQTT_PASSWORD": SECRET})  # fmt: skip
        told, complaint = again.communicate(timeout=DEADLINE_S)
        assert again.returncode == 0, complaint
        outside.wait_for(lambda seen: len(seen) >= 2 * records, "tick", "event")
        second = outside.messages("tick", "event")[records:]
    stands = (state["state"], state["verdict"], state["run"])
    assert stands == ("ended", body["verdict"], body["run"])
    assert state["retained"]
    assert [without(message) for message in second] == [without(message) for message in first]
    assert all(message["backfill"] for message in second)
    for text in (out, err, told, complaint):
        assert SECRET not in text
    for path in Path(tmp_path, body["folder"]).iterdir():
        assert SECRET.encode() not in path.read_bytes(), path.name


def without(message: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key != "backfill"}


def test_a_wrong_password_is_one_line(tmp_path: Path) -> None:
    with guarded(tmp_path) as broker:
        url = f"mqtt://bench:wrong-{SECRET}@127.0.0.1:{broker.port}/test"
        run = hil(
            "run", "open-sense-lead", *WALL, "--until", "1 s", "--json", "--mqtt", url, cwd=tmp_path
        )
        out, err = run.communicate(timeout=DEADLINE_S)
    told = [line for line in err.splitlines() if "waits for its broker" in line]
    assert len(told) == 1, err
    assert "ot authorized" in told[0] or "ad user name or password" in told[0]
    body = json.loads(out)
    assert run.returncode == INCONCLUSIVE or held_up(body)
    assert body["telemetry"]["sent"] == 0
    assert SECRET not in out + err


def test_a_run_that_is_killed_is_told_by_its_will(broker: Broker, tmp_path: Path) -> None:
    with subscribed(broker) as outside:
        run = hil("run", "open-sense-lead", *WALL, "--mqtt", broker.url, cwd=tmp_path)
        outside.wait_for(bool, "tick")
        run.kill()
        run.communicate(timeout=DEADLINE_S)
        outside.wait_for(lambda states: states[-1]["state"] == "lost", "state")
        # The record has what was not told: from the start, since the run could not say what is.
        again = hil("telemetry", "send", "last", "--mqtt", broker.url, cwd=tmp_path)
        _, complaint = again.communicate(timeout=DEADLINE_S)
        assert again.returncode == 0, complaint
        outside.wait_for(lambda seen: any(one.get("backfill") for one in seen), "event")
        assert outside.messages("state")[-1]["state"] == "lost"


def test_a_run_in_virtual_time_is_told_afterwards(
    broker: Broker, tmp_path: Path, play: Play
) -> None:
    with subscribed(broker) as outside:
        code, body = finished(
            hil("run", "open-sense-lead", "--json", "--mqtt", broker.url, cwd=tmp_path)
        )
        records = sum(body["events"].values())
        outside.wait_for(lambda seen: len(seen) == records, "tick", "event")
        seen = outside.messages("tick", "event")
        outside.wait_for(bool, "state")
        [state] = outside.messages("state")
    assert code == PASS
    assert numbers(seen) == list(range(records))
    assert all(message["backfill"] for message in seen)
    assert (state["state"], state["verdict"], state["seq"]) == ("ended", "PASS", records - 1)
    assert body["telemetry"]["sent"] == records
    assert body["digest"] == play("open-sense-lead").digest, "a view changes nothing"


# --- TLS --------------------------------------------------------------------------------------


def test_over_tls(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "broker"
    place.mkdir()
    key, certificate = place / "key.pem", place / "certificate.pem"
    subprocess.run(  # noqa: S603 - fixed words
        [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    lines = [f"certfile {certificate}", f"keyfile {key}", "persistence false"]
    with running_broker(place, *lines) as broker:
        url = f"mqtts://localhost:{broker.port}"
        with warnings.catch_warnings():
            # paho leaves the socket of a failed handshake to the collector
            warnings.simplefilter("ignore", ResourceWarning)
            stranger = told_over(url, folder)
            for thread in threading.enumerate():
                if thread.name == "telemetry-connect":
                    thread.join(DEADLINE_S)
            gc.collect()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        known = told_over(url, folder)
    assert (stranger["sent"], known["sent"]) == (0, 3)
    assert "certificate verify failed" in stranger["problem"]


def told_over(url: str, folder: Path) -> dict[str, Any]:
    told = Told(folder, url)
    with told.telemetry:
        told.begin()
        told.end()
    return told.telemetry.counts()


# --- helpers ----------------------------------------------------------------------------------

LOGIN = ("-u", "bench", "-P", SECRET)


def guarded(folder: Path) -> Any:
    """Give a broker that wants a password."""
    place = folder / "broker"
    place.mkdir()
    passwords = place / "passwords"
    subprocess.run(  # noqa: S603 - the distribution's program
        [program("mosquitto_passwd"), "-b", "-c", passwords, "bench", SECRET], check=True
    )
    return running_broker(place, "allow_anonymous false", f"password_file {passwords}")


def test_a_target_is_shown_without_its_password() -> None:
    target = parse_target(f"mqtts://me:{SECRET}@[::1]:8884/lab/bench-3/", {})
    assert target == Target("::1", 8884, True, "me", SECRET, "lab/bench-3")  # noqa: FBT003 - tls
    assert str(target) == "mqtts://me@[::1]:8884/lab/bench-3"
    assert SECRET not in repr(target)
