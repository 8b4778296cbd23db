"""A device that says "on" after it was told off: told again, then forced, each rung on record."""

from collections.abc import Sequence
from functools import partial

from hil.bench.clock import run_virtual
from hil.bench.safe_state import CELLS, Rung, SafeState, Undo
from hil.core.errors import InstrumentFault, LinkTimeout
from hil.core.records import Record, SafeStateReached
from hil.ports import Clock

REFUSES, SILENT = InstrumentFault("unit", "says on", 0), LinkTimeout("unit", "says nothing")


def words(
    answers: Sequence[Exception | str], rungs: int = 2
) -> tuple[bool, list[str], list[tuple[str, bool]]]:
    """Return whether all was safe, what was ordered, and what was recorded."""
    ordered: list[str] = []
    records: list[Record] = []
    left = list(answers)

    async def order(what: str) -> str:
        ordered.append(what)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def main(clock: Clock) -> bool:
        state = SafeState(clock, records.append)
        stronger = tuple(Rung(f"rung {k}", partial(order, f"rung {k}")) for k in range(rungs))
        undo = Undo("unit", CELLS, "off", partial(order, "told"), stronger=stronger)
        state.arm(undo)
        return await state.reach()

    safe = run_virtual(main)
    told = [(one.meaning, one.ok) for one in records if isinstance(one, SafeStateReached)]
    return safe, ordered, told


def test_one_that_obeys_is_told_once() -> None:
    assert words(["off"]) == (True, ["told"], [("off", True)])


def test_one_that_does_not_obey_is_told_twice_and_then_forced_rung_by_rung() -> None:
    safe, ordered, told = words([REFUSES, REFUSES, REFUSES, "off"])
    assert safe
    assert ordered == ["told", "told", "rung 0", "rung 1"]
    assert told == [
        ("off", False),
        ("off", False),
        ("off: rung 0", False),
        ("off: rung 1", True),
    ]


def test_nothing_is_forced_on_one_that_only_says_nothing() -> None:
    """It may be off: a reboot could be what brings it back to life, on."""
    safe, ordered, _ = words([SILENT] * 6)
    assert not safe
    assert set(ordered) == {"told"}


def test_each_means_is_used_once_and_then_it_is_told_again() -> None:
    safe, ordered, _ = words([REFUSES] * 6, rungs=1)
    assert not safe
    assert ordered == ["told", "told", "rung 0", "told", "told", "told"]
