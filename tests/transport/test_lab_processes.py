"""Plugs pulled, devices swapped, signals, ports in use: a lab's processes come and go in order."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import can
import pytest
from served import (
    PATIENCE_S,
    Served,
    asked,
    connected,
    ends,
    finished,
    hil,
    patiently,
    running,
    serving,
)

from drivers.links.control import serve
from drivers.links.endpoint_doors import PtyOpening
from hil.core.errors import LinkLost

pytestmark = pytest.mark.alone

QUICK_BOOT = ("--set", "bench.devices.emulator-2.virtual.boot=10 ms")


def refused(address: str) -> bool:
    """Say whether nobody listens."""
    try:
        connected(address).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("lab"), *QUICK_BOOT) as served:
        yield served


def test_a_killed_process_is_a_pulled_plug(lab: Served) -> None:
    """Outputs off, registers lost, nobody there; it comes back as another unit."""
    place = lab.place("emulator-2")
    with connected(place) as client:
        on = asked(client, ":SOUR1:VOLT 3.3;:OUTP1 1;:OUTP1?;*ESE 32;*ESE?")
        assert on == "1;32"
        settled = lambda: abs(lab.truth("emulator-2")["cell_v"][0] - 3.3) < 0.002  # noqa: E731 - said once
        patiently(settled, "the output does not settle")
        pid = lab.pid("emulator-2")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert ends(client)
    patiently(lambda: lab.pid("emulator-2") is None, "the lab does not see it")
    dead = lab.truth("emulator-2")
    assert not dead["powered"]
    assert (dead["on"], dead["cell_v"]) == ([False] * 8, [None] * 8)
    assert refused(place)
    assert lab.truth("emulator-1")["powered"]
    back = lab.ask("return", device="emulator-2", serial="V-9999")
    assert running(back["pid"])
    assert lab.place("emulator-2") == place
    with connected(place) as client:
        client.sendall(b"\n")
        assert "V-9999" in answered(client, "*IDN?")
        assert asked(client, ":SOUR1:VOLT?;:OUTP1?;*ESE?") == "0.0000;0;0"


def answered(client: socket.socket, line: str) -> str:
    """Ask until somebody answers: a unit that boots hears nothing."""
    client.settimeout(0.2)
    for _ in range(round(PATIENCE_S / 0.2)):
        try:
            return asked(client, line)
        except TimeoutError:
            continue
    raise AssertionError(f"no answer to {line}")


def test_a_board_that_loses_its_supply_starts_anew(lab: Served) -> None:
    cycles = lab.truth("board")["cycles"]
    lab.ask("kill", device="board")
    assert lab.say(b'{"do": "kill", "device": "board"}')["error"].endswith("killed before")
    assert refused(lab.place("board", "slcan-tcp"))
    assert not Path(lab.place("board", "slcan-pty")).exists()
    assert lab.ask("faults")["active"] == [{"target": "board", "fault": "power-loss", "cell": 0}]
    assert "a number" in lab.say(b'{"do":"return","device":"board","serial":"x"}')["error"]
    lab.ask("return", device="board", serial="77")
    place = f"socket://{lab.place('board', 'slcan-tcp')}"
    with can.Bus(place, "slcan", bitrate=500_000, sleep_after_open=0) as bus:
        assert bus.recv(PATIENCE_S) is not None
    board = lab.truth("board")
    assert (board["serial"], board["powered"]) == ("77", True)
    assert board["cycles"] > cycles


def test_a_lab_ends_on_sigterm_and_leaves_nothing(tmp_path: Path) -> None:
    port = tmp_path / "ttyCHAMBER"
    link = f"{{kind: serial, port: {port}}}"
    with serving(tmp_path, "--set", f"bench.devices.chamber.link={link}") as lab:
        assert lab.place("chamber", "pty") == str(port)
        pids = [one["pid"] for one in lab.ask("devices")["devices"]]
        descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
        os.write(descriptor, b"*IDN?\n")
        assert b"F4T" in os.read(descriptor, 4096)
        os.close(descriptor)
        lab.process.send_signal(signal.SIGTERM)
        assert finished(lab.process) == (0, "", "")
        assert not any(map(running, pids))
        assert list(tmp_path.glob("ttyCHAMBER*")) == []


def test_a_lab_ends_though_its_processes_are_stopped(tmp_path: Path) -> None:
    """It asks none of them to end, and waits for none that has not been killed."""
    with serving(tmp_path) as lab:
        pids = [one["pid"] for one in lab.ask("devices")["devices"]]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        lab.process.send_signal(signal.SIGTERM)
        try:
            assert finished(lab.process) == (0, "", "")
            assert not any(map(running, pids))
        finally:
            for pid in filter(running, pids):
                os.kill(pid, signal.SIGKILL)


def test_people_get_a_table_and_end_it_with_ctrl_c(tmp_path: Path) -> None:
    process = hil("serve", "--bench", "virtual-16s", cwd=tmp_path)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(7)]
    process.send_signal(signal.SIGINT)
    assert finished(process) == (0, "", "")
    assert lines[0].split() == ["device", "role", "model", "transport", "address", "VISA"]
    assert lines[6].startswith("control port at 127.0.0.1:")


def test_a_killed_lab_takes_its_processes_along(tmp_path: Path) -> None:
    process = hil("serve", "--bench", "virtual-16s", "--json", cwd=tmp_path)
    assert process.stdout is not None
    lab = Served(process, process.stdout.readline())
    pids = [one["pid"] for one in lab.ask("devices")["devices"]]
    with lab.connect("chamber") as client:
        process.kill()
        process.communicate()
        assert ends(client)
    patiently(lambda: not any(map(running, pids)), "a process outlives its lab")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


def test_a_port_in_use_is_told_in_one_line(tmp_path: Path, taken: int) -> None:
    link = f"{{kind: tcp, host: 127.0.0.1, port: {taken}}}"
    words = ("serve", "--bench", "virtual-16s", "--set", f"bench.devices.chamber.link={link}")
    told = f"hil: chamber: 127.0.0.1:{taken}: Address already in use\n"
    assert finished(hil(*words, cwd=tmp_path)) == (69, "", told)


def test_a_control_port_in_use_is_told_too(taken: int) -> None:
    with pytest.raises(LinkLost, match=f"127.0.0.1:{taken}: Address already in use"):
        asyncio.run(serve(lambda _: {}, "127.0.0.1", taken))


@pytest.fixture
def port(tmp_path: Path) -> Path:
    """The name of a port that there is not."""
    return tmp_path / "ttyBOARD"


def opened(path: Path) -> tuple[PtyOpening, int]:
    """Open a pty of that name; the descriptor is what a relay would hold."""
    opening = PtyOpening(str(path))
    return opening, opening.open().descriptor


def is_refused(path: Path, message: str) -> None:
    """See that no pty takes the name, and that a refused one leaves nothing behind."""
    before = sorted(one.name for one in path.parent.iterdir())
    opening = PtyOpening(str(path))
    with pytest.raises(FileExistsError, match=rf"{path.name}: {message}.*: (remove|stop)"):
        opening.open()
    opening.close()
    assert sorted(one.name for one in path.parent.iterdir()) == before


def test_a_file_is_not_taken_for_a_port(port: Path) -> None:
    port.write_text("data", encoding="utf-8")
    is_refused(port, "something is there already")
    assert port.read_text(encoding="utf-8") == "data"


@pytest.mark.parametrize("target", ["precious", "nothing", "/dev/null", "/dev/pts/../../nothing"])
def test_a_link_to_something_else_is_not_taken_for_one_that_a_lab_left(
    port: Path, target: str
) -> None:
    (port.parent / "precious").write_text("data", encoding="utf-8")
    port.symlink_to(target)
    is_refused(port, f"something is there already, leading to {target}")
    assert str(port.readlink()) == target


def test_a_link_to_a_pty_that_lives_is_somebody_elses(port: Path) -> None:
    inner, outer = os.openpty()
    port.symlink_to(os.ttyname(outer))
    is_refused(port, "something is there already, leading to /dev/pts/")
    assert str(port.readlink()) == os.ttyname(outer)
    os.close(inner)
    os.close(outer)
    opening, descriptor = opened(port)  # its pty is gone
    opening.close()
    os.close(descriptor)
    assert list(port.parent.iterdir()) == []


def test_a_name_belongs_to_one_lab_at_a_time(port: Path) -> None:
    first, descriptor = opened(port)
    leads = port.readlink()
    is_refused(port, f"is the port of another lab, leading to {leads}")
    assert port.readlink() == leads
    os.close(descriptor)
    os.close(first.open().descriptor)  # the device's plug was pulled, and is in again
    first.close()
    second, descriptor = opened(port)
    os.close(descriptor)
    second.close()
    assert list(port.parent.iterdir()) == []


def test_only_our_own_link_is_taken_away(port: Path) -> None:
    opening, descriptor = opened(port)
    os.close(descriptor)
    port.unlink()
    port.symlink_to("precious")
    opening.close()
    assert [one.name for one in port.parent.iterdir()] == [port.name]
    assert str(port.readlink()) == "precious"


def test_a_name_that_a_killed_lab_left_is_free_even_if_its_number_is_taken_again(
    tmp_path: Path, port: Path
) -> None:
    """The kernel gives the lowest number to whoever asks next; until then it is held."""
    link = f"{{kind: serial, port: {port}}}"
    words = ("--set", f"bench.devices.chamber.link={link}")
    process = hil("serve", "--bench", "virtual-16s", "--json", *words, cwd=tmp_path)
    assert process.stdout is not None
    pids = Served(process, process.stdout.readline()).ask("devices")["devices"]
    code, out, err = finished(hil("serve", "--bench", "virtual-16s", *words, cwd=tmp_path))
    assert (code, out) == (69, "")
    assert err.startswith(f"hil: chamber: {port}: is the port of another lab, leading to /dev/pts/")
    assert err.count("\n") == 1
    process.kill()
    process.communicate()
    patiently(lambda: not any(running(one["pid"]) for one in pids), "a process outlives its lab")
    inner, outer = os.openpty()
    port.unlink()
    port.symlink_to(os.ttyname(outer))
    port.with_name(f"{port.name}.lock").write_text(os.ttyname(outer), encoding="ascii")
    with serving(tmp_path, *words) as lab:
        assert lab.place("chamber", "pty") == str(port)
        assert str(port.readlink()) != os.ttyname(outer)
    os.close(inner)
    os.close(outer)
    assert not port.is_symlink()
    assert not port.with_name(f"{port.name}.lock").exists()
