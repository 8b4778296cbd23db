"""Leases against a model of a lab: whatever order things happen in, one drives, and free is off.

Controllers take, crash, freeze, wake up, switch on and off; a person ends them. The leases are the
real ones, in a real file; who is alive is the model's.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
)

from hil.app.leases import FencedError, HeldError, Leases, Tenancy
from hil.bench.lease import Holder, Process

PLACES = ("emulator", "chamber", "board")


@dataclass
class Controller:
    """A process that holds places, and does with its links what it likes."""

    holder: Holder
    tenancy: Tenancy
    places: tuple[str, ...]
    must_clear: bool
    alive: bool = True
    frozen: bool = False
    left: bool = False

    @property
    def acts(self) -> bool:
        return self.alive and not self.frozen and not self.left


class Lab(RuleBasedStateMachine):
    """Outputs, who switched each on, and what the leases say of it."""

    controllers = Bundle("controllers")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="hil-")
        self.on: dict[str, int | None] = dict.fromkeys(PLACES)
        self.last: dict[str, int] = dict.fromkeys(PLACES, 0)
        self.all: dict[int, Controller] = {}
        self.leases = Leases(Path(self.folder.name), self.is_gone)

    def teardown(self) -> None:
        self.folder.cleanup()

    def is_gone(self, holder: Holder) -> bool:
        return not self.all[holder.process.pid].alive

    def hold(self, places: tuple[str, ...], *, force: bool) -> Controller:
        pid = len(self.all) + 1
        holder = Holder("a run", "bench", "somebody", "then", Process(pid, 0, "boot", "ns"))
        tenancy = self.leases.take(places, holder, force=force)
        for place in places:
            assert tenancy.tokens[place] > self.last[place], "tokens rise"
            self.last[place] = tenancy.tokens[place]
        self.all[pid] = Controller(holder, tenancy, places, bool(tenancy.left_by))
        return self.all[pid]

    def drives(self, one: Controller, place: str) -> bool:
        """Say whether what a controller sends gets through to a place."""
        return not one.tenancy.fence(place)()

    # --- what happens ----------------------------------------------------------------------------

    @rule(target=controllers, places=st.sets(st.sampled_from(PLACES), min_size=1))
    def take(self, places: set[str]) -> object:
        wanted = tuple(sorted(places))
        living = [
            place
            for one in self.all.values()
            for place in one.places
            if one.alive and not one.left and place in wanted and self.drives(one, place)
        ]
        if living:
            with pytest.raises(HeldError) as refused:
                self.hold(wanted, force=False)
            assert refused.value.resource in living
            return multiple()
        return self.hold(wanted, force=False)

    @rule(target=controllers, places=st.sets(st.sampled_from(PLACES), min_size=1))
    def end_by_hand(self, places: set[str]) -> Controller:
        """``hil safe`` as its last resort: the fence first, whoever lives."""
        return self.hold(tuple(sorted(places)), force=True)

    @rule(one=controllers)
    def crash(self, one: Controller) -> None:
        one.alive = False

    @rule(one=controllers)
    def freeze_or_wake(self, one: Controller) -> None:
        one.frozen = not one.frozen

    @precondition(lambda self: any(one.acts for one in self.all.values()))
    @rule(one=controllers)
    def make_safe(self, one: Controller) -> None:
        if not one.acts or not all(self.drives(one, place) for place in one.places):
            return
        for place in one.places:
            self.on[place] = None
        one.must_clear = False

    @rule(one=controllers)
    def switch_on(self, one: Controller) -> None:
        if not one.acts or one.must_clear:
            return
        for place in one.places:
            if self.drives(one, place):
                self.on[place] = one.holder.process.pid

    @rule(one=controllers)
    def give_back(self, one: Controller) -> None:
        """Only what is off is given back; an old holder gives back nothing."""
        if not one.acts or one.must_clear:
            return
        mine = {p for p in one.places if self.drives(one, p)}
        if any(self.on[place] is not None for place in mine):
            return
        if mine == set(one.places):
            one.tenancy.free()
            one.left = True
        else:
            with pytest.raises(FencedError):
                one.tenancy.free()

    # --- what must hold --------------------------------------------------------------------------

    @invariant()
    def free_is_off(self) -> None:
        held = self.leases.held(PLACES)
        for place, who in self.on.items():
            assert who is None or place in held, f"{place} is free and on"

    @invariant()
    def one_drives(self) -> None:
        for place in PLACES:
            able = [
                one
                for one in self.all.values()
                if place in one.places and not one.left and self.drives(one, place)
            ]
            assert len(able) <= 1, f"{len(able)} drive {place}"

    @invariant()
    def nothing_old_stays_on_unknown(self) -> None:
        """What somebody left on is known to whoever holds it now."""
        for place, who in self.on.items():
            holder = self.leases.held([place]).get(place)
            if who is not None and holder is not None and holder.holder is not None:
                now = self.all[holder.holder.process.pid]
                assert who == holder.holder.process.pid or now.must_clear


TestLab = Lab.TestCase
