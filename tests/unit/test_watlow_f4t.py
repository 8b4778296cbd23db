"""The Watlow F4T: exact bytes, how the chamber behaves, and the driver against the virtual one.

The wire logs follow the manual's command list, not our code.
"""

import math
from collections.abc import Awaitable, Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chambers.watlow_f4t import WatlowF4T
from drivers.links.memory import memory_byte_link
from drivers.virtual.watlow_f4t import WatlowF4TTwin
from drivers.wire.watlow_f4t import SPEC
from hil.bench.clock import run_virtual
from hil.core.errors import InstrumentFault, LinkTimeout
from hil.core.instants import HOUR, MILLISECOND, MINUTE, SECOND, Instant
from hil.core.wiring import WiringPlan
from hil.ports import Clock, LabPlan


def plan(seed: int = 7) -> LabPlan:
    return LabPlan(seed, WiringPlan((), (), (), None), None, {})


class Wire:
    """A twin under a hand-driven clock."""

    def __init__(self, seed: int = 7, **options: object) -> None:
        self.now: Instant = 0
        self.out: list[tuple[bytes, Instant]] = []
        clock: Any = SimpleNamespace(now=lambda: self.now)
        self.twin = WatlowF4TTwin("chamber", clock, plan(seed), options)
        self.twin.attach(lambda data, at: self.out.append((data, at)))

    def ask(self, data: bytes) -> bytes:
        self.out.clear()
        self.twin.receive(data)
        return b"".join(data for data, _ in self.out)

    def running(self, set_degc: float) -> "Wire":
        """Order a set-point in degC with conditioning on."""
        self.ask(b":UNIT:TEMPERATURE C\n:OUTPUT1:STATE ON\n")
        self.ask(b":SOURCE:CLOOP1:SPOINT %.2f\n" % set_degc)
        return self

    def airs(self, duration: Instant, step: Instant = SECOND) -> list[float]:
        """Let time pass and return the air temperature at each step."""
        values = []
        for _ in range(duration // step):
            self.now += step
            values.append(self.twin.air_degc(self.now))
        return values


GOLDEN = [
    (b"*IDN?\n", b'"WATLOW ELECTRIC","F4T","V-0001","4.5.0"\n'),
    (b":UNIT:TEMPERATURE?\n", b"F\n"),
    (b":SOURCE:CLOOP1:SPOINT?\n", b"73.400\n"),
    (b":UNIT:TEMPERATURE C\n", b""),
    (b":UNIT:TEMP?\n", b"C\n"),
    (b":SOURCE:CLOOP1:SPOINT?\n", b"23.000\n"),
    (b":SOURCE:CLOOP1:SPOINT 45.5\n", b""),
    (b":SOUR:CLO1:SPO?\n", b"45.500\n"),
    (b":SOURCE:CLOOP1:ERROR?\n", b"NONE\n"),
    (b":SOURCE:CLOOP1:RSCALE HOURS\n", b""),
    (b":SOURCE:CLOOP1:RSCALE?\n", b"HOURS\n"),
    (b":SOURCE:CLOOP1:RRATE 2.5\n", b""),
    (b":SOURCE:CLOOP1:RRATE?\n", b"2.500\n"),
    (b":SOURCE:CLOOP1:RACTION SETPOINT\n", b""),
    (b":SOURCE:CLOOP1:RACTION?\n", b"SETPOINT\n"),
    (b":SOURCE:CLOOP1:RTIME 30\n", b""),
    (b":SOURCE:CLOOP1:RTIME?\n", b"30.0\n"),
    (b":SOURCE:CLOOP1:IDLE 20\n", b""),
    (b":SOURCE:CLOOP1:IDLE?\n", b"20.000\n"),
    (b":OUTPUT1:STATE?\n", b"OFF\n"),
    (b":OUTPUT1:STATE ON\n", b""),
    (b":OUTPUT1:STATE?\n", b"ON\n"),
    (b":OUTPUT2?\n", b"OFF\n"),
    (b":PROGRAM:NUMBER 3\n", b""),
    (b":PROGRAM:NUMBER?\n", b"3\n"),
    (b":PROGRAM:SELECTED:STATE STOP\n", b""),
    (b":PROGRAM:SELECTED:STATE?\n", b"STOP\n"),
    (b":PROGRAM:NAME?\n", b'""\n'),
    (b":UNIT:TEMPERATURE F\n", b""),
    (b":SOURCE:CLOOP1:SPOINT?\n", b"113.900\n"),
    (b":SOURCE:CLOOP1:RRATE?\n", b"4.500\n"),
    (b":SOURCE:CLOOP1:SPOINT 212\n", b""),
    (b":UNIT:TEMPERATURE C\n", b""),
    (b":SOURCE:CLOOP1:SPOINT?\n", b"100.000\n"),
    (b"SYST:ERR?\n", b'0,"No error"\n'),
    (b":SOURCE:CLOOP1:SPOINT 181\n", b""),
    (b"SYST:ERR?\n", b'-222,"Data out of range"\n'),
    (b":SOURCE:CLOOP2:SPOINT?\n", b""),
    (b"SYST:ERR?\n", b'-114,"Header suffix out of range"\n'),
    (b":PROGRAM:SELECTED:STATE START\n", b""),
    (b"SYST:ERR?\n", b'-221,"Settings conflict; no program is stored"\n'),
]


def test_the_controller_answers_byte_for_byte() -> None:
    wire = Wire()
    for asked, answered in GOLDEN:
        assert (asked, wire.ask(asked)) == (asked, answered)


MORE = [
    (b":UNIT:TEMPERATURE C\n", b""),
    (b":SOURCE:CLOOP2:PVALUE?\n", b"50.000\n"),
    (b":SOURCE:CLOOP2:SPOINT 60\n", b""),
    (b":SOURCE:CLOOP2:SPOINT?\n", b"60.000\n"),
    (b":SOURCE:CLOOP1:SPOINT?\n", b"23.000\n"),
    (b":SOURCE:CLOOP2:SPOINT 101\n", b""),
    (b"SYST:ERR?\n", b'-222,"Data out of range"\n'),
    (b":SOURCE:CLOOP2:RACTION BOTH\n", b""),
    (b":SOURCE:CLOOP2:RACTION?\n", b"BOTH\n"),
    (b":SOURCE:CLOOP1:RACTION?\n", b"OFF\n"),
    (b":SOURCE:CLOOP2:ERROR?\n", b"NONE\n"),
    (b":SOURCE:CLOOP3:SPOINT?\n", b""),
    (b"SYST:ERR?\n", b'-114,"Header suffix out of range"\n'),
    (b":SOURCE:CASCADE1:SPOINT 40\n", b""),
    (b":SOUR:CAS1:SPO?\n", b"40.000\n"),
    (b":SOURCE:CASCADE1:OUTER:SPOINT?\n", b"40.000\n"),
    (b":SOURCE:CASCADE1:FUNCTION?\n", b"PROCESS\n"),
    (b":SOURCE:CASCADE1:RANGE:HIGH 60\n", b""),
    (b":SOURCE:CASCADE1:INNER:SPOINT?\n", b"60.000\n"),  # 40 and twice the 17 K to go, cut off
    (b":SOURCE:CASCADE1:FUNCTION DEVIATION\n", b""),
    (b":SOURCE:CASCADE1:RANGE:LOW 10\n", b""),
    (b":SOURCE:CASCADE1:RANGE:HIGH 10\n", b""),
    (b":SOURCE:CASCADE1:RANGE:HIGH?\n", b"10.000\n"),
    (b":SOURCE:CASCADE1:INNER:SPOINT?\n", b"50.000\n"),
    (b":SOURCE:CASCADE1:CONTROL OFF\n", b""),
    (b":SOURCE:CASCADE1:CONTROL?\n", b"OFF\n"),
    (b":SOURCE:CASCADE1:INNER:SPOINT?\n", b"40.000\n"),
    (b":SOURCE:CASCADE1:SSPOINT:CONTROL ON\n", b""),
    (b":SOURCE:CASCADE1:SSPOINT:CONTROL?\n", b"ON\n"),
    (b":SOURCE:CASCADE1:INNER:ERROR?\n", b"NONE\n"),
    (b":UNIT:TEMPERATURE:DISPLAY C\n", b""),
    (b":UNIT:TEMPERATURE:DISPLAY?\n", b"C\n"),
    (b":KEY1?\n", b"OFF\n"),
    (b":KEY1 PRESS\n", b""),
    (b":KEY1:STATE?\n", b"ON\n"),
    (b":PROGRAM:STEP:TYPE?\n", b"NONE\n"),
    (b":PROGRAM:SELECTED:STEP:TIME:REMAIN?\n", b"0.000\n"),
    (b":PROGRAM:STEP 2\n", b""),
    (b"SYST:ERR?\n", b'-221,"Settings conflict; no program is stored that has a step 2"\n'),
]


def test_humidity_cascade_keys_and_programs_answer_byte_for_byte() -> None:
    wire = Wire(humidity=True, cascade=True)
    for asked, answered in MORE:
        assert (asked, wire.ask(asked)) == (asked, answered)


def test_a_chamber_without_a_cascade_knows_none() -> None:
    wire = Wire()
    assert wire.ask(b":SOURCE:CASCADE1:SPOINT?\n") == b""
    assert wire.ask(b"SYST:ERR?\n") == b'-113,"Undefined header"\n'


def test_a_welded_contactor_stays_closed_whatever_a_reset_says() -> None:
    wire = Wire().running(60.0)
    wire.twin.inject("refuses-off", 0, active=True)
    wire.ask(b"*RST\n")
    assert wire.ask(b":OUTPUT1:STATE?\n") == b"OFF\n"
    assert wire.twin.truth()["conditioning"]
    wire.twin.inject("refuses-off", 0, active=False)
    assert not wire.twin.truth()["conditioning"]


def test_each_order_of_a_controller_that_says_so_ends_with_a_blank_line() -> None:
    wire = Wire(blank_after_orders=True)
    assert wire.ask(b":UNIT:TEMPERATURE C\n:UNIT:TEMP?\n:OUTPUT1:STATE ON\n") == b"\nC\n\n"


# --- the chamber -----------------------------------------------------------------------------


def test_nothing_moves_before_the_dead_time_and_then_no_faster_than_the_machine() -> None:
    wire = Wire().running(60.0)
    airs = wire.airs(2 * HOUR)
    assert airs[29] == pytest.approx(23.0, abs=1e-9)
    assert airs[45] > 23.5
    rates = [(b - a) * 60.0 for a, b in pairwise(airs)]
    assert 4.5 < max(rates) <= SPEC.ramp_k_per_min + 1e-9
    assert airs[-1] == pytest.approx(60.0, abs=0.05)


def test_a_jump_overshoots_by_one_or_two_kelvin() -> None:
    wire = Wire().running(45.0)
    assert 0.8 < max(wire.airs(2 * HOUR)) - 45.0 < 2.0


@pytest.mark.parametrize(("from_degc", "fastest_k_per_min"), [(30.0, 5.0), (-2.0, 2.5)])
def test_cooling_below_zero_is_half_as_fast(from_degc: float, fastest_k_per_min: float) -> None:
    wire = Wire().running(from_degc)
    wire.airs(4 * HOUR)  # the walls have followed, so that the machine moves the air alone
    wire.ask(b":SOURCE:CLOOP1:SPOINT %.1f\n" % (from_degc - 20.0))
    airs = wire.airs(3 * HOUR)
    fastest = max((a - b) * 60.0 for a, b in pairwise(airs))
    assert fastest == pytest.approx(fastest_k_per_min, abs=0.3)
    assert airs[-1] == pytest.approx(from_degc - 20.0, abs=0.1)


def test_a_ramp_is_followed() -> None:
    wire = Wire().running(23.0)
    wire.airs(HOUR)
    wire.ask(b":SOURCE:CLOOP1:RSCALE MINUTES\n:SOURCE:CLOOP1:RRATE 2\n")
    wire.ask(b":SOURCE:CLOOP1:RACTION SETPOINT\n:SOURCE:CLOOP1:SPOINT 63\n")
    airs = wire.airs(20 * MINUTE)
    assert airs[15 * 60] - airs[10 * 60] == pytest.approx(10.0, abs=0.5)
    assert airs[10 * 60] == pytest.approx(23.0 + 20.0, abs=3.0)  # it lags


def test_switched_off_the_chamber_drifts_back_to_the_room() -> None:
    wire = Wire().running(60.0)
    wire.airs(3 * HOUR)
    wire.ask(b":OUTPUT1:STATE OFF\n")
    airs = wire.airs(24 * HOUR, MINUTE)
    assert all(b <= a + 1e-9 for a, b in pairwise(airs[1:]))
    assert airs[60] > 35.0
    assert airs[-1] == pytest.approx(23.0, abs=1.0)


def test_an_hour_scale_ramp_is_sixty_times_slower() -> None:
    wire = Wire().running(23.0)
    wire.airs(HOUR)
    wire.ask(b":SOURCE:CLOOP1:RSCALE HOURS\n:SOURCE:CLOOP1:RRATE 6\n")
    wire.ask(b":SOURCE:CLOOP1:RACTION BOTH\n:SOURCE:CLOOP1:SPOINT 63\n")
    airs = wire.airs(2 * HOUR)
    assert airs[-1] - airs[HOUR // SECOND] == pytest.approx(6.0, abs=0.3)


def test_a_change_by_time_takes_that_time() -> None:
    wire = Wire().running(23.0)
    wire.airs(HOUR)
    wire.ask(b":SOURCE:CLOOP1:RTIME 20\n:SOURCE:CLOOP1:RACTION SETPOINT\n")
    wire.ask(b":SOURCE:CLOOP1:SPOINT 43\n")
    airs = wire.airs(HOUR)
    assert airs[10 * 60] == pytest.approx(33.0, abs=3.0)
    assert airs[15 * 60] < 41.0
    assert airs[-1] == pytest.approx(43.0, abs=0.3)


@pytest.mark.parametrize(
    ("action", "at_start", "at_change"),
    [("OFF", 5.0, 5.0), ("STARTUP", 1.0, 5.0), ("SETPOINT", 5.0, 1.0), ("BOTH", 1.0, 1.0)],
)
def test_a_ramp_is_for_the_start_for_changes_or_both(
    action: str, at_start: float, at_change: float
) -> None:
    wire = Wire()
    wire.ask(b":UNIT:TEMPERATURE C\n:SOURCE:CLOOP1:SPOINT 43\n:SOURCE:CLOOP1:RRATE 1\n")
    wire.ask(b":SOURCE:CLOOP1:RACTION %b\n:OUTPUT1:STATE ON\n" % action.encode())
    for fastest in (at_start, at_change):
        airs = wire.airs(2 * HOUR, MINUTE)
        steepest = max(abs(b - a) for a, b in pairwise(airs))
        assert 0.6 * fastest < steepest < 2.2 * fastest
        wire.ask(b":SOURCE:CLOOP1:SPOINT 23\n")


def test_a_cascade_takes_the_load_faster_where_it_is_to_be() -> None:
    def after_an_hour(control: bytes) -> float:
        wire = Wire(cascade=True).running(60.0)
        wire.ask(b":SOURCE:CASCADE1:CONTROL %b\n" % control)
        wire.airs(HOUR)
        return wire.twin._air.load_degc(wire.now)

    assert after_an_hour(b"BOTH") > after_an_hour(b"OFF") + 1.0


@given(
    looks=st.lists(st.integers(1, 90 * MINUTE), max_size=30),
    orders=st.lists(
        st.tuples(st.integers(1, 80 * MINUTE), st.sampled_from([b"20", b"-10", b"80"])), max_size=4
    ),
)
def test_looking_never_changes_what_is_seen(
    looks: list[int], orders: list[tuple[int, bytes]]
) -> None:
    """Two chambers get the same orders; only one is looked at and asked in between."""
    watched, alone = Wire().running(45.0), Wire().running(45.0)
    events: list[tuple[int, bytes]] = sorted([(at, b"") for at in looks] + orders)
    for at, order in events:
        watched.now = alone.now = at
        if order:
            for wire in (watched, alone):
                wire.ask(b":SOURCE:CLOOP1:SPOINT " + order + b"\n")
        else:
            watched.twin.air_degc(at)
            watched.ask(b":SOURCE:CLOOP1:PVALUE?\n")
    end = 91 * MINUTE
    assert watched.twin.air_degc(end) == alone.twin.air_degc(end)


def test_the_air_moves_without_steps_between_grid_points() -> None:
    wire = Wire().running(60.0)
    wire.airs(5 * MINUTE)
    airs = wire.airs(10 * SECOND, 10 * MILLISECOND)
    moves = [b - a for a, b in pairwise(airs)]
    assert 0.0 < min(moves) <= max(moves) < 1.1 * SPEC.ramp_k_per_min / 6000.0


def test_the_reading_is_off_by_no_more_than_declared() -> None:
    offsets = []
    for seed in range(60):
        wire = Wire(seed).running(23.0)
        wire.now = HOUR
        reading = float(wire.ask(b":SOURCE:CLOOP1:PVALUE?\n"))
        offsets.append(reading - wire.twin.air_degc(HOUR))
    assert max(map(abs, offsets)) < SPEC.read_accuracy_k.at(23.0) + 0.1  # and a reading's noise
    rms = math.sqrt(sum(offset**2 for offset in offsets) / len(offsets))
    assert 0.15 < rms < 0.35


def test_faults_show_as_the_instrument_would_show_them() -> None:
    wire = Wire().running(-20.0)
    wire.airs(HOUR)
    wire.twin.inject("compressor-trip", 0, active=True)
    assert wire.ask(b":SOURCE:CLOOP1:ERROR?\n") == b"ERROR\n"
    airs = wire.airs(HOUR)
    assert airs[-1] > airs[60] + 1.0
    wire.twin.inject("compressor-trip", 0, active=False)
    wire.airs(HOUR)
    wire.twin.inject("door-open", 0, active=True)
    assert wire.ask(b":SOURCE:CLOOP1:ERROR?\n") == b"NONE\n"
    assert wire.airs(HOUR)[-1] > -15.0
    wire.twin.inject("sensor-break", 0, active=True)
    assert wire.ask(b":SOURCE:CLOOP1:PVALUE?\n:SOURCE:CLOOP1:ERROR?\n") == b"9.91E37\nERROR\n"
    with pytest.raises(ValueError, match="door-open"):
        wire.twin.inject("haunted", 0, active=True)


def test_the_limiter_cuts_the_heat_off_whatever_is_commanded_until_it_is_reset_by_hand() -> None:
    wire = Wire().running(60.0)
    wire.twin.inject("heater-stuck", 0, active=True)
    while not wire.twin.truth()["limited"]:
        [hottest] = wire.airs(SECOND)
    assert hottest == pytest.approx(185.0, abs=0.1)
    wire.twin.inject("limiter", 0, active=False)
    assert wire.twin.truth()["limited"], "too hot for a reset"
    wire.ask(b":OUTPUT1:STATE OFF\n:OUTPUT1:STATE ON\n:SOURCE:CLOOP1:SPOINT 170\n")
    wire.twin.inject("heater-stuck", 0, active=False)
    falling = wire.airs(HOUR)
    assert max(falling) < 185.1
    assert falling[-1] < 150.0
    assert wire.twin.truth()["limited"], "it stays so below its set-point"
    wire.twin.inject("limiter", 0, active=False)
    assert wire.airs(HOUR)[-1] == pytest.approx(170.0, abs=3.0)


def test_a_sensor_that_is_stuck_shows_what_it_showed() -> None:
    wire = Wire().running(23.0)
    wire.airs(HOUR)
    wire.twin.inject("sensor-stuck", 0, active=True)
    wire.ask(b":SOURCE:CLOOP1:SPOINT 40\n")
    assert wire.airs(HOUR)[-1] > 100.0
    assert float(wire.ask(b":SOURCE:CLOOP1:PVALUE?\n")) == pytest.approx(23.0, abs=1.0)


# --- the driver over a memory link -----------------------------------------------------------


class Lab(SimpleNamespace):
    """A virtual chamber, its driver, and every byte that crossed between them."""

    clock: Any
    twin: WatlowF4TTwin
    driver: WatlowF4T
    log: list[bytes]

    async def armed(self) -> None:
        await self.driver.connect()
        await self.driver.identify()
        await self.driver.arm()

    def sent(self) -> list[bytes]:
        return [entry[1:] for entry in self.log if entry.startswith(b">")]


def in_lab(
    story: Callable[[Lab], Awaitable[None]],
    *,
    virtual: dict[str, object] | None = None,
    **options: object,
) -> None:
    """Run a story in virtual time."""

    async def main(clock: Clock) -> None:
        log: list[bytes] = []
        twin = WatlowF4TTwin("chamber", clock, plan(), virtual)
        link = memory_byte_link("chamber", clock, {}, twin=twin, tap=log.append)
        await story(
            Lab(
                clock=clock,
                twin=twin,
                log=log,
                driver=WatlowF4T("chamber", link, clock, options),
            )
        )

    run_virtual(main)


def test_the_driver_says_exactly_this() -> None:
    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        identity = await lab.driver.identify()
        assert identity == ("WATLOW ELECTRIC", "F4T", "V-0001", "4.5.0", "")
        await lab.driver.arm()
        await lab.driver.apply(45.0, 2.0)
        await lab.driver.sense()
        await lab.driver.sense()
        await lab.driver.apply(45.0, 2.0)
        await lab.driver.apply(50.0, None)
        assert await lab.driver.make_safe() == "output 1 (heating and cooling) OFF"
        assert lab.sent() == [
            b"*IDN?\n",
            b"*IDN?\n",
            b":UNIT:TEMPERATURE C\n",
            b":UNIT:TEMPERATURE?\n",
            b":PROGRAM:SELECTED:STATE STOP\n",
            b":OUTPUT1:STATE ON\n",
            b":OUTPUT1:STATE?\n",
            b":SOURCE:CLOOP1:RSCALE MINUTES\n",
            b":SOURCE:CLOOP1:RRATE 2.000\n",
            b":SOURCE:CLOOP1:RACTION SETPOINT\n",
            b":SOURCE:CLOOP1:SPOINT 45.00\n",
            b":SOURCE:CLOOP1:PVALUE?\n:SOURCE:CLOOP1:SPOINT?\n:SOURCE:CLOOP1:ERROR?\n",
            b":SOURCE:CLOOP1:PVALUE?\n",
            b":SOURCE:CLOOP1:RACTION OFF\n",
            b":SOURCE:CLOOP1:SPOINT 50.00\n",
            b":PROGRAM:SELECTED:STATE STOP\n",
            b":OUTPUT1:STATE OFF\n",
            b":OUTPUT1:STATE?\n",
            b":UNIT:TEMPERATURE C\n",
        ]

    in_lab(story)


def test_a_soak_is_seen_through_the_driver() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(45.0, 2.0)
        for minute in range(1, 121):
            await lab.clock.sleep_until(minute * MINUTE)
            reading = await lab.driver.sense()
        assert reading.set_degc == 45.0
        assert reading.air_degc == pytest.approx(45.0, abs=0.6)
        assert reading.alarm == ""
        lab.twin.inject("compressor-trip", 0, active=True)
        alarms = [(await lab.driver.sense()).alarm for _ in range(10)]
        assert "ERROR" in alarms

    in_lab(story)


def test_a_broken_sensor_is_told_at_once() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(45.0, None)
        assert (await lab.driver.sense()).alarm == ""
        lab.twin.inject("sensor-break", 0, active=True)
        reading = await lab.driver.sense()
        assert math.isnan(reading.air_degc)
        assert reading.alarm == "ERROR"

    in_lab(story)


@pytest.mark.parametrize(
    ("set_degc", "ramp"),
    [(180.1, None), (-40.1, None), (math.nan, None), (45.0, 0.0), (45.0, 5.1), (45.0, math.nan)],
)
def test_nothing_is_sent_outside_the_range(set_degc: float, ramp: float | None) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.log.clear()
        with pytest.raises(ValueError, match="chamber"):
            await lab.driver.apply(set_degc, ramp)
        assert lab.log == []

    in_lab(story)


def test_old_firmware_that_knows_only_fahrenheit_is_refused() -> None:
    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        await lab.driver.identify()
        with pytest.raises(InstrumentFault, match="degC"):
            await lab.driver.arm()
        assert lab.twin.air_degc(lab.clock.now()) == 23.0
        assert b":OUTPUT1:STATE ON\n" not in lab.sent()

    in_lab(story, virtual={"fahrenheit_only": True})


def test_a_set_point_that_was_not_taken_is_reported() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(45.0, None)
        await lab.clock.sleep_until(SECOND)
        lab.twin.receive(b":SOURCE:CLOOP1:SPOINT 30\n")  # somebody at the front panel
        with pytest.raises(InstrumentFault, match=r"45\.00 degC ordered, 30\.00 read"):
            await lab.driver.sense()

    in_lab(story)


def test_a_contactor_that_stays_closed_is_reported() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("refuses-off", 0, active=True)
        with pytest.raises(InstrumentFault, match="told to go off, ON read"):
            await lab.driver.make_safe()

    in_lab(story)


def test_a_machine_that_stays_on_is_told_to_do_no_harm() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(60.0, 2.0)
        lab.twin.inject("refuses-off", 0, active=True)
        with pytest.raises(InstrumentFault, match="told to go off, ON read"):
            await lab.driver.force(0)
        assert lab.twin.truth()["set_degc"] == pytest.approx(60.0)
        with pytest.raises(InstrumentFault, match="told to go off, ON read"):
            await lab.driver.force(1)
        await lab.clock.sleep_until(lab.clock.now() + 3600 * SECOND)
        assert lab.twin.truth()["set_degc"] == pytest.approx(23.0)
        assert lab.twin.air_degc(lab.clock.now()) == pytest.approx(23.0, abs=1.0)

    in_lab(story)


def test_an_order_that_was_ignored_once_is_given_again() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("ignores-off-once", 0, active=True)
        with pytest.raises(InstrumentFault, match="told to go off, ON read"):
            await lab.driver.make_safe()
        assert await lab.driver.force(0) == "output 1 (heating and cooling) OFF"
        assert not lab.twin.truth()["conditioning"]

    in_lab(story)


def test_a_chamber_that_counts_in_fahrenheit_is_not_sent_to_23_of_them() -> None:
    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        lab.twin.inject("refuses-off", 0, active=True)
        await lab.driver.force(1)
        assert lab.twin.truth()["set_degc"] == pytest.approx(23.0)

    in_lab(story)


def test_the_fan_stays_on_where_it_has_an_output_of_its_own() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        read = await lab.driver.make_safe()
        assert read == "output 3 (heating and cooling) OFF, output 4 (fan) ON"

    in_lab(story, conditioning_output=3, fan_output=4)


def test_a_silent_chamber_times_out() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("silent", 0, active=True)
        start = lab.clock.now()
        with pytest.raises(LinkTimeout, match="chamber"):
            await lab.driver.sense()
        assert lab.clock.now() - start == 1500 * MILLISECOND
        lab.twin.inject("silent", 0, active=False)
        assert (await lab.driver.sense()).air_degc == pytest.approx(23.0, abs=0.7)

    in_lab(story)
