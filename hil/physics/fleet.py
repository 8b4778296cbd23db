"""The packs of a batch before they run: drawn, held against each other, put side by side.

Packs of a study differ in what is assumed of them. All of that is a row or a figure a pack; what is
large (a law of self-discharge over temperature, the matrices of a thermal network) is kept once for
each kind that occurs, so that ten thousand packs of one kind cost what one kind costs.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hil.physics.legs import (
    ANSWERED,
    HELD,
    HIGHEST_V,
    LOWEST_V,
    SUMS,
    Fleet,
    Paces,
)
from hil.physics.pack import Overrides, ThermalNetwork, age_stack, make_stack, pace_of
from hil.physics.parameters import PackParameters
from hil.physics.protection import untripped
from hil.physics.stack import EMF_V, CellTables, Stack
from hil.physics.tables import leak_ratio, tabulate
from hil.physics.wear import AGED_ROWS, COUNTER_LENGTH, Ageing, Laws

__all__ = ["draw_fleet", "one_each", "paces_of", "same_kind"]

_T = TypeVar("_T")

_LEAKAGE = ("leakage_a", "leakage_ea_j_per_mol")
"""In what the cell types of one batch may differ."""
_OF_A_NETWORK = (
    *("cell_cell_w_per_k", "cell_air_w_per_k", "enclosure_ambient_w_per_k", "enclosure_j_per_k"),
    "end_heat_ratio",
)
"""What packs of equal cells differ by in how their heat spreads."""


def one_each(name: str, given: _T | Sequence[_T], count: int) -> tuple[_T, ...]:
    """Return one for each of ``count``, of one for all or as many. Raises ValueError."""
    if not isinstance(given, Sequence):
        return (given,) * count
    if len(given) != count:
        raise ValueError(f"{name}: found {len(given)}, expected one or {count}, one a seed")
    return tuple(given)


def same_kind(packs: Sequence[PackParameters]) -> None:
    """Refuse packs that cannot stand side by side. Raises ValueError naming what differs."""
    first = packs[0]
    for number, pack in enumerate(packs):
        for name in ("cells", "ages"):
            _same(f"packs[{number}].{name}", getattr(pack, name), getattr(first, name))
        if pack.cell is first.cell:
            continue
        _same(f"packs[{number}].cell", type(pack.cell).__name__, type(first.cell).__name__)
        for field in fields(first.cell):
            if field.name not in _LEAKAGE:
                found, expected = (getattr(one.cell, field.name) for one in (pack, first))
                _same(f"packs[{number}].cell.{field.name}", found, expected)


def _same(where: str, found: object, expected: object) -> None:
    if found != expected:
        message = f"{where}: found {found}, expected {expected} as in the first pack"
        raise ValueError(f"{message}: make a batch of each")


def _kinds(keys: Sequence[Hashable]) -> tuple[list[int], NDArray[np.int64]]:
    """Return the first place of each kind that occurs, and which kind each place has."""
    places: dict[Hashable, int] = {}
    of = [places.setdefault(key, len(places)) for key in keys]
    return [of.index(kind) for kind in range(len(places))], np.array(of, np.int64)


def draw_fleet(
    packs: Sequence[PackParameters], seeds: Sequence[int], overrides: Sequence[Overrides]
) -> tuple[Fleet, list[ThermalNetwork]]:
    """Draw every pack as the bench would; return them with the thermal networks that occur.

    Raises ValueError for an override that does not fit its pack.
    """
    laws, law_of = _kinds([pack.cell.leakage_ea_j_per_mol for pack in packs])
    networks, network_of = _kinds(
        [tuple(getattr(pack, name) for name in _OF_A_NETWORK) for pack in packs]
    )
    tables = tabulate(packs[0].cell)
    leaks = [leak_ratio(packs[at].cell) for at in laws]
    stacks, lives = [], []
    for pack, seed, own, law in zip(packs, seeds, overrides, law_of, strict=True):
        stack = make_stack(pack, tables._replace(leak_ratio=leaks[law]), seed, own)
        lives.append(age_stack(pack, stack, seed))
        stacks.append(stack)
    fleet = _side_by_side(tables, stacks, lives)._replace(
        leak_ratio=np.array(leaks),
        kinds=np.column_stack([law_of, network_of]),
        bleed_heat_ratio=np.array([pack.bleed_heat_ratio for pack in packs], float),
    )
    return fleet, [ThermalNetwork.of_pack(packs[at]) for at in networks]


_NO_LAWS = Laws(*(1.0 for _ in Laws._fields))


def _side_by_side(
    tables: CellTables, stacks: Sequence[Stack], lives: Sequence[Ageing | None]
) -> Fleet:
    """Put packs side by side as if they were of one kind. All of them age, or none does."""
    packs, cells = len(stacks), stacks[0].state.shape[1]
    latches = np.zeros((packs, HELD + 1))
    quiet = untripped()
    latches[:, : len(quiet)] = quiet
    sums = np.zeros((packs, SUMS))
    sums[:, HIGHEST_V], sums[:, LOWEST_V] = -math.inf, math.inf
    flow = np.zeros((packs, ANSWERED + 1))
    flow[:, ANSWERED] = math.nan
    ageing = [life for life in lives if life is not None]
    laws, aged, counter = _NO_LAWS, np.zeros((0, AGED_ROWS, cells)), np.zeros((0, COUNTER_LENGTH))
    if ageing:
        laws = ageing[0].laws
        aged = np.array([life.aged for life in ageing])
        counter = np.array([life.counter for life in ageing])
    terminals = np.array([stack.terminals for stack in stacks])
    return Fleet(
        state=np.array([stack.state for stack in stacks]),
        slow=np.array([stack.slow for stack in stacks]),
        degc=np.array([stack.degc for stack in stacks]),
        terminals=terminals,
        cells=np.array([stack.cells for stack in stacks]),
        tables=tables,
        latches=latches,
        sums=sums,
        flow=flow,
        bled_as=np.zeros((packs, cells)),
        moved_as=np.zeros((packs, cells)),
        seen_v=terminals[:, EMF_V].copy(),
        level=np.zeros(packs),
        laws=laws,
        aged=aged,
        counter=counter,
        leak_ratio=tables.leak_ratio[np.newaxis],
        kinds=np.zeros((packs, 2), np.int64),
        bleed_heat_ratio=np.zeros(packs),
    )


def paces_of(
    tables: CellTables, networks: Sequence[ThermalNetwork], duration_s: float, finest: int
) -> Paces:
    """Return the paces of a leg of ``duration_s``, whole and halved ``finest`` times."""
    levels = [duration_s / 2**level for level in range(finest + 1)]
    slow = [pace_of(tables, networks[0], dt_s) for dt_s in levels]
    heat = [[network.propagators(dt_s) for network in networks] for dt_s in levels]
    return Paces(
        np.array(levels),
        np.array([[decay for decay, _ in row] for row in heat]),
        np.array([[gain for _, gain in row] for row in heat]),
        np.array([pace.slow_decay for pace in slow]),
        np.array([pace.slow_gain for pace in slow]),
    )
