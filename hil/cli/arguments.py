"""How arguments that several commands take are read: light, since listing runs waits for it."""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from cyclopts import Parameter, Token

MAX_SEED = 2**48 - 1
"""Noise is drawn from 48 bits of seed: a larger one would repeat the draws of a smaller one."""

BenchName: TypeAlias = Annotated[
    str, Parameter(help="Name of a bench (profiles/benches) or path of a YAML file.")
]
BenchKeys: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set", negative=(), help="Change one key of the bench: KEY=VALUE, repeatable."
    ),
]
AsJson: TypeAlias = Annotated[
    bool,
    Parameter(name="--json", negative=(), help="Print JSON on stdout and nothing else."),
]


def _engine(_type: object, tokens: Sequence[Token]) -> str:
    """Read the name of an engine that is installed."""
    # imported here: who lists runs does not wait for it
    from hil.app.names import installed  # noqa: PLC0415 - the same
    from hil.profile.bench import TWIN  # noqa: PLC0415 - the same

    name, known = tokens[0].value, [TWIN, *sorted(installed("engines"))]
    if name not in known:
        raise ValueError(f"found '{name}', expected one of {', '.join(known)}")
    return name


Engine: TypeAlias = Annotated[
    str | None,
    Parameter(
        converter=_engine,
        n_tokens=1,
        help="What runs the virtual board's firmware, in place of what the bench says; "
        "twin: none is run.",
    ),
]


def seed(_type: object, tokens: Sequence[Token]) -> int:
    """Read a seed. Rounded, 1.5 would be another run under the name of this one."""
    text = tokens[0].value
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_SEED))
    if not digits or int(text) > MAX_SEED:
        raise ValueError(f"found '{text[:40]}', expected a whole number from 0 to {MAX_SEED}")
    return int(text)
