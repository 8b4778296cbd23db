"""Firmware as a shared library in this process, run under the bench's clock (``BoardEngine``).

The library's door is ``firmware_stubs/port_lib/bms_lib.h``: four functions and two structures, told
apart from older and newer ones by ``bms_lib_abi``. All of a board's state is in memory that this
engine owns, so that one library serves any number of boards.

A transfer on the SPI bus takes no time here: it is answered inside ``advance``, and the firmware is
called again at the same instant until it has nothing more to ask.
"""

import ctypes
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from struct import Struct
from typing import Any

from can import Message

from drivers.engines.build import ImageOptions, Recipe, image_of
from drivers.engines.watchdog import Watchdog
from hil.core.errors import EnvironmentProblem, FirmwareFault
from hil.core.instants import MICROSECOND, Instant
from hil.ports import EngineKind, Firmware, SpiBus

RECIPE = Recipe(
    compiler="cc",
    folders=("app", "port_lib"),
    # no fused multiply-add, no symbols of the host's in place of its own: the same on every machine
    flags=("-std=c11", "-O2", "-fPIC", "-shared", "-ffp-contract=off", "-Wl,-Bsymbolic,-z,defs"),
    suffix=".so",
)

ABI = 1
_NEVER: Instant = 1 << 62
_LARGEST = 1 << 24
"""Bytes of a board that somebody still means: a controller with 16 MB of RAM is none of these."""

# struct bms_in and struct bms_out of firmware_stubs/app/bms.h (a test compiles these figures
# against that header); natural alignment leaves no gaps in them.
MAX_RX, MAX_TX, MAX_SPI = 32, 64, 64
FRAME = Struct("=II8s")
IN_HEAD = Struct("=II")
IN_FRAME_AT = IN_HEAD.size
IN_SPI_AT = IN_FRAME_AT + MAX_RX * FRAME.size
IN_BYTES = IN_SPI_AT + MAX_SPI
OUT_HEAD = Struct("=QIIII")
OUT_FRAME_AT = OUT_HEAD.size
OUT_SPI_AT = OUT_FRAME_AT + MAX_TX * FRAME.size
OUT_BYTES = OUT_SPI_AT + MAX_SPI

MOST_STEPS = 10_000
"""Steps at one instant, above which a firmware has lost its way. A cycle with four front ends, an
open-wire check and every transfer repeated takes some hundred."""

_HEARD = 1_024
"""Frames that the controller's queue holds; what comes on top is lost, as on a real one."""

_MAX_ID, _MAX_DATA = 0x7FF, 8


class Library:
    """An image that is loaded, with its four functions. Raises EnvironmentProblem for any other."""

    def __init__(self, image: Path) -> None:
        """Load it; one that is loaded already is the same one."""
        try:
            library = ctypes.CDLL(str(image.resolve()))
        except OSError as error:
            raise EnvironmentProblem(f"cannot load the firmware image: {error}") from error
        address, size = ctypes.c_void_p, ctypes.c_size_t
        abi = _function(image, library, "bms_lib_abi", [], ctypes.c_uint32)
        self.size = _function(image, library, "bms_lib_size", [], size)
        page = [address, ctypes.c_uint64, ctypes.c_char_p, size]
        self.init = _function(image, library, "bms_lib_init", page, ctypes.c_int)
        moment = [address, ctypes.c_uint64, address, address]
        self.step = _function(image, library, "bms_lib_step", moment, None)
        if abi() != ABI:
            raise EnvironmentProblem(f"firmware image {image}: has ABI {abi()}, expected {ABI}")
        if not 0 < self.size() <= _LARGEST:
            message = f"wants {self.size()} bytes for a board, expected 1 to {_LARGEST}"
            raise EnvironmentProblem(f"firmware image {image}: {message}")


def _function(image: Path, library: ctypes.CDLL, name: str, takes: list[Any], gives: Any) -> Any:
    """Return one function of a library, typed. Raises EnvironmentProblem if it has none."""
    try:
        function = getattr(library, name)
    except AttributeError:
        message = f"firmware image {image}: no function {name} in it (port_lib/bms_lib.h)"
        raise EnvironmentProblem(message) from None
    function.argtypes, function.restype = takes, gives
    return function


