"""What the parts of one board turned out to be: drawn once from the seed."""

from typing import NamedTuple

import numpy as np

from hil.physics.board.design import BoardDesign
from hil.physics.board.ntc import Ntc
from hil.physics.noise import uniform_row
from hil.physics.wiring import Row

__all__ = ["Chain", "make_chain", "make_ntcs"]

# Draws have a place each among the samples of the board's device, which no measurement ever uses.
# Never change these, or every seed means another board.
_BLEED, _INPUT, _OFFSET, _GAIN, _DRIFT = -1, -2, -3, -4, -5
_SWITCH, _LIFE, _LONG_TERM, _HYSTERESIS, _TRIGGER, _PICKUP = -6, -7, -8, -9, -10, -11
_R25, _BETA = -12, -13


class Chain(NamedTuple):
    """The parts of one board, one value a cell (cells,).

    Behind the parts that every board has come those of optional groups of the design, None where a
    design has no such group. ``switch_ohm`` is the FET at 25 degC; ``life_ratio`` is how its
    resistor moves in 1000 h at rated power; ``long_term_ppm``, ``hysteresis_ppm`` and
    ``trigger_ppm_per_k`` are of the reference that the cell's readings hang on, signed.
    """

    bleed_ohm: Row
    input_ohm: Row
    offset_v: Row
    gain_ppm: Row
    drift_ppm_per_k: Row
    switch_ohm: Row | None = None
    life_ratio: Row | None = None
    long_term_ppm: Row | None = None
    hysteresis_ppm: Row | None = None
    trigger_ppm_per_k: Row | None = None
    pickup_v: Row | None = None


def make_chain(design: BoardDesign, seed: int, device: int) -> Chain:
    """Draw one board's parts, uniform over the stated tolerances."""
    cells = design.cells

    def own(half_width: float, draw: int) -> Row:
        return half_width * _spread(cells, seed, device, draw)

    def shared(half_width: float, draw: int) -> Row:
        return half_width * _reference_of(design, _spread(cells, seed, device, draw))

    resistor, reference, ripple = design.resistor, design.reference, design.ripple
    trigger_ppm_per_k = design.trigger_drift_ppm_per_k
    return Chain(
        design.bleed_ohm * (1 + own(design.bleed_tolerance_ratio, _BLEED)),
        design.input_ohm * (1 + own(design.input_tolerance_ratio, _INPUT)),
        own(design.offset_v, _OFFSET),
        own(design.gain_ppm, _GAIN),
        shared(design.drift_ppm_per_k, _DRIFT),
        switch_ohm=_switches(design, own(1.0, _SWITCH)),
        life_ratio=own(resistor.life_drift_ratio, _LIFE) if resistor else None,
        long_term_ppm=shared(reference.long_term_ppm, _LONG_TERM) if reference else None,
        hysteresis_ppm=shared(reference.hysteresis_ppm, _HYSTERESIS) if reference else None,
        trigger_ppm_per_k=None
        if trigger_ppm_per_k is None
        else shared(trigger_ppm_per_k, _TRIGGER),
        pickup_v=own(ripple.pickup_v, _PICKUP) if ripple else None,
    )


def make_ntcs(design: BoardDesign, seed: int, device: int) -> tuple[Ntc, ...]:
    """Draw the curves of the board's NTC inputs, and as the last one of the board's own.

    Without an ``ntc_part`` all of them are exactly what the design says.
    """
    part, count = design.ntc_part, design.ntcs + 1
    if part is None:
        return (Ntc(design.ntc_r25_ohm, design.ntc_beta_k),) * count
    r25_ohm = design.ntc_r25_ohm * (
        1 + part.r25_tolerance_ratio * _spread(count, seed, device, _R25)
    )
    beta_k = design.ntc_beta_k * (
        1 + part.beta_tolerance_ratio * _spread(count, seed, device, _BETA)
    )
    return tuple(Ntc(float(r25), float(beta)) for r25, beta in zip(r25_ohm, beta_k, strict=True))


def _spread(count: int, seed: int, device: int, draw: int) -> Row:
    """Return ``count`` uniform values in (-1, 1)."""
    row = np.empty(count)
    uniform_row(seed, device, draw, row)
    return 2 * row - 1


def _reference_of(design: BoardDesign, spread: Row) -> Row:
    """Give all cells of one reference the same value: of the board, or of their front end."""
    group = design.cells if design.common_reference else design.cells_per_front_end
    shared: Row = spread[np.arange(design.cells) // group]
    return shared


def _switches(design: BoardDesign, spread: Row) -> Row | None:
    """Return the FETs' resistances; an internal one has a typical value between two unlike ends."""
    if design.mosfet is not None:
        return design.mosfet.rds_on_ohm * (1 + design.mosfet.rds_tolerance_ratio * spread)
    if design.internal_fet is not None:
        fet = design.internal_fet
        side = np.where(
            spread < 0, fet.rds_typ_ohm - fet.rds_min_ohm, fet.rds_max_ohm - fet.rds_typ_ohm
        )
        ohm: Row = fet.rds_typ_ohm + side * spread
        return ohm
    return None
