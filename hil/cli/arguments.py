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


def seed(_type: object, tokens: Sequence[Token]) -> int:
    """Read a seed. Rounded, 1.5 would be another run under the name of this one."""
    text = tokens[0].value
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_SEED))
    if not digits or int(text) > MAX_SEED:
        raise ValueError(f"found '{text[:40]}', expected a whole number from 0 to {MAX_SEED}")
    return int(text)
