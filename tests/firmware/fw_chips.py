"""Chips for firmware under test: an LTC6813-1 chain and an INA229, as small as will do.

They share no code with the chips of the virtual bench, and note every transfer with its time. What
each cell bleeds is kept as time, in microseconds.
"""

from collections.abc import Sequence

CONVERSIONS = {0x360: "ADCV", 0x370: "ADCV+DCP", 0x368: "ADOW+", 0x328: "ADOW-", 0x560: "ADAX"}
NAMES = {
    **CONVERSIONS,
    0x001: "WRCFGA",
    0x024: "WRCFGB",
    0x002: "RDCFGA",
    0x026: "RDCFGB",
    0x028: "MUTE",
    0x029: "UNMUTE",
    0x711: "CLRCELL",
    0x712: "CLRAUX",
    **{code: f"RDCV{name}" for code, name in zip((4, 6, 8, 10, 9, 11), "ABCDEF", strict=True)},
    **{code: f"RDAUX{name}" for code, name in zip((12, 14, 13, 15), "ABCD", strict=True)},
}
CELLS_US, PINS_US, WATCHDOG_US = 2_335, 3_862, 2_000_000
UNUSED_CELL = 1
"""What an input shows that has no cell: no firmware may take it for one."""


def pec(data: bytes) -> bytes:
    """Return the packet error code: long division of 0010h and the data by 4599h."""
    bits = 8 * len(data)
    number = 0x0010 << bits ^ int.from_bytes(data, "big") << 15
    for shift in reversed(range(bits)):
        if number >> shift + 15:
            number ^= (0x8000 | 0x4599) << shift
    return (number << 1).to_bytes(2, "big")


class Chip:
    """One front end. ``cells`` and ``pins`` are what it will see, in counts of 100 uV."""

    def __init__(self) -> None:
        self.cells, self.up, self.down = [33_000] * 18, [33_000] * 18, [33_000] * 18
        self.pins = [16_500] * 9
        self.is_cut = self.spoils = self.is_deaf = False
        self.heard_us = 0
        self.reset()

    def reset(self) -> None:
        self.is_awake = self.is_muted = False
        self.config = {0x001: bytes([0xF8, 0, 0, 0, 0, 0]), 0x024: bytes([0x0F, 0, 0, 0, 0, 0])}
        self.words = {"cells": [0xFFFF] * 18, "pins": [0xFFFF] * 12}
        self.converting: tuple[int, int] | None = None

    @property
    def switches(self) -> int:
        a, b = self.config[0x001], self.config[0x024]
        return a[4] | (a[5] & 15) << 8 | b[0] >> 4 << 12 | (b[1] & 3) << 16

    def bleeding(self, now_us: int) -> int:
        alone = self.converting is not None and self.converting[0] in {0x360, 0x368, 0x328}
        if self.is_muted or (alone and self.converting is not None and now_us < self.converting[1]):
            return 0
        return self.switches

    def look(self, now_us: int) -> None:
        """Let a conversion that is over stand in the registers, and the watchdog bark."""
        if self.is_awake and now_us - self.heard_us >= WATCHDOG_US:
            self.reset()
        if self.converting is None or now_us < self.converting[1]:
            return
        code, self.converting = self.converting[0], None
        if code == 0x560:
            self.words["pins"] = [*self.pins[:5], 30_000, *self.pins[5:], 0xFFFF, 0xFFFF]
        else:
            seen = {0x368: self.up, 0x328: self.down}.get(code, self.cells)
            self.words["cells"] = list(seen)

    def obey(self, code: int, now_us: int, data: bytes) -> bytes:
        """Carry out a command; return what the chip says to it."""
        name = NAMES[code]
        if name.startswith("WR"):
            if pec(data[:6]) == data[6:]:
                self.config[code] = data[:6]
        elif name.startswith("RDCFG"):
            # pins and status bits read otherwise than they were written
            group = bytearray(self.config[{0x002: 0x001, 0x026: 0x024}[code]])
            group[0] ^= 0xA8 if code == 0x002 else 0x05
            group[1] |= 0x80 * self.is_muted if code == 0x026 else 0
            return bytes(group)
        elif name.startswith("RD"):
            bank, first = (
                self.words["pins" if "AUX" in name else "cells"],
                3 * "ABCDEF".index(name[-1]),
            )
            return b"".join(word.to_bytes(2, "little") for word in bank[first : first + 3])
        elif name.startswith("CLR"):
            bank_name = "cells" if name == "CLRCELL" else "pins"
            self.words[bank_name] = [0xFFFF] * len(self.words[bank_name])
        elif name in {"MUTE", "UNMUTE"}:
            self.is_muted = name == "MUTE"
        else:
            lasts_us = PINS_US if name == "ADAX" else CELLS_US
            self.converting = (code, now_us + lasts_us)
        return b""


