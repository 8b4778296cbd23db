"""The lab's control port: faults in and out, the truth, and an answer to whatever it is asked."""

import asyncio
import gc
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import Served, asked, connected, ends, patiently, serving

from drivers.links.control import serve
from hil.app.control import Control
from hil.app.lab import Lab
from hil.bench.clock import run_virtual
from hil.core.errors import BenchError
from hil.ports import Clock
from hil.profile import load_bench

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("lab")) as served:
        yield served


REFUSED = {
    b"": "not JSON",
    b"truth": "not JSON",
    b"\xff\xfe": "not JSON",
    b"[" * 5000: "not JSON",
    b"[1]": "found list, expected an object",
    b"{}": "do: found None, expected one of",
    b'{"do": ["kill"]}': "do: found ['kill']",
    b'{"do": "truth", "cell": 3}': "cell: 'truth' does not take that, but device",
    b'{"do": "truth", "device": "chambre"}': "found 'chambre', expected one of board, chamber",
    b'{"do": "inject"}': "target: found None",
    b'{"do": "inject", "target": "board", "fault": "open"}': "fault: found 'open', board takes",
    b'{"do": "inject", "target": "board", "fault": "stuck-cell"}': "expected 'cell'",
    b'{"do": "inject", "target": "board", "fault": "blind", "cell": 1}': "takes no 'cell'",
    b'{"do": "inject", "target": "board", "fault": "stuck-cell", "cell": "1"}': "a number",
    b'{"do": "inject", "target": "board", "fault": "stuck-cell", "cell": 17}': "no cell 17",
    b'{"do": "inject", "target": "wiring", "fault": "open-lead", "cell": 18}': "1 to 17",
    b'{"do": "inject", "target": "emulator-1", "fault": "alarm", "cell": 9}': "does not emulate",
    b'{"do": "return", "device": "board"}': "board is there: kill it first",
    b'{"do": "kill", "device": 7}': "device: found 7",
}


@pytest.mark.parametrize("line", REFUSED, ids=lambda line: line[:60].decode("latin-1"))
def test_what_makes_no_sense_is_refused_in_one_line(lab: Served, line: bytes) -> None:
    answer = lab.say(line)
    assert set(answer) == {"ok", "error"}
    assert not answer["ok"]
    assert REFUSED[line] in answer["error"]


def test_a_line_without_end_is_refused_and_the_port_lives_on(lab: Served) -> None:
    with connected(lab.listening["control"]) as client, client.makefile("rb") as answers:
        client.sendall(b"x" * 200_000)
        assert "a line of more than" in json.loads(answers.readline())["error"]
        assert ends(client)
    assert lab.ask("devices")


def test_a_bug_in_an_answer_is_not_told_as_a_long_line() -> None:
    """The client's connection ends and the loop hears of it; nobody is told what is not so."""
    bugs: list[BaseException] = []

    async def ask() -> bytes:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: bugs.append(context["exception"]))
        server = await serve(lambda _: {"cell_v": math.nan}, "127.0.0.1", 0)
        host, _, port = server.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b'{"do": "truth"}\n')
        answer = await reader.read()
        writer.close()
        await server.close()
        gc.collect()  # an asyncio of 3.11 tells of a task that failed when it forgets it
        return answer

    assert asyncio.run(ask()) == b""
    assert [type(bug) for bug in bugs] == [ValueError]


def test_several_clients_are_served_at_once_and_each_in_its_order(lab: Served) -> None:
    clients = [connected(lab.listening["control"]) for _ in range(5)]
    try:
        for client in clients:
            client.sendall(b'{"do": "truth", "device": "chamber"}\n{"do": "devices"}\n')
        for client in reversed(clients):
            with client.makefile("rb") as answers:
                assert "chamber" in json.loads(answers.readline())["devices"]
                assert len(json.loads(answers.readline())["devices"]) == 4
    finally:
        for client in clients:
            client.close()


