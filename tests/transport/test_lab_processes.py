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
        assert not port.is_symlink()


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


def test_a_file_is_not_taken_for_a_port(tmp_path: Path) -> None:
    """Only a link that an earlier lab left is replaced, and only our own is taken away."""
    precious, left = tmp_path / "precious", tmp_path / "ttyLEFT"
    precious.write_text("data", encoding="utf-8")
    opening = PtyOpening(str(precious))
    with pytest.raises(FileExistsError, match="precious: File exists"):
        opening.open()
    opening.close()
    assert precious.read_text(encoding="utf-8") == "data"
    left.symlink_to("/dev/pts/left-by-a-killed-lab")
    opening = PtyOpening(str(left))
    os.close(opening.open().descriptor)
    assert str(left.readlink()).startswith("/dev/pts/")
    left.unlink()
    left.symlink_to(precious)
    opening.close()
    assert left.is_symlink()
