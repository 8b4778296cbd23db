"""One direction of a disturbed link against a model: nothing invented, nothing lost but by plan."""

from collections import Counter
from dataclasses import replace
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.links.faulty_lane import Alter, Lane
from drivers.links.faulty_media import BYTES
from drivers.links.faulty_plan import (
    KINDS,
    Direction,
    FaultKeys,
    FaultPlan,
    LinkFault,
    drawn,
    override,
)
from hil.core.instants import Instant
from hil.profile import load_bench, read_options

BY = 100
Passed = list[tuple[Instant, bytes]]

amounts = {
    "late": st.integers(0, 3 * BY),
    "partial": st.integers(0, 9),
    "corrupted": st.integers(0, 200),
    "reordered": st.integers(1, 4),
    "disconnected": st.integers(0, 3 * BY),
}
faults = st.sampled_from([kind for kind in KINDS if kind != "disconnected"]).flatmap(
    lambda kind: st.builds(
        LinkFault,
        st.just("to host"),
        st.integers(0, 15),
        st.just(kind),
        amounts.get(kind, st.just(0)),
    )
)
plans = st.lists(faults, unique_by=lambda one: one.index).map(tuple)
traffic = st.lists(
    st.tuples(st.integers(0, 2 * BY), st.binary(min_size=1, max_size=8)), max_size=16
)


def lane(plan: tuple[LinkFault, ...], told: list[LinkFault] | None = None) -> Lane[bytes]:
    """Return a lane to the host whose faults are noted."""
    note = (told if told is not None else []).append
    return Lane("to host", FaultPlan(keys=FaultKeys(by_ns=BY), faults=plan), BYTES.alter, note)


def played(plan: tuple[LinkFault, ...], gaps: list[tuple[int, bytes]]) -> Passed:
    """Return what passes of messages that follow one another at ``gaps``, until all is quiet."""
    one, passed, now = lane(plan), [], 0
    for gap, data in gaps:
        now += gap
        passed += one.push(data, now)
    passed += one.release(now + 10 * BY)
    assert one.next_due() is None
    return passed


def modelled(plan: tuple[LinkFault, ...], gaps: list[tuple[int, bytes]]) -> Counter[bytes]:
    """Return what must arrive sooner or later, each message looked at by itself."""
    by_index = {fault.index: fault for fault in plan}
    whole: Counter[bytes] = Counter()
    for index, (_, data) in enumerate(gaps):
        fault = by_index.get(index)
        kind, amount = (fault.kind, fault.amount) if fault else ("", 0)
        bits, bit = int.from_bytes(data, "little"), amount % (8 * len(data))
        whole += Counter(
            {
                "lost": [],
                "partial": [data[: amount % len(data)]] if amount % len(data) else [],
                "doubled": [data, data],
                "corrupted": [(bits ^ 1 << bit).to_bytes(len(data), "little")],
            }.get(kind, [data])
        )
    return whole


@given(plans, traffic)
def test_what_arrives_is_exactly_what_the_plan_says(
    plan: tuple[LinkFault, ...], gaps: list[tuple[int, bytes]]
) -> None:
    assert Counter(data for _, data in played(plan, gaps)) == modelled(plan, gaps)


@given(plans, traffic)
def test_a_message_passes_at_its_own_instant_or_when_its_fault_says(
    plan: tuple[LinkFault, ...], gaps: list[tuple[int, bytes]]
) -> None:
    # numbered, so that each message can be told from the others
    plan = tuple(fault for fault in plan if fault.kind not in ("partial", "corrupted"))
    numbered = [(gap, bytes([k])) for k, (gap, _) in enumerate(gaps)]
    passed = played(plan, numbered)
    assert [at for at, _ in passed] == sorted(at for at, _ in passed)
    came = [sum(gap for gap, _ in numbered[: k + 1]) for k in range(len(numbered))]
    by_index = {fault.index: fault for fault in plan}
    for place, (at, data) in enumerate(passed):
        fault = by_index.get(data[0])
        if fault is None or fault.kind == "doubled":
            assert at == came[data[0]]
        elif fault.kind == "late":
            assert at == came[data[0]] + fault.amount
        elif at < came[data[0]] + BY:  # reordered, and overtaken in time
            unhindered = {k for k in range(len(came)) if k not in by_index} | {
                k for k, one in by_index.items() if one.kind == "doubled"
            }
            before = {one[0] for _, one in passed[:place]}
            overtakers = [k for k in unhindered if k > data[0] and k in before]
            assert len(overtakers) == fault.amount
            assert at == came[max(overtakers)]
        else:
            assert at == came[data[0]] + BY


