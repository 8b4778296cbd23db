"""The key ``faults`` of a link in a bench file: what it takes, and how it refuses the rest."""

from pathlib import Path

import pytest

from drivers.links.faulty_plan import FaultAt, FaultKeys, FaultPlan, LinkFault
from hil.app import Request, prepare
from hil.core.errors import ConfigErrors
from hil.core.instants import MILLISECOND, SECOND
from hil.profile import load_bench, read_options
from hil.profile.files import data_root

LINK = "link: {kind: memory-can}"


def bench_with(tmp_path: Path, link: str) -> Path:
    """Return a copy of the virtual bench whose board has another link."""
    text = (data_root(None) / "benches" / "virtual-16s.yaml").read_text(encoding="utf-8")
    assert text.count(LINK) == 1
    path = tmp_path / "bench.yaml"
    path.write_text(text.replace(LINK, link), encoding="utf-8")
    return path


def test_a_bench_file_says_how_a_link_is_disturbed(tmp_path: Path) -> None:
    path = bench_with(
        tmp_path,
        "link: {kind: memory-can, bitrate: 250000, faults: {seed: 3, lost: 0.1 %, by: 20 ms, "
        "from: 10 s, until: 1 min, at: [{to: host, message: 12, fault: corrupted, bit: 5}]}}",
    )
    link = load_bench(path).devices["board"].link
    assert link.kind == "memory-can"
    assert dict(link.options) == {"bitrate": "250000"}
    assert FaultKeys(**read_options(FaultKeys, link.faults)) == FaultKeys(
        seed=3,
        lost=0.001,
        by_ns=20 * MILLISECOND,
        from_ns=10 * SECOND,
        until_ns=60 * SECOND,
        at=(FaultAt("host", 12, "corrupted", bit=5),),
    )


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ("{lots: 1 %}", "unknown key 'lots'; did you mean 'lost'?"),
        ("{lost: 120 %}", "lost: expected 0 % to 100 %"),
        ("{lost: nan}", "lost: "),
        ("{lost: 60 %, late: 60 %}", "the rates add up to 120%"),
        ("{by: 1 min}", "by: expected 0 s to 30 s"),
        ("{gone: -1 s}", "gone: "),
        ("{until: 1}", "until: "),
        ("{at: {to: host}}", "at: "),
        ("{at: [{to: host, message: 3}]}", "fault"),
        ("{at: [{to: host, message: -1, fault: lost}]}", "message: found -1"),
        ("{at: [{to: host, message: 1, fault: wrong}]}", "fault"),
        ("{at: [{to: host, message: 1, fault: lost, by: 1 s}]}", "by: goes with late"),
        ("{at: [{to: host, message: 1, fault: reordered, behind: 0}]}", "behind: found 0"),
        (
            "{at: [{to: host, message: 1, fault: lost}, {to: host, message: 1, fault: late}]}",
            "two faults on message 1 to host",
        ),
        ("lots", "expected a mapping"),
    ],
)
def test_what_makes_no_sense_is_told_at_its_place(tmp_path: Path, faults: str, said: str) -> None:
    path = bench_with(tmp_path, f"link: {{kind: memory-can, faults: {faults}}}")
    with pytest.raises(ConfigErrors) as caught:
        prepare(Request("open-sense-lead", bench=str(path)))
    [error] = caught.value.errors
    assert said in str(error)
    assert error.file == str(path)
    [line] = [
        k
        for k, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if faults in text
    ]
    assert error.line == line


def test_the_list_goes_before_rates_and_acts_outside_their_window() -> None:
    listed = LinkFault("to host", 5, "late", 7)
    keys = FaultKeys(lost=1.0, from_ns=100, until_ns=200)
    plan = FaultPlan(keys=keys, faults=(listed,))
    assert [plan.of("to host", 5, at) for at in (0, 150, 300)] == [listed] * 3
    assert plan.of("to host", 6, 99) is None
    assert plan.of("to host", 6, 100) == LinkFault("to host", 6, "lost")
    assert plan.of("to host", 6, 200) is None
    assert plan.of("to device", 5, 150) == LinkFault("to device", 5, "lost")


def test_a_listed_fault_takes_its_amount_from_its_own_key_or_the_plans() -> None:
    keys = FaultKeys(
        by_ns=3,
        gone_ns=4,
        at=(
            FaultAt("host", 0, "late"),
            FaultAt("host", 1, "late", by_ns=9),
            FaultAt("host", 2, "disconnected"),
            FaultAt("host", 3, "reordered"),
            FaultAt("host", 4, "partial", passing=2),
            FaultAt("device", 5, "lost"),
        ),
    )
    plan = FaultPlan(keys=keys)
    amounts = [fault.amount for k in range(5) if (fault := plan.of("to host", k, 0))]
    assert amounts == [3, 9, 4, 1, 2]
    assert plan.of("to device", 5, 0) == LinkFault("to device", 5, "lost")


@pytest.mark.parametrize(
    ("kind", "index", "amount"),
    [("lost", -1, 0), ("late", 0, -1), ("late", 0, 31 * SECOND), ("reordered", 0, 0)],
)
def test_a_fault_that_could_never_take_place_is_refused(kind: str, index: int, amount: int) -> None:
    with pytest.raises(ValueError, match="LinkFault"):
        LinkFault("to host", index, kind, amount)  # type: ignore[arg-type]
