"""What is wrong with a bench's wiring, from what its own instruments and its board show of it.

Three folds over readings, none of which touches a device:

- all cells at one low voltage: ``explained`` asks of each single fault whether the physics of the
  harness with it gives what was read (``hil.physics.network``), and keeps those that do;
- one cell (or NTC) a little higher than the others: ``misplaced`` reads from the matrix of answers
  where each of them really goes;
- bleeds switched on beside each other: ``lead_ohm_from_currents`` and ``lead_ohm_from_readings``
  give the resistance of each lead.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.physics.board import ADC_MAX_V, BoardDesign
from hil.physics.network import Faulty, Network
from hil.physics.wiring import OPEN_OHM, Ladder

Floats = NDArray[np.float64]

READS_V, READS_RATIO = 0.05, 0.03
"""How far a reading may be from what a fault predicts: boards and emulators are off by less."""
DRAWS_A, DRAWS_RATIO = 0.002, 0.5
"""The same of a current; that of a body diode hangs on its forward voltage, 0.5 to 0.9 V."""
ANSWERS = 0.1
"""How far a share of an answer may be from 0 or 1."""
OPEN_SHARES = (0.2, 0.8)
"""Between two inputs of 10 Mohm and 20 % on an open lead, each gets a share of this range."""


class Suspect(NamedTuple):
    """One fault, in words; ``faulty``, ``open_leads`` and ``open_cells`` from 0 for the physics."""

    text: str
    faulty: Faulty
    open_leads: tuple[int, ...] = ()
    open_cells: tuple[int, ...] = ()


class Seen(NamedTuple):
    """What is read with all outputs set to ``set_v``: (cells,) each, the board's readings first."""

    input_v: Floats
    source_v: Floats
    source_a: Floats


def suspects(cells: int) -> Iterator[Suspect]:
    """Yield every single fault of the leads and outputs of a stack."""
    straight = range(cells + 1)
    for one in straight:
        for other in range(one + 1, cells + 1):
            order = list(straight)
            order[one], order[other] = other, one
            yield Suspect(f"leads {one + 1} and {other + 1} are swapped", Faulty(order))
    for lead in straight:
        yield Suspect(f"lead {lead + 1} is open", Faulty(straight), open_leads=(lead,))
    for k in range(cells):
        text = f"leads {k + 1} and {k + 2} touch, or cell {k + 1} is shorted"
        yield Suspect(text, Faulty(straight, shorted=(k,)))
        text = f"cell {k + 1} is connected the wrong way round"
        yield Suspect(text, Faulty(straight, reversed_cells=(k,)))
        text = f"the output of cell {k + 1} is not connected"
        yield Suspect(text, Faulty(straight), open_cells=(k,))


class Harness(NamedTuple):
    """What is known of a harness before anything is measured: (cells + 1,) leads, as declared."""

    design: BoardDesign
    lead_ohm: Floats
    limit_a: float

    def shows(self, suspect: Suspect, set_v: float) -> Seen:
        """Return what would be read with all outputs at ``set_v`` and this fault, bleeds off."""
        design, n = self.design, self.lead_ohm.shape[0] - 1
        source_v, source_ohm, lead_ohm = np.full(n, set_v), np.zeros(n), self.lead_ohm.copy()
        lead_ohm[list(suspect.open_leads)] = OPEN_OHM
        source_v[list(suspect.open_cells)] = 0.0
        source_ohm[list(suspect.open_cells)] = OPEN_OHM
        bleed_ohm = np.full(n, design.bleed_path_ohm)
        ladder = Ladder(source_v, source_ohm, lead_ohm, bleed_ohm, np.full(n, design.input_ohm))
        most_a = np.full(n, self.limit_a)
        solved = Network(ladder, suspect.faulty, most_a, most_a).solve(np.zeros(n, np.bool_))
        # an output that leads nowhere still measures what it is set to
        out_v = np.where(source_ohm > 0.0, set_v, solved.source_v)
        return Seen(np.clip(solved.input_v, 0.0, ADC_MAX_V), out_v, solved.source_a)

    def power_w(self, suspect: Suspect, set_v: float) -> float:
        """Return what the outputs would give into the harness with this fault."""
        shown = self.shows(suspect, set_v)
        return float(np.sum(shown.source_a * shown.source_v))


