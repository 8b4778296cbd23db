"""What must hold at every record of every run, whatever befalls its links.

Each invariant is a function of what is known at one record (or at the end) that yields a line for
each violation. The oracle of the verdict is deliberately simple: it shares no code with the Judge.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from plan import Plan
from witness import Witness

from drivers.links.faulty_plan import LinkFault
from hil.bench.replay import replay
from hil.core.instants import SECOND, Instant, to_seconds
from hil.core.records import (
    BadMeasurement,
    BenchFailed,
    Deviation,
    DeviceIdentified,
    ExpectationJudged,
    Record,
    RecordsLost,
    RunEnded,
    RunStarted,
    SafeStateArmed,
    SafeStateReached,
    StepEnded,
    StepStarted,
    StopRequested,
    Tick,
    Tripped,
)
from hil.core.signals import Layout, Signal

R = TypeVar("R")

RECOVERS_WITHIN = 6 * SECOND
"""Six ticks after the last fault the bench measures again or has given up (3 s is its patience)."""

GOES_SAFE_WITHIN = 6 * SECOND
"""A device that works again so long before the last attempt to make it safe must have become so."""

BLAMES = ("mute", "silent", "bad-crc", "frozen", "front-end-silent", "stuck-cell", "stuck-bleed")


@dataclass
class Sight:
    """What is known of a run at one of its records, which is the last of ``records``."""

    plan: Plan
    witness: Witness
    steps: int
    records: list[Record] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    armed: set[str] = field(default_factory=set)
    tick_at: Instant = -1
    told: int = 0
    layout: Layout = field(default_factory=lambda: Layout([]))

    def of(self, *kinds: type[R]) -> list[R]:
        """Return the records of some kinds."""
        return [record for record in self.records if isinstance(record, kinds)]

    def read(self, tick: Tick) -> dict[str, list[float]]:
        """Return what a row shows of each instrument: an emulator's voltages, the air."""
        cells = tick.values[self.layout.columns("emulator.read_v")]
        units = self.witness.rig.stack.units
        found = {name: [cells[k] for k in indices] for name, indices in units.items()}
        return found | {
            self.witness.rig.chamber.name: [tick.values[self.layout.index("chamber.air_degc")]]
        }


Invariant: TypeAlias = Callable[[Sight], Iterator[str]]

# --- at every record -----------------------------------------------------------------------------


def an_answer_is_to_its_own_query(sight: Sight) -> Iterator[str]:
    """Whatever a driver accepted was said by the device, to that query, after it was asked."""
    yield from sight.witness.odd[sight.told :]
    sight.told = len(sight.witness.odd)


def an_output_has_an_armed_safe_state(sight: Sight) -> Iterator[str]:
    """What is on has its undo in the journal, before this record."""
    for device in sight.witness.twins:
        if device not in sight.armed and sight.witness.is_on(device):
            yield f"{device} is on and no safe state of it is armed"
    if isinstance(sight.records[-1], SafeStateArmed):
        sight.armed.add(sight.records[-1].device)


def ok_means_safe(sight: Sight) -> Iterator[str]:
    """A device that is reported as safe is safe in truth."""
    record = sight.records[-1]
    if isinstance(record, SafeStateReached) and record.ok and sight.witness.is_on(record.device):
        yield f"{record.device} is reported safe and is on"


def a_stranger_is_refused(sight: Sight) -> Iterator[str]:
    """Another unit behind the same address says nothing of ours: ours may still be on."""
    record = sight.records[-1]
    if isinstance(record, SafeStateReached) and record.ok:
        known = [one for one in sight.of(DeviceIdentified) if one.device == record.device]
        for one in sight.plan.lab if known else ():
            if one.what == "swapped" and one.device == record.device and one.at < record.at:
                yield f"{record.device} is reported safe after {known[0].serial} was swapped"


def the_journal_only_goes_on(sight: Sight) -> Iterator[str]:
    """Numbers have no gap, ticks rise, nothing is older than the tick before, the ends are ends."""
    record, number = sight.records[-1], len(sight.records) - 1
    if isinstance(record, RunStarted):
        sight.layout = Layout(Signal(*signal) for signal in record.signals)
    if sight.numbers[-1] != number:
        yield f"record {sight.numbers[-1]} stands where record {number} is expected"
    if record.at < sight.tick_at:
        yield f"{record.kind} of {record.at} ns comes after the tick of {sight.tick_at} ns"
    if isinstance(record, Tick):
        if record.at == sight.tick_at:
            yield f"two ticks at {record.at} ns"
        sight.tick_at = record.at
    if isinstance(record, RunStarted) != (number == 0):
        yield f"record {number} is {record.kind}"
    if number and isinstance(sight.records[-2], RunEnded):
        yield f"{record.kind} comes after the end"


def a_reading_is_of_its_tick(sight: Sight) -> Iterator[str]:
    """What a row shows of an instrument was answered in that tick; what it lacks is told as bad."""
    tick = sight.records[-1]
    if not isinstance(tick, Tick):
        return
    told = {one.device for one in sight.of(BadMeasurement) if one.at == tick.at}
    for device, row in sight.read(tick).items():
        answered = sight.witness.readings(device, tick.at)
        if any(map(math.isnan, row)):
            if device not in told:
                yield f"{device}: {row} at {tick.at} ns and no bad measurement"
        elif row not in answered:
            yield f"{device}: {row} at {tick.at} ns, it answered {answered}"


