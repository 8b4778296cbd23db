"""The file of leases, its holders, and the fence before a link."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from hil.app.leases import HeldError, Leases, alive, gone, myself, places, process_of, reachable
from hil.app.preparation import prepare_bench
from hil.app.summons import Door, ask_to_be_safe, door_of, hears
from hil.bench.fenced import Fenced
from hil.bench.lease import Holder
from hil.core.errors import EnvironmentProblem, LinkLost


@pytest.fixture
def shared(tmp_path: Path) -> Leases:
    return Leases(tmp_path / "leases")


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with subprocess.Popen(command) as process:  # noqa: S603 - our own
        yield process
        process.kill()


def holder(pid: int) -> Holder:
    return Holder("the run of x", "bench", "somebody", "then", process_of(pid))


# --- who is alive --------------------------------------------------------------------------------


def test_a_dead_process_is_gone_before_it_is_buried(child: "subprocess.Popen[bytes]") -> None:
    """Killed, and its parent has not looked: it holds nothing any more."""
    one = holder(child.pid)
    assert alive(one.process)
    assert not gone(one)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert gone(one)


def test_a_number_that_another_process_got_is_not_the_holder() -> None:
    me = process_of(os.getpid())
    assert alive(me)
    assert not alive(replace(me, started=me.started - 1))
    assert not alive(replace(me, boot="an earlier boot"))


def test_a_holder_in_another_container_may_live() -> None:
    """Its number says nothing here: it is neither taken for dead nor killed."""
    there = replace(process_of(os.getpid()), pid=2**22 + 1, namespace="pid:[1]")
    assert alive(there)
    assert not reachable(there)


def test_a_holder_is_not_gone_while_its_guardian_works(child: "subprocess.Popen[bytes]") -> None:
    dead = replace(process_of(os.getpid()), started=0)
    one = Holder("a run", "bench", "", "then", dead, process_of(child.pid))
    assert not gone(one)
    child.kill()
    child.wait()
    assert gone(one)


# --- the file ------------------------------------------------------------------------------------


def test_all_places_are_taken_or_none(shared: Leases) -> None:
    shared.take(["chamber"], holder(os.getpid()))
    with pytest.raises(HeldError, match=r"^chamber is held by the run of x of somebody \(bench b"):
        shared.take(["board", "chamber"], holder(os.getpid()))
    assert set(shared.held(["board", "chamber"])) == {"chamber"}


def test_what_was_given_back_is_free_and_its_token_is_not_given_twice(shared: Leases) -> None:
    first = shared.take(["a", "b"], holder(os.getpid()))
    first.free()
    second = shared.take(["a"], holder(os.getpid()))
    assert (first.tokens, second.tokens) == ({"a": 1, "b": 1}, {"a": 2})
    assert second.left_by == ()


def test_what_a_dead_holder_had_is_taken_over_and_said(
    shared: Leases, child: "subprocess.Popen[bytes]"
) -> None:
    dead = holder(child.pid)
    shared.take(["a"], dead)
    child.kill()
    child.wait()
    assert shared.take(["a"], holder(os.getpid())).left_by == (dead,)


def test_a_file_that_nobody_of_us_wrote_frees_nothing(shared: Leases) -> None:
    """It may have been all that says that something is on."""
    mine = shared.take(["a"], holder(os.getpid()))
    path = shared.folder / "leases.json"
    for spoilt in ("", "{", "[]", '{"a": 1}', '{"a": {"token": "x", "holder": null}}'):
        path.write_text(spoilt, encoding="utf-8")
        with pytest.raises(EnvironmentProblem, match="see that all benches are off, then remove"):
            shared.take(["a"], holder(os.getpid()))
        assert mine.fence("a")() == ""  # who holds it can still switch off


def test_the_file_is_for_every_user_of_the_host(shared: Leases) -> None:
    shared.take(["a"], holder(os.getpid()))
    assert (shared.folder.stat().st_mode & 0o777) == 0o777
    for name in ("leases.json", "lock"):
        assert (shared.folder / name).stat().st_mode & 0o666 == 0o666


def test_a_folder_that_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="Not a directory: HIL_LEASES names another"):
        Leases(tmp_path / "file" / "leases")


def test_a_process_that_was_stopped_with_the_lock_is_named(shared: Leases) -> None:
    with (
        FileLock(shared.folder / "lock", is_singleton=False),
        pytest.raises(EnvironmentProblem, match="locked for 1 s by another process"),
    ):
        shared.take(["a"], holder(os.getpid()))


# --- the fence -----------------------------------------------------------------------------------


class Wire:
    """A link that notes what it sends."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def open(self) -> None: ...
    async def send(self, data: Any) -> None:
        self.sent.append(data)

    async def receive(self) -> bytes:
        return b"answer"

    def pending(self) -> bytes:
        return b""

    def check(self) -> None: ...
    async def close(self) -> None: ...