class Chips:
    """Everything on the SPI bus; ``log`` has every transfer as (microsecond, name)."""

    def __init__(self, front_ends: int) -> None:
        self.chain = [Chip() for _ in range(front_ends)]
        self.shunt_counts = 0
        self.shunt_line: int | None = None
        """A byte that is all its data line says."""
        self.log: list[tuple[int, str]] = []
        self.raw: list[bytes] = []
        self.bleed_us = [[0] * 18 for _ in range(front_ends)]
        self.bled_in_conversion = False
        self._at_us = 0

    def look(self, now_us: int) -> None:
        """Account for the time up to now."""
        while self._at_us < now_us:
            ends = [chip.converting[1] for chip in self.chain if chip.converting]
            ends += [chip.heard_us + WATCHDOG_US for chip in self.chain if chip.is_awake]
            next_us = min([now_us, *(end for end in ends if end > self._at_us)])
            for chip, bled_us in zip(self.chain, self.bleed_us, strict=True):
                on = chip.bleeding(self._at_us)
                if on and chip.converting and chip.converting[0] != 0x560:
                    self.bled_in_conversion = True
                for cell in range(18):
                    bled_us[cell] += (on >> cell & 1) * (next_us - self._at_us)
                chip.look(next_us)
            self._at_us = next_us

    def transfer(self, now_us: int, select: int, data: bytes) -> bytes:
        """Exchange bytes; what no chip drives is pulled up."""
        self.look(now_us)
        self.raw.append(data)
        if select == 1:
            return self._shunt(now_us, data)
        code = int.from_bytes(data[:2], "big")
        is_command = len(data) >= 4 and pec(data[:2]) == data[2:4] and code in NAMES
        self.log.append((now_us, NAMES[code] if is_command else f"WAKE{len(data)}"))
        reached = [chip.is_awake for chip in self.chain]
        cut = next((k for k, chip in enumerate(self.chain) if chip.is_cut), len(self.chain))
        said = b"\xff" * 4
        for k, chip in enumerate(self.chain[:cut]):
            if not all(reached[: k + 1]):
                chip.is_awake, chip.heard_us = True, now_us
                break  # one pulse wakes one chip: the next one sleeps on
            if is_command and chip.is_deaf:
                said += b"\xff" * 8 if NAMES[code].startswith("RD") else b""
            elif is_command:
                chip.heard_us = now_us
                last = len(self.chain) - 1 - k
                group = chip.obey(code, now_us, data[4 + 8 * last : 12 + 8 * last])
                check = bytearray(pec(group))
                check[0] ^= 0x10 * chip.spoils
                said += group + bytes(check) if group else b""
        return said.ljust(len(data), b"\xff")[: len(data)]

    def _shunt(self, now_us: int, data: bytes) -> bytes:
        register, reads = data[0] >> 2, data[0] & 3
        assert reads == 1
        name = {0x04: "VSHUNT", 0x3F: "DEVICE_ID"}[register]
        self.log.append((now_us, name))
        if self.shunt_line is not None:
            return bytes([self.shunt_line]) * len(data)
        value = {0x04: (self.shunt_counts & 0xFFFFF) << 4, 0x3F: 0x2291}[register]
        return b"\x00" + value.to_bytes(len(data) - 1, "big")

    def set_cells(self, counts: Sequence[int], each: int) -> None:
        """Give all cells their voltage, in counts of 0.1 mV."""
        for k, chip in enumerate(self.chain):
            own = list(counts[k * each : (k + 1) * each])
            chip.cells = own + [UNUSED_CELL] * (18 - len(own))

    def names(self, since_us: int, until_us: int) -> list[tuple[int, str]]:
        """Return the transfers of a span, from its start."""
        return [(at - since_us, name) for at, name in self.log if since_us <= at < until_us]
