"""What one channel of a board costs in parts: counted from its design, priced from a list.

Counts follow from the design alone, prices are assumed (``profiles/prices.yaml``), so what hangs on
a price can be said: which of two boards is the dearer one if it is wrong by a factor of two.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import Annotated, NamedTuple

from annotated_types import Gt

from hil.physics.board import BoardDesign
from hil.profile.files import CHECKOUT, data_root
from hil.profile.forms import adapter_of
from hil.profile.problems import read
from hil.profile.tree import load_table

FILE = "prices.yaml"
FULL_CELL_V = 3.65
"""The most that a bleed has to stand: a cell at its over-voltage limit."""
DERATE_FROM_DEGC, DERATE_TO_DEGC = 70.0, 155.0
"""Thick film, where a design does not say: full load up to the first, none from the second on."""
LEAST_LEFT_RATIO = 0.1
"""Of its rating: on a board that never pauses before its resistors carry nothing at all, ten times
as much of them is counted, and no more."""
TWICE = 2.0
"""By which factor a price may well be wrong."""

Price = Annotated[float, Gt(0)]


@dataclass(frozen=True)
class RatedPart:
    """A resistor of a size, and the power that it is sold for."""

    part: str
    rated_w: Annotated[float, Gt(0)]
    price: Price


@dataclass(frozen=True)
class FrontEndPart:
    """A measuring chip for as many cells as a front end has, and the error that it promises."""

    part: str
    offset_v: Annotated[float, Gt(0)]
    price: Price


@dataclass(frozen=True)
class Prices:
    """Every price in cents; parts without a field are in one of the two lists."""

    resistors: tuple[RatedPart, ...]
    front_ends: tuple[FrontEndPart, ...]
    external_fet: Price
    regulator: Price
    filter_resistor: Price
    filter_capacitor: Price
    kelvin_lead: Price
    ntc: Price
    ntc_in_bleed: Price
    trigger_reference: Price
    zone_slot: Price
    balancer: Price
    balancer_ampere: Price

    def of_parts(self) -> dict[str, float]:
        """Return every price by the name of its part."""
        chosen: tuple[RatedPart | FrontEndPart, ...] = (*self.resistors, *self.front_ends)
        lists = {one.part: one.price for one in chosen}
        single = {f.name: getattr(self, f.name) for f in fields(self) if f.type is Price}
        return lists | {name.replace("_", " "): price for name, price in single.items()}


class Channel(NamedTuple):
    """One cell's share of a board: how many of each part, and what they cost together."""

    parts: Mapping[str, float]
    cents: float


def load_prices(root: Path | None = None) -> Prices:
    """Return the prices of ``root``'s list, or the shipped ones. Raises ConfigErrors."""
    own = data_root(root) / FILE
    path = own if own.exists() else CHECKOUT / FILE
    prices: Prices = read(adapter_of(Prices), load_table(path, str(path)))
    return prices


def channel_of(design: BoardDesign, prices: Prices) -> Channel:
    """Return what a channel of a board consists of, and its cost.

    Raises ValueError for a board that reads better than any front end in the list.
    """
    parts: dict[str, float] = {}
    for name, count in (*_bleed(design, prices), *_sensing(design, prices), *_more(design)):
        parts[name] = parts.get(name, 0.0) + count
    return Channel(parts, cents_of(parts, prices.of_parts()))


def cents_of(parts: Mapping[str, float], priced: Mapping[str, float]) -> float:
    """Return what counted parts cost at these prices."""
    return sum(count * priced[name] for name, count in parts.items())


def _bleed(design: BoardDesign, prices: Prices) -> Iterator[tuple[str, float]]:
    """Yield the parts of a bleed path: resistor and switch, or the filter's resistors alone."""
    fet = design.internal_fet
    if fet is not None:
        # its current flows through the filters' resistors, one a lead, which have to stand it
        most_a = FULL_CELL_V / (2.0 * design.filter_resistance_ohm + fet.rds_min_ohm)
        part, count = _carrying(most_a**2 * design.filter_resistance_ohm, design, prices)
        yield part, count * _leads(design)
        return
    yield _carrying(_most_in_resistor_w(design), design, prices)
    yield "external fet", 1.0
    if design.mosfet is not None and design.mosfet.constant_a is not None:
        yield "regulator", 1.0
    if design.series_ntc is not None:
        yield "ntc in bleed", 1.0


def _most_in_resistor_w(design: BoardDesign) -> float:
    """Return the most that the bleed resistor turns into heat: V^2/R, or what is regulated."""
    most_a = FULL_CELL_V / design.bleed_ohm
    if design.mosfet is not None and design.mosfet.constant_a is not None:
        most_a = min(most_a, design.mosfet.constant_a)
    return most_a**2 * design.bleed_ohm


