"""The Bloomy ABS: exact bytes, the unit's behaviour, and the driver against the virtual unit.

The wire logs were written from the vendor's published driver and docs, not from our code.
"""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from abs_unit import OFF, Bleed, Lab, in_lab, plan

from drivers.virtual.bloomy_abs import BloomyAbsTwin
from drivers.wire.bloomy_abs import SPEC
from hil.core.errors import DeviceError, InstrumentFault, LinkTimeout, MalformedReply
from hil.core.instants import MILLISECOND, SECOND, Instant

# --- the twin alone, byte for byte -----------------------------------------------------------


class Wire:
    """A twin under a hand-driven clock."""

    def __init__(self, seed: int = 7) -> None:
        self.now = 0
        self.out: list[tuple[bytes, Instant]] = []
        clock: Any = SimpleNamespace(now=lambda: self.now)
        self.twin = BloomyAbsTwin("emulator-1", clock, plan(seed), {"serial": "V-17"})
        self.twin.attach(lambda data, at: self.out.append((data, at)))

    def ask(self, data: bytes) -> bytes:
        self.out.clear()
        self.twin.receive(data)
        return b"".join(data for data, _ in self.out)


GOLDEN = [
    (b"*IDN?\r\n", b"Bloomy Controls,ABS,V-17,1.2.1\n"),
    (b"CAL:DATE?\r\n", b'"2026-01-15"\n'),
    (b"SYST:ERR?\r\n", b'0,"No error"\n'),
    (b"SYST:ERR:COUN?\r\n", b"0\n"),
    (b"CONF:COMM:SER:ID?\r\n", b"0\n"),
    (b'CONF:COMM:SOCK:ADDR "10.0.0.5","255.0.0.0"\r\n', b""),
    (b"CONF:COMM:SOCK:ADDR?\r\n", b'"10.0.0.5","255.0.0.0"\n'),
    (b"SOUR3:VOLT 3.3012\r\n", b""),
    (b"SOUR3:VOLT?\r\n", b"3.3012\n"),
    (b":SOUR1:VOLT 3.1;:SOUR2:VOLT 3.2;\r\n", b""),
    (
        b"SOUR:VOLT? (@1:8)\r\n",
        b"3.1000,3.2000,3.3012,0.0000,0.0000,0.0000,0.0000,0.0000\n",
    ),
    (b"SOUR:CURR:SRC 2.5000,(@1:8)\r\n", b""),
    (b"SOUR8:CURR:SRC?\r\n", b"2.5000\n"),
    (b"SOUR:CURR:SNK -1.5000,(@1,3)\r\n", b""),
    (b"SOUR:CURR:SNK? (@1:3)\r\n", b"1.5000,5.0000,1.5000\n"),
    (b"OUTP2 1\r\n", b""),
    (b"OUTP2?\r\n", b"1\n"),
    (b"OUTP 1,(@1,4)\r\n", b""),
    (b"OUTP? (@1:8)\r\n", b"1,1,0,1,0,0,0,0\n"),
    (b"OUTP2:MODE?\r\n", b"CV\n"),
    (b"OUTP2:FAUL OPEN\r\n", b""),
    (b"OUTP3:FAUL SHORT;:OUTP4:FAUL POL\r\n", b""),
    (b"OUTP:FAUL? (@1:4)\r\n", b"NONE,OPENCIRCUIT,SHORTCIRCUIT,POLARITY\n"),
    (b"SENS1:RANG LO;:SENS2:RANG HI\r\n", b""),
    (b"SENS:RANG? (@1:3)\r\n", b"LOW,HIGH,AUTO\n"),
    (b"CONF:MEAS:FILT 1\r\n", b""),
    (b"CONF:MEAS:FILT?\r\n", b"1\n"),
    (b"SOUR:AUX:OUT1 2.500;:SOUR:AUX:OUT2 -10.000\r\n", b""),
    (b"SOUR:AUX:OUT? (@1:3)\r\n", b"2.5000,-10.0000,0.0000\n"),
    (b"AUX:AOUT1?\r\n", b"2.5000\n"),
    (b"SOUR:DAUX:OUT 1,(@2,4)\r\n", b""),
    (b"SOUR:DAUX:OUT? (@1:4)\r\n", b"0,1,0,1\n"),
    (b"MEAS:AUX:IN2?\r\n", b"0.0000\n"),
    (b"MEAS:DAUX:IN? (@1:4)\r\n", b"0,0,0,0\n"),
    (b"SYST:ALARM?\r\n", b"0\n"),
    (b"SYST:ALARM:RAISE\r\n", b""),
    (b"SYST:ALARM?;INT?\r\n", b"1;1\n"),  # the path is SYST:, so INT is found below it
    (b"OUTP? (@1:8)\r\n", b"0,0,0,0,0,0,0,0\n"),
    (b"OUTP1 1\r\n", b""),
    (b"SYST:ERR?\r\n", b'-221,"Settings conflict; held off by an alarm"\n'),
    (b"SYST:ALARM:CLEAR\r\n", b""),
    (b"SYST:ALARM?\r\n", b"0\n"),
    (b"MOD:NONE?\r\n", b""),
    (b"SYST:ERR?\r\n", b'-113,"Undefined header"\n'),
    (b"SOUR1:VOLT 5.1\r\n", b""),
    (b"SYST:ERR?\r\n", b'-222,"Data out of range"\n'),
]


