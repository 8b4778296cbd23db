"""What strategies cost on a chip: counted right, judged right, and told right on the page."""

import re
import subprocess
from pathlib import Path

import chip_cost
import pytest
import yaml
from c_strategies import CStrategy, file_of, parts
from chip_claim import Chip, Claim
from chip_cost import (
    CLAIM,
    FLAGS,
    MACHINES,
    STRATEGIES,
    Build,
    Cost,
    compiler,
    cost_of,
    costs,
    flash_of,
    image_of,
    ran,
    told_by,
)
from chip_day import chip_day, hard_cases
from chip_page import page, rows
from tools import program

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "atlas" / f"{CLAIM.stem}.md"
LEDGER = Build("charge-ledger", "cortex-m0plus", "-Os")


@pytest.fixture
def claim() -> Claim:
    return Claim(yaml.safe_load(CLAIM.read_text()))


@pytest.mark.parametrize(
    ("strategy", "core"),
    [
        ("state-aware", "cortex-m3"),
        ("charge-ledger", "cortex-m3"),
        ("charge-ledger", "cortex-m0plus"),
    ],
)
def test_a_chip_decides_as_the_host_does(strategy: str, core: str, tmp_path: Path) -> None:
    state, steps = ran(Build(strategy, core, "-O2"), tmp_path)
    here = CStrategy(file_of(strategy), tmp_path / "host.so")
    day = [*chip_day(), *hard_cases()]
    assert len(steps) == len(day) == 756
    for one, step in zip(day, steps, strict=True):
        decided = here.step(one)
        found = (step.bleeding, step.percent, step.wants_full)
        assert found == (decided.bleeding, decided.percent, decided.wants_full)
    assert 0 < state <= here.size  # a host's addresses and alignments may be wider


def executed(image: Path, core: str, folder: Path) -> list[int]:
    """Return the instructions of each decision as the emulator's trace has them, one a line.

    Of the trace all counts that is neither the measuring itself nor what prints: the strategy's
    functions and what those call.
    """
    log = folder / "trace.log"
    told_by(image, MACHINES[core], "-singlestep", "-d", "exec,nochain", "-D", str(log))
    found, inside = list[int](), False
    for line in log.read_text().splitlines():
        if not line.startswith("Trace"):
            continue
        name = line.rpartition(" ")[2].partition(".")[0]  # of a clone: measure.constprop.0
        if name == "strategy_step" and not inside:
            found.append(0)
        inside = name not in ("measure", "main", "print", "ask", "reset_handler")
        if inside and found:
            found[-1] += 1
    return found


