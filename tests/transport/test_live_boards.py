"""A board whose firmware is a process of its own, or runs on an emulated microcontroller.

The lab of these tests is the one of every other: only what stands in front of the board differs.
"""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from scenario import held_up
from served import (
    PATIENCE_S,
    Served,
    asked,
    connected,
    decoded,
    ends,
    finished,
    hil,
    joined,
    patiently,
    running,
    serving,
)
from tools import program

from drivers.engines.process import PROCESS
from drivers.engines.qemu import EMULATOR
from drivers.wire.slcan import HostEnd
from hil.app.devices import survey
from hil.core.errors import EnvironmentProblem, LinkLost
from hil.ports import Clock, Endpoint, Firmware, Identity

pytestmark = pytest.mark.alone

NEEDS = {"process": ("cc",), "qemu": ("arm-none-eabi-gcc", "qemu-system-arm")}
# As in test_lab_runs: a lab on a busy host is later than a quick board may be.
SLOW_BOARD = ("--set", "bench.board.cycle=500 ms", "--set", "bench.board.open_wire_every=2")
BOOTED = tuple(
    word
    for unit in ("emulator-1", "emulator-2")
    for word in ("--set", f"bench.devices.{unit}.virtual.boot=0 s")
)
# What takes ten seconds in one engine runs in the other for every commit.
QEMU_BY_DAY = pytest.mark.parametrize(
    "lab", [pytest.param("process", marks=pytest.mark.nightly), "qemu"], indirect=True
)
PROCESS_BY_DAY = pytest.mark.parametrize(
    "lab", ["process", pytest.param("qemu", marks=pytest.mark.nightly)], indirect=True
)
PLACE = ("board", "slcan-tcp")
CELL_V = 3.3

OPEN_LEAD = """\
  - rest: 1 s
  - inject: {target: wiring, fault: open-lead, cell: 6}
  - expect: {board: open-wire, cell: 6, within: 30 s}
"""


@pytest.fixture(scope="module", params=NEEDS)
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A lab with the board in one engine, its cells on, each 1 mV above the one below it."""
    for tool in NEEDS[request.param]:
        program(tool)
    folder = tmp_path_factory.mktemp(request.param)
    with serving(folder, "--engine", request.param, *SLOW_BOARD, *BOOTED) as served:
        for unit, device in enumerate(("emulator-1", "emulator-2")):
            with served.connect(device) as client:
                for channel in range(1, 9):
                    volts = CELL_V + 0.001 * (8 * unit + channel)
                    client.sendall(f":SOUR{channel}:VOLT {volts}\n".encode())
                assert asked(client, ":OUTP 1,(@1:8);:OUTP? (@1:8)") == ",".join("1" * 8)
        yield served


def settings(lab: Served) -> list[str]:
    """Return what the lab's bench is beside loopback.yaml, as ``load_bench`` takes it."""
    return [word for word in (*SLOW_BOARD, *lab.overrides()) if word != "--set"]


def identity(lab: Served) -> Identity:
    """Ask the board who it is, through our own link and driver."""
    [found] = [one for one in survey("loopback", settings(lab)) if one.device == "board"]
    assert found.who is not None, found.problem
    return found.who


def cycles(lab: Served) -> int:
    """Return how often the board's cells have been converted."""
    found = lab.truth("board")["cycles"]
    assert isinstance(found, int)
    return found


def goes_on(lab: Served, more: int = 2) -> None:
    """Wait until the board has measured some more."""
    before = cycles(lab)
    patiently(lambda: cycles(lab) >= before + more, "the board does not measure any more")


# --- what others find ----------------------------------------------------------------------------


def test_others_decode_the_voltages_that_the_cells_have(lab: Served) -> None:
    """python-can's own slcan opens it, cantools reads it; only our DBC is ours."""

    def right() -> bool:
        with joined(f"socket://{lab.place(*PLACE)}") as bus:
            volts = decoded(bus, 16)
        wrong = [volts[f"Cell{n:02}"] - CELL_V - 0.001 * n for n in range(1, 17)]
        return max(map(abs, wrong)) < 0.010  # the front ends' error and the emulators'

    patiently(right, "the board's cells are not those of the emulators")


def test_it_is_the_board_of_the_parameter_page(lab: Served) -> None:
    who = identity(lab)
    assert (who.model, who.serial, who.firmware) == ("reference-board", "00000001", "2.0.0")


@QEMU_BY_DAY
def test_a_run_gives_the_verdict_that_the_board_earns(
    lab: Served, profile: Callable[..., Path]
) -> None:
    """The scan for open leads is the firmware's, the lead is open at the chips' pins."""
    file = profile(OPEN_LEAD)
    words = ("run", str(file), "--bench", "loopback", "--json", *SLOW_BOARD, *lab.overrides())
    code, out, err = finished(hil(*words, cwd=file.parent))
    summary = json.loads(out or err)
    for fault in lab.ask("faults")["active"]:
        lab.ask("clear", **fault)
    assert (code, summary["verdict"]) == (0, "PASS") or held_up(summary), summary


@PROCESS_BY_DAY
def test_a_client_that_reads_nothing_does_not_stop_it(lab: Served) -> None:
    """Its frames are lost, and its adapter says so; the measurement goes on."""
    # how long it takes until all buffers are full is the host's affair
    assert "F01" in (flags_after(lab, more_cycles) for more_cycles in (2, 4, 8, 16, 32, 64))