def test_the_unit_answers_byte_for_byte() -> None:
    wire = Wire()
    for asked, answered in GOLDEN:
        assert (asked, wire.ask(asked)) == (asked, answered)


def test_answers_leave_after_the_reply_time() -> None:
    wire = Wire()
    wire.now = 5 * SECOND
    wire.ask(b"*IDN?\n")
    assert [at for _, at in wire.out] == [5 * SECOND + SPEC.reply]


def test_the_output_settles_in_five_milliseconds_and_the_load_hears_of_it_first() -> None:
    wire = Wire()
    load = Bleed(wire.twin, 1, 33.0)
    assert math.isnan(wire.twin.cell_v(1, 0))
    wire.ask(b"SOUR1:VOLT 3.3;:OUTP1 1\n")
    wire.now = SECOND
    wire.ask(b"SOUR1:VOLT 3.5\n")
    settled = wire.twin.cell_v(1, 9 * SECOND)
    assert settled == pytest.approx(3.5, abs=SPEC.set_accuracy_v.at(3.5))
    told_at, before_v = load.told[-1]
    assert told_at == SECOND
    assert before_v == pytest.approx(3.3, abs=SPEC.set_accuracy_v.at(3.3))
    assert wire.twin.cell_v(1, SECOND) == pytest.approx(before_v, abs=1e-12)
    assert abs(wire.twin.cell_v(1, SECOND + SPEC.settle) - settled) == pytest.approx(
        1e-3 * (settled - before_v), rel=1e-6
    )
    halfway = wire.twin.cell_v(1, SECOND + SPEC.settle // 5)
    assert before_v < halfway < settled


def test_fault_relays_stand_between_the_stage_and_the_terminals() -> None:
    wire = Wire()
    Bleed(wire.twin, 1, 33.0)
    wire.ask(b"SOUR1:VOLT 3.3;:OUTP1 1\n")
    wire.now = SECOND
    volts = wire.twin.cell_v(1, wire.now)
    for fault, expected_v, through in (
        (b"SHORT", 0.0, 0),
        (b"POL", -volts, -1),
        (b"NONE", volts, 1),
    ):
        wire.ask(b"OUTP1:FAUL " + fault + b"\n")
        assert wire.twin.cell_v(1, wire.now) == expected_v
        current_a = float(wire.ask(b"MEAS1:CURR?\n"))
        assert abs(current_a) == pytest.approx(abs(through) * volts / 33.0, abs=1e-3)
    wire.ask(b"OUTP1:FAUL OPEN\n")
    assert math.isnan(wire.twin.cell_v(1, wire.now))
    assert abs(float(wire.ask(b"MEAS1:CURR?\n"))) < 1e-3
    assert float(wire.ask(b"MEAS1:VOLT?\n")) == pytest.approx(3.3, abs=2e-3)


def test_the_source_limit_shows_as_mode_and_bounds_the_reading() -> None:
    wire = Wire()
    Bleed(wire.twin, 2, 1.0)
    wire.ask(b"SOUR2:VOLT 3;:OUTP2 1;:SOUR2:CURR:SRC 2\n")
    wire.now = SECOND
    assert wire.ask(b"OUTP:MODE? (@1:3)\n") == b"CV,ILIM,CV\n"
    assert float(wire.ask(b"MEAS2:CURR?\n")) == pytest.approx(2.0, abs=2e-3)
    wire.ask(b"SOUR2:CURR:SRC 4\n")
    assert wire.ask(b"OUTP2:MODE?\n") == b"CV\n"


def test_the_average_covers_a_second_with_the_filter_and_an_instant_without() -> None:
    wire = Wire()
    Bleed(wire.twin, 1, 33.0, duty=0.25)
    wire.ask(b"SOUR1:VOLT 3.3;:OUTP1 1\n")
    means, instants = [], []
    for k in range(1, 6):
        wire.now = k * SECOND + 60 * MILLISECOND  # the bleed is pausing
        instants.append(float(wire.ask(b"MEAS1:CURR:AVG?\n")))
    wire.ask(b"CONF:MEAS:FILT 1\n")
    for k in range(6, 12):
        wire.now = k * SECOND + 60 * MILLISECOND
        means.append(float(wire.ask(b"MEAS1:CURR:AVG?\n")))
    tolerance_a = SPEC.read_accuracy_a.at(0.025) + 1e-4
    assert means[1:] == pytest.approx([0.025] * 5, abs=tolerance_a)
    assert instants == pytest.approx([0.0] * 5, abs=tolerance_a)


def test_the_window_forgets_what_is_older_than_a_second() -> None:
    wire = Wire()
    Bleed(wire.twin, 1, 33.0)
    wire.ask(b"SOUR1:VOLT 3.3;:OUTP1 1;:CONF:MEAS:FILT 1\n")
    readings = []
    for k in range(1, 31):  # ten readings a second; the output goes off after the first second
        wire.now = k * 100 * MILLISECOND
        readings.append(float(wire.ask(b"MEAS1:CURR:AVG?\n")))
        if k == 10:
            wire.ask(b"OUTP1:FAUL SHORT;:OUTP1:FAUL NONE;:SOUR1:VOLT 0\n")
    assert readings[9] == pytest.approx(0.1, abs=1e-3)
    assert readings[14] == pytest.approx(0.05, abs=2e-3)
    assert readings[20:] == pytest.approx([0.0] * 10, abs=1e-3)


def test_the_window_may_begin_between_two_readings() -> None:
    wire = Wire()
    Bleed(wire.twin, 1, 33.0)
    wire.ask(b"SOUR1:VOLT 3.3;:OUTP1 1;:CONF:MEAS:FILT 1\n")
    for k in range(1, 7):
        wire.now = k * 600 * MILLISECOND
        reading_a = float(wire.ask(b"MEAS1:CURR:AVG?\n"))
        if k == 5:
            wire.ask(b"SOUR1:VOLT 0\n")
    assert reading_a == pytest.approx(0.4 * 0.1, abs=1e-3)  # on for 0.4 s of the last second


def test_errors_are_drawn_from_the_seed_within_the_declared_accuracy() -> None:
    set_points, read_backs = [], []
    for seed in range(40):
        wire = Wire(seed)
        wire.ask(b"SOUR:VOLT 3.3,(@1:8);:OUTP 1,(@1:8)\n")
        wire.now = SECOND
        true_v = [wire.twin.cell_v(channel, wire.now) for channel in range(1, 9)]
        set_points += [volts - 3.3 for volts in true_v]
        reply = wire.ask(b"MEAS:VOLT? (@1:8)\n").decode()
        read_backs += [float(r) - v for r, v in zip(reply.split(","), true_v, strict=True)]
    for errors, limit_v in (
        (set_points, SPEC.set_accuracy_v.at(3.3)),
        (read_backs, SPEC.read_accuracy_v.at(3.3) + 2e-4),  # and the noise of a reading
    ):
        assert max(map(abs, errors)) <= limit_v + 1e-9
        rms = math.sqrt(sum(error**2 for error in errors) / len(errors))
        assert 0.3 * limit_v < rms < 0.6 * limit_v  # a k = 2 figure: half of it is one sigma


def test_one_seed_repeats_to_the_bit_and_another_does_not() -> None:
    def readings(seed: int) -> bytes:
        wire = Wire(seed)
        wire.ask(b"SOUR:VOLT 3.3,(@1:8);:OUTP 1,(@1:8)\n")
        return b"".join(wire.ask(b"MEAS:VOLT? (@1:8);:MEAS:CURR? (@1:8)\n") for _ in range(5))

    assert readings(7) == readings(7) != readings(8)


def test_set_points_are_quantised() -> None:
    wire = Wire()
    wire.ask(b"SOUR1:VOLT 3.30002;:OUTP1 1\n")
    settled = wire.twin.cell_v(1, SECOND)
    wire.ask(b"SOUR1:VOLT 3.30004\n")
    assert wire.twin.cell_v(1, 9 * SECOND) == settled
    wire.ask(b"SOUR1:VOLT 3.30006\n")
    assert wire.twin.cell_v(1, 9 * SECOND) - settled == pytest.approx(1e-4, rel=1e-3)
    wire.ask(b"SOUR:AUX:OUT1 1.0000\n")
    assert abs(wire.twin.aux_v(1) - 1.0) <= SPEC.aux_resolution_v / 2


def test_a_reset_reboots_the_unit() -> None:
    wire = Wire()
    Bleed(wire.twin, 1, 33.0)
    wire.ask(b"SOUR1:VOLT 3.3;:OUTP1 1;:SOUR:AUX:OUT1 2\n")
    assert wire.ask(b"*RST;*IDN?;:OUTP1 1\n") == b""
    assert math.isnan(wire.twin.cell_v(1, wire.now))
    wire.now += 7 * SECOND
    assert wire.ask(b"*IDN?\n") == b""
    wire.now += 3 * SECOND
    assert wire.ask(b"*ESR?;:OUTP1?;:SOUR1:VOLT?;:SOUR:AUX:OUT1?\n") == b"128;0;0.0000;0.0000\n"


def test_a_dead_fan_drops_its_pair_until_mended_and_rebooted() -> None:
    wire = Wire()
    wire.ask(b"OUTP 1,(@1:8)\n")
    wire.twin.inject("alarm", 5, active=True)
    assert wire.ask(b"OUTP? (@1:8);:SYST:ALARM?\n") == b"1,1,1,1,0,0,1,1;1024\n"
    wire.ask(b"*RST\n")
    wire.now += 10 * SECOND
    assert wire.ask(b"SYST:ALARM?\n") == b"1024\n"  # the fan is as dead as before
    wire.twin.inject("alarm", 5, active=False)
    assert wire.ask(b"SYST:ALARM:CLEAR;:SYST:ALARM?;:OUTP6 1;:OUTP6?\n") == b"1024;0\n"
    wire.ask(b"*RST\n")
    wire.now += 10 * SECOND
    assert wire.ask(b"SYST:ALARM?;:OUTP6 1;:OUTP6?\n") == b"0;1\n"


def test_injected_faults_by_name() -> None:
    wire = Wire()
    with pytest.raises(ValueError, match="stuck-output"):
        wire.twin.inject("melted", 1, active=True)
    with pytest.raises(ValueError, match="no channel 9"):
        wire.twin.inject("stuck-output", 9, active=True)
    wire.ask(b"SOUR:VOLT 3.3,(@1:2);:OUTP 1,(@1:2)\n")
    wire.now = SECOND
    wire.twin.inject("stuck-output", 2, active=True)
    wire.ask(b"SOUR:VOLT 3.5,(@1:2)\n")
    assert [round(wire.twin.cell_v(c, 9 * SECOND), 1) for c in (1, 2)] == [3.5, 3.3]
    assert wire.ask(b"SOUR:VOLT? (@1:2)\n") == b"3.5000,3.5000\n"
    wire.twin.inject("stuck-output", 2, active=False)
    assert wire.twin.cell_v(2, 9 * SECOND) == pytest.approx(3.5, abs=1e-3)


# --- the driver over a memory link -----------------------------------------------------------


def test_the_driver_says_exactly_this() -> None:
    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        identity = await lab.driver.identify()
        assert identity == ("Bloomy Controls", "ABS", "V-17", "1.2.1", "2026-01-15")
        await lab.driver.arm()
        await lab.driver.apply([3.3012, 3.2, 3.3, 3.4, 3.5, 0.0, 5.0, 3.00004], {8: 2.5, 1: -10})
        await lab.driver.sense()
        await lab.driver.set_fault(2, "open")
        assert await lab.driver.make_safe() == f"outputs {OFF}"
        limits = (
            b":SOUR:CURR:SRC 1.0000,(@1:8);:SOUR:CURR:SNK 1.0000,(@1:8);"
            b":SENS:RANG AUTO,(@1:8);:CONF:MEAS:FILT 1;:OUTP:FAUL NONE,(@1:8)\r\n"
        )
        read_limits = (
            b":SOUR:CURR:SRC? (@1:8);:SOUR:CURR:SNK? (@1:8);:CONF:MEAS:FILT?;:OUTP:FAUL? (@1:8)\r\n"
        )
        settings = (
            b":SOUR1:VOLT 3.3012;:SOUR2:VOLT 3.2000;:SOUR3:VOLT 3.3000;:SOUR4:VOLT 3.4000;"
            b":SOUR5:VOLT 3.5000;:SOUR6:VOLT 0.0000;:SOUR7:VOLT 5.0000;:SOUR8:VOLT 3.0000;"
            b":SOUR:AUX:OUT8 2.5000;:SOUR:AUX:OUT1 -10.0000\r\n"
        )
        assert lab.sent() == [
            b"*CLS\r\n",
            b"*IDN?\r\n",
            b"*IDN?\r\n",
            b"CAL:DATE?\r\n",
            b"SYST:ERR?\r\n",
            limits,
            read_limits,
            b"SYST:ERR?\r\n",
            b":OUTP 1,(@1:8)\r\n",
            b":OUTP? (@1:8)\r\n",
            settings,
            b":MEAS:VOLT? (@1:8);:MEAS:CURR:AVG? (@1:8);:SYST:ALARM?;:SYST:ERR:COUN?\r\n",
            b":OUTP2:FAUL OPEN\r\n",
            b":OUTP2:FAUL?\r\n",
            b":OUTP 0,(@1:8);:SOUR:AUX:OUT 0,(@1:8)\r\n",
            b":OUTP? (@1:8)\r\n",
            b":SOUR:AUX:OUT? (@1:8);:MEAS:VOLT? (@1:8)\r\n",
        ]

    in_lab(story)


def test_a_fault_that_an_earlier_run_left_in_is_taken_out() -> None:
    """Its open relay would be held against the next board."""

    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.set_fault(2, "open")
        await lab.driver.apply([3.3] * 8, {})
        await lab.driver.make_safe()
        await lab.driver.arm()
        await lab.clock.sleep_until(lab.clock.now() + SECOND)
        assert lab.twin.cell_v(2, lab.clock.now()) == pytest.approx(3.3, abs=2e-3)

    in_lab(story)


def test_what_is_applied_is_sensed() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        for channel in range(1, 9):
            Bleed(lab.twin, channel, 33.0, duty=channel / 8)
        ordered = [3.2 + 0.01 * channel for channel in range(8)]
        for tick in range(1, 4):
            await lab.clock.sleep_until(tick * SECOND)
            await lab.driver.apply(ordered, {3: 1.234})
            await lab.clock.sleep_until(tick * SECOND + 900 * MILLISECOND)
            reading = await lab.driver.sense()
        assert list(reading.voltage_v) == pytest.approx(ordered, abs=1.2e-3)
        expected_a = [v / 33.0 * (k + 1) / 8 for k, v in enumerate(ordered)]
        assert list(reading.current_a) == pytest.approx(expected_a, abs=5e-4)
        assert reading.alarm == 0
        assert lab.twin.aux_v(3) == pytest.approx(1.234, abs=2e-4)
        lab.twin.inject("alarm", 1, active=True)
        assert (await lab.driver.sense()).alarm == 0x100

    in_lab(story)


@pytest.mark.parametrize(
    ("voltage_v", "aux_v"),
    [
        ([3.3] * 7 + [5.0001], {}),
        ([-0.0001] + [3.3] * 7, {}),
        ([math.nan] + [3.3] * 7, {}),
        ([3.3] * 9, {}),
        ([], {}),
        ([3.3] * 8, {1: 10.5}),
        ([3.3] * 8, {9: 1.0}),
        ([3.3] * 8, {1: math.nan}),
    ],
)
def test_nothing_is_sent_outside_the_range(voltage_v: list[float], aux_v: dict[int, float]) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.log.clear()
        with pytest.raises(ValueError, match="emulator-1"):
            await lab.driver.apply(voltage_v, aux_v)
        assert lab.log == []

    in_lab(story)


def test_a_limit_outside_the_unit_is_refused_at_once() -> None:
    async def story(_: Lab) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match=r"6\.0 A"):
        in_lab(story, source_limit_a=6.0)
    with pytest.raises(TypeError, match="volume"):
        in_lab(story, volume=11)