@given(plans, traffic)
def test_each_fault_that_takes_effect_is_told_once(
    plan: tuple[LinkFault, ...], gaps: list[tuple[int, bytes]]
) -> None:
    told: list[LinkFault] = []
    one = lane(plan, told)
    for _, data in gaps:
        one.push(data, 0)
    assert Counter(told) == Counter(fault for fault in plan if fault.index < len(gaps))


@given(plans, traffic)
def test_messages_without_a_fault_keep_their_order(
    plan: tuple[LinkFault, ...], gaps: list[tuple[int, bytes]]
) -> None:
    plan = tuple(fault for fault in plan if fault.kind != "corrupted")  # whose number is another
    numbered = [(gap, bytes([k])) for k, (gap, _) in enumerate(gaps)]
    untouched = set(range(len(gaps))) - {fault.index for fault in plan}
    arrived = [data[0] for _, data in played(plan, numbered)]
    assert [k for k in arrived if k in untouched] == sorted(untouched)


@given(traffic)
def test_a_lane_that_is_dropped_starts_clean(gaps: list[tuple[int, bytes]]) -> None:
    one = lane(tuple(LinkFault("to host", k, "late", BY) for k in range(16)))
    for _gap, data in gaps:
        assert one.push(data, 0) == []
    one.drop()
    assert one.release(10 * BY) == []


# --- rates ---------------------------------------------------------------------------------------

rates = st.builds(
    FaultKeys,
    **{kind: st.floats(0.0, 1 / len(KINDS)) for kind in KINDS},
)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
directions = st.sampled_from(DIRECTIONS)


@given(rates, st.integers(0, 2**48), directions, st.lists(st.integers(0, 10**9), max_size=20))
def test_what_rates_draw_does_not_depend_on_who_asks_when(
    keys: FaultKeys, seed: int, direction: Direction, indices: list[int]
) -> None:
    def ask(order: list[int]) -> dict[int, LinkFault | None]:
        return {k: drawn(keys, seed, "board", direction, k) for k in order}

    assert ask(indices) == ask(indices[::-1])
    own = replace(keys, seed=seed)
    assert ask(indices) == {k: drawn(own, seed + 1, "board", direction, k) for k in indices}


@settings(max_examples=10)  # each reads a whole bench file
@given(rates, st.integers(0, 2**48), st.integers(0, 10**6))
def test_what_rates_draw_can_be_written_as_a_list_and_read_again(
    keys: FaultKeys, seed: int, first: int
) -> None:
    found = [drawn(keys, seed, "board", "to host", k) for k in range(first, first + 40)]
    plan = tuple(fault for fault in found if fault is not None)
    bench = load_bench("virtual-16s", [override("board", plan)])
    keys_read = read_options(FaultKeys, bench.devices["board"].link.faults)
    again = FaultPlan(keys=FaultKeys(**keys_read))
    for k in range(first, first + 40):
        assert again.of("to host", k, 0) == found[k - first]


def test_rates_come_out_as_often_as_they_say() -> None:
    keys = FaultKeys(lost=0.02, late=0.05, corrupted=0.01)
    count = 50_000
    drew = Counter(
        fault.kind for k in range(count) if (fault := drawn(keys, 1, "board", "to host", k))
    )
    assert set(drew) == {"lost", "late", "corrupted"}
    for kind, found in drew.items():
        rate = getattr(keys, kind)
        sigma = (count * rate * (1 - rate)) ** 0.5
        assert abs(found - count * rate) < 5 * sigma


def test_devices_and_directions_draw_apart() -> None:
    keys = FaultKeys(lost=0.5)
    rows = {
        tuple(drawn(keys, seed, device, direction, k) is None for k in range(64))
        for seed in (1, 2)
        for device in ("board", "chamber")
        for direction in DIRECTIONS
    }
    assert len(rows) == 8


def test_a_lane_of_anything_works_by_its_alter() -> None:
    told: list[LinkFault] = []
    words: Alter[str] = Alter(len, lambda text, kept: text[:kept], lambda text, bit: f"{text}{bit}")
    plan = FaultPlan(faults=(LinkFault("to device", 0, "corrupted", 9),))
    one = Lane("to device", plan, words, told.append)
    assert one.push("a", 5) == [(5, "a1")]
