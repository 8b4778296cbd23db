"""What has arrived on a link and waits to be taken: the receiving half that all links share."""

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

from hil.core.errors import LinkLost
from hil.ports import Tap

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Items in order of arrival, for one reader. Shut until ``open``; never drops while open.

    ``capacity`` bounds what may wait, in the unit of ``put``'s ``size`` (bytes, frames). More
    than that shuts the box: a reader so far behind must hear of it, not miss a part.
    """

    def __init__(self, name: str, capacity: int) -> None:
        """``name`` is the device's name in the bench file, for error messages."""
        self._name = name
        self._capacity = capacity
        self._room = capacity
        self._items: list[T] = []
        self._waiter: asyncio.Future[None] | None = None
        self._shut_because: str | None = "the link is not open"
        self._choked: str | None = None

    def open(self) -> None:
        """Begin to take items; what waited before is forgotten."""
        self._items = []
        self._room = self._capacity
        self._shut_because = self._choked = None

    def shut(self, because: str) -> None:
        """Refuse every reader from now on, the one that waits included, with LinkLost."""
        self._shut_because = because
        self._items = []
        self._wake()

    @property
    def is_open(self) -> bool:
        """Say whether items are taken."""
        return self._shut_because is None and self._choked is None

    def check(self) -> None:
        """Raise LinkLost if the box is shut, or had no room for all that came."""
        self.check_out()
        if self._choked is not None:
            raise LinkLost(self._name, self._choked)

    def check_out(self) -> None:
        """Raise LinkLost if the box is shut: then nothing can be sent either.

        A device that floods its link cannot be read any more. It can be told "off".
        """
        if self._shut_because is not None:
            raise LinkLost(self._name, self._shut_because)

    def put(self, item: T, size: int = 1) -> None:
        """Add an item; nobody misses it when the box is shut."""
        if self._has_room(size):
            self._items.append(item)
            self._wake()

    def put_all(self, items: Sequence[T]) -> None:
        """Add items of size 1."""
        if self._has_room(len(items)):
            self._items.extend(items)
            self._wake()

    def _has_room(self, size: int) -> bool:
        """Take room for what comes; False when the box is shut, or chokes for want of room."""
        if self.is_open:
            self._room -= size
            if self._room < 0:
                came = f"more than {self._capacity} bytes or frames arrived and were not taken"
                self._choked, self._items = came, []
                self._wake()
        return self.is_open

    def take(self) -> list[T]:
        """Return what waits, possibly nothing. Raises LinkLost."""
        self.check()
        items = self._items
        if items:
            self._items = []
            self._room = self._capacity
        return items

    async def wait(self) -> list[T]:
        """Return what waits, at least one item. Raises LinkLost; one reader at a time.

        A reader that is cancelled takes nothing: what arrived stays for the next one.
        """
        if self._waiter is not None:
            raise RuntimeError(f"{self._name}: two tasks receive on one link")
        while not self._items:
            self.check()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.take()

    def _wake(self) -> None:
        """Let the reader look; it finds an item or the reason why there will be none."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def handed_over(chunks: Sequence[bytes], tap: Tap | None) -> bytes:
    """Join what a host takes and show it to the tap, whose order is that of the taking."""
    data = b"".join(chunks)
    if data and tap is not None:
        tap(b"<" + data)
    return data
