"""What keeps a bench from being left on: by device, when the host dies with all that runs on it."""

from collections.abc import Mapping
from typing import Any

from hil.app.preparation import has_twins, specs_of
from hil.core.instants import to_seconds
from hil.core.spec import BoardSpec
from hil.profile import Bench

UNPROTECTED = "unprotected against host loss"


def host_loss(bench: Bench) -> Mapping[str, str]:
    """Return what each device does by itself when its host says nothing any more."""
    return {name: _of(bench, spec) for name, spec in specs_of(bench).items()}


def _of(bench: Bench, spec: Any) -> str:
    if not spec.host_loss:
        return UNPROTECTED
    if isinstance(spec, BoardSpec):
        return f"{spec.host_loss} after {to_seconds(bench.board.command_timeout_ns):g} s"
    return str(spec.host_loss)


def protection(bench: Bench) -> Mapping[str, Any]:
    """Return what the manifest says; nothing for a bench whose devices end with the run."""
    return {} if has_twins(bench) else {"host_loss": dict(host_loss(bench))}
