"""``hil commission``: is the bench wired to the board as its file says?"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hil.app.commission import Commission, Commissioned
from hil.app.commission import commission as carried_out
from hil.bench.stop import StopLadder
from hil.cli import arguments, signals, streams
from hil.cli.arguments import AsJson, BenchKeys, BenchName


def commission(
    *,
    bench: BenchName = "virtual-16s",
    set_: BenchKeys = (),
    engine: arguments.Engine = None,
    seed: Annotated[int, Parameter(converter=arguments.seed)] = 1,
    certificates: Path = Path("certificates"),
    operator: str = "",
    json_: AsJson = False,
) -> int:
    """Test the wiring between emulators and board before full energy, and write a certificate.

    Outputs are limited to 20 mA; the cells are ramped up together to 2.5 V, then one cell, one NTC
    and the shunt at a time. Where all is sound, the bleeds and leads are measured at 3.3 V.

    Exit code: 0 sound, 1 the wiring is wrong, 2 the test could not end, 3 stopped.

    Example: hil commission --bench virtual-16s

    Parameters
    ----------
    seed
        Seed of everything that is drawn where devices are virtual.
    certificates
        Folder of certificates; runs cite the newest one of their bench.
    operator
        Who tests, for the certificate.
    """
    request = Commission(bench, set_, engine, seed, certificates, operator)
    stop = StopLadder()
    told = (lambda _: None) if json_ or not sys.stderr.isatty() else _step
    with signals.sent_to(stop.request):
        done = carried_out(request, stop, told)
    if json_:
        sys.stdout.write(json.dumps({**done.body, "certificate": str(done.file)}) + "\n")
    else:
        _tell(done)
    return _code(done)


def _code(done: Commissioned) -> int:
    """Return the exit code: what was found counts more than how it ended."""
    if done.body["findings"]:
        return 1
    if done.stopped:
        return 3
    return 0 if done.body["sound"] else 2


def _step(text: str) -> None:
    sys.stderr.write(f"  {text}\n")


def _tell(done: Commissioned) -> None:
    """Print what was found, what was measured, and what was not."""
    body = done.body
    verdict = "SOUND" if body["sound"] else "WRONG" if body["findings"] else "NOT FINISHED"
    streams.say(f"{verdict}  wiring of {body['bench']} to {body['board']}")
    for finding in body["findings"]:
        streams.say(f"  found   {finding}")
    if body["ended"]:
        streams.say(f"  ended   {body['ended']}")
    if not body["left_safe"]:
        streams.say("  NOT SAFE: see read_back in the certificate")
    if body["leads_mohm"]:
        streams.say(f"  leads   {_leads(body['leads_mohm'])}")
    for point in body["open"]:
        streams.say(f"  open    {point}")
    before = "before the wiring was known"
    streams.say(f"  power   at most {1e3 * body['most_w']:.0f} mW {before}, as read back")
    streams.say(f"  record  {done.file}")


def _leads(leads: dict[str, Any]) -> str:
    """Return the leads in one line: from the least to the most, and the widest uncertainty."""
    values = [one["value"] for one in leads.values()]
    widest = max(one["uncertainty"] for one in leads.values())
    return f"{min(values):.0f} to {max(values):.0f} mohm (± {widest:.0f}), {len(values)} measured"
