"""A strategy is commissioned: what data sheets of board and pack say is filled in by name.

A field such as ``bleed_ohm`` means the same in every strategy and layer. What the file does not
say of it comes from the board and the pack that the strategy is to work on; a comparison of boards
would otherwise let a strategy count 50 mA on a board that bleeds 200.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from hil.physics.board import BoardDesign
from hil.physics.cell_types import CellParameters
from hil.profile.forms import field_names, key_of
from hil.profile.tree import Items, Table

LAYERS = "layers"


def facts_of(design: BoardDesign, cell: CellParameters, lead_ohm: float) -> dict[str, float]:
    """Return what is known of a board and its cells before anything is measured."""
    cycle_s = design.cycle_ns * 1e-9
    return {
        "capacity_ah": cell.capacity_ah,
        "bleed_ohm": design.bleed_path_ohm,
        "bleed_window_ratio": design.bleed_window_s / cycle_s,
        "board_error_v": design.offset_v,
        "lead_ohm": lead_ohm,
        "rth_k_per_w": _rth_k_per_w(design),
    }


def _rth_k_per_w(design: BoardDesign) -> float:
    """Return by how much a watt of bleeds warms their part of the board above its air.

    With two zones that is the way of its own to the air, beside the way through the other zone.
    """
    zones = design.zones
    if zones is None:
        return design.pcb_rth_k_per_w
    own, between, other = (
        zones.bleed_air_w_per_k,
        zones.between_w_per_k,
        zones.front_end_air_w_per_k,
    )
    through = between * other / (between + other) if between > 0.0 else 0.0
    return 1.0 / (own + through)


def commissioned(strategy: Any, node: Table, facts: Mapping[str, float]) -> Any:
    """Return a strategy with the facts that ``node``, which it was read from, does not give."""
    layers = getattr(strategy, LAYERS, None)
    if layers is None:
        return _filled(strategy, node, facts)
    pairs = zip(layers, _tables(node.get(LAYERS, ())), strict=True)
    done = tuple(_filled(layer, own, facts) for layer, own in pairs)
    return replace(strategy, base=_filled(strategy.base, node, facts), layers=done)


def _tables(layers: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the parameters that each layer was written with; a bare name has none."""
    for one in layers if isinstance(layers, Items) else ():
        if isinstance(one, Table):
            [own] = one.values()
            yield own if isinstance(own, Table) else {}
        else:
            yield {}


def _filled(whole: Any, given: Mapping[str, Any], facts: Mapping[str, float]) -> Any:
    names = field_names(type(whole))
    known = {f.name for f in fields(whole)} & facts.keys()
    missing = {name: facts[name] for name in known if key_of(name, names) not in given}
    return replace(whole, **missing)