@pytest.mark.parametrize(
    ("strategy", "core"), [("fixed-threshold", "cortex-m0plus"), ("charge-ledger", "cortex-m3")]
)
def test_the_counter_and_the_trace_count_the_same_instructions(
    strategy: str, core: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ways to count that share nothing: they differ by the call, which is always the same."""
    full = chip_day()
    some = [*full[100:103], *full[-2:]]
    monkeypatch.setattr(chip_cost, "chip_day", lambda: some)
    monkeypatch.setattr(chip_cost, "hard_cases", list)
    build = Build(strategy, core, "-Os")
    counted = [step.instructions for step in ran(build, tmp_path)[1]]
    traced = executed(image_of(build, tmp_path), core, tmp_path)
    assert len(traced) == len(some)
    (call,) = {one - other for one, other in zip(counted, traced, strict=True)}
    assert 0 < call < 10


def test_both_machines_count_the_same_of_one_image(tmp_path: Path) -> None:
    on_m0 = ran(LEDGER, tmp_path, MACHINES["cortex-m0plus"])
    on_m3 = ran(LEDGER, tmp_path, MACHINES["cortex-m3"])
    assert on_m0 == on_m3


def frames(build: Build, folder: Path) -> list[int]:
    """Return what the compiler says that each function of a strategy puts on the stack, bytes."""
    words = [program("arm-none-eabi-gcc"), *FLAGS, f"-mcpu={build.core}", build.level]
    sources = map(str, [file_of(build.strategy), *parts()])
    subprocess.run(  # noqa: S603 - the cross compiler, our sources
        [*words, "-fstack-usage", "-c", *sources], cwd=folder, check=True
    )
    lines = [line for su in folder.glob("*.su") for line in su.read_text().splitlines()]
    return [int(line.split("\t")[1]) for line in lines]


@pytest.mark.parametrize("core", MACHINES)
def test_the_stack_that_is_found_is_one_that_the_compiler_tells_of(
    core: str, tmp_path: Path
) -> None:
    """At least the largest frame; at most all of them, with the compiler's library above."""
    build = LEDGER._replace(core=core)
    found = max(step.stack for step in ran(build, tmp_path)[1])
    told = frames(build, tmp_path)
    library = 64
    assert max(told) + 4 < found < sum(told) + library


def test_a_strategy_with_variables_of_its_own_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = file_of("fixed-threshold").read_text()
    wrong = tmp_path / "fixed_threshold.c"
    wrong.write_text(
        text.replace("self->bleeding = 0;", "static uint32_t starts; self->bleeding = starts++;")
    )
    monkeypatch.setattr(chip_cost, "file_of", lambda _: wrong)
    with pytest.raises(ValueError, match="variables outside of its state"):
        flash_of(LEDGER._replace(strategy="fixed-threshold"), tmp_path)


def test_flash_is_the_strategy_alone_with_its_library(tmp_path: Path) -> None:
    """An M0+ has no division: a strategy that divides pays for the compiler's, others do not."""
    plain, ledger = (
        flash_of(Build(name, "cortex-m0plus", "-Os"), tmp_path)
        for name in ("none", "charge-ledger")
    )
    without = flash_of(LEDGER._replace(core="cortex-m3"), tmp_path)
    assert plain < 32
    assert ledger - without > 300


def invented(**of: Cost) -> dict[Build, Cost]:
    """Return costs of every strategy, the same on all builds; a tiny one for who is not named."""
    tiny = Cost(flash=100, state=4, stack=40, worst=100, mean=100)
    return {
        Build(name, core, level): of.get(name.replace("-", "_"), tiny)
        for name in STRATEGIES
        for core in MACHINES
        for level in ("-Os", "-O2")
    }


SMALL = Chip(flash_kib=32, ram_kib=4, clock_mhz=16, cycles_per_instruction=2)


@pytest.mark.parametrize(
    ("cost", "lacking"),
    [
        (Cost(8192, 24, 1000, 800_000, 1), []),
        (Cost(8193, 24, 1000, 800_000, 1), ["flash"]),
        (Cost(8192, 25, 1000, 800_000, 1), ["ram"]),
        (Cost(8192, 24, 1000, 800_001, 1), ["time"]),
        (Cost(8193, 25, 1000, 800_001, 1), ["flash", "ram", "time"]),
    ],
)
def test_there_is_room_up_to_the_budget_and_no_further(
    claim: Claim, cost: Cost, lacking: list[str]
) -> None:
    assert claim.lacking(cost, SMALL) == lacking


def test_the_claim_holds_where_both_compensations_lack_something(claim: Claim) -> None:
    huge = Cost(flash=70_000, state=4, stack=40, worst=100, mean=100)
    half = huge._replace(flash=9000)  # too much for a quarter of 32 kB, not of 64
    assert claim.verdict(invented()) == ("not supported", 0.0)
    assert claim.verdict(invented(compensated_trade=huge)) == ("not supported", 0.0)
    both = {"compensated_trade": huge, "compensated_physics": huge}
    assert claim.verdict(invented(**both)) == ("supported", 1.0)
    assert claim.verdict(invented(**{**both, "compensated_trade": half})) == ("partly", 0.5)


def test_every_check_can_fail_and_can_hold(claim: Claim) -> None:
    """Between three sets of invented costs, each check turns over."""
    huge = Cost(flash=70_000, state=4, stack=40, worst=10_000_000, mean=1)
    tenfold = Cost(flash=100, state=4, stack=40, worst=1000, mean=1)
    worlds = [
        invented(),
        invented(**{name.replace("-", "_"): huge for name in STRATEGIES}),
        invented(compensated_trade=huge, compensated_physics=tenfold, compensated_float=huge),
        invented(compensated_physics=huge),
    ]
    held = [[one.held for one in claim.checked(world)] for world in worlds]
    assert all(len(set(of_one)) == 2 for of_one in zip(*held, strict=True))


def told_rows() -> list[str]:
    """Return the committed table; skips where its figures are another compiler's."""
    text = PAGE.read_text(encoding="utf-8")
    if compiler() not in text:
        pytest.skip(f"the page was measured with another compiler than {compiler()}")
    return [line for line in text.splitlines() if re.search(r"\| cortex-m", line)]


@pytest.mark.parametrize("strategy", ["compensated-trade", "compensated-physics"])
def test_the_page_tells_what_is_measured_now(claim: Claim, strategy: str, tmp_path: Path) -> None:
    build = Build(strategy, "cortex-m0plus", "-Os")
    fresh = list(rows(claim, {build: cost_of(build, tmp_path)}))[2:]
    assert fresh[0] in told_rows()


@pytest.mark.nightly
def test_the_whole_page_is_what_is_measured_now(claim: Claim, tmp_path: Path) -> None:
    told_rows()
    measured = costs(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    made = "\n".join(page(claim, measured, "READING", f"{CLAIM.stem}.svg"))
    head, _, tail = made.partition("READING")
    assert text.startswith(head)
    assert text.rstrip("\n").endswith(tail)