def is_sound(seen: Seen, set_v: float) -> bool:
    """Say whether all inputs and outputs read ``set_v``, and no output gives a current."""
    allowed_v = READS_V + READS_RATIO * set_v
    return bool(
        (np.abs(seen.input_v - min(set_v, ADC_MAX_V)) <= allowed_v).all()
        and (np.abs(seen.source_v - set_v) <= allowed_v).all()
        and (np.abs(seen.source_a) <= DRAWS_A).all()
    )


def explained(
    among: Sequence[Suspect], harness: Harness, seen: Seen, set_v: float
) -> list[Suspect]:
    """Return those of ``among`` that would give what was seen."""
    return [one for one in among if _fits(one, harness.shows(one, set_v), seen, set_v)]


def _fits(suspect: Suspect, shown: Seen, seen: Seen, set_v: float) -> bool:
    """Say whether a fault's prediction agrees with what was seen.

    An open lead inside the stack shares two cells among two inputs as these happen to draw: their
    sum is what it predicts.
    """
    expected_v = shown.input_v.copy()
    for lead in suspect.open_leads:
        if 0 < lead < expected_v.shape[0]:
            pair = slice(lead - 1, lead + 1)
            if not set_v * 2 * OPEN_SHARES[0] < seen.input_v[pair].min():
                return False
            expected_v[pair] = seen.input_v[pair] + 2 * set_v - seen.input_v[pair].sum()
    allowed_v = READS_V + READS_RATIO * np.maximum(expected_v, set_v)
    allowed_a = DRAWS_A + DRAWS_RATIO * np.abs(shown.source_a)
    return bool(
        (np.abs(seen.input_v - expected_v) <= allowed_v).all()
        and (np.abs(seen.source_v - shown.source_v) <= allowed_v.max()).all()
        and (np.abs(seen.source_a - shown.source_a) <= allowed_a).all()
    )


def raw(seen: Seen, set_v: float) -> list[str]:
    """Return what was read that is not sound, for faults that no single suspect explains."""
    allowed_v = READS_V + READS_RATIO * set_v
    found = [
        f"input {k + 1} reads {volt:.2f} V"
        for k, volt in enumerate(seen.input_v)
        if abs(volt - set_v) > allowed_v
    ]
    found += [
        f"cell {k + 1} gives {1e3 * ampere:.1f} mA at {volt:.2f} V"
        for k, (volt, ampere) in enumerate(zip(seen.source_v, seen.source_a, strict=True))
        if abs(ampere) > DRAWS_A or abs(volt - set_v) > allowed_v
    ]
    return [f"with all cells set to {set_v:g} V: {', '.join(found)}"]


# --- one at a time ---------------------------------------------------------------------------


def misplaced(share: Floats, name: str, open_text: str = "") -> list[str]:
    """Return what is wrong where ``share[j, k]`` is the share of step k that input j answered.

    ``name`` is what one of them is called; ``open_text`` says what two neighbours share that both
    answer to both, as two inputs on one open lead do.
    """
    n = share.shape[0]
    findings: list[str] = []
    told: set[int] = set()
    for k in range(n):
        if k in told or _is_only(share[:, k], k):
            continue
        shared = k + 1 < n and _is_shared(share, k)
        if shared and open_text:
            findings.append(open_text.format(k + 2))
            told |= {k, k + 1}
            continue
        at = int(np.argmax(share[:, k]))
        if _is_only(share[:, k], at):
            other = _is_only(share[:, at], k)
            text = f"{name}s {k + 1} and {at + 1} are swapped"
            findings.append(text if other else f"{name} {k + 1} is connected to input {at + 1}")
            told |= {k, at} if other else {k}
        elif np.abs(share[:, k]).max() <= ANSWERS:
            findings.append(f"no input answers to {name} {k + 1}")
        else:
            answers = ", ".join(
                f"input {j + 1} by {100 * part:.0f} %"
                for j, part in enumerate(share[:, k])
                if abs(part) > ANSWERS
            )
            findings.append(f"{name} {k + 1} is answered by {answers}")
    return findings


