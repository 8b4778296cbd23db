"""What a pack is doing, told from sensors that are noisy, drift, and fail."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.balancing.states import UNDECIDED, Doing, StateRules
from hil.balancing.strategy import Floats

DAY = [
    # hours, current (A, + in discharge), highest cell at begin and end (V), and what it is
    (2.0, 0.0, 3.300, 3.300, Doing.REST),
    (6.0, 14.0, 3.300, 3.260, Doing.DISCHARGE),
    (2.0, 0.3, 3.290, 3.295, Doing.REST),  # a converter's own draw
    (4.0, -22.0, 3.340, 3.430, Doing.CHARGE),
    (1.0, -6.0, 3.462, 3.470, Doing.FULL),
    (3.0, -0.4, 3.450, 3.450, Doing.FLOAT),
    (3.0, 0.0, 3.340, 3.335, Doing.REST),
    (3.0, 9.0, 3.310, 3.300, Doing.DISCHARGE),
]
"""A day of a household of 100 Ah; voltages keep clear of thresholds as charge and rest do."""
EVERY_S = 20.0


def day() -> tuple[Floats, Floats, Floats]:
    """Return current, highest cell and state of each decision of ``DAY``."""
    counts = [round(hours * 3600 / EVERY_S) for hours, *_ in DAY]
    amps = np.repeat([phase[1] for phase in DAY], counts)
    volts = np.concatenate(
        [np.linspace(*phase[2:4], n) for phase, n in zip(DAY, counts, strict=True)]
    )
    return amps, volts, np.repeat([float(phase[4]) for phase in DAY], counts)


def told(amps: Floats, volts: Floats, every_s: float = EVERY_S) -> Floats:
    """Return the state that is detected at each decision, (decisions, ...)."""
    rules, detected, doing = StateRules(), UNDECIDED, []
    for k in range(len(amps)):
        detected = rules.step(detected, np.asarray(every_s * k), amps[k], volts[k])
        doing.append(detected.doing)
    return np.array(doing, float)


@pytest.mark.parametrize("offset_a", [0.0, 0.2, -0.2])
def test_a_day_is_told_right_99_percent_of_the_time_by_noisy_and_drifting_sensors(
    offset_a: float,
) -> None:
    """Twenty days at once: 0.3 A and 3 mV of noise, one wild reading in 500, a drifting shunt."""
    amps, volts, right = day()
    draw = np.random.default_rng(7)
    shape = (len(amps), 20)
    noisy_a = amps[:, np.newaxis] + draw.normal(0.0, 0.3, shape) + offset_a
    noisy_a += np.linspace(0.0, offset_a, len(amps))[:, np.newaxis]  # up to twice as much
    noisy_a += np.where(draw.random(shape) < 0.002, draw.normal(0.0, 50.0, shape), 0.0)
    noisy_v = volts[:, np.newaxis] + draw.normal(0.0, 0.003, shape)
    doing = told(noisy_a, noisy_v)
    share = (doing == right[:, np.newaxis]).mean(axis=0)
    switched = np.count_nonzero(np.diff(doing, axis=0), axis=0)
    print(f"\n  right {share.min():.4f}, switched {switched.max()} times", end="")  # noqa: T201 - the figure
    assert share.min() >= 0.99
    assert switched.max() <= len(DAY) + 2


@pytest.mark.parametrize(
    ("amps", "volts"),
    [
        (2.0, 3.30),
        (-2.0, 3.30),
        (1.0, 3.30),
        (-1.0, 3.45),
        (-10.0, 3.46),
        (0.0, 3.40),
        (-6.0, 3.44),
    ],
)
def test_nothing_chatters_on_a_threshold(amps: float, volts: float) -> None:
    """A day spent on a threshold, under noise of a tenth of the hysteresis' width and more."""
    draw = np.random.default_rng(11)
    shape = (24 * 180, 8)
    doing = told(amps + draw.normal(0.0, 0.15, shape), volts + draw.normal(0.0, 0.003, shape))
    switched = np.count_nonzero(np.diff(doing, axis=0), axis=0)
    assert switched.max() <= 24  # an hour has room for one


@given(
    amps=st.lists(st.floats(-100.0, 100.0), min_size=2, max_size=60),
    volts=st.lists(st.floats(3.0, 3.6), min_size=60, max_size=60),
)
def test_whatever_comes_a_state_lasts_for_its_dwell(amps: list[float], volts: list[float]) -> None:
    doing = told(np.array(amps), np.array(volts[: len(amps)]))
    changes = np.flatnonzero(np.diff(doing))
    assert np.all(np.diff(changes) * EVERY_S >= StateRules().dwell_s)


def test_a_drifted_shunt_does_not_turn_rest_into_float_for_ever() -> None:
    """After the charge, 0.2 A of offset: float as long as voltages are at the top, then rest."""
    volts = np.concatenate([np.full(30, 3.46), np.linspace(3.44, 3.34, 360), np.full(360, 3.338)])
    for offset_a in (-0.2, 0.2):
        amps = np.where(np.arange(len(volts)) < 30, -6.0, 0.0) + offset_a
        doing = told(amps, volts)
        assert doing[29] == Doing.FULL
        assert doing[60] == Doing.FLOAT
        assert np.all(doing[-400:] == Doing.REST)


def test_one_wild_reading_changes_nothing_and_a_new_state_comes_after_its_dwell() -> None:
    amps = np.zeros(20)
    amps[5] = 80.0
    assert not told(amps, np.full(20, 3.3)).any()
    amps[10:] = 15.0
    assert told(amps, np.full(20, 3.3))[10:15].tolist() == [0.0, 0.0, 0.0, 2.0, 2.0]


def test_what_is_not_known_leaves_the_state_as_it_was() -> None:
    amps, volts = np.full(30, -20.0), np.full(30, 3.40)
    amps[10:20], volts[12:25] = math.nan, math.nan
    assert np.all(told(amps, volts) == Doing.CHARGE)


def test_rules_scale_with_capacity() -> None:
    small = StateRules(capacity_ah=10.0)
    step = small.step(UNDECIDED, np.array(0.0), np.array(0.3), np.array(3.3))
    assert step.doing == Doing.DISCHARGE
    for wrong in ({"capacity_ah": 0.0}, {"active_per_h": 0.2}, {"top_v": 3.5}):
        with pytest.raises(ValueError, match="expected"):
            StateRules(**wrong)