class LibraryEngine:
    """One board's firmware (``hil.ports.BoardEngine``); without power until ``power_on``."""

    def __init__(self, firmware: Firmware) -> None:
        """Load the image. Raises EnvironmentProblem for what is no firmware of this ABI."""
        self._library = Library(firmware.image)
        self._step = self._library.step
        # addresses are taken once: a call costs a microsecond, looking them up another one
        self._memory, self._self_at = _aligned(self._library.size())
        self._in, self._in_at = _aligned(IN_BYTES)
        self._out, self._out_at = _aligned(OUT_BYTES)
        self._heard: deque[bytes] = deque()
        self._spi: SpiBus | None = None
        self._wake: Instant = _NEVER
        self._watch = Watchdog(f"the firmware {firmware.image.name}")

    @property
    def wake(self) -> Instant:
        """When the firmware wants to run next; never, while it has no power."""
        return self._wake

    def power_on(self, now: Instant, parameters: bytes, spi: SpiBus) -> None:
        """Start from the reset vector. Raises ValueError for a page that the firmware refuses.

        Memory holds rubbish then, as RAM does: what the firmware does not set, it must not read.
        """
        self._memory[:] = b"\xa5" * len(self._memory)
        self._heard.clear()
        self.close()
        self._watch.start()
        self._watch.calls += 1
        accepted = self._library.init(
            self._self_at, now // MICROSECOND, parameters, len(parameters)
        )
        self._watch.calls += 1
        if not accepted:
            self.close()
            raise ValueError("the firmware refuses the parameter page of this board")
        self._spi, self._wake = spi, now

    def hear(self, frame: Message) -> None:
        """Queue a frame that the firmware can take: classical, 11 bits of identifier, data.

        Any other is filtered by the controller; one that finds the queue full is lost.
        """
        other = frame.is_extended_id or frame.is_remote_frame or frame.is_fd or frame.is_error_frame
        if self._spi is not None and not other and len(self._heard) < _HEARD:
            self._heard.append(FRAME.pack(frame.arbitration_id, frame.dlc, bytes(frame.data)))

    def advance(self, now: Instant) -> Sequence[Message]:
        """Run the firmware up to ``now`` and return the frames it has sent, in their order.

        Raises FirmwareFault for one that does not come to rest, or says what cannot be; from then
        on it is silent, as a processor that hangs, until the power comes back.
        """
        if self._spi is None:
            return ()
        try:
            return self._run(self._spi, now)
        except FirmwareFault:
            self.close()
            raise

    def _run(self, spi: SpiBus, now: Instant) -> list[Message]:
        """Step until the firmware has nothing left to do at ``now``. Raises FirmwareFault."""
        now_us, watch = now // MICROSECOND, self._watch
        sent: list[Message] = []
        spi_bytes = 0
        for _ in range(MOST_STEPS):
            IN_HEAD.pack_into(self._in, 0, self._deliver(), spi_bytes)
            watch.calls += 1
            self._step(self._self_at, now_us, self._in_at, self._out_at)
            watch.calls += 1
            wake_us, frames, spi_bytes, select, _ = OUT_HEAD.unpack_from(self._out)
            if frames:
                sent += self._sent(frames)
            if spi_bytes:
                self._transfer(spi, select, spi_bytes)
            elif wake_us > now_us and not self._heard:
                self._wake = min(wake_us * MICROSECOND, _NEVER)
                return sent
        raise FirmwareFault(
            f"the firmware stands still: {MOST_STEPS} steps, and no time has passed"
        )

    def close(self) -> None:
        """Take the power; a loaded library stays in the process."""
        self._watch.stop()
        self._spi, self._wake = None, _NEVER

    def _deliver(self) -> int:
        """Hand the firmware as many frames as one call takes; return how many."""
        if not self._heard:
            return 0
        frames = [self._heard.popleft() for _ in range(min(MAX_RX, len(self._heard)))]
        self._in[IN_FRAME_AT : IN_FRAME_AT + FRAME.size * len(frames)] = b"".join(frames)
        return len(frames)

    def _sent(self, count: int) -> list[Message]:
        """Return the frames of one call. Raises FirmwareFault for what no controller can send."""
        if count > MAX_TX:
            raise FirmwareFault(f"the firmware sends {count} frames in one step, at most {MAX_TX}")
        raw = self._out[OUT_FRAME_AT : OUT_FRAME_AT + FRAME.size * count]
        frames = []
        for identifier, size, data in FRAME.iter_unpack(raw):
            if identifier > _MAX_ID or size > _MAX_DATA:
                raise FirmwareFault(f"the firmware sends {size} bytes as {identifier:X}h")
            frames.append(
                Message(arbitration_id=identifier, data=data[:size], is_extended_id=False)
            )
        return frames

    def _transfer(self, spi: SpiBus, select: int, size: int) -> None:
        """Exchange the bytes of one transfer; the answer is there when the firmware is called next.

        Raises FirmwareFault for more than the bus's buffer holds.
        """
        if size > MAX_SPI:
            raise FirmwareFault(f"the firmware transfers {size} bytes at once, at most {MAX_SPI}")
        answer = spi.transfer(select, bytes(self._out[OUT_SPI_AT : OUT_SPI_AT + size]))
        self._in[IN_SPI_AT : IN_SPI_AT + size] = answer


def _aligned(size: int) -> tuple[memoryview, int]:
    """Return zeroed memory at a multiple of 16, as the ABI asks for, and its address."""
    memory = (ctypes.c_char * (size + 15))()
    gap = -ctypes.addressof(memory) % 16
    return memoryview(memory).cast("B")[gap : gap + size], ctypes.addressof(memory) + gap


def _firmware(options: Any) -> Firmware:
    """Find or build the image, and see that it is one, before a run begins."""
    firmware = image_of(RECIPE, options)
    Library(firmware.image)
    return firmware


LIB = EngineKind(OPTIONS=ImageOptions, firmware=_firmware, make=LibraryEngine)