def _is_only(column: Floats, at: int) -> bool:
    """Say whether one input answers in full, and no other."""
    expected = np.zeros_like(column)
    expected[at] = 1.0
    return bool((np.abs(column - expected) <= ANSWERS).all())


def _is_shared(share: Floats, k: int) -> bool:
    """Say whether two neighbours answer alike to both, each with a part."""
    both = share[:, k : k + 2]
    others = np.delete(both, [k, k + 1], axis=0)
    low, high = OPEN_SHARES
    return bool(
        (np.abs(others) <= ANSWERS).all()
        and (np.abs(both[[k, k + 1]].sum(axis=0) - 1.0) <= ANSWERS).all()
        and ((low < both[[k, k + 1]]) & (both[[k, k + 1]] < high)).all()
    )


# --- leads -----------------------------------------------------------------------------------


class Beside(NamedTuple):
    """Readings with some bleeds on, above those with none: (cells,) each.

    ``on`` says which bleed was on, ``current_a`` what each output gave, as a mean over the board's
    cycle; ``moved_v`` by how much each of the board's readings moved.
    """

    on: NDArray[np.bool_]
    current_a: Floats
    moved_v: Floats


def lead_ohm_from_currents(
    alone: Beside, beside: Beside, cell_v: Floats, window_ratio: float
) -> dict[int, float]:
    """Return the resistance of leads (from 0) by what a neighbour adds to a bleed's current.

    Cells of ``alone`` bleed in both; in ``beside`` some of their neighbours do too. Two bleeds on
    both sides of a lead take their currents through it in opposite directions:
    I1 Rpath = V + I2 Rlead, so Rlead = (I1' - I1) Rpath / I2 with Rpath = V / I1. Means over a
    cycle and currents while a bleed is on differ by ``window_ratio``, which their ratio has not.
    A muted board shows nothing of its leads in its readings: this is the only way to know.
    """
    found: dict[int, list[float]] = {}
    n = cell_v.shape[0]
    for k in np.flatnonzero(alone.on):
        for neighbour, lead in ((k - 1, k), (k + 1, k + 1)):
            if not 0 <= neighbour < n or not beside.on[neighbour] or alone.on[neighbour]:
                continue
            path_ohm = cell_v[k] * window_ratio / alone.current_a[k]
            more_a = beside.current_a[k] - alone.current_a[k]
            found.setdefault(int(lead), []).append(
                float(more_a * path_ohm / beside.current_a[neighbour])
            )
    return {lead: float(np.mean(ohms)) for lead, ohms in found.items()}


def lead_ohm_from_readings(looks: Sequence[Beside]) -> dict[int, float]:
    """Return the resistance of every lead (from 0) by how far bleeds move the board's readings.

    Input j moves by I[j-1] R[j] + I[j+1] R[j+1] - I[j] (R[j] + R[j+1]): least squares over all
    looks. For boards that sample while they bleed.
    """
    n = looks[0].on.shape[0]
    rows, right = [], []
    for look in looks:
        through_a = np.concatenate([[0.0], look.current_a * look.on, [0.0]])
        for j in range(n):
            row = np.zeros(n + 1)
            row[j] = through_a[j] - through_a[j + 1]
            row[j + 1] = through_a[j + 2] - through_a[j + 1]
            rows.append(row)
            right.append(look.moved_v[j])
    through = np.array(rows)
    told = np.flatnonzero(np.abs(through).max(axis=0) > DRAWS_A)  # some current flowed in these
    ohms, *_ = np.linalg.lstsq(through[:, told], np.array(right), rcond=None)
    return {int(lead): float(ohm) for lead, ohm in zip(told, ohms, strict=True)}
