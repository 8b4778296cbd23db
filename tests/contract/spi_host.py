"""A microcontroller's side of the SPI bus, written from the data sheet without the house's codec.

It shares no line with ``drivers.wire.ltc681x``: its check is the gate equations of the data sheet,
its command codes are written out.
"""

from collections.abc import Iterable, Sequence

from hil.core.instants import MICROSECOND
from hil.ports import Clock, SpiBus

RDCV = (0x004, 0x006, 0x008, 0x00A, 0x009, 0x00B)
RDAUX = (0x00C, 0x00E, 0x00D, 0x00F)
RDSTAT = (0x010, 0x012)
WRCFGA, RDCFGA, WRCFGB, RDCFGB = 0x001, 0x002, 0x024, 0x026
MUTE, UNMUTE, CLRCELL, CLRAUX = 0x028, 0x029, 0x711, 0x712
ADCV, ADCV_DCP, ADAX, ADSTAT = 0x360, 0x370, 0x560, 0x568
ADOW_UP, ADOW_DOWN = 0x368, 0x328
CELLS_US, PINS_US = 2335, 3862
FRONT_ENDS, SHUNT = 0, 1


def gates(data: bytes) -> int:
    """Return the check as the data sheet's shift register makes it, bit by bit."""
    pec = [bool(0x0010 >> k & 1) for k in range(15)]
    for bit in (byte >> k & 1 for byte in data for k in range(7, -1, -1)):
        in0 = bool(bit) ^ pec[14]
        taps = {k: in0 ^ pec[k - 1] for k in (3, 4, 7, 8, 10, 14)}
        pec = [in0, *[taps.get(k, pec[k - 1]) for k in range(1, 15)]]
    return sum(one << k for k, one in enumerate(pec)) << 1


def checked(data: bytes) -> bytes:
    return data + gates(data).to_bytes(2, "big")


def command(code: int) -> bytes:
    return checked(code.to_bytes(2, "big"))


def config(cells: Iterable[int]) -> tuple[bytes, bytes]:
    """Return configuration A and B that let these cells (1 to 18) bleed."""
    group_a, group_b = bytearray([0xF8, 0, 0, 0, 0, 0]), bytearray([0x0F, 0, 0, 0, 0, 0])
    for cell in cells:
        if cell <= 8:
            group_a[4] |= 1 << (cell - 1)
        elif cell <= 12:
            group_a[5] |= 1 << (cell - 9)
        elif cell <= 16:
            group_b[0] |= 1 << (cell - 13 + 4)
        else:
            group_b[1] |= 1 << (cell - 17)
    return bytes(group_a), bytes(group_b)


class Host:
    """Speaks to ``chips`` front ends; lists are in the order of the chips, the first one first."""

    def __init__(self, spi: SpiBus, clock: Clock, chips: int = 1) -> None:
        self.spi, self.clock, self.chips = spi, clock, chips

    def wake(self) -> None:
        assert self.spi.transfer(FRONT_ENDS, b"\xff") == b"\xff"

    def tell(self, code: int, groups: Sequence[bytes] = ()) -> None:
        """Send a command, and a group for every chip: that of the last one travels first."""
        data = command(code) + b"".join(checked(group) for group in reversed(groups))
        assert len(self.spi.transfer(FRONT_ENDS, data)) == len(data)

    def ask(self, code: int) -> list[bytes | None]:
        """Read a group of every chip; None where the check is wrong."""
        data = command(code) + b"\xff" * (8 * self.chips)
        said = self.spi.transfer(FRONT_ENDS, data)
        assert len(said) == len(data)
        blocks = [said[4 + 8 * k : 12 + 8 * k] for k in range(self.chips)]
        return [block[:6] if checked(block[:6]) == block else None for block in blocks]

    def words(self, codes: Sequence[int]) -> list[list[int] | None]:
        """Read results of every chip, None for a chip of which a group failed."""
        answers = [self.ask(code) for code in codes]
        found: list[list[int] | None] = []
        for chip in range(self.chips):
            groups = [answer[chip] for answer in answers]
            data = None if None in groups else b"".join(group for group in groups if group)
            found.append(
                None if data is None else [a | b << 8 for a, b in zip(data[::2], data[1::2])]  # noqa: B905 - an even number
            )
        return found

    def bleed(self, *cells: Iterable[int]) -> None:
        """Let these cells of each chip bleed."""
        pairs = [config(own) for own in cells]
        self.tell(WRCFGA, [pair[0] for pair in pairs])
        self.tell(WRCFGB, [pair[1] for pair in pairs])

    async def wait(self, us: float) -> None:
        await self.clock.sleep_until(self.clock.now() + round(us * MICROSECOND))

    async def convert(self, code: int, lasts_us: int = CELLS_US) -> None:
        """Start a conversion and wait until it is over."""
        self.tell(code)
        await self.wait(lasts_us)

    async def cells(self, code: int = ADCV) -> list[list[int] | None]:
        """Convert all cells and read them."""
        await self.convert(code)
        return self.words(RDCV)
