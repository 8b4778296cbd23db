"""Instants and durations: integer nanoseconds, so that a year of ticks does not drift.

Periodic code computes ``start + k * period``; adding 0.1 s up drifts, an integer product does not.
"""

from typing import TypeAlias

Instant: TypeAlias = int
"""Nanoseconds since the bench's clock started (t = 0 is the first tick of the run's clock)."""

Duration: TypeAlias = int
"""Nanoseconds between two instants."""

MICROSECOND: Duration = 1_000
MILLISECOND: Duration = 1_000_000
SECOND: Duration = 1_000_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 3_600 * SECOND
DAY: Duration = 24 * HOUR


def from_seconds(value_s: float) -> Duration:
    """Return the duration nearest to ``value_s`` seconds."""
    return round(value_s * SECOND)


def to_seconds(value: Duration) -> float:
    """Return a duration or instant in seconds."""
    return value / SECOND


def clock_text(value: Duration) -> str:
    """Write a duration the way a lab notebook does: ``3 d 04:05:06`` or ``00:00:01.250``."""
    whole, rest = divmod(abs(value), SECOND)
    days, whole = divmod(whole, 86_400)
    hours, whole = divmod(whole, 3_600)
    minutes, secs = divmod(whole, 60)
    text = f"{hours:02d}:{minutes:02d}:{secs:02d}"
    if rest:
        text += f".{rest // MILLISECOND:03d}"
    if days:
        text = f"{days} d {text}"
    return "-" + text if value < 0 else text
