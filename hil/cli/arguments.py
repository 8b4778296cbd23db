"""How arguments that several commands take are read."""

from collections.abc import Sequence

from cyclopts import Token

from hil.profile.bench import read_address

MAX_SEED = 2**48 - 1
"""Noise is drawn from 48 bits of seed: a larger one would repeat the draws of a smaller one."""


def seed(_type: object, tokens: Sequence[Token]) -> int:
    """Read a seed. Rounded, 1.5 would be another run under the name of this one."""
    text = tokens[0].value
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_SEED))
    if not digits or int(text) > MAX_SEED:
        raise ValueError(f"found '{text[:40]}', expected a whole number from 0 to {MAX_SEED}")
    return int(text)


def address(_type: object, tokens: Sequence[Token]) -> tuple[str, int]:
    """Read ``HOST:PORT``."""
    return read_address(tokens[0].value)
