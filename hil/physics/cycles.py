"""Thousands of boards at work: the compiled loops of ``boards``.

Nothing here is a model of its own. What one virtual board does in a cycle (``wiring.advance``: its
bleeds switching behind leads and filters), in a second (``zones``, ``bleed``) and when it samples
(``sampling``) is done for every pack of a batch, by the same functions, once a leg: a cycle of a
fraction of a second stands for all those between two decisions.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.physics.board import (
    KELVIN,
    REFERENCE_DEGC,
    BleedPath,
    ZoneNetwork,
    add_ripple,
    age_resistors,
    bleed_power_w,
    leaked_currents,
    noise_row,
    path_resistances,
    sample_cells,
    step_zones,
    trigger_voltages,
)
from hil.physics.compiled import compiled, compiled_without_lock
from hil.physics.wiring import Ladder, advance, slotted_voltages

Floats = NDArray[np.float64]

_ROUNDS = 4
"""How often a path's resistance and the power that warms it are found from each other: an NTC in
series changes by half of what the last round changed, a resistor by a fiftieth."""
_SETTLED_W = 1e-4
"""A power known so well leaves a part 10 mK, and a resistor 2 ppm, from where it settles."""
_DEAD_V = 1e-3
"""A cell below this gives a bleed nothing: no conductance is made of a division by zero."""


class Sampler(NamedTuple):
    """How the boards of a design sample: one value for all of them, or what a filter makes of it.

    ``slot_s`` 0: no slots; ``slotted_s`` is where in the cycle the loop of slots stands. (packs,)
    are ``tau_s`` of the filters, ``ripple_ohm``, which is what ripple a direct current makes behind
    them, and ``pickup_share``, what is left of that on the leads. ``trigger`` says whether
    comparators have a reference of their own.
    """

    cycle_s: float
    window_s: float
    tau_s: Floats
    kelvin: bool
    slot_s: float
    slotted_s: float
    leak_series_ohm: float
    noise_v: float
    resolution_v: float
    stagger_s: float
    ripple_hz: float
    ripple_ohm: Floats
    pickup_share: Floats
    trigger: bool
    current_noise_a: float


class NtcCurves(NamedTuple):
    """NTCs as parts: tolerances (packs, ntcs + 1), the board's own last; shared figures.

    ``lag_s`` below 0: the design has no part, and an NTC is exactly as warm as its place.
    """

    r25_ohm: Floats
    beta_k: Floats
    design_r25_ohm: float
    design_beta_k: float
    pullup_ohm: float
    supply_v: float
    w_per_k: float
    lag_s: float


class Electronics(NamedTuple):
    """Boards of one design: what their parts are, and where they stand now.

    (packs, cells) but for ``lead_ohm`` and ``leak_s`` (packs, cells + 1); (packs,) are ``seeds``,
    ``rth_ratio`` (how much worse than its design a board gives its heat to the air),
    ``current_scale``, ``current_offset_a``, ``zone_degc`` and ``front_degc``; ``beads_degc`` is
    (packs, ntcs + 1). ``path`` holds rows (packs, cells). All behind ``current_offset_a`` changes.
    """

    seeds: NDArray[np.int64]
    device: int
    current_device: int
    path: BleedPath
    zones: ZoneNetwork
    rth_ratio: Floats
    ntcs: NtcCurves
    lead_ohm: Floats
    leak_s: Floats
    input_ohm: Floats
    offset_v: Floats
    drift_ppm_per_k: Floats
    trigger_ppm_per_k: Floats
    pickup_v: Floats
    life_ratio: Floats
    rated_w: float
    current_scale: Floats
    current_offset_a: Floats
    gain_ppm: Floats
    duty: Floats
    path_ohm: Floats
    hot_degc: Floats
    power_w: Floats
    charged_as: Floats
    drift_ratio: Floats
    zone_degc: Floats
    front_degc: Floats
    beads_degc: Floats


@compiled
def _path_of(path: BleedPath, p: int) -> BleedPath:
    """Return the bleed paths of board ``p``; a view."""
    return BleedPath(
        path.resistor_ohm[p],
        path.switch_ohm[p],
        path.ntc_ohm[p],
        path.tcr_ppm_per_k,
        path.switch_tc_per_k,
        path.ntc_beta_k,
        path.ntc_coupling_ratio,
        path.rth_k_per_w,
        path.filter_ohm,
        path.constant_a,
        path.regulation_per_v,
    )


@compiled
def _ladder_of(boards: Electronics, p: int, cell_v: Floats) -> Ladder:
    """Return the harness of board ``p``: every cell is there."""
    there_ohm = np.zeros(cell_v.shape[0])
    return Ladder(cell_v, there_ohm, boards.lead_ohm[p], boards.path_ohm[p], boards.input_ohm[p])


@compiled
def _zones_of(boards: Electronics, p: int) -> ZoneNetwork:
    """Return how board ``p`` loses its heat: as its design, but for the way to the air."""
    zones, ratio = boards.zones, boards.rth_ratio[p]
    return ZoneNetwork(
        zones.bleed_air_w_per_k / ratio,
        zones.front_air_w_per_k / ratio,
        zones.between_w_per_k,
        zones.bleed_j_per_k,
        zones.front_j_per_k,
        zones.front_w,
    )


@compiled_without_lock
def conduct(
    boards: Electronics, sampler: Sampler, cell_v: Floats, first: int, last: int, out_s: Floats
) -> None:
    """Fill ``out_s`` (packs, cells) with the mean conductance of all that boards draw from cells.

    Bleeds at the duty of now with their cycle, leads and warm parts; inputs; leaks. A cell whose
    neighbours bleed loses a little less, so this is no property of its own path alone.
    """
    n = cell_v.shape[1]
    on_until_s, charge_as, filtered_v = np.empty(n), np.empty(n), np.empty(n)
    leaked_a, shift_v, power_w = np.empty(n), np.empty(n), np.empty(n)
    for p in range(first, last):
        path = _path_of(boards.path, p)
        ladder = _ladder_of(boards, p, cell_v[p])
        bleeds = False
        for k in range(n):
            on_until_s[k] = boards.duty[p, k] * sampler.window_s
            bleeds = bleeds or boards.duty[p, k] > 0.0
            power_w[k] = boards.power_w[p, k]
        for _ in range(_ROUNDS if bleeds else 1):
            path_resistances(
                path,
                boards.zone_degc[p],
                power_w,
                boards.drift_ratio[p],
                cell_v[p],
                boards.path_ohm[p],
                boards.hot_degc[p],
            )
            charge_as[:] = 0.0
            tau_s = sampler.tau_s[p]
            advance(ladder, on_until_s, 0.0, sampler.cycle_s, tau_s, charge_as, filtered_v)
            moved_w = 0.0
            for k in range(n):
                found_w = charge_as[k] * cell_v[p, k] / sampler.cycle_s
                moved_w = max(moved_w, abs(found_w - power_w[k]))
                power_w[k] = found_w
            if moved_w < _SETTLED_W:
                break
        leaked_currents(cell_v[p], boards.leak_s[p], sampler.leak_series_ohm, leaked_a, shift_v)
        for k in range(n):
            drawn_a = charge_as[k] / sampler.cycle_s + leaked_a[k]
            out_s[p, k] = max(drawn_a / cell_v[p, k], 0.0) if cell_v[p, k] > _DEAD_V else 0.0


@compiled
def _inputs(
    boards: Electronics, sampler: Sampler, p: int, cell_v: Floats, at_s: float, current_a: float
) -> Floats:
    """Return what stands at the ADC (cells,) of board ``p`` at the end of a cycle, ``at_s``."""
    n, tau_s = cell_v.shape[0], sampler.tau_s[p]
    ladder = _ladder_of(boards, p, cell_v)
    on_until_s, charge_as, seen_v = np.empty(n), np.zeros(n), cell_v.copy()
    for k in range(n):
        on_until_s[k] = 0.0 if sampler.kelvin else boards.duty[p, k] * sampler.window_s
    advance(ladder, on_until_s, 0.0, sampler.cycle_s, tau_s, charge_as, seen_v)
    if sampler.slot_s > 0.0:
        is_on = on_until_s >= sampler.slotted_s * (1.0 - 1e-9)
        slotted_voltages(ladder, is_on, math.exp(-sampler.slot_s / tau_s), seen_v)
    leaked_a, shift_v = np.empty(n), np.empty(n)
    leaked_currents(cell_v, boards.leak_s[p], sampler.leak_series_ohm, leaked_a, shift_v)
    for k in range(n):
        seen_v[k] += shift_v[k]
    if sampler.ripple_hz > 0.0:
        add_ripple(
            at_s,
            sampler.stagger_s,
            sampler.ripple_hz,
            -current_a * sampler.ripple_ohm[p],
            boards.pickup_v[p],
            sampler.pickup_share[p],
            seen_v,
        )
    return seen_v


@compiled_without_lock
def sample(
    boards: Electronics,
    sampler: Sampler,
    number: int,
    cell_v: Floats,
    current_a: Floats,
    first: int,
    last: int,
    out: NDArray[np.int64],
    out_trigger_v: Floats,
    out_current_a: Floats,
) -> None:
    """Convert cells and shunt at the end of cycle ``number``: counts, triggers' view, current."""
    one = np.empty(1)
    for p in range(first, last):
        seed, front_degc = boards.seeds[p], boards.front_degc[p]
        at_s = number * sampler.cycle_s
        sample_cells(
            seed,
            boards.device,
            number,
            _inputs(boards, sampler, p, cell_v[p], at_s, current_a[p]),
            boards.offset_v[p],
            boards.gain_ppm[p],
            boards.drift_ppm_per_k[p],
            front_degc,
            sampler.noise_v,
            sampler.resolution_v,
            out[p],
        )
        for k in range(cell_v.shape[1]):
            out_trigger_v[p, k] = out[p, k] * sampler.resolution_v
        if sampler.trigger:
            drift, trigger = boards.drift_ppm_per_k[p], boards.trigger_ppm_per_k[p]
            trigger_voltages(out_trigger_v[p], drift, trigger, front_degc, out_trigger_v[p])
        noise_row(seed, boards.current_device, number, one)
        read_a = current_a[p] * boards.current_scale[p] + boards.current_offset_a[p]
        out_current_a[p] = read_a + sampler.current_noise_a * one[0]


