"""What parameters must be, said once: each check raises ValueError that begins with the key."""

from itertools import pairwise


def require_increasing(name: str, knots: tuple[float, ...]) -> None:
    """Raise ValueError unless ``knots`` are at least two and strictly increasing."""
    if len(knots) < 2 or any(b <= a for a, b in pairwise(knots)):  # noqa: PLR2004 - a line has two ends
        raise ValueError(f"{name}: at least two strictly increasing knots are needed")


def require_length(name: str, values: tuple[float, ...], knots: tuple[float, ...]) -> None:
    """Raise ValueError unless there is one value for each knot."""
    if len(values) != len(knots):
        raise ValueError(f"{name}: {len(values)} values for {len(knots)} knots")


def require_positive(owner: object, names: tuple[str, ...]) -> None:
    """Raise ValueError unless every named field (a float or a tuple of them) is above zero."""
    for name in names:
        value = getattr(owner, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not number > 0.0:
                raise ValueError(f"{name}: {number} is not above zero")


def require_not_negative(owner: object, names: tuple[str, ...]) -> None:
    """Raise ValueError if a named field is below zero or not a number."""
    for name in names:
        if not getattr(owner, name) >= 0.0:
            raise ValueError(f"{name}: {getattr(owner, name)} is below zero")
