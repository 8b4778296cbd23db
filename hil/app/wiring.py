"""What a run may say of how its bench is wired: the certificate that it cites, if it may."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hil.app.preparation import has_twins
from hil.ports import Identity
from hil.profile import Bench
from hil.results import certificate


def wiring_of(bench: Bench) -> str:
    """Return the digest of what a certificate of this bench is good for."""
    drivers = {name: device.driver for name, device in bench.devices.items()}
    return certificate.wiring_digest(bench.wiring, drivers, bench.board.model)


def cited(bench: Bench, folder: Path) -> dict[str, Any] | None:
    """Return the newest certificate of a bench as a manifest cites it; None where there is none.

    Raises EnvironmentProblem for a file under such a name that is no certificate.
    """
    return certificate.newest(folder, bench.name)


def doubt(bench: Bench, cites: Mapping[str, Any] | None) -> str:
    """Return why the wiring of a bench may not be as its file says; empty where it was shown.

    Virtual devices in this process are wired by the bench file itself.
    """
    remedy = f"hil commission --bench {bench.name}"
    if cites is None:
        return "" if has_twins(bench) else f"wiring not tested: {remedy}"
    name = cites["certificate"]
    if cites["wiring"] != wiring_of(bench):
        return f"wiring not tested: {name} is of another wiring: {remedy}"
    if not cites["sound"]:
        found = "; ".join(cites["findings"]) or "the test came to no end"
        return f"wiring not sound, by {name}: {found}"
    return ""


def in_manifest(
    bench: Bench, cites: Mapping[str, Any] | None, notes: Sequence[str]
) -> dict[str, Any]:
    """Return what a manifest says: the certificate, and with ``notes`` what nobody watches over."""
    doubtful = doubt(bench, cites)
    about: dict[str, Any] = {} if cites is None else {"commissioned": cites}
    return {**about, "unguarded": [*notes, *([doubtful] if doubtful else [])]}


def told(bench: Bench, cites: Mapping[str, Any] | None, who: Mapping[str, Identity]) -> str:
    """Return a line for people: sound and since when, or why that is not known.

    A certificate is of the devices that it names, by serial number: others are wired anew.
    """
    if doubtful := doubt(bench, cites):
        return doubtful
    if cites is None:
        return ""
    changed = [
        f"{name} {serial}, now {who[name].serial}"
        for name, serial in cites["devices"].items()
        if name in who and who[name].serial != serial
    ]
    if changed:
        return f"wiring not tested: {cites['certificate']} is of {'; '.join(changed)}"
    return f"wiring found sound on {cites['utc'][:10]}, by {cites['certificate']}"