@compiled
def _ohm(r25_ohm: float, beta_k: float, degc: float) -> float:
    """Return the resistance of an NTC: R25 exp(B (1/T - 1/298.15 K))."""
    return r25_ohm * math.exp(beta_k * (1.0 / (degc + KELVIN) - 1.0 / (REFERENCE_DEGC + KELVIN)))


@compiled
def _warm_bead(ntcs: NtcCurves, p: int, i: int, degc: float, place_degc: float, s: float) -> float:
    """Return the bead's temperature after ``s``; what ``board.ntc_step_degc`` does for one."""
    if ntcs.lag_s < 0.0:
        return place_degc
    ohm = _ohm(ntcs.r25_ohm[p, i], ntcs.beta_k[p, i], degc)
    volt = ntcs.supply_v * ohm / (ohm + ntcs.pullup_ohm)
    settled_degc = place_degc + volt * volt / ohm / ntcs.w_per_k
    left = math.exp(-s / ntcs.lag_s) if ntcs.lag_s > 0.0 else 0.0
    return settled_degc + (degc - settled_degc) * left


@compiled_without_lock
def read_ntcs(ntcs: NtcCurves, beads_degc: Floats, first: int, last: int, out: Floats) -> None:
    """Fill ``out`` (packs, ntcs + 1) with what boards take the NTCs' temperatures for.

    They know the curve of their design, not that of the part.
    """
    for p in range(first, last):
        for i in range(beads_degc.shape[1]):
            out[p, i] = beads_degc[p, i]
            if ntcs.lag_s >= 0.0:
                ohm = _ohm(ntcs.r25_ohm[p, i], ntcs.beta_k[p, i], beads_degc[p, i])
                above = math.log(ohm / ntcs.design_r25_ohm) / ntcs.design_beta_k
                out[p, i] = 1.0 / (1.0 / (REFERENCE_DEGC + KELVIN) + above) - KELVIN