def test_what_an_old_holder_sends_does_not_get_out(shared: Leases) -> None:
    old = shared.take(["a"], holder(os.getpid()))
    wire = Wire()
    link = Fenced("emulator", wire, old.fence("a"))

    async def main() -> None:
        await link.open()
        await link.send(b"on")
        assert await link.receive() == b"answer"
        new = shared.take(["a"], holder(os.getpid()), force=True)
        for refused in (link.send(b"on again"), link.send(b"off"), link.open()):
            with pytest.raises(LinkLost, match=r"taken over since \(lease 2, ours was 1\)"):
                await refused
        with pytest.raises(LinkLost):
            link.check()
        new.free()
        with pytest.raises(LinkLost):  # free again is not ours again
            await link.send(b"on")
        await link.close()

    asyncio.run(main())
    assert wire.sent == [b"on"]


def test_one_place_has_one_name_whichever_link_leads_there() -> None:
    """Two bench files that share a chamber must not both drive it."""
    found = places(prepare_bench("loopback"))
    assert found == {
        "emulator-1": "tcp 127.0.0.2:5025",
        "emulator-2": "tcp 127.0.0.3:5025",
        "chamber": "tcp 127.0.0.4:5025",
        "board": "tcp 127.0.0.5:5026",
    }
    link = "bench.devices.emulator-1.link={kind: tcp, host: 127.0.0.2, port: 5025}"
    assert places(prepare_bench("loopback", [link])) == found
    assert places(prepare_bench("virtual-16s")) == {}


# --- the door ------------------------------------------------------------------------------------


def test_nobody_is_behind_a_door_that_is_not_there(tmp_path: Path) -> None:
    me = process_of(os.getpid())
    assert ask_to_be_safe(tmp_path, me, "somebody") is None
    assert not hears(tmp_path, me)


def test_a_door_takes_one_question_and_tells_what_came_of_it(tmp_path: Path) -> None:
    me, asked = process_of(os.getpid()), list[str]()

    async def main() -> Any:
        door = Door(tmp_path, me, asked.append)
        await door.open()
        reader, writer = await asyncio.open_unix_connection(door_of(tmp_path, me))
        writer.write(json.dumps({"do": "safe", "by": "me\x1b[2J"}).encode() + b"\n")
        assert json.loads(await reader.readline()) == {"heard": True}
        await door.close({"safe": True})
        told = json.loads(await reader.readline())
        writer.close()
        return told

    assert asyncio.run(main()) == {"safe": True}
    assert asked == ["me?[2J"]
    assert not door_of(tmp_path, me).exists()


@pytest.mark.parametrize(
    "words", [b"", b"\n", b"off!\n", b"[]\n", b'{"do": "on"}\n', b"x" * 99_999]
)
def test_what_makes_no_sense_at_a_door_is_not_answered(tmp_path: Path, words: bytes) -> None:
    me, asked = process_of(os.getpid()), list[str]()

    async def main() -> bytes:
        door = Door(tmp_path, me, asked.append)
        await door.open()
        reader, writer = await asyncio.open_unix_connection(door_of(tmp_path, me))
        writer.write(words)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await door.close({})
        return answer

    assert asyncio.run(main()) == b""
    assert asked == []


def test_a_path_that_no_socket_can_have_is_said(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 40)

    async def main() -> None:
        await Door(deep, process_of(os.getpid()), print).open()

    with pytest.raises(EnvironmentProblem, match="too long a path for a socket: HIL_LEASES"):
        asyncio.run(main())


def test_i_am_who_i_am() -> None:
    me = myself("a run", "bench")
    assert me.process.pid == os.getpid()
    assert alive(me.process)
    assert reachable(me.process)
