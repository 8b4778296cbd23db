"""The control port of a lab; the entry point ``control`` of ``hil.labs`` names both its ends."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Handle: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Answers one request at a lab's control port. Raises ValueError, BenchError to refuse it."""


class ControlPort(Protocol):
    """A lab's control port that listens."""

    @property
    def address(self) -> str:
        """Where it listens, as ``host:port``."""

    async def close(self) -> None:
        """Listen no more."""


@dataclass(frozen=True)
class ControlKind:
    """What the entry point ``control`` of ``hil.labs`` names: both ends of a control port.

    ``serve(handle, host, port, token)`` listens; ``ask(host, port, request, token)`` returns an
    answer or raises DeviceError. With a token, who does not say it is told nothing.
    """

    serve: Callable[[Handle, str, int, str], Awaitable[ControlPort]]
    ask: Callable[[str, int, Mapping[str, Any], str], Awaitable[Mapping[str, Any]]]
