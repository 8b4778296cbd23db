"""Writes the page and the plot of E23 into a folder: every figure in them is measured when it runs.

    PYTHONPATH=tests/scenario .venv/bin/python tests/firmware/chip_page.py docs/atlas

What stands between the two marks of ``KEPT`` was written by somebody who looked at it, and stays.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml
from chip_claim import Chip, Claim
from chip_cost import CLAIM, STRATEGIES, Build, Cost, compiler, costs

from hil.study.page import KEPT, UNREAD

COLOURS = ("#1b6ca8", "#c2571a", "#3c8d40", "#7a4fa3")

LEAN = Chip(flash_kib=32, ram_kib=4, clock_mhz=16, cycles_per_instruction=2)
"""Whose shares the table tells: the smallest chip of the claim."""
COLUMNS = (
    *("strategy", "core", "level", "flash", "state", "stack"),
    *("worst decision", "mean", "of 16 MHz", "no room in"),
)


def rows(claim: Claim, measured: Mapping[Build, Cost]) -> Iterator[str]:
    """Return the table of costs, one row a build."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" * len(COLUMNS) + "|"
    for build, cost in measured.items():
        lacking = [chip for chip in claim.chips if claim.lacking(cost, chip)]
        share = claim.taken(cost, LEAN)["time"]
        yield (
            f"| {build.strategy} | {build.core} | {build.level} | {cost.flash} B | {cost.state} B "
            f"| {cost.stack} B | {cost.worst} | {cost.mean} | {share:.2g} % "
            f"| {len(lacking)} of {len(claim.chips)} |"
        )


def page(claim: Claim, measured: Mapping[Build, Cost], reading: str, plot: str) -> Iterator[str]:
    """Return the lines of the page."""
    file = claim.file
    verdict, share = claim.verdict(measured)
    cells, chips = file["builds"]["cells"], len(claim.chips)
    builds = len({(build.core, build.level) for build in measured})
    yield f"# {file['experiment']}: {file['title']}\n\n> {file['claim'].strip()}\n"
    yield (
        f"**{verdict.capitalize()}**: compensation has no room in {share:.0%} of {chips * builds} "
        "combinations of chip, core and level of optimisation.\n"
    )
    yield f"{KEPT[0]}\n{reading}\n{KEPT[1]}\n"
    yield f"![what each strategy takes of the smallest chip]({plot})\n"
    yield "## What a strategy takes\n"
    clock = f"{LEAN.clock_mhz:g} MHz and {LEAN.cycles_per_instruction:g} cycles each"
    yield (
        f"{cells} cells, four thermistors. Flash: code and constants of the strategy alone, with "
        "what it pulls in of the compiler's library. Stack and instructions: the most that any "
        "decision of a recorded day or of 36 hard cases took (frost, heat, 150 A, an NTC gone); "
        f"the mean is the day's. The worst decision as a share of a second at {clock}.\n"
    )
    yield from rows(claim, measured)
    yield "\n## Checks\n\nWritten down before anything was measured.\n"
    yield "| | check | expected | found |\n|---|---|---|---|"
    for one in claim.checked(measured):
        held = "yes" if one.held else "no"
        yield f"| {held} | {one.role}: {one.name} | {one.expected} | {one.found} |"
    yield from _how(claim)


def _how(claim: Claim) -> Iterator[str]:
    ranges = ", ".join(f"{key} {values}" for key, values in claim.file["chips"].items())
    budget = ", ".join(f"{key} {value}" for key, value in claim.file["budget"].items())
    yield f"\n## How\n\nChips (all assumed): {ranges}. Of that, balancing may take: {budget}.\n"
    yield (
        f"Built by {compiler()}. Cortex-M0+ builds ran on QEMU's microbit (a Cortex-M0: the same "
        "instructions), Cortex-M3 builds on its mps2-an385, every instruction counted. Sources: "
        "`firmware_stubs/strategies`; checks: `E23-old-master-chips.yaml` there. "
        "To measure again:\n"
    )
    yield "    make -C firmware_stubs cost"


def draw(claim: Claim, measured: Mapping[Build, Cost], to: Path) -> None:
    """Draw what each build takes of the smallest chip, in per cent, against the budget."""
    # heavy, and of no use to whoever wants the figures only
    from matplotlib import rc_context  # noqa: PLC0415 - as said above
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(12, 4.6), layout="constrained")
    names = list(reversed(STRATEGIES))
    builds = sorted({(build.core, build.level) for build in measured})
    for axes, kind in zip(
        figure.subplots(1, 3, sharey=True), ("flash", "ram", "time"), strict=True
    ):
        for k, (core, level) in enumerate(builds):
            taken = [claim.taken(measured[Build(one, core, level)], LEAN)[kind] for one in names]
            places = [place + 0.15 * (1.5 - k) for place in range(len(names))]
            axes.plot(taken, places, "o", color=COLOURS[k], ms=5, label=f"{core} {level}")
        axes.axvline(getattr(claim.budget, f"{kind}_percent"), color="black", ls="--", lw=1)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(f"% of its {kind} (dashed: what balancing may take)")
        axes.set_yticks(range(len(names)), names)
        axes.grid(axis="x", alpha=0.3)
    # over the points there is no place for it
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(builds), frameon=False)
    chip = f"{LEAN.flash_kib:g} kB flash, {LEAN.ram_kib:g} kB RAM, {LEAN.clock_mhz:g} MHz"
    cycles = f"{LEAN.cycles_per_instruction:g} cycles an instruction"
    figure.suptitle(
        f"What each strategy takes of the smallest chip ({chip}, {cycles}), a decision a second"
    )
    with rc_context({"svg.hashsalt": "E23"}):  # equal figures, equal bytes
        figure.savefig(to, metadata={"Date": None})


def main(folder: Path) -> None:
    """Measure, and write page and plot."""
    claim = Claim(yaml.safe_load(CLAIM.read_text()))
    path = folder / f"{CLAIM.stem}.md"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    _, found, rest = before.partition(KEPT[0])
    reading = rest.partition(KEPT[1])[0].strip() if found else UNREAD
    with tempfile.TemporaryDirectory() as scratch:
        measured = costs(Path(scratch))
    plot = path.with_suffix(".svg")
    draw(claim, measured, plot)
    path.write_text("\n".join(page(claim, measured, reading, plot.name)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
