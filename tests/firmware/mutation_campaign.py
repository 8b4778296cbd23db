"""How many small mistakes in the firmware the profiles find: a mutation campaign.

    python tests/firmware/mutation_campaign.py --count 120 --to mutants.json

A mutant whose machine code is that of the original changes nothing and is left out. The others are
flashed, so to speak, and judged by the profiles alone, one after the other, until one of them does
not pass. Those that pass all of them survive.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from images import FIRMWARE, DoesNotCompile, compiled
from judged import HUNG, Judged, judged
from mutator import Mutant, chosen

HUNTED = (
    "balancing.c",
    "bleeds.c",
    "chain.c",
    "cycle.c",
    "ina229.c",
    "ltc6813.c",
    "open_wire.c",
    "thermistor.c",
)
"""Where a mistake is looked for: what the firmware measures, and what it bleeds."""
ON_TWO_FRONT_ENDS = (
    *("--bench", "virtual-32s", "--set", "needs.cells=32", "--set", "parameters.least=28 %"),
    *("--set", "pack.cells.19.soc=99.3 %", "--set", "pack.cells.32.soc=99.35 %"),
)
RUNS = (
    ("board-duties", "--bench", "virtual-16s-slow"),
    ("board-duties",),
    ("board-protections",),
    ("board-duties", *ON_TWO_FRONT_ENDS),
    ("shadow-fixed-threshold",),
)
"""What judges a mutant, as one would write it behind ``hil run``; the shortest first."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant: ``killed``, ``survived``, ``hung``, ``equivalent`` or ``no C``."""

    mutant: str
    end: str
    by: str = ""
    reason: str = ""


def campaign(count: int, files: Sequence[str], seed: int, workers: int) -> list[Fate]:
    """Return the fates of ``count`` mutants, and of those drawn that were not worth a run."""
    sources = {name: (FIRMWARE / "app" / name).read_text() for name in files}
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(workers) as pool:
        images, fates = _flashed(sources, count, seed, Path(place))
        for fate in pool.map(_fate, images):
            print(fate, flush=True)  # noqa: T201 - a campaign takes long
            fates.append(fate)
    return fates


def _flashed(
    sources: Mapping[str, str], count: int, seed: int, folder: Path
) -> tuple[list[tuple[Mutant, Path]], list[Fate]]:
    """Build mutants until ``count`` of them differ from the original; return those and the rest."""
    original = compiled(folder / "original.so").read_bytes()
    images: list[tuple[Mutant, Path]] = []
    idle: list[Fate] = []
    for number, mutant in enumerate(chosen(sources, 100 * count, seed)):
        if len(images) == count:
            break
        image = folder / f"{number}.so"
        try:
            compiled(image, changed={mutant.file: mutant.applied(sources[mutant.file])})
        except DoesNotCompile as error:
            idle.append(Fate(str(mutant), "no C", reason=str(error)))
            continue
        if image.read_bytes() == original:
            idle.append(Fate(str(mutant), "equivalent", reason="the compiler makes the same of it"))
        else:
            images.append((mutant, image))
    return images, idle


def _fate(flashed: tuple[Mutant, Path]) -> Fate:
    """Let the profiles judge a mutant."""
    mutant, image = flashed
    runs = image.with_suffix(".runs")
    found = _first_to_find(image, runs)
    shutil.rmtree(runs, ignore_errors=True)  # a run takes a megabyte
    if found is None:
        return Fate(str(mutant), "survived")
    by = f"{' '.join(found.words)}: {found.verdict}"
    # a run that takes too long may be the host's doing: nobody's kill
    end = "hung" if found.verdict == HUNG else "killed"
    return Fate(str(mutant), end, by, "; ".join(found.reasons[:1]))


def _first_to_find(image: Path, runs: Path) -> Judged | None:
    """Return the first run that did not pass, None if all did."""
    for words in RUNS:
        one = judged(image, words, seed=1, runs=runs)
        if not one.passed:
            return one
    return None


def summary(fates: Sequence[Fate]) -> dict[str, int]:
    """Count the fates."""
    ends = [fate.end for fate in fates]
    return {end: ends.count(end) for end in dict.fromkeys(ends)}


def main() -> None:
    """Run a campaign from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--files", nargs="+", default=HUNTED)
    parser.add_argument("--to", type=Path, default=Path("mutants.json"))
    asked = parser.parse_args()
    fates = campaign(asked.count, asked.files, asked.seed, asked.workers)
    told = {"summary": summary(fates), "fates": [asdict(fate) for fate in fates]}
    asked.to.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