def _carrying(load_w: float, design: BoardDesign, prices: Prices) -> tuple[str, float]:
    """Return the smallest resistor that carries a load, or several of the largest.

    On a board as hot as it gets before it pauses its bleeds, by the resistor's derating.
    """
    own = design.resistor
    begins = own.derate_from_degc if own else DERATE_FROM_DEGC
    ends = own.derate_to_degc if own else DERATE_TO_DEGC
    left = (ends - design.bleed_pause_degc) / (ends - begins)
    needed_w = load_w / min(1.0, max(left, LEAST_LEFT_RATIO))
    sizes = sorted(prices.resistors, key=lambda one: one.rated_w)
    for one in sizes:
        if one.rated_w >= needed_w:
            return one.part, 1.0
    return sizes[-1].part, float(math.ceil(needed_w / sizes[-1].rated_w))


def _sensing(design: BoardDesign, prices: Prices) -> Iterator[tuple[str, float]]:
    """Yield the share of what measures: front end, filters, NTCs, references."""
    share, leads = design.front_ends / design.cells, _leads(design)
    good = [one for one in prices.front_ends if one.offset_v <= design.offset_v]
    if not good:
        best_mv = 1e3 * min(one.offset_v for one in prices.front_ends)
        found = f"'{design.model}' reads to +-{1e3 * design.offset_v:g} mV"
        raise ValueError(f"{found}, the best front end in {FILE} to {best_mv:g} mV: add one")
    yield min(good, key=lambda one: one.price).part, share
    if design.internal_fet is None:
        yield "filter resistor", leads
    yield "filter capacitor", leads
    if design.sense == "kelvin":
        yield "kelvin lead", leads
    if design.trigger_drift_ppm_per_k is not None:
        yield "trigger reference", share
    yield "ntc", design.ntcs / design.cells


def _leads(design: BoardDesign) -> float:
    """Return the sense leads of a cell: n cells at a front end have n + 1."""
    return 1.0 + design.front_ends / design.cells


def _more(design: BoardDesign) -> Iterator[tuple[str, float]]:
    """Yield what only some boards have."""
    if design.zones is not None:
        yield "zone slot", 1.0
    if design.balancer is not None:
        yield "balancer", 1.0
        yield "balancer ampere", design.balancer.current_a


# --- what hangs on a price -----------------------------------------------------------------------


class Turned(NamedTuple):
    """Of two boards the dearer one is the cheaper one where a part costs ``factor`` times that."""

    part: str
    factor: float
    dearer: str
    cheaper: str


def turned_by(channels: Mapping[str, Channel], priced: Mapping[str, float]) -> list[Turned]:
    """Return which pairs of boards change places if one price is half of, or twice, what it is.

    Boards that cost the same have no order to change.
    """
    found = []
    for part in priced:
        for factor in (1.0 / TWICE, TWICE):
            other = {**priced, part: factor * priced[part]}
            cents = {name: cents_of(one.parts, other) for name, one in channels.items()}
            for one, two in combinations(channels, 2):
                dear, cheap = sorted((one, two), key=lambda name: -channels[name].cents)
                if channels[dear].cents > channels[cheap].cents and cents[dear] < cents[cheap]:
                    found.append(Turned(part, factor, dear, cheap))
    return found


def boards_lines(designs: Sequence[BoardDesign], prices: Prices) -> Iterator[str]:
    """Yield a section of a page: cost and parts of each board, and what hangs on which price."""
    channels: dict[str, Channel] = {}
    yield "## What a channel costs\n"
    yield "Parts of one cell's share of the board; prices: `profiles/prices.yaml`, all assumed.\n"
    yield "| board | cents a channel | parts of it |\n|---|---|---|"
    for one in designs:
        try:
            channel = channels[one.model] = channel_of(one, prices)
        except ValueError as error:  # a board that the list has no parts for: told in its place
            yield f"| {one.model} | n/a | {error} |"
            continue
        parts = ", ".join(f"{count:.3g} {part}" for part, count in channel.parts.items())
        yield f"| {one.model} | {channel.cents:.1f} | {parts} |"
    yield ""
    turned = turned_by(channels, prices.of_parts())
    if not turned:
        yield "Half or twice the price of any one part changes no order among them.\n"
    for flip in turned:
        what = "half" if flip.factor < 1.0 else "twice"
        yield f"- {what} the price of {flip.part}: {flip.dearer} is cheaper than {flip.cheaper}"
    if turned:
        yield ""