@compiled_without_lock
def warm_up(
    boards: Electronics,
    bled_as: Floats,
    cell_v: Floats,
    air_degc: Floats,
    places_degc: Floats,
    elapsed_s: float,
    first: int,
    last: int,
) -> None:
    """Let boards and their parts follow a leg: heat of the bleeds, air, age of the resistors.

    ``bled_as`` (packs, cells) is what cells gave to their boards so far, ``places_degc``
    (packs, ntcs) where cell NTCs are.
    """
    n = cell_v.shape[1]
    resistor_w = np.empty(n)
    for p in range(first, last):
        power_w, path_ohm = boards.power_w[p], boards.path_ohm[p]
        heat_w = bleed_power_w(bled_as[p], boards.charged_as[p], cell_v[p], elapsed_s, power_w)
        boards.zone_degc[p], boards.front_degc[p] = step_zones(
            _zones_of(boards, p),
            boards.zone_degc[p],
            boards.front_degc[p],
            air_degc[p],
            heat_w,
            elapsed_s,
        )
        path_resistances(
            _path_of(boards.path, p),
            boards.zone_degc[p],
            power_w,
            boards.drift_ratio[p],
            cell_v[p],
            path_ohm,
            boards.hot_degc[p],
        )
        if boards.rated_w > 0.0:
            for k in range(n):
                share = boards.path.resistor_ohm[p, k] / path_ohm[k]  # a FET has the rest
                resistor_w[k] = power_w[k] * min(share, 1.0)
            drift_ratio = boards.drift_ratio[p]
            age_resistors(boards.life_ratio[p], boards.rated_w, resistor_w, elapsed_s, drift_ratio)
        for i in range(boards.beads_degc.shape[1]):
            own = i == places_degc.shape[1]
            place_degc = boards.zone_degc[p] if own else places_degc[p, i]
            bead_degc = boards.beads_degc[p, i]
            boards.beads_degc[p, i] = _warm_bead(
                boards.ntcs, p, i, bead_degc, place_degc, elapsed_s
            )
