"""What the JSON files of a run's folder may look like, as data.

Whoever sends a run sends its manifest, and the SHA-256 in it shows only that it is whole, not who
wrote it. So a key that is there must have the type with which the bench writes it; what else a file
says is nobody's business, since nobody reads it.
"""

from typing import Any, NamedTuple

Shape = Any
"""A type, a tuple of shapes (any of them), ``[shape]`` for a list, ``{key: shape}``, ``Every``."""


class Every(NamedTuple):
    """A table whose keys are anybody's and whose values all have one shape."""

    shape: Shape


NUMBER = (int, float)
NOTHING = type(None)
MOST_RECORDS = 1 << 53
"""Beyond, a number is no longer the same in every program that reads it."""

_ENGINE = (NOTHING, {"kind": str})
_REPAIRED = {"utc": str, "findings": [str]}

MANIFEST: Shape = {
    "run": str,
    "profile": str,
    "bench": str,
    "operator": (str, NOTHING),
    "started_utc": str,
    "ended_utc": str,
    "overrides": [str],
    "repeat": str,
    "resolved": {
        "profile": {
            "about": str,
            "controller": (NOTHING, {"mode": str, "strategy": (str, NOTHING)}),
            "requirements": [str],
        },
        "bench": dict,
    },
    "termination": {
        "steps": Every((NOTHING, str)),
        "protections": (str, NOTHING),
        "gap_ceiling_v": (*NUMBER, NOTHING),
    },
    "git": Every({"commit": str, "about": str, "changed": [str]}),
    "versions": Every(str),
    "host": Every(str),
    "engine": _ENGINE,
    "held": {"left_by": [str]},
    "host_loss": Every(str),
    "commissioned": (NOTHING, {"certificate": str, "utc": str, "sound": bool, "findings": [str]}),
    "records": int,
    "digest": str,
    "files": Every({"bytes": int, "sha256": str}),
    "repaired": _REPAIRED,
    "sha256": str,
}

SUMMARY: Shape = {
    "run": str,
    "folder": str,
    "verdict": str,
    "profile": str,
    "bench": str,
    "simulated_s": NUMBER,
    "wall_s": NUMBER,
    "speed": NUMBER,
    "digest": str,
    "reasons": [str],
    "expectations": [{"name": str}],
    "metrics": Every({"value": (*NUMBER, NOTHING), "uncertainty": (*NUMBER, NOTHING)}),
    "timing": (
        NOTHING,
        {"late_ms": Every(NUMBER), "took_ms": Every(NUMBER), "cpu_share": NUMBER},
    ),
    "telemetry": (NOTHING, {"owed": [[int]]}),
    "repaired": _REPAIRED,
    "problem": str,
}

CERTIFICATE: Shape = {
    "utc": str,
    "bench": str,
    "sound": bool,
    "findings": [str],
    "wiring": str,
    "devices": Every(str),
}
"""What a certificate of wiring must have; it has more."""

GUARDIAN: Shape = {
    "cause": str,
    "safe": bool,
    "took_ms": NUMBER,
    "devices": [{"device": str, "ok": bool, "read_back": str, "after_ms": NUMBER}],
}


def misfit(value: Any, shape: Shape, key: str = "") -> str:
    """Return the dotted key of the first thing that does not fit; empty when all of it fits."""
    if isinstance(shape, tuple) and not isinstance(shape, Every):
        found = [misfit(value, one, key) for one in shape]
        return "" if "" in found else max(found, key=len)
    if isinstance(shape, type):
        return "" if type(value) is shape else key or "it"
    parts = _parts(value, shape)
    if parts is None:
        return key or "it"
    below = (misfit(one, of, f"{key}.{name}".lstrip(".")) for name, one, of in parts)
    return next(filter(None, below), "")


def _parts(value: Any, shape: Shape) -> list[tuple[str, Any, Shape]] | None:
    """Return name, value and shape of what is in a list or a table; None if it is neither."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return None
        return [(str(number), one, shape[0]) for number, one in enumerate(value, 1)]
    if not isinstance(value, dict):
        return None
    if isinstance(shape, Every):
        return [(name, one, shape.shape) for name, one in value.items()]
    return [(name, value[name], one) for name, one in shape.items() if name in value]
