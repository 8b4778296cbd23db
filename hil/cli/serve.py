"""``hil serve``: the virtual lab on real endpoints, for runs in other processes and other tools."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token
from rich.table import Table

from hil.app.lab import LabRequest
from hil.app.lab import serve as serve_lab
from hil.bench.stop import StopLadder
from hil.cli import arguments, signals, streams
from hil.cli.arguments import AsJson, BenchKeys, BenchName
from hil.profile.bench import read_address


def _address(_type: object, tokens: Sequence[Token]) -> tuple[str, int]:
    """Read ``HOST:PORT``."""
    return read_address(tokens[0].value)


Control = Annotated[tuple[str, int] | None, Parameter(converter=_address, n_tokens=1)]


def serve(
    *,
    bench: BenchName = "loopback",
    set_: BenchKeys = (),
    engine: arguments.Engine = None,
    control: Control = None,
    seed: Annotated[int, Parameter(converter=arguments.seed)] = 1,
    expose: Annotated[bool, Parameter(negative=())] = False,
    json_: AsJson = False,
) -> None:
    """Put the virtual devices of a bench on real endpoints, until SIGTERM or Ctrl-C.

    Where a device's link would look for it, there it is: TCP sockets, ptys, CAN adapters that
    speak slcan. Memory links get free ports. Exit code 69 if an address is taken. With --json one
    line says where everything is, as soon as it listens.

    Example: hil serve --bench loopback --json

    Parameters
    ----------
    control
        HOST:PORT of the control port; without it what the bench file says under lab. One that
        others than this host reach wants a token in HIL_LAB_TOKEN or HIL_LAB_TOKEN_FILE.
    seed
        Seed of the devices' errors and noise.
    expose
        Let devices listen where others than this host reach them: nothing there asks who they are.
    """
    stop = StopLadder()
    with signals.sent_to(stop.request):
        serve_lab(
            LabRequest(bench, set_, seed, control, engine, expose), stop, _json if json_ else _table
        )


def _json(listening: Mapping[str, Any]) -> None:
    """Print where everything is, as one line."""
    sys.stdout.write(json.dumps(listening) + "\n")
    sys.stdout.flush()


def _table(listening: Mapping[str, Any]) -> None:
    """Print where everything is, for people."""
    table = Table("device", "role", "model", "transport", "address", "VISA", box=None)
    for one in listening["endpoints"]:
        table.add_row(*(str(value) if value is not None else "" for value in one.values()))
    streams.show(table)
    for line in listening.get("exposed", ()):
        streams.say(f"exposed: {line}", stream=sys.stderr)
    print(f"control port at {listening['control']}; Ctrl-C ends it", flush=True)  # noqa: T201 - the command line's own voice
