"""Who may reach a lab: this host alone, unless somebody has said otherwise.

The control port puts faults into devices and takes their supply: from elsewhere it wants a token.
The devices themselves speak as instruments do, SCPI and CAN, which know no such thing: whoever
reaches them commands them, so that wants a word of the user's own (``hil serve --expose``).
"""

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path

from hil.core.errors import EnvironmentProblem
from hil.ports import Endpoint

TOKEN, TOKEN_FILE = "HIL_LAB_TOKEN", "HIL_LAB_TOKEN_FILE"
"""The variables that hold the token, or the path of a file with it: command lines can be read."""

LEAST, MOST = 16, 1_000
"""Characters of a token. Sixteen that nobody can guess: ``openssl rand -hex 16`` gives 32."""


def lab_token(environment: Mapping[str, str]) -> str:
    """Return the token of lab control ports, empty if there is none.

    Raises EnvironmentProblem for a file that cannot be read and for what is no token; no message
    repeats it.
    """
    where, token = TOKEN, environment.get(TOKEN, "")
    path = environment.get(TOKEN_FILE, "")
    if path and token:
        raise EnvironmentProblem(f"{TOKEN} and {TOKEN_FILE} are both set: expected one of them")
    if path:
        where = TOKEN_FILE
        try:
            with Path(path).open(encoding="ascii") as file:
                token = file.read(MOST + 2).rstrip("\n")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it holds no ASCII text"
            raise EnvironmentProblem(f"{TOKEN_FILE}: {path}: {reason}") from None
    elif not token:
        return ""
    if not LEAST <= len(token) <= MOST or not token.isascii() or not token.isprintable():
        expected = f"{LEAST} to {MOST} printable ASCII characters"
        raise EnvironmentProblem(f"{where}: expected a token of {expected}: openssl rand -hex 16")
    return token


def is_loopback(host: str) -> bool:
    """Say whether only this host reaches an address; of another name that is not known."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_open_control(host: str, port: int, token: str) -> None:
    """Raise EnvironmentProblem for a control port that others reach and no token guards."""
    if not is_loopback(host) and not token:
        raise EnvironmentProblem(
            f"control port at {host}:{port}: others than this host could reach it: expected a "
            f"token in {TOKEN} or {TOKEN_FILE}, or an address such as 127.0.0.1:{port}"
        )


def exposed(endpoints: Mapping[str, Endpoint]) -> Sequence[str]:
    """Return a line for each device that others than this host could reach."""
    return [
        f"{name} at {host}: whoever reaches this host commands it, no token is asked for"
        for name, endpoint in endpoints.items()
        for host in endpoint.hosts
        if not is_loopback(host)
    ]
