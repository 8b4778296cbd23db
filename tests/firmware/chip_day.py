"""A day of a pack as a board's wires carry it: what the C strategies are tested and measured with.

    .venv/bin/python tests/firmware/chip_day.py

records it anew. It is kept as a file, because a count of instructions hangs on every count of every
reading, and a physics engine may be mended.
"""

import csv
from itertools import product
from pathlib import Path

from c_strategies import CELLS, NTCS, UNKNOWN_TEMPERATURE, Counted, counted

RECORDED = Path(__file__).with_name("chip_day.csv")
HEADER = (
    "time_s",
    "milliamps",
    *[f"cell_{k}" for k in range(CELLS)],
    *[f"ntc_{k}" for k in range(NTCS)],
)


def chip_day() -> list[Counted]:
    """Return the decisions of the recorded day, in order."""
    with RECORDED.open(encoding="utf-8", newline="") as file:
        rows = [[int(word) for word in row] for row in list(csv.reader(file))[1:]]
    return [Counted(row[0], row[1], tuple(row[2:-NTCS]), tuple(row[-NTCS:])) for row in rows]


def hard_cases() -> list[Counted]:
    """Return what the day has not: frost and heat, hardly any current and much, a thermistor gone.

    Behind the day, two minutes apart, cells at the top or on the plateau, each some way off the
    next: for the longest way through a decision, not for what is decided.
    """
    conditions = product((33200, 34200), (-250, 250, 650), (-1, -4000, 150_000), (False, True))
    cases, time_s = list[Counted](), chip_day()[-1].time_s
    for level, ntc, milliamps, is_broken in conditions:
        time_s += 120
        ntcs = (UNKNOWN_TEMPERATURE if is_broken else ntc, *(ntc + 7 * k for k in range(1, NTCS)))
        cells = tuple(level + 37 * (cell * 7 % CELLS) for cell in range(CELLS))
        cases.append(Counted(time_s, milliamps, cells, ntcs))
    return cases


def record() -> list[Counted]:
    """Play a cool day: a charge to the top and its taper, float, a long rest, a discharge.

    The pack is uneven by more than a kept one is, so that each strategy has something to do, and
    has a gradient of 8 K, so that there is something to compensate.
    """
    # physics compiles: whoever only reads the day does not pay for it
    from hil.balancing.none import NoBalancing  # noqa: PLC0415 - as said above
    from hil.physics.batch import Batch  # noqa: PLC0415
    from hil.physics.boards import Boards  # noqa: PLC0415
    from hil.physics.parameters import PackParameters, PackSpread  # noqa: PLC0415
    from hil.profile.designs import load_board  # noqa: PLC0415
    from hil.profile.load import load_cell  # noqa: PLC0415
    from hil.study.packs import observe, run  # noqa: PLC0415
    from hil.study.schedule import Phase, Schedule  # noqa: PLC0415

    hour_s = 3600.0
    pack = PackParameters(
        *(CELLS, load_cell("lfp-100ah"), PackSpread(soc_ratio=0.02)),
        soc_ratio=0.40,
        initial_temperature_degc=12.0,
        gradient_k=8.0,
    )
    batch = Batch(pack, [4])
    boards = Boards(load_board("standard-50mA"), batch)
    hours = ((1, 0.0), (4, -25.0), (1, -1.0), (4, 0.0), (3, 22.0), (11, 0.0))
    schedule = Schedule.of_phases([Phase(h * hour_s, a) for h, a in hours], hour_s, 8.0)
    strategy = NoBalancing()
    seen = run(
        *(batch, boards, strategy, schedule, 24 * hour_s),
        look=lambda batch, boards, _: counted(observe(batch, boards.readings(), strategy), 0),
        look_every_s=120.0,
    )
    return list(seen.seen)[:-1]  # the last one is the next day's first


if __name__ == "__main__":
    with RECORDED.open("w", encoding="utf-8", newline="") as to:
        out = csv.writer(to, lineterminator="\n")
        out.writerow(HEADER)
        out.writerows([[one.time_s, one.milliamps, *one.cells, *one.ntcs] for one in record()])