EVERYWHERE: tuple[Invariant, ...] = (
    an_answer_is_to_its_own_query,
    an_output_has_an_armed_safe_state,
    ok_means_safe,
    a_stranger_is_refused,
    the_journal_only_goes_on,
    a_reading_is_of_its_tick,
)

# --- at the end ----------------------------------------------------------------------------------


def every_armed_device_was_told(sight: Sight) -> Iterator[str]:
    """The last record is the end; each armed device has a last word, and what is safe stays so."""
    if not isinstance(sight.records[-1], RunEnded):
        yield f"the last record is {sight.records[-1].kind}"
    last = _last_words(sight)
    for device in sorted(sight.armed ^ last.keys()):
        yield f"{device} was {'armed' if device in sight.armed else 'told'} and not the other"
    for device, reached in last.items():
        if reached.ok and sight.witness.is_on(device):
            yield f"{device} was reported safe and is on after the end"


def _last_words(sight: Sight) -> dict[str, SafeStateReached]:
    return {one.device: one for one in sight.records if isinstance(one, SafeStateReached)}


def a_pass_is_earned(sight: Sight) -> Iterator[str]:
    """PASS needs everything: all steps, all expectations, nothing bad, lost, tripped or unsafe."""
    if _verdict(sight) != "PASS":
        return
    for record in sight.of(Deviation, Tripped, BenchFailed, StopRequested, RecordsLost):
        yield f"PASS with {record}"
    bad = {record.at for record in sight.of(BadMeasurement)}
    ticks = sight.of(Tick)
    if not ticks or len(bad) > 0.01 * len(ticks):
        yield f"PASS with {len(bad)} bad ones of {len(ticks)} ticks"
    for judged in sight.of(ExpectationJudged):
        if not judged.passed:
            yield f"PASS with {judged}"
    begun, ended = len(sight.of(StepStarted)), len(sight.of(StepEnded))
    if begun != ended or begun != sight.steps:
        yield f"PASS with {ended} steps ended of {sight.steps}"
    last = _last_words(sight)
    if len(last) != len(sight.witness.twins) or not all(one.ok for one in last.values()):
        yield f"PASS and not all are safe: {last}"


def a_fail_is_the_boards(sight: Sight) -> Iterator[str]:
    """FAIL says that the board is wrong: here it is right, unless the plan broke it."""
    if _verdict(sight) != "FAIL":
        return
    if not any(one.device == "board" and one.what in BLAMES for one in sight.plan.lab):
        yield f"FAIL of a board that did nothing wrong: {_end(sight).reason}"


def _end(sight: Sight) -> RunEnded:
    [end] = sight.of(RunEnded)
    return end


def _verdict(sight: Sight) -> str:
    return _end(sight).verdict


def it_measures_again(sight: Sight) -> Iterator[str]:
    """Some ticks after the last fault the bench measures again, or it has gone safe by then."""
    quiet = _quiet_from(sight)
    # what answers badly on the way down is ``what_works_again_goes_safe``'s
    down = min((one.at for one in sight.of(SafeStateReached)), default=math.inf)
    for record in sight.of(BadMeasurement):
        if quiet + RECOVERS_WITHIN < record.at < down:
            late_s = to_seconds(record.at - quiet)
            yield f"{record.device} measures badly {late_s:.1f} s after the last fault: {record}"


def what_works_again_goes_safe(sight: Sight) -> Iterator[str]:
    """A device that works again while the bench goes down is made safe."""
    quiet = _quiet_from(sight)
    for device, last in _last_words(sight).items():
        swapped = any((one.what, one.device) == ("swapped", device) for one in sight.plan.lab)
        if not last.ok and last.at > quiet + GOES_SAFE_WITHIN and not swapped:
            yield f"{device} works and was not made safe: {last.read_back}"


def _quiet_from(sight: Sight) -> Instant:
    """Return when the last fault that took effect was over."""
    amounts: dict[tuple[str, str, int], LinkFault] = {
        (one.device, one.fault.direction, one.fault.index): one.fault for one in sight.plan.links
    }
    over = [one.over for one in sight.plan.lab]
    for noted in sight.witness.link_faults:
        fault = amounts[noted.device, noted.direction, noted.index]
        lasts = fault.amount if fault.kind in ("late", "disconnected") else 0
        over.append(noted.at + lasts)
    return max(over, default=0)


def it_replays(sight: Sight) -> Iterator[str]:
    """The records alone give the same verdict and say the same of everything they hold."""
    replayed = replay(zip(sight.numbers, sight.records, strict=True))
    if replayed.verdict.name != _verdict(sight):
        yield f"{_verdict(sight)} in the run, {replayed.verdict.name} from its records"
    yield from map(str, replayed.differences)


AT_THE_END: tuple[Invariant, ...] = (
    every_armed_device_was_told,
    a_pass_is_earned,
    a_fail_is_the_boards,
    it_measures_again,
    what_works_again_goes_safe,
    it_replays,
)
