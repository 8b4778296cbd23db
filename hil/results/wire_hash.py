"""A rolling hash over every byte that crosses any link, in the order in which the host took it.

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
        self.frames = 0
        self.lines = 0

    def byte_tap(self, device: str) -> Callable[[bytes], None]:
        """Return the tap for a byte link; the device's name is part of what is hashed."""
        prefix = device.encode() + b"\0"

        def seen(data: bytes) -> None:
            self._pending += prefix
            self._pending += data
            self.lines += data.count(b"\n")

        return seen

    def frame_tap(self, device: str) -> Callable[[bytes], None]:
        """Return the tap for a frame link, which is told one frame at a time."""
        prefix = device.encode() + b"\0"

        def seen(data: bytes) -> None:
            self._pending += prefix
            self._pending += data
            self.frames += 1

        return seen

    def so_far(self) -> str:
        """Return the hash of everything up to now, in hex."""
        self._chain.update(self._pending)
        self._pending.clear()
        return self._chain.hexdigest()
