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

    ``serve(handle, host, port)`` listens; ``ask(host, port, request)`` returns an answer or raises
    DeviceError.
    """

    serve: Callable[[Handle, str, int], Awaitable[ControlPort]]
    ask: Callable[[str, int, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
