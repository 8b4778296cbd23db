"""``hil devices``: what answers on a bench, and what else this host could reach."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from hil.app.devices import Found, discovered, survey
from hil.cli import ENVIRONMENT, streams
from hil.cli.arguments import AsJson, BenchKeys, BenchName


def devices(
    *,
    bench: BenchName = "virtual-16s",
    set_: BenchKeys = (),
    json_: AsJson = False,
    discover: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Ask every device of a bench who it is; nothing is switched.

    Exit code 69 if one does not answer; its line says why.

    Example: hil devices --bench virtual-16s

    Parameters
    ----------
    discover
        List what this host could reach instead: VISA resources, serial ports, CAN adapters.
    """
    if discover:
        _tell_discovered(discovered(), as_json=json_)
        return 0
    found = survey(bench, set_)
    if json_:
        body = {"bench": bench, "devices": [one.plain() for one in found]}
        sys.stdout.write(json.dumps(body) + "\n")
    else:
        _tell(found)
    return 0 if all(one.who for one in found) else ENVIRONMENT


def _tell(found: Sequence[Found]) -> None:
    """Print a line a device; of one that does not answer, the reason."""
    names = ("device", "role", "driver", "link", "who", "serial", "firmware")
    table = Table(*names, "calibrated", "due", "host loss", box=None, pad_edge=False)
    for one in found:
        due = "" if one.due is None else one.due.isoformat()
        if one.who is None:
            who = [f"NO ANSWER: {one.problem}", "", "", "", ""]
        else:
            maker, model, serial, firmware, calibrated = one.who
            mark = " OVERDUE" if one.overdue else ""
            who = [f"{maker} {model}", serial, firmware, calibrated, due + mark]
        table.add_row(
            one.device,
            one.role,
            one.driver,
            one.link,
            *who,
            one.host_loss.removesuffix(" against host loss"),
        )
    streams.show(table)


def _tell_discovered(found: Mapping[str, Sequence[str]], *, as_json: bool) -> None:
    """Print what could be reached, as keys of a bench file's link."""
    if as_json:
        body: dict[str, Any] = {"discovered": found}
        sys.stdout.write(json.dumps(body) + "\n")
        return
    for kind, places in found.items():
        streams.say(f"{kind}:" if places else f"{kind}: nothing found")
        for place in places:
            streams.say(f"  {place}")
