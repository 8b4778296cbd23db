"""Arms of an experiment, run: as many packs as there are draws, each with a board of its own."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hil.core.instants import MINUTE, SECOND, Duration, to_seconds
from hil.physics.batch import WHOLE_S, Batch, Cut
from hil.physics.board import BoardDesign, Ripple
from hil.physics.boards import Boards, RippleOf
from hil.physics.cell_types import CellParameters
from hil.physics.pack import Overrides
from hil.physics.parameters import PackParameters
from hil.physics.stack import Floats
from hil.profile.experiment import Arm, Assumed, Conditions, Phase
from hil.profile.series import Series
from hil.profile.weather import Ambient, Weather
from hil.study.draws import Draw, drawn
from hil.study.packs import run
from hil.study.schedule import Phase as Part
from hil.study.schedule import Schedule, whole
from hil.study.tally import Tally

ROW: Duration = MINUTE
"""Demand and weather are laid out in rows of this length."""

_AS_THEY_ARE = (
    *("spread", "gradient_k", "age_years", "life", "ages", "link_ohm", "seam_ohm", "seam_every"),
    *("bleed_heat_ratio", "end_heat_ratio"),
    *("cell_cell_w_per_k", "cell_air_w_per_k", "enclosure_ambient_w_per_k", "enclosure_j_per_k"),
)
"""Conditions that a pack's parameters have under the same name."""


_ALIKE = ("cells", "termination", "ages", "schedule", "full", "at_end", "household")
"""Conditions that packs of one batch share."""


def fuses(a: Arm, b: Arm) -> bool:
    """Return whether the packs of two arms can stand in one batch.

    What is decided, the board, what is asked of the packs and what ends it are one for a batch.
    """
    return (
        a.strategy == b.strategy
        and a.design == b.design
        and all(getattr(a.conditions, name) == getattr(b.conditions, name) for name in _ALIKE)
        and _hourly(a.conditions) == _hourly(b.conditions)
        and replace(a.cell, leakage_a=0.0, leakage_ea_j_per_mol=1.0)
        == replace(b.cell, leakage_a=0.0, leakage_ea_j_per_mol=1.0)
    )


def _hourly(world: Conditions) -> bool:
    """Return whether there is weather, a row of which is kept for every minute."""
    return isinstance(world.ambient_degc, Weather)


def run_arm(
    arm: Arm, assumed: Sequence[Assumed], draws: Sequence[Draw], duration_ns: Duration
) -> dict[str, Floats]:
    """Return every metric of every draw, (draws,) each; NaN where it has no value.

    Raises ValueError for times that do not fit each other.
    """
    return run_arms([arm], assumed, draws, duration_ns)[0]


def run_arms(
    arms: Sequence[Arm], assumed: Sequence[Assumed], draws: Sequence[Draw], duration_ns: Duration
) -> list[dict[str, Floats]]:
    """Run arms that fuse side by side in one batch, and return what ``run_arm`` would of each.

    The same to the bit: no pack touches another. A leg takes Python half a millisecond however many
    packs there are, so thirty packs of three arms cost a third of what they do arm by arm. Raises
    ValueError for arms that do not fuse, or times that do not fit each other.
    """
    first = arms[0]
    for other in arms[1:]:
        if not fuses(first, other):
            raise ValueError(f"arms {first.label} and {other.label}: differ in what a batch shares")
    places = [(arm, draw) for arm in arms for draw in draws]
    worlds = [drawn(arm, assumed, one) for arm, one in places]
    batch = Batch(
        [pack_of(world, arm.cell) for world, (arm, _) in zip(worlds, places, strict=True)],
        [one.pack_seed for _, one in places],
        termination=first.conditions.termination,
        overrides=[overrides_of(arm.conditions) for arm, _ in places],
    )
    boards = Boards(
        first.design,
        batch,
        lead_ohm=np.array([[world.lead_ohm] for world in worlds]),
        filter_tau_s=_filters(worlds, first.design),
        board_rth_ratio=np.array([world.board_heat_ratio for world in worlds]),
        lead_leak_ohm=_leaks(worlds, first.design),
        ripple=_ripple(worlds, first.design),
    )
    boards.drift_ratio[:] = np.array([[world.bleed_drift_ratio] for world in worlds])
    tally = Tally(batch, boards)
    run(
        batch,
        boards,
        first.strategy,
        schedule_of(worlds, duration_ns),
        to_seconds(duration_ns),
        look=lambda *_: None,
        look_every_s=to_seconds(duration_ns),
        cut=Cut(longest_s=WHOLE_S),
        after_leg=lambda decision, leg_s: tally.leg(batch, boards, decision, leg_s),
    )
    values, each = tally.values(), len(draws)
    return [
        {name: value[k * each : (k + 1) * each] for name, value in values.items()}
        for k in range(len(arms))
    ]


def pack_of(world: Conditions, cell: CellParameters) -> PackParameters:
    """Return the pack of one draw."""
    if world.leakage_a is not None:
        cell = replace(cell, leakage_a=world.leakage_a)
    if world.leakage_activation_j_per_mol is not None:
        cell = replace(cell, leakage_ea_j_per_mol=world.leakage_activation_j_per_mol)
    return PackParameters(
        world.cells,
        cell,
        soc_ratio=world.soc_ratio,
        initial_temperature_degc=_starts_at(world),
        **{name: getattr(world, name) for name in _AS_THEY_ARE},
    )


