"""LTC6813-1 front ends at register level, and the daisy chain in which they answer.

``Ltc6813`` is one chip: its registers, and which bleeds it drives. ``DaisyChain`` is what a
microcontroller sees on its SPI bus: commands that all chips hear, data that shift through all of
them, conversions that take their time, a watchdog that sends a chip to sleep. What hangs on the
pins is behind ``Inputs``.

A chip that is asleep misses the transfer that wakes it. One that is cut off, and all behind it,
hear nothing and leave the bus to its pull-up: FFh, which passes no check.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from drivers.wire import ltc681x as wire
from drivers.wire.ltc681x import Code, Conversion
from hil.core.instants import SECOND, Duration, Instant
from hil.ports import Clock, Timer

WATCHDOG: Duration = 2 * SECOND
"""Without a valid command for so long, a chip goes to sleep [data sheet: 1.8 to 2.2 s]."""

_IDLE = b"\xff"
_HEAD = wire.COMMAND_BYTES
_BLOCK = wire.GROUP_BYTES + wire.CHECK_BYTES
_WRONG_CHECK = 0x55
_TAMPERED_BIT = 0x10  # of a word's high byte: 0.41 V of a cell
_CLEARS: dict[int, wire.Bank] = {
    Code.CLRCELL: "cells",
    Code.CLRAUX: "pins",
    Code.CLRSTAT: "status",
}
# what the status registers show of a healthy chip, in counts of 100 uV
_REFERENCE = 30_000
_SUPPLIES = (50_000, 30_000)
_DIE_COUNTS_PER_K, _DIE_ZERO_DEGC = 76, -276.0
_SUM_RATIO = 30

_Action: TypeAlias = Callable[[int, bytes], bytes]
"""Carries out a command, given its code and the whole transfer; returns what the chips say."""


class Inputs(Protocol):
    """What the chips of a chain are wired to; cells count over the whole board, from index 0."""

    def bleed(self, mask: int) -> None:
        """Let the cells of ``mask`` bleed from now on, and no others; bit 0 is the first cell."""

    def cell_counts(self, pull: int) -> Sequence[int]:
        """Convert all cells now, in counts of 0.1 mV; ``pull`` is that of ``Conversion``."""

    def pin_counts(self, front_end: int) -> Sequence[int]:
        """Convert GPIO 1 to 9 of a front end (from 0) now, in counts of 0.1 mV."""

    def die_degc(self) -> float:
        """Return the temperature of the chips."""


class Ltc6813:
    """One chip's registers. ``heard_at`` is its last valid command, kept by the chain.

    ``spoils`` makes every answer fail its check, ``tampered`` has somebody on the wire change what
    was measured and not the check: put in from outside, unknown to the chip.
    """

    def __init__(self) -> None:
        """Start as the supply leaves it: asleep, nothing converted, nothing bleeding."""
        self.spoils = self.tampered = False
        self.heard_at: Instant = 0
        self.reset()

    def reset(self) -> None:
        """Lose everything, as at power-up and when the watchdog has expired."""
        self.is_awake = False
        self.is_muted = False
        self.running: Conversion | None = None
        self.config_a, self.config_b = wire.CONFIG_A_RESET, wire.CONFIG_B_RESET
        self.discharge = 0
        self.results = {bank: [wire.CLEARED] * words for bank, words in wire.WORDS.items()}

    @property
    def bleeding(self) -> int:
        """Return which of its cells it lets bleed now; bit 0 is its first one."""
        if not self.discharge or self.is_muted:
            return 0
        return 0 if self.running is not None and not self.running.bleeds else self.discharge

    def write(self, code: int, block: bytes) -> None:
        """Take a configuration group; one whose check is wrong changes nothing."""
        data = wire.opened(block)
        if data is None:
            return
        if code == Code.WRCFGA:
            self.config_a = data
        else:
            self.config_b = data
        self.discharge = wire.discharge_of(self.config_a, self.config_b)

    def read(self, code: int) -> bytes:
        """Return a register group with its check."""
        group = wire.GROUPS.get(code)
        if group is None:
            block = wire.sealed(self._config(code))
        else:
            results = self.results[group.bank]
            block = wire.sealed(wire.packed(*results[group.first : group.first + 3]))
            if self.tampered:
                block = block[:1] + bytes([block[1] ^ _TAMPERED_BIT]) + block[2:]
        return block[:-1] + bytes([block[-1] ^ _WRONG_CHECK]) if self.spoils else block

    def _config(self, code: int) -> bytes:
        """Return the six bytes of a configuration group."""
        if code == Code.RDCFGA:
            return self.config_a
        state = self.config_b[1] & ~wire.MUTED_BIT | self.is_muted * wire.MUTED_BIT
        return self.config_b[:1] + bytes([state]) + self.config_b[2:]

    def clear(self, bank: wire.Bank) -> None:
        """Forget what was converted."""
        self.results[bank] = [wire.CLEARED] * wire.WORDS[bank]

    def converted(self, conversion: Conversion, values: Sequence[int]) -> None:
        """End a conversion; ``values`` are those of all words of its bank that it could write."""
        results = self.results[conversion.bank]
        for word in conversion.words:
            results[word] = values[word]
        self.running = None


class DaisyChain:
    """All front ends of a board behind one select line, the first one nearest to the controller."""

    def __init__(self, clock: Clock, inputs: Inputs, cells: int, cells_a_chip: int) -> None:
        """Chain as many chips as the cells need; none of them has its supply yet."""
        self._clock, self._inputs = clock, inputs
        # the last chip may have fewer cells: its upper inputs lie together, and read nothing
        self._own = [
            range(first, min(first + cells_a_chip, cells))
            for first in range(0, cells, cells_a_chip)
        ]
        self.chips = [Ltc6813() for _ in self._own]
        # of each chip: where its cells stand in a mask of the whole board, and which bits they are
        self._rooms = [
            (chip, own.start, (1 << len(own)) - 1)
            for chip, own in zip(self.chips, self._own, strict=True)
        ]
        self._cut: set[int] = set()
        self._hearing: list[Ltc6813] = []  # awake, and reached by what the controller sends
        self._has_sleepers = True
        # by command: what the chain says to it, until a register changes
        self._answers: dict[bytes, bytes] = {}
        self._mask = 0  # which cells of the board bleed
        self._ends: Timer | None = None  # of the conversion that is running
        self._watch: Timer | None = None
        # what is done with a command; any other is heard, and nothing follows
        self._actions: Mapping[int, _Action] = {
            **dict.fromkeys((*wire.GROUPS, Code.RDCFGA, Code.RDCFGB), self._say),
            **dict.fromkeys((Code.WRCFGA, Code.WRCFGB), self._shift_in),
            **dict.fromkeys(_CLEARS, self._clear),
            **dict.fromkeys((Code.MUTE, Code.UNMUTE), self._mute),
            **dict.fromkeys(wire.CONVERSIONS, self._convert),
        }

    # --- supply and faults ------------------------------------------------------------------------

    def reset(self) -> None:
        """Take or give the supply: all chips are asleep and know nothing."""
        for timer in (self._ends, self._watch):
            if timer is not None:
                timer.cancel()
        self._ends = self._watch = None
        for chip in self.chips:
            chip.reset()
        self._rewired()

    def cut(self, front_end: int, *, active: bool) -> None:
        """Cut the bus before a front end (from 0), or mend it."""
        (self._cut.add if active else self._cut.discard)(front_end)
        self._rewired()

    def tamper(self, front_end: int, *, active: bool) -> None:
        """Change what a front end (from 0) answers of its measurements, on the way."""
        self.chips[front_end].tampered = active
        self._answers.clear()

    def spoil(self, front_end: int, *, active: bool) -> None:
        """Let all answers of a front end (from 0) fail their check."""
        self.chips[front_end].spoils = active
        self._answers.clear()

    def _reached(self) -> list[Ltc6813]:
        """Return the chips before the first cut."""
        return self.chips[: min(self._cut, default=len(self.chips))]

    def _rewired(self) -> None:
        """Work out anew who hears what the controller sends."""
        reached = self._reached()
        awake = [chip.is_awake for chip in reached]
        self._has_sleepers = not all(awake)
        # a chip that is asleep passes nothing on but what wakes the next one
        self._hearing = reached[: awake.index(False)] if self._has_sleepers else reached
        self._answers.clear()
        self._drive()

    def _drive(self) -> None:
        """Let the chips' registers switch the bleeds, if they say something new."""
        mask = 0
        for chip, first, room in self._rooms:
            mask |= (chip.bleeding & room) << first
        if mask != self._mask:
            self._mask = mask
            self._inputs.bleed(mask)

    # --- the bus ----------------------------------------------------------------------------------

    def transfer(self, data: bytes) -> bytes:
        """Exchange bytes while the select line is low; a transfer ends when it rises."""
        # nothing new since it was asked last: the same answer, without a look at a register
        answer = self._answers.get(data[:_HEAD])
        if answer is None:
            code = wire.command_code(data[:_HEAD])
            answer = None if code is None else self._obey(code, data)
        if answer is None:
            answer = b""
        else:
            now = self._clock.now()
            for chip in self._hearing:
                chip.heard_at = now
        if self._has_sleepers:
            self._wake()
        # what the chips do not drive, the pull-up does
        size = len(data)
        return answer if len(answer) == size else answer.ljust(size, _IDLE)[:size]

    def _obey(self, code: int, data: bytes) -> bytes:
        """Carry out a command and return all that is said to it; a strange one is only heard."""
        action = self._actions.get(code)
        return action(code, data) if action else b""

    def _say(self, code: int, data: bytes) -> bytes:
        """Read a register group of every chip, the first one first."""
        said = b"".join([chip.read(code) for chip in self._hearing])
        answer = _IDLE * _HEAD + said
        self._answers[data[:_HEAD]] = answer
        return answer

    def _shift_in(self, code: int, data: bytes) -> bytes:
        """Let data run through all chips: each is left with the eight bytes that it saw last."""
        payload = data[_HEAD:]
        for chip in self._hearing:
            chip.write(code, payload[-_BLOCK:])
            payload = payload[:-_BLOCK]
        self._answers.clear()
        self._drive()
        return b""

    def _clear(self, code: int, data: bytes) -> bytes:
        """Clear the results of one kind."""
        del data
        for chip in self._hearing:
            chip.clear(_CLEARS[code])
        self._answers.clear()
        return b""

    def _mute(self, code: int, data: bytes) -> bytes:
        """Switch all bleeds off, or let the discharge bits count again."""
        del data
        for chip in self._hearing:
            chip.is_muted = code == Code.MUTE
        self._answers.clear()
        self._drive()
        return b""

    # --- sleep ------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Wake all chips that are reached; they hear the next transfer."""
        now = self._clock.now()
        for chip in self._reached():
            if not chip.is_awake:
                chip.is_awake, chip.heard_at = True, now
        if self._watch is None:
            self._watch = self._clock.call_at(now + WATCHDOG, self._bark)
        self._rewired()

    def _bark(self) -> None:
        """Send every chip to sleep that has heard nothing for too long."""
        now = self._clock.now()
        for chip in self.chips:
            if chip.is_awake and now - chip.heard_at >= WATCHDOG:
                chip.reset()
        heard = [chip.heard_at for chip in self.chips if chip.is_awake]
        next_ = min(heard, default=None)
        self._watch = None if next_ is None else self._clock.call_at(next_ + WATCHDOG, self._bark)
        self._rewired()

    # --- conversions ------------------------------------------------------------------------------

    def _convert(self, code: int, data: bytes) -> bytes:
        """Start a conversion in place of one that may be running."""
        del data
        if self._ends is not None:
            self._ends.cancel()
        conversion = wire.CONVERSIONS[code]
        for chip in self.chips:
            chip.running = None
        for chip in self._hearing:
            chip.running = conversion
        ends = self._clock.now() + conversion.lasts
        self._ends = self._clock.call_at(ends, self._finish, conversion)
        self._drive()
        return b""

    def _finish(self, conversion: Conversion) -> None:
        """Look at the inputs and let the results stand in the registers."""
        self._ends = None
        for chip, values in zip(self.chips, self._values(conversion), strict=True):
            # one that fell asleep meanwhile, or never heard of it, keeps what it has
            if chip.running is conversion:
                chip.converted(conversion, values)
        self._answers.clear()
        self._drive()

    def _values(self, conversion: Conversion) -> list[list[int]]:
        """Return what every chip sees of a bank now, in the order of its words."""
        if conversion.bank == "cells":
            return self._cell_words(conversion.pull)
        if conversion.bank == "pins":
            return [self._pin_words(k) for k in range(len(self.chips))]
        die = round((self._inputs.die_degc() - _DIE_ZERO_DEGC) * _DIE_COUNTS_PER_K)
        return [[sum(own) // _SUM_RATIO, die, *_SUPPLIES] for own in self._cell_words(0)]

    def _cell_words(self, pull: int) -> list[list[int]]:
        """Return the cells of every chip; inputs without a cell read nothing."""
        counts = self._inputs.cell_counts(pull)
        empty = [0] * wire.CELLS
        return [[*counts[own.start : own.stop], *empty[len(own) :]] for own in self._own]

    def _pin_words(self, front_end: int) -> list[int]:
        """Return the pins of a chip, with the second reference among them."""
        values = [_REFERENCE] * (wire.PINS + 1)
        for pin, count in enumerate(self._inputs.pin_counts(front_end), 1):
            values[wire.pin_word(pin)] = count
        return values
