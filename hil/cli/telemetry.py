"""``hil telemetry``: what a broker has not got of a run that is over."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, Token

from hil.cli.arguments import AsJson
from hil.cli.runs import RunsDir
from hil.core.errors import EnvironmentProblem
from hil.live.target import Target, parse_target
from hil.results import catalogue

telemetry = App(
    name="telemetry",
    help="Send to an MQTT broker what it has not got of a run.",
    help_format="plaintext",
)


def _broker(_type: object, tokens: Sequence[Token]) -> Target:
    """Read a broker's URL; what is wrong is said without repeating it: it may hold a password."""
    return parse_target(tokens[0].value, os.environ)


BROKER = Parameter(
    name="--mqtt",
    converter=_broker,
    n_tokens=1,
    accepts_keys=False,
    env_var="HIL_MQTT",
    help=(
        "Broker for telemetry: mqtt[s]://[user[:password]@]host[:port][/topic]. A password is"
        " better left to HIL_MQTT_PASSWORD: command lines can be read by others."
    ),
)


@telemetry.command
def send(
    run: str,
    *,
    mqtt: Annotated[Target, BROKER],
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    runs_dir: RunsDir = Path("runs"),
    json_: AsJson = False,
) -> None:
    """Send the messages of a run from its record, marked as back-filled.

    Sent is what the broker had not acknowledged when the run ended; all of it, if the run does not
    know that. How the run stands (the retained state) is left alone: another one may go on there.

    Example: hil telemetry send last --mqtt mqtt://broker.lab

    Parameters
    ----------
    run
        Id of the run, the start of it, a path, or ``last``.
    all_
        Send every message, those too that the broker has acknowledged.
    """
    from hil.live.telemetry import send_record  # noqa: PLC0415 - an MQTT client: slow to import

    folder = catalogue.find(runs_dir, run)
    counts = send_record(mqtt, folder, only=None if all_ else _owed(folder))
    if counts["owed"]:
        raise EnvironmentProblem(
            f"{folder.name}: {counts['sent']} messages delivered to {mqtt}, then no more:"
            f" {counts['problem'] or 'it has stopped to acknowledge'}"
        )
    told = f"{folder.name}: {counts['sent']} messages delivered to {mqtt}"
    sys.stdout.write((json.dumps(counts) if json_ else told) + "\n")


def _owed(folder: Path) -> list[tuple[int, int]] | None:
    """Return what the run's summary says is owed; None, which is all, where it says nothing."""
    if not (folder / catalogue.SUMMARY).is_file():
        return None
    told = catalogue.read_json(folder, catalogue.SUMMARY).get("telemetry")
    return None if told is None else [(first, last) for first, last in told["owed"]]
