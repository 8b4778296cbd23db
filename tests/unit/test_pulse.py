"""The heart of a run beats up to the deadline that the run set last, and not beyond it."""

from hil.bench.clock import run_virtual
from hil.bench.guard import BEAT_EVERY, Pulse
from hil.core.instants import SECOND, Instant
from hil.ports import Clock


def beats(*plan: tuple[Instant, Instant | None], until: Instant = 20 * SECOND) -> list[Instant]:
    """Return when a pulse beat that was set alive (or stopped: None) at the instants of a plan."""

    async def main(clock: Clock) -> list[Instant]:
        begun, beaten = clock.now(), list[Instant]()
        pulse = Pulse(clock, lambda: beaten.append(clock.now() - begun))
        for at, within in plan:
            await clock.sleep_until(begun + at)
            if within is None:
                pulse.stop()
            else:
                pulse.alive(within)
        await clock.sleep_until(begun + until)
        return beaten

    return run_virtual(main)


def test_it_beats_until_its_deadline() -> None:
    assert beats((0, SECOND)) == [k * BEAT_EVERY for k in range(4)]


def test_a_new_deadline_keeps_it_beating_without_a_gap_or_a_second_beat() -> None:
    found = beats((0, 2 * SECOND), (SECOND, 2 * SECOND), (2 * SECOND, 2 * SECOND))
    assert found == [k * BEAT_EVERY for k in range(16)]


def test_it_begins_again_when_the_run_gets_on_again() -> None:
    found = beats((0, SECOND), (5 * SECOND, SECOND))
    assert found == [k * BEAT_EVERY for k in (0, 1, 2, 3)] + [
        5 * SECOND + k * BEAT_EVERY for k in range(4)
    ]


def test_a_run_that_is_over_has_no_heart() -> None:
    assert max(beats((0, 60 * SECOND), (SECOND, None))) <= SECOND


def test_nothing_is_due_before_the_run_says_so() -> None:
    assert beats() == []