def flags_after(lab: Served, more_cycles: int) -> str:
    """Ask for 200 kB, fetch nothing while the board measures on, then ask the adapter's flags."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE_S)
        host, _, port = lab.place(*PLACE).rpartition(":")
        client.connect((host, int(port)))
        client.sendall(b"\rC\rS6\rO\r" + b"V\r" * 30_000)
        goes_on(lab, more_cycles)
        adapter, flags = HostEnd(), list[str]()
        while not flags:
            client.sendall(b"F\r")  # again: while its queue is full, it cannot answer
            replies = adapter.feed(client.recv(1 << 16), 0.0).replies
            flags = [reply.text for reply in replies if reply.text.startswith("F")]
        return flags[0]


# --- plugs pulled, clients sent away -------------------------------------------------------------


def test_a_killed_process_is_power_loss_and_what_comes_back_starts_anew(lab: Served) -> None:
    """With the parameter page of another board, and cycles that are counted from its power-up."""
    pid = lab.pid("board")
    assert pid is not None
    with connected(lab.place(*PLACE)) as client:
        os.kill(pid, signal.SIGKILL)
        assert ends(client)
    patiently(lambda: lab.pid("board") is None, "the lab does not see it")
    assert not lab.truth("board")["powered"]
    assert lab.ask("faults")["active"] == [{"target": "board", "fault": "power-loss", "cell": 0}]
    with pytest.raises(ConnectionRefusedError):
        connected(lab.place(*PLACE))
    lab.ask("return", device="board", serial="77")
    assert lab.truth("board")["powered"]
    assert identity(lab).serial == "00000077"


def test_power_loss_as_a_fault_kills_it(lab: Served) -> None:
    pid = lab.pid("board")
    assert pid is not None
    lab.ask("inject", target="board", fault="power-loss")
    assert not running(pid)
    lab.ask("clear", target="board", fault="power-loss")
    assert lab.pid("board") != pid
    goes_on(lab)


def test_a_fault_that_is_out_of_reach_is_refused_not_pretended(lab: Served) -> None:
    told = lab.say(b'{"do": "inject", "target": "board", "fault": "silent"}')
    assert not told["ok"]
    assert "'power-loss' silences it" in told["error"]


def test_its_client_can_be_sent_away(lab: Served) -> None:
    """The firmware does not notice; the next client finds it as it is."""
    pid = lab.pid("board")
    with connected(lab.place(*PLACE)) as client:
        assert version(client) == b"V0200\r"
        lab.ask("disconnect", device="board")
        assert ends(client)
    with connected(lab.place(*PLACE)) as client:
        assert version(client) == b"V0200\r"
    assert lab.pid("board") == pid


def version(client: socket.socket) -> bytes:
    """Ask the adapter which one it is; its channel is closed, so nothing else comes."""
    client.sendall(b"C\rV\r")
    with client.makefile("rb") as heard:
        while (byte := heard.read(1)) != b"V":
            assert byte, "the connection ended"
        return byte + heard.read(5)


def test_a_ctrl_c_at_the_lab_is_not_for_it(lab: Served) -> None:
    pid = lab.pid("board")
    assert pid is not None
    assert os.getsid(pid) not in {os.getsid(0), os.getsid(lab.process.pid)}


@pytest.mark.parametrize("engine", NEEDS)
def test_it_ends_with_a_killed_lab_though_it_is_stopped(engine: str, tmp_path: Path) -> None:
    for tool in NEEDS[engine]:
        program(tool)
    process = hil("serve", "--bench", "virtual-16s", "--engine", engine, "--json", cwd=tmp_path)
    assert process.stdout is not None
    pid = Served(process, process.stdout.readline()).pid("board")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    process.kill()
    process.communicate()
    patiently(lambda: not running(pid), "the firmware outlives its lab")


# --- what is refused -----------------------------------------------------------------------------


def test_a_link_that_no_live_board_has_is_told_in_one_line(tmp_path: Path) -> None:
    program("cc")
    link = "bench.devices.board.link={kind: slcan, port: ttyBOARD}"
    words = ("serve", "--bench", "virtual-16s", "--engine", "process", "--set", link)
    code, out, err = finished(hil(*words, cwd=tmp_path))
    assert (code, out) == (65, "")
    assert "found port: ttyBOARD, expected host and port" in err
    assert err.count("\n") == 1


def board_at(options: Mapping[str, Any]) -> Endpoint:
    """Return the endpoint of a board without chips, whose link has these keys."""
    assert PROCESS.endpoint is not None
    image, no_clock = Firmware(Path("image"), "", {}), cast("Clock", None)
    return PROCESS.endpoint("board", no_clock, options, firmware=image, electronics=Chips())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "127.0.0.1", "port": "0", "bitrate": 250_000}, "found 250000, .* runs at 500000"),
        ({"host": None, "port": "/dev/ttyACM0"}, "port: /dev/ttyACM0, expected host and port"),
        ({"interface": "socketcan", "channel": "can0"}, "interface: socketcan, expected host"),
    ],
)
def test_other_links_are_refused(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        board_at(options)


class Chips:
    """Electronics that nobody asks."""

    parameters = b"page"
    spi: Any = None

    def start(self) -> None:
        """Take the supply."""


def test_what_cannot_be_started_is_told_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A port in use, or no program to start the firmware with: the port is free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LinkLost, match=f"board: 127.0.0.1:{port}: Address already in use"):
            opened(port)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LinkLost, match="board: setpriv: No such file"):
        opened(port)
    socket.create_server(("127.0.0.1", port)).close()


def opened(port: int) -> None:
    """Open a board at a port."""
    board = board_at({"host": "127.0.0.1", "port": str(port)})

    async def main() -> None:
        board.open(lambda: None)

    asyncio.run(main())


def test_without_its_tools_the_line_that_installs_them_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    line = "sudo apt-get install --no-install-recommends qemu-system-arm gcc-arm-none-eabi"
    with pytest.raises(EnvironmentProblem, match=line):
        EMULATOR.firmware({})
