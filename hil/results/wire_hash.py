"""A rolling hash over every byte that crosses any link, in the order in which it crossed.

Two runs whose verdicts agree but whose wires differ are not the same run; a tick record carries
the hash so far, which also says in which tick two runs parted.
"""

import hashlib
from collections.abc import Callable


class WireHash:
    """Collects the bytes of one tick and folds them into the chain at its end."""

    def __init__(self) -> None:
        """Start the chain empty."""
        self._pending = bytearray()
        self._chain = hashlib.sha256()
        self.messages: dict[str, int] = {}
        self.lines: dict[str, int] = {}

    def tap(self, device: str) -> Callable[[bytes], None]:
        """Return the tap for one device's link; its name is part of what is hashed."""
        prefix = device.encode() + b"\0"
        messages, lines = self.messages, self.lines
        messages[device] = lines[device] = 0

        def seen(data: bytes) -> None:
            self._pending += prefix
            self._pending += data
            messages[device] += 1
            lines[device] += data.count(b"\n")

        return seen

    def so_far(self) -> str:
        """Return the hash of everything up to now, in hex."""
        self._chain.update(self._pending)
        self._pending.clear()
        return self._chain.hexdigest()