def test_another_model_is_refused() -> None:
    async def story(lab: Lab) -> None:
        lab.twin._scpi._identity = "Bloomy Controls,BS1200,1,1.0"
        await lab.driver.connect()
        with pytest.raises(InstrumentFault, match=r"expected a Bloomy ABS, .* BS1200"):
            await lab.driver.identify()

    in_lab(story)


def test_an_output_that_stays_on_is_reported() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("refuses-off", 3, active=True)
        with pytest.raises(InstrumentFault, match="outputs 0,0,1,0,0,0,0,0"):
            await lab.driver.make_safe()
        assert await lab.driver.outputs_on() == [False, False, True] + [False] * 5
        lab.twin.inject("refuses-off", 3, active=False)
        assert await lab.driver.make_safe() == f"outputs {OFF}"

    in_lab(story)


def test_an_interlock_keeps_the_unit_from_arming() -> None:
    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        lab.twin.receive(b"SYST:ALARM:RAISE\n")
        await lab.driver.identify()
        with pytest.raises(InstrumentFault, match="held off by an alarm") as caught:
            await lab.driver.arm()
        assert caught.value.code == -221

    in_lab(story)


def test_a_refused_set_point_surfaces_at_the_next_reading() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.receive(b"SOUR1:VOLT 7\n")
        with pytest.raises(InstrumentFault, match="Data out of range") as caught:
            await lab.driver.sense()
        assert caught.value.code == -222
        await lab.driver.sense()

    in_lab(story)