def test_faults_go_in_and_out_by_the_names_of_a_profile(lab: Served) -> None:
    known = lab.ask("faults")
    wiring = known["faults"]["wiring"]
    assert wiring["open-lead"] is True, "an open lead takes a cell"
    assert wiring["reversed-shunt"] is False, "and a reversed shunt none"
    assert known["faults"]["chamber"]["door-open"] is False
    assert known["active"] == []
    lab.ask("inject", target="wiring", fault="open-lead", cell=6)
    lab.ask("inject", target="chamber", fault="door-open")
    assert lab.truth("board")["open_leads"] == [6]
    assert lab.truth("chamber")["door_open"] is True
    active = [
        {"target": "wiring", "fault": "open-lead", "cell": 6},
        {"target": "chamber", "fault": "door-open", "cell": 0},
    ]
    assert lab.ask("faults")["active"] == active
    lab.ask("clear", target="wiring", fault="open-lead", cell=6)
    lab.ask("clear", target="chamber", fault="door-open")
    assert lab.truth("board")["open_leads"] == []
    assert lab.ask("faults")["active"] == []


def test_cells_are_counted_in_the_pack(lab: Served) -> None:
    """Cell 11 is channel 3 of the second unit."""
    with lab.connect("emulator-2") as client:
        assert asked(client, ":SOUR3:VOLT 3.2;:OUTP3 1;:OUTP3?") == "1"
        lab.ask("inject", target="emulator-2", fault="refuses-off", cell=11)
        assert asked(client, ":OUTP 0,(@1:8);:OUTP? (@1:8)") == "0,0,1,0,0,0,0,0"
        patiently(lambda: abs(true_v(lab)[10] - 3.2) < 0.002, "the output does not settle")
        cell_v = true_v(lab)
        assert [volts for k, volts in enumerate(cell_v) if k != 10] == [None] * 15
        lab.ask("clear", target="emulator-2", fault="refuses-off", cell=11)
        assert asked(client, ":OUTP 0,(@1:8);:OUTP3?") == "0"


def true_v(lab: Served) -> list[Any]:
    """Return the voltages at the emulators' terminals, None where an output is off."""
    found: list[Any] = lab.ask("truth")["cells"]["cell_v"]
    return found


def test_a_silent_device_says_nothing_until_it_is_cleared(lab: Served) -> None:
    with lab.connect("chamber") as client:
        lab.ask("inject", target="chamber", fault="silent")
        client.sendall(b":OUTPUT1:STATE?\n:UNIT:TEMPERATURE C\n:SOURCE:CLOOP1:SPOINT 41\n")
        patiently(lambda: lab.truth("chamber")["set_degc"] == 41, "it does not hear either")
        lab.ask("clear", target="chamber", fault="silent")
        assert "F4T" in asked(client, "*IDN?")


def test_a_client_is_let_go_on_request(lab: Served) -> None:
    with lab.connect("chamber") as client:
        assert asked(client, "*IDN?")
        lab.ask("disconnect", device="chamber")
        assert ends(client)
    with lab.connect("chamber") as client:
        assert asked(client, "*IDN?")


def test_processes_are_named_and_stand_in_front_of_their_devices(lab: Served) -> None:
    devices = lab.ask("devices")["devices"]
    assert [one["role"] for one in devices] == ["cell-emulator"] * 2 + ["chamber", "board"]
    for one in devices:
        command = Path(f"/proc/{one['pid']}/cmdline").read_bytes().split(b"\0")
        shown = [word.decode() for word in command if word][-1 - len(one["places"]) :]
        assert shown == [one["device"], *one["places"]]
        assert os.getsid(one["pid"]) == one["pid"], "a Ctrl-C at the lab's terminal reaches it"


# --- whatever is asked -------------------------------------------------------------------------

KEYS = ("do", "target", "fault", "cell", "device", "serial")
ASKED = ("truth", "faults", "devices", "inject", "clear", "kill", "disconnect")
NAMES = ("wiring", "board", "chamber", "emulator-1", "open-lead", "silent", "blind", "stuck-cell")
WORDS = st.sampled_from(KEYS + ASKED + NAMES)
VALUES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(WORDS, VALUES, max_size=5), max_size=8))
def test_every_request_is_answered_or_refused(requests: list[dict[str, object]]) -> None:
    """Anything but an answer, a ValueError or a BenchError would end the lab."""

    async def ask(clock: Clock) -> None:
        control = Control(Lab(load_bench("virtual-16s"), 1, clock))
        for request in requests:
            try:
                json.dumps(control.handle(request), allow_nan=False)
            except (ValueError, BenchError) as error:
                assert str(error)  # noqa: PT017 - whichever of both it is, it says why

    run_virtual(ask)
