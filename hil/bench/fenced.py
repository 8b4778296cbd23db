"""A link that refuses what an old holder of its device still sends."""

from collections.abc import Callable
from typing import Any

from hil.core.errors import LinkLost

Fence = Callable[[], str]
"""Says why its holder may drive the device no more; empty while it may."""


Fences = Callable[[str], Fence]
"""Gives the fence of a place (``hil.ports.LinkKind.where``)."""


class Fenced:
    """A ``ByteLink`` or ``FrameLink`` behind a fence: once it is shut, nothing more gets out.

    It is looked at before each send. What the kernel has taken already cannot be called back, and
    a fence in our own links stops nobody on another host.
    """

    def __init__(self, name: str, link: Any, fence: Fence) -> None:
        """``name`` is the device's, for the error."""
        self._name, self._link, self._fence = name, link, fence
        self.receive, self.pending, self.close = link.receive, link.pending, link.close

    async def open(self) -> None:
        """Open the link. Raises LinkLost."""
        self._refuse()
        await self._link.open()

    async def send(self, data: Any) -> None:
        """Send, as long as the lease is ours. Raises LinkLost."""
        self._refuse()
        await self._link.send(data)

    def check(self) -> None:
        """Raise LinkLost if the link is gone, or no longer ours."""
        self._refuse()
        self._link.check()

    def _refuse(self) -> None:
        why = self._fence()
        if why:
            raise LinkLost(self._name, why)
