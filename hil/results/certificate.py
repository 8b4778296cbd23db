"""Certificates of wiring: what ``hil commission`` found, and which one a run may cite.

A file of JSON in a folder of its own, named by time and bench, and never written over. It says what
was set and read in each step, so that a finding can be checked without the bench.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hil.core.errors import EnvironmentProblem
from hil.core.wiring import WiringPlan
from hil.results import shapes
from hil.results.disk import read_small, replace_text

MOST_BYTES = 16 << 20


_YOUNGER = frozenset({"through", "guards", "supply"})


def wiring_digest(plan: WiringPlan, drivers: Mapping[str, str], board: str) -> str:
    """Return the SHA-256, in hex, of what a certificate is good for: this wiring of these models.

    ``drivers`` are the devices' by name, ``board`` is the board's model. How a virtual harness
    really is does not count: that is what the test is to find out.
    """
    body = {key: value for key, value in asdict(plan).items() if key != "virtual"}
    # what is younger than the first certificates, where there is none: or those would be void
    body = {key: value for key, value in body.items() if value or key not in _YOUNGER}
    text = json.dumps([body, dict(drivers), board], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write(folder: Path, body: Mapping[str, Any]) -> Path:
    """Write a certificate and return its file. Raises EnvironmentProblem if it cannot be."""
    stamp = str(body["utc"])[:19].replace("-", "").replace(":", "")
    text = json.dumps(body, indent=1) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in [f"{stamp}Z-{body['bench']}", *_more(f"{stamp}Z-{body['bench']}")]:
            path = folder / f"{name}.json"
            if not path.exists():
                replace_text(path, text)
                return path
    except OSError as error:
        reason = error.strerror or error
        raise EnvironmentProblem(f"{folder}: cannot write a certificate: {reason}") from error
    raise EnvironmentProblem(f"{folder}: a hundred certificates of one second stand here")


def _more(stem: str) -> list[str]:
    return [f"{stem}-{number}" for number in range(2, 100)]


def newest(folder: Path, bench: str) -> dict[str, Any] | None:
    """Return what a run's manifest cites of the newest certificate of a bench; None without one.

    Raises EnvironmentProblem for a file that is no certificate: nobody may take it for one.
    """
    # the newest first; "-16s-slow" is another bench's name, not a second certificate of "-16s"
    paths = sorted(folder.glob(f"*Z-{bench}*.json"), key=lambda path: path.stem, reverse=True)
    read = ((path, *_read(path)) for path in paths)
    found = next((one for one in read if one[1]["bench"] == bench), None)
    if found is None:
        return None
    path, body, digest = found
    kept = {key: body[key] for key in ("utc", "sound", "findings", "wiring", "devices")}
    return {"certificate": path.name, "sha256": digest, **kept}


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """Return a certificate and the SHA-256 of its bytes."""
    try:
        data = read_small(path, MOST_BYTES)
        body = json.loads(data.decode())
    except (OSError, ValueError, RecursionError) as error:
        raise EnvironmentProblem(f"{path}: cannot be read as a certificate: {error}") from error
    missing = [key for key in shapes.CERTIFICATE if key not in body] if type(body) is dict else [""]
    wrong = missing[0] if missing else shapes.misfit(body, shapes.CERTIFICATE)
    if missing or wrong:
        raise EnvironmentProblem(f"{path}: no certificate of hil commission: {wrong or 'no table'}")
    return body, hashlib.sha256(data).hexdigest()