def test_a_silent_unit_times_out_and_is_brought_back_into_step() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply([3.3] * 8, {})
        lab.twin.inject("silent", 0, active=True)
        start = lab.clock.now()
        with pytest.raises(LinkTimeout, match="emulator-1"):
            await lab.driver.sense()
        assert lab.clock.now() - start == 150 * MILLISECOND
        lab.twin.inject("silent", 0, active=False)
        await lab.clock.sleep_until(SECOND)
        assert (await lab.driver.sense()).voltage_v[0] == pytest.approx(3.3, abs=1.5e-3)

    in_lab(story)


def test_a_late_answer_is_never_taken_for_another_question() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("late", 0, active=True)
        with pytest.raises(LinkTimeout):
            await lab.driver.sense()
        lab.twin.inject("late", 0, active=False)
        assert await lab.driver.outputs_on() == [True] * 8  # though the readings came first

    in_lab(story)


def test_off_goes_out_even_to_a_unit_that_does_not_answer() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("silent", 0, active=True)
        for _ in range(2):
            with pytest.raises(DeviceError):
                await lab.driver.make_safe()
        assert math.isnan(lab.twin.cell_v(1, lab.clock.now()))
        lab.twin.inject("silent", 0, active=False)
        assert await lab.driver.make_safe() == f"outputs {OFF}"

    in_lab(story)