def overrides_of(world: Conditions) -> Overrides:
    """Return what was set by hand of single cells."""
    names = ("capacity_ratio", "soc_ratio", "leakage_ratio", "resistance_ratio")
    return {
        number: {name: getattr(one, name) for name in names if getattr(one, name) is not None}
        for number, one in world.single_cells.items()
    }


def schedule_of(worlds: Sequence[Conditions], duration_ns: Duration) -> Schedule:
    """Return what packs are asked for over the whole of a study. Raises ValueError."""
    world = worlds[0]
    rows = whole(to_seconds(duration_ns), to_seconds(ROW), "a study")
    ambient, climate_of = _ambient(worlds, rows)
    if world.household is not None:
        demand = world.household.scale * np.resize(_by_row(world.household.series), rows)
        kind = world.household.series.kind
        return Schedule(to_seconds(ROW), demand, ambient, kind, climate_of=climate_of)
    day = _rows(world.schedule)
    at_end = _rows(world.at_end) if world.at_end else np.empty(0)
    if len(at_end) > rows:
        raise ValueError("at_end: longer than the whole study")
    days = np.resize(day, rows - len(at_end))
    full = np.concatenate([np.resize(_rows(world.full), len(days)), at_end]) if world.full else None
    demand = np.concatenate([days, at_end])
    lap_s = to_seconds(ROW) * len(day)
    return Schedule(to_seconds(ROW), demand, ambient, full=full, lap_s=lap_s, climate_of=climate_of)


def _by_row(series: Series) -> Floats:
    """Return a recorded series by the row: held where it is coarser, the mean where it is finer.

    Raises ValueError for steps that are neither: rows would take of some more than of others.
    """
    values, step_s = np.asarray(series.values), to_seconds(series.step_ns)
    if series.step_ns % ROW == 0:
        return np.repeat(values, series.step_ns // ROW)
    each = ROW // series.step_ns
    if ROW % series.step_ns or len(values) % each:
        raise ValueError(
            f"household: {series.name}: {len(values)} rows of {step_s:g} s, expected rows that "
            "are whole minutes, or that make up whole minutes"
        )
    means: Floats = values.reshape(-1, each).mean(axis=1)
    return means


def _rows(phases: Sequence[Phase]) -> Floats:
    parts = [Part(to_seconds(one.for_ns), one.demand_a) for one in phases]
    return Schedule.of_phases(parts, to_seconds(ROW)).demand


def _ambient(worlds: Sequence[Conditions], rows: int) -> tuple[Floats, NDArray[np.int64] | None]:
    """Return the temperature around the packs: one for each pack, or weather by the row.

    Of several climates a column each, and which of them each pack has.
    """
    if not _hourly(worlds[0]):
        return np.array([[world.ambient_degc for world in worlds]], float), None
    columns: dict[Ambient, int] = {}
    of = [columns.setdefault(world.ambient_degc, len(columns)) for world in worlds]
    hours = np.arange(rows) * ROW / (3600 * SECOND)
    climates = [_by_minute(one, hours) for one in columns]
    return (climates[0], None) if len(climates) == 1 else (np.array(climates).T, np.array(of))


def _by_minute(weather: Ambient, hours: Floats) -> Floats:
    if not isinstance(weather, Weather):
        return np.full(len(hours), weather)
    year = np.asarray(weather.values)
    by_row: Floats = np.interp(hours % len(year), np.arange(len(year) + 1), [*year, year[0]])
    return by_row


def _starts_at(world: Conditions) -> float:
    ambient = world.ambient_degc
    return ambient.start_degc if isinstance(ambient, Weather) else ambient


def _filters(worlds: Sequence[Conditions], design: BoardDesign) -> Floats:
    """Return the time constant of each pack's filters (packs,): the design's unless said."""
    taus = (world.filter_tau_s for world in worlds)
    return np.array([design.filter_tau_s if tau is None else tau for tau in taus], float)


def _leaks(worlds: Sequence[Conditions], design: BoardDesign) -> Floats | None:
    """Return what each pack's dirty leads have to ground (packs,); None: as the design says."""
    said = [world.lead_leak_ohm for world in worlds]
    if not any(said):
        return None
    own = None if design.leakage is None else design.leakage.leak_ohm
    return np.array([own if ohm is None else ohm for ohm in said], float)


def _ripple(worlds: Sequence[Conditions], design: BoardDesign) -> RippleOf | None:
    """Return each pack's ripple and window (packs,); None: as the design says."""
    said = [(world.ripple_share_ratio, world.ripple_window_s) for world in worlds]
    own = design.ripple or Ripple()
    if all(one == (None, None) for one in said):
        return None
    shares = (own.share_ratio if share is None else share for share, _ in said)
    windows = (own.window_ns * 1e-9 if window is None else window for _, window in said)
    return RippleOf(np.array([*shares], float), np.array([*windows], float))
