"""Play many plans and report what breaks; shrink what does and print the line that repeats it.

.venv/bin/python tests/simulation/search.py --seeds 0-2000
.venv/bin/python tests/simulation/search.py --plan '{"seed": 3, "links": [...]}'
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # a checkout need not be installed

from bugs import BUGS
from draw import plan_of
from plan import Plan, read
from shrink import shrunk
from world import Simulated, Violation, simulate

EVERY = 20
"""Each so manieth seed is played twice: equal digests."""


@dataclass
class Search:
    """What a search has found so far."""

    seeds: int = 0
    ticks: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    spoilt: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    first: dict[str, Simulated] = field(default_factory=dict)

    def add(self, run: Simulated) -> None:
        """Count one run."""
        self.seeds += 1
        self.ticks += run.ticks
        self.verdicts[run.verdict or "none"] += 1
        self.faults += run.faults
        self.spoilt += run.spoilt
        for name in {violation.invariant for violation in run.violations}:
            self.broken[name] += 1
            self.first.setdefault(name, run)


def search(seeds: Iterable[int], told: Callable[[str], object] = len) -> Search:
    """Play the plans of ``seeds``, some of them twice; ``told`` hears of each violation at once."""
    found = Search()
    for seed in seeds:
        run = twice(plan_of(seed)) if seed % EVERY == 0 else simulate(plan_of(seed))
        found.add(run)
        for violation in run.violations:
            told(f"seed {seed}: {violation}\n")
    return found


def twice(plan: Plan) -> Simulated:
    """Play a plan twice; the second run must be the first one again, to the bit."""
    first, second = simulate(plan), simulate(plan)
    if first.digest == second.digest:
        return first
    parted = Violation("a_seed_repeats", None, f"{first.digest} and {second.digest}")
    return Simulated(**{**vars(first), "violations": (*first.violations, parted)})


def broken_by(plan: Plan, invariant: str) -> bool:
    """Say whether a plan breaks an invariant."""
    run = twice(plan) if invariant == "a_seed_repeats" else simulate(plan)
    return any(violation.invariant == invariant for violation in run.violations)


def smallest(run: Simulated, invariant: str) -> Plan:
    """Return the smallest plan found that breaks the same invariant."""
    return shrunk(run.plan, lambda plan: broken_by(plan, invariant))


# --- as a program --------------------------------------------------------------------------------


def told(found: Search) -> Iterable[str]:
    """Yield the report of a search."""
    verdicts = ", ".join(f"{name} {count}" for name, count in found.verdicts.most_common())
    yield f"{found.seeds} seeds, {found.ticks} ticks: {verdicts}"
    yield f"link faults that took effect: {sum(found.faults.values())}"
    by_kind: dict[str, Counter[str]] = {}
    for (device, direction, kind), count in found.faults.items():
        by_kind.setdefault(kind, Counter())[f"{device.partition('-')[0]} {direction}"] += count
    for kind, where in sorted(by_kind.items()):
        places = ", ".join(f"{place} {count}" for place, count in sorted(where.items()))
        yield f"  {kind}: {sum(where.values())} ({places})"
    for what, count in found.spoilt.most_common():
        yield f"could not be told from the right thing: {what}, {count} times"
    for name, count in found.broken.most_common():
        run = found.first[name]
        yield f"BROKEN {name}: {count} seeds, first {run.plan.seed}"
        least = smallest(run, name)
        texts = [str(one) for one in simulate(least).violations if one.invariant == name]
        yield f"  {texts[0] if texts else 'only on the second run'}"
        yield f"  repeat: {sys.executable} {sys.argv[0]} --plan '{least.line()}'"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", default="0-100", help="first-last, or one number")
    parser.add_argument("--plan", help="one plan as a line of JSON")
    parser.add_argument("--bug", choices=sorted(BUGS), help="with a bug put in on purpose")
    return parser.parse_args()


def main() -> int:
    """Search or repeat; the exit code says whether anything broke."""
    given = arguments()
    with BUGS[given.bug]() if given.bug else nullcontext():
        if given.plan:
            run = simulate(read(given.plan))
            lines = [f"{run.verdict}, {run.ticks} ticks, digest {run.digest}"]
            lines += [str(violation) for violation in run.violations]
            broken = bool(run.violations)
        else:
            first, _, last = given.seeds.partition("-")
            found = search(range(int(first), int(last or first) + 1), sys.stderr.write)
            lines, broken = list(told(found)), bool(found.broken)
    sys.stdout.write("\n".join(lines) + "\n")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