def test_a_garbled_answer_is_no_reading() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        send = lab.twin._send
        assert send is not None
        lab.twin._send = lambda data, at: send(data.replace(b";", b"|"), at)
        with pytest.raises(MalformedReply, match="expected 4 replies"):
            await lab.driver.sense()

    in_lab(story)


def test_set_fault_reads_back_and_refuses_what_it_does_not_know() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply([3.3] * 8, {})
        for fault, volts in (("short", 0.0), ("polarity", -3.3), ("none", 3.3)):
            await lab.driver.set_fault(4, fault)
            await lab.clock.sleep_until(lab.clock.now() + SECOND)
            assert lab.twin.cell_v(4, lab.clock.now()) == pytest.approx(volts, abs=1e-3)
        for channel, fault in ((0, "open"), (9, "open"), (1, "molten")):
            with pytest.raises(ValueError, match="no fault"):
                await lab.driver.set_fault(channel, fault)
        assert await lab.driver.outputs_on() == [True] * 8

    in_lab(story)


@pytest.mark.parametrize("cut", ["question", "set-points"])
def test_a_line_that_arrives_in_part_costs_one_reading(cut: str) -> None:
    """Its half is ended before the next line: no set-point goes lost in it, no echo is news."""

    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply([3.3] * 8, {})
        engine: Any = lab.twin._scpi
        take = engine.receive

        def half(data: bytes) -> list[str]:
            engine.receive = take
            heard: list[str] = take(data[: len(data) // 2 - 3])
            return heard

        await lab.clock.sleep_until(lab.clock.now() + SECOND)
        engine.receive = half
        if cut == "set-points":
            await lab.driver.apply([3.31] * 8, {})
        with pytest.raises(LinkTimeout):
            await lab.driver.sense()
        await lab.driver.apply([3.32] * 8, {})
        await lab.clock.sleep_until(lab.clock.now() + SECOND)
        assert (await lab.driver.sense()).voltage_v == pytest.approx([3.32] * 8, abs=2e-3)
        assert lab.twin.truth()["set_v"] == [3.32] * 8

    in_lab(story)


def test_what_was_refused_meanwhile_is_still_told() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin.inject("silent", 0, active=True)
        with pytest.raises(LinkTimeout):
            await lab.driver.sense()
        lab.twin.inject("silent", 0, active=False)
        await lab.driver._write(":SOUR1:VOLT 9;:SOUR2:VOLT 9;:SOUR9:VOLT 1")
        with pytest.raises(InstrumentFault, match=r"-222.*, and 1 more"):
            await lab.driver.sense()
        await lab.driver.sense()

    in_lab(story)
