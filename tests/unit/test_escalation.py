"""A device that says "on" after it was told off: forced, means by means, each on record."""

from collections.abc import Sequence
from functools import partial

from hil.bench.clock import run_virtual
from hil.bench.safe_state import CELLS, Means, SafeState, Undo
from hil.core.errors import DeviceError, InstrumentFault, LinkTimeout
from hil.core.records import BadMeasurement, Record, SafeStateReached
from hil.ports import Clock

REFUSES, SILENT = InstrumentFault("unit", "says on", 0), LinkTimeout("unit", "says nothing")
BY_HAND = "; by hand: pull the plug"


class Way:
    """A way down of one device that answers each order in turn."""

    def __init__(self, answers: Sequence[DeviceError | str], means: int = 2) -> None:
        self.ordered: list[str] = []
        self.records: list[Record] = []
        self._left = list(answers)
        self._means = means
        self.safe = run_virtual(self._main)

    async def _main(self, clock: Clock) -> bool:
        state = SafeState(clock, self.records.append)
        stronger = tuple(
            Means(f"off: means {k}", partial(self._order, f"means {k}")) for k in range(self._means)
        )
        told = partial(self._order, "told")
        state.arm(Undo("unit", CELLS, "off", told, stronger=stronger, by_hand="pull the plug"))
        return await state.reach()

    async def _order(self, what: str) -> str:
        self.ordered.append(what)
        answer = self._left.pop(0)
        if isinstance(answer, DeviceError):
            raise answer
        return answer

    def reached(self) -> list[SafeStateReached]:
        return [one for one in self.records if isinstance(one, SafeStateReached)]


def test_one_that_obeys_is_told_once() -> None:
    way = Way(["off"])
    assert (way.safe, way.ordered) == (True, ["told"])
    assert [one.read_back for one in way.reached()] == ["off"]


def test_one_that_does_not_obey_is_forced_at_once_and_means_by_means() -> None:
    way = Way([REFUSES, REFUSES, "off"])
    assert way.safe
    assert way.ordered == ["told", "means 0", "means 1"]
    found = [(one.meaning, one.ok, one.read_back) for one in way.reached()]
    assert found == [
        ("off", False, "unit: says on"),
        ("off: means 0", False, "unit: says on"),
        ("off: means 1", True, "off; did not obey: off: means 1"),
    ]
    assert {one.at for one in way.reached()} == {0}, "nobody waits between two means"
    assert [type(one) for one in way.records].count(BadMeasurement) == 2


def test_a_gentle_means_that_helps_is_the_last() -> None:
    way = Way([REFUSES, "off"])
    assert way.safe
    assert way.ordered == ["told", "means 0"]


def test_what_no_means_switches_off_is_told_to_a_human_at_once() -> None:
    way = Way([REFUSES] * 8)
    assert not way.safe
    assert way.ordered == ["told", "means 0", "means 1", *["told"] * 5]
    says = [(one.at, one.read_back.endswith(BY_HAND)) for one in way.reached()]
    assert says[:3] == [(0, False), (0, False), (0, True)]
    assert all(named for _, named in says[2:])


def test_nothing_is_forced_on_one_that_only_says_nothing() -> None:
    """It may be off: a reset could be what brings it back to life."""
    way = Way([SILENT] * 6)
    assert not way.safe
    assert set(way.ordered) == {"told"}
    assert [one.read_back.endswith(BY_HAND) for one in way.reached()] == [False, *[True] * 5]


def test_one_that_is_heard_late_and_says_on_is_forced_then() -> None:
    way = Way([SILENT, REFUSES, REFUSES, "off"])
    assert way.safe
    assert way.ordered == ["told", "told", "means 0", "means 1"]


def test_one_that_falls_silent_under_a_means_is_not_forced_further() -> None:
    way = Way([REFUSES, SILENT, "off"])
    assert way.safe
    assert way.ordered == ["told", "means 0", "told"]
