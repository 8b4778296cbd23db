"""The boards of a batch, one a pack: what they read, what they draw, how warm they get.

Every one of them is the board that the bench's twin would be for the same name and seed: the same
parts, the same noise at the same cycle, the same physics (``board``, ``wiring``). What a twin does
ten times a second is done here once a leg, which is exact for what stands still in a leg; heat
derates and pauses bleeds from leg to leg, so legs must be short beside the board's time constant.

An active balancer, where the design has one, carries what it is asked for from leg to leg.

Left out: commands that get lost, faults, open leads.
"""

import math
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.physics.batch import Batch
from hil.physics.board import (
    BoardDesign,
    Chain,
    ReferenceState,
    Ripple,
    leak_conductances,
    make_chain,
    make_ntcs,
    make_path,
    make_zones,
    move_reference,
    reference_ppm,
    ripple_gain,
    series_ohm,
    share_transfer,
    uniform_row,
)
from hil.physics.cycles import (
    Electronics,
    NtcCurves,
    Sampler,
    conduct,
    read_ntcs,
    sample,
    warm_up,
)
from hil.physics.legs import Transfer
from hil.physics.stack import Floats

DUTY_STEPS = 200
"""A board takes duties in steps of 1/200."""
TOLD_V, TOLD_A, TOLD_K = 1e-4, 1e-3, 0.1
"""In which steps a board tells its host what it has read."""
DEFAULT_LEAD_OHM = 0.06

_ALL = slice(None)


class Readings(NamedTuple):
    """What the boards tell; (packs, cells), (packs, ntcs) and (packs,).

    ``trigger_v`` is what comparators with a reference of their own take the cells for, the same as
    ``cell_v`` on boards without.
    """

    cell_v: Floats
    trigger_v: Floats
    ntc_degc: Floats
    pcb_degc: Floats
    current_a: Floats


class RippleOf(NamedTuple):
    """What packs may differ in of their design's ripple: (packs,) each."""

    share_ratio: Floats
    window_s: Floats


class Boards:
    """Boards of one design on the packs of a batch; bleeds are off to begin with.

    ``hot_degc`` and ``drift_ratio`` (packs, cells) are what only the physics knows: the hottest
    part of every bleed path, and how far its resistor has moved with age; ``front_degc`` (packs,)
    is how warm the front ends and their references are.
    """

    def __init__(
        self,
        design: BoardDesign,
        batch: Batch,
        name: str = "board",
        lead_ohm: float | Floats = DEFAULT_LEAD_OHM,
        ntc_cells: Sequence[int] | None = None,
        *,
        filter_tau_s: Floats | None = None,
        board_rth_ratio: float | Floats = 1.0,
        lead_leak_ohm: Floats | None = None,
        ripple: RippleOf | None = None,
    ) -> None:
        """Draw the board called ``name`` of every pack, as warm as the air of its box.

        ``lead_ohm`` is one, (cells + 1,), (packs, 1) or (packs, cells + 1); NTC i sits on cell
        ``ntc_cells[i]`` (from 1), spread evenly over the stack unless said. In place of what the
        design says, ``filter_tau_s`` (packs,) is the time constant of the input filters, another
        capacitor; ``board_rth_ratio``, one or (packs,), how many times its thermal resistance to
        the air a board has; ``lead_leak_ohm`` (packs,) is what its dirty leads have to ground,
        ``ripple`` how much of it there is and how long the ADC looks. Raises ValueError for a
        design or values that do not fit.
        """
        cells = batch.pack.cells
        if design.cells != cells:
            raise ValueError(f"{design.model}: a board of {design.cells} cells on packs of {cells}")
        spread = np.rint(np.linspace(1, cells, design.ntcs)) if ntc_cells is None else ntc_cells
        self._ntc_at = np.asarray(spread, np.intp) - 1
        if self._ntc_at.shape != (design.ntcs,) or not set(self._ntc_at) <= set(range(cells)):
            raise ValueError(f"ntc_cells: expected {design.ntcs} cells of 1 to {cells}")
        self.design = design
        packs = len(batch)
        tau_s = design.filter_tau_s if filter_tau_s is None else filter_tau_s
        taus_s = _above_zero("filter_tau_s", tau_s, (packs,))
        self._sampler = _sampler_of(design, taus_s, _ripple_of(design, ripple, packs))
        self._made, self._chain = _electronics_of(
            design,
            batch,
            name,
            _shaped("lead_ohm", lead_ohm, (packs, cells + 1)),
            _above_zero("board_rth_ratio", board_rth_ratio, (packs,)),
            _leaks_of(design, lead_leak_ohm, packs),
        )
        self.hot_degc, self.drift_ratio = self._made.hot_degc, self._made.drift_ratio
        self.front_degc = self._made.front_degc
        self._transfer: Transfer | None = None
        self._reference = ReferenceState(0.0, np.zeros(packs), None)
        self._paused = np.zeros(packs, np.bool_)
        self._low = np.zeros((packs, cells), np.bool_)
        self._conductance_s = np.zeros((packs, cells))
        self._counts = np.zeros((packs, cells), np.int64)
        self._trigger_v = np.zeros((packs, cells))
        self._current_a = np.zeros(packs)
        self._ntc_degc = np.zeros((packs, design.ntcs + 1))
        self._told: Readings | None = None  # what was told since anything was sampled or warmed
        read_ntcs(self._made.ntcs, self._made.beads_degc, 0, packs, self._ntc_degc)

    # --- one leg: order, conductances, (the batch runs), after_leg, finish_leg --------------------

    @property
    def transfer(self) -> Transfer | None:
        """What active balancers carry in this leg, for ``Batch.run_leg``; None for nothing."""
        return self._transfer

    def order(self, duty: Floats, transfer: Floats | None = None) -> None:
        """Take duties (packs, cells) 0..1; what heat and empty cells leave of them is bled.

        ``transfer`` (packs, cells), -1..1, is the share of its current that an active balancer is
        to take from a cell (+) or give it (-): ``board.share_transfer``, by the voltages that the
        board read last. Empty cells give nothing. A board without a balancer leaves it.
        """
        asked = np.rint(duty * DUTY_STEPS)
        share = np.where(self._paused, 0.0, self._duty_share())[:, np.newaxis]
        given = np.floor(asked * share) / DUTY_STEPS
        self._made.duty[:] = np.where(self._low, 0.0, given)
        self._transfer = None
        machine = self.design.balancer
        if machine is None or transfer is None or not np.any(transfer > 0.0):
            return
        request = np.where(self._low, np.minimum(transfer, 0.0), transfer)
        gives_a, takes = share_transfer(machine, self._told_v(), request)
        self._transfer = Transfer(gives_a, takes, machine.efficiency_ratio)

    @property
    def duty(self) -> Floats:
        """Duties (packs, cells) that are really given: what heat and empty cells leave; a view."""
        return self._made.duty

    def conductances(self, batch: Batch, part: slice = _ALL) -> Floats:
        """Return what boards draw, (packs, cells) in S, for ``Batch.run_leg``; a view.

        Bleeds at the duty last ordered, inputs, leaks. Only the rows of ``part`` are new.
        """
        first, last, _ = part.indices(len(batch))
        conduct(self._made, self._sampler, batch.seen_v, first, last, self._conductance_s)
        return self._conductance_s

    def after_leg(
        self,
        batch: Batch,
        duration_s: float,
        air_degc: Floats | None = None,
        part: slice = _ALL,
    ) -> None:
        """Let boards follow a leg of ``duration_s`` that the batch has made.

        ``air_degc`` (packs,) is around the boards: that of the packs' boxes unless said. Threads
        may each do their part; call ``finish_leg`` once all are done.
        """
        first, last, _ = part.indices(len(batch))
        air = batch.enclosure_degc if air_degc is None else air_degc
        made, places_degc = self._made, np.ascontiguousarray(batch.cell_degc[:, self._ntc_at])
        warm_up(
            made,
            batch.bled_as,
            batch.seen_v,
            np.ascontiguousarray(air),
            places_degc,
            duration_s,
            first,
            last,
        )
        read_ntcs(made.ntcs, made.beads_degc, first, last, self._ntc_degc)
        self._told = None
        if part == _ALL:
            self.finish_leg(duration_s)

    def finish_leg(self, duration_s: float) -> None:
        """Let references age and heat pause the bleeds, all boards at once."""
        design, made = self.design, self._made
        if design.reference is not None:
            self._reference = move_reference(
                design, self._reference, made.front_degc.copy(), duration_s
            )
            bent = np.reshape(self._reference.bent, (-1, 1))
            made.gain_ppm[:] = reference_ppm(self._chain, self._reference._replace(bent=bent))
        pcb_degc = self._ntc_degc[:, -1]
        kept = self._paused & ~(pcb_degc <= design.bleed_resume_degc)
        self._paused = kept | (pcb_degc >= design.bleed_pause_degc)

    def _duty_share(self) -> Floats:
        """Return what heat leaves of each board's duty (packs,); ``board.duty_share`` for all."""
        line = self.design.derating
        if line is None:
            return np.ones(len(self._paused))
        left = (line.end_degc - self._ntc_degc[:, -1]) / (line.end_degc - line.start_degc)
        return np.clip(left, 0.0, 1.0)

    # --- reading ----------------------------------------------------------------------------------

    def cycle_at(self, at_s: float) -> int:
        """Return the number of the board cycle that ends at ``at_s``, or the last one before."""
        return math.floor(at_s / self._sampler.cycle_s + 1e-6)

    def sample(
        self,
        batch: Batch,
        cycle: int | None = None,
        cell_v: Floats | None = None,
        part: slice = _ALL,
    ) -> None:
        """Sample at the end of a cycle: that of now, unless ``cycle`` (from 0) says another one.

        ``cell_v`` (packs, cells) stands at the terminals, unless it is what the packs show. Where a
        muted bleed ends, its own leads are let off but the packs' voltages stay those of the leg.
        """
        first, last, _ = part.indices(len(batch))
        sample(
            self._made,
            self._sampler,
            self.cycle_at(batch.time_s) if cycle is None else cycle,
            batch.seen_v if cell_v is None else cell_v,
            np.ascontiguousarray(batch.current_a),
            first,
            last,
            self._counts,
            self._trigger_v,
            self._current_a,
        )
        self._told = None

    def readings(self) -> Readings:
        """Return what was sampled last, as it is told to a host: the same arrays until the next."""
        if self._told is None:
            self._told = self._tell()
        return self._told

    def _tell(self) -> Readings:
        design, cell_v = self.design, self._told_v()
        released = cell_v >= design.under_voltage_release_v
        self._low = (self._low & ~released) | (cell_v <= design.under_voltage_v)
        trigger_v = self._trigger_v.copy() if self._sampler.trigger else cell_v
        ntc_degc = np.rint(self._ntc_degc / TOLD_K) * TOLD_K
        current_a = np.rint(self._current_a / TOLD_A) * TOLD_A
        return Readings(cell_v, trigger_v, ntc_degc[:, :-1], ntc_degc[:, -1], current_a)

    def _told_v(self) -> Floats:
        """Return the voltages sampled last, in the steps of the protocol, (packs, cells)."""
        told: Floats = np.rint(self._counts * (self.design.resolution_v / TOLD_V)) * TOLD_V
        return told

    def read(
        self, batch: Batch, cycle: int | None = None, cell_v: Floats | None = None
    ) -> Readings:
        """Sample all boards and return what they tell; arguments as of ``sample``."""
        self.sample(batch, cycle, cell_v)
        return self.readings()


def device(text: str) -> int:
    """Return the number under which a part of a board draws its noise: the twin's rule."""
    return zlib.crc32(text.encode()) & 0xFFFF


def _shaped(name: str, value: float | Floats, shape: tuple[int, ...]) -> Floats:
    """Return a value for all as one for each. Raises ValueError for one amiss."""
    rows = np.asarray(value, float)
    try:
        each = np.array(np.broadcast_to(rows, shape))
    except ValueError:
        raise ValueError(f"{name} {rows.shape}: expected one, or {shape}") from None
    if not ((each >= 0.0) & np.isfinite(each)).all():
        raise ValueError(f"{name}: expected finite values, not negative")
    return each


def _above_zero(name: str, value: float | Floats, shape: tuple[int, ...]) -> Floats:
    each = _shaped(name, value, shape)
    if not (each > 0.0).all():
        raise ValueError(f"{name}: expected values above zero")
    return each


def _ripple_of(design: BoardDesign, given: RippleOf | None, packs: int) -> RippleOf:
    """Return each pack's ripple: the design's unless given. Raises ValueError without a ripple."""
    if given is None:
        ripple = design.ripple or Ripple()
        given = RippleOf(np.array(ripple.share_ratio), np.array(ripple.window_ns * 1e-9))
    elif design.ripple is None:
        raise ValueError(f"ripple: {design.model} has none, expected a board with ripple")
    shares = _shaped("ripple share_ratio", given.share_ratio, (packs,))
    return RippleOf(shares, _shaped("ripple window_s", given.window_s, (packs,)))


def _leaks_of(design: BoardDesign, leak_ohm: Floats | None, packs: int) -> Floats:
    """Return what each lead leaks (packs, cells + 1) in S. Raises ValueError for a dry board."""
    one_s = leak_conductances(design)
    if leak_ohm is None:
        return np.tile(one_s, (packs, 1))
    if design.leakage is None:
        raise ValueError(f"lead_leak_ohm: {design.model} has none, expected a board with leakage")
    ohm = _above_zero("lead_leak_ohm", leak_ohm, (packs,))
    leaks_s: Floats = one_s * (design.leakage.leak_ohm / ohm)[:, np.newaxis]
    return leaks_s


def _sampler_of(design: BoardDesign, tau_s: Floats, seen: RippleOf) -> Sampler:
    """Return how boards sample whose filters have time constants ``tau_s`` (packs,)."""
    cycle_s = design.cycle_ns * 1e-9
    ripple, leak, slots = design.ripple or Ripple(), design.leakage, design.slots
    hz = 2.0 * ripple.mains_hz
    behind = leak is not None and leak.behind_filter
    pairs = list(zip(seen.window_s.tolist(), tau_s.tolist(), strict=True))
    gains = np.array(
        [[ripple_gain(f, window_s, tau) for window_s, tau in pairs] for f in (hz, ripple.mains_hz)]
    )
    return Sampler(
        cycle_s=cycle_s,
        window_s=design.bleed_window_s,
        tau_s=tau_s,
        kelvin=design.sense == "kelvin",
        slot_s=0.0 if slots is None else slots.slot_ns * 1e-9,
        slotted_s=design.bleed_window_s,
        leak_series_ohm=design.filter_resistance_ohm if behind else 0.0,
        noise_v=design.noise_v,
        resolution_v=design.resolution_v,
        stagger_s=ripple.stagger_ns * 1e-9,
        ripple_hz=0.0 if design.ripple is None else hz,
        ripple_ohm=seen.share_ratio * ripple.cell_ohm * gains[0],
        pickup_share=gains[1],
        trigger=design.trigger_drift_ppm_per_k is not None,
        current_noise_a=design.current_noise_a,
    )


def _electronics_of(
    design: BoardDesign,
    batch: Batch,
    name: str,
    lead_ohm: Floats,
    rth_ratio: Floats,
    leak_s: Floats,
) -> tuple[Electronics, Chain]:
    """Draw all boards; the chain (packs, cells) goes with them for what ages as a whole."""
    cells, packs, seeds = design.cells, len(batch), batch.seeds
    own, shunt = device(f"{name}/cells"), device(f"{name}/current")
    chains = [make_chain(design, seed, own) for seed in seeds]
    chain = _stacked(chains)
    path = make_path(design, chains[0])
    nothing = np.zeros((packs, cells))
    path = path._replace(
        resistor_ohm=chain.bleed_ohm,
        switch_ohm=nothing if chain.switch_ohm is None else chain.switch_ohm,
        ntc_ohm=np.tile(path.ntc_ohm, (packs, 1)),
    )
    ntcs = _ntcs_of(design, seeds, own)
    air_degc = np.array(batch.enclosure_degc)
    drawn = np.array([[_uniform(seed, shunt, draw) for draw in (-1, -2)] for seed in seeds])
    beads_degc = np.tile(air_degc[:, np.newaxis], (1, design.ntcs + 1))
    resistor = design.resistor
    made = Electronics(
        seeds=np.array(seeds, np.int64),
        device=own,
        current_device=shunt,
        path=path,
        zones=make_zones(design),
        rth_ratio=rth_ratio,
        ntcs=ntcs,
        lead_ohm=lead_ohm + series_ohm(design),
        leak_s=leak_s,
        input_ohm=chain.input_ohm,
        offset_v=chain.offset_v,
        drift_ppm_per_k=chain.drift_ppm_per_k,
        trigger_ppm_per_k=nothing if chain.trigger_ppm_per_k is None else chain.trigger_ppm_per_k,
        pickup_v=nothing if chain.pickup_v is None else chain.pickup_v,
        life_ratio=nothing if chain.life_ratio is None else chain.life_ratio,
        rated_w=0.0 if resistor is None else resistor.rated_w,
        current_scale=1.0 + 1e-6 * design.current_gain_ppm * drawn[:, 1],
        current_offset_a=design.current_offset_a * drawn[:, 0],
        gain_ppm=chain.gain_ppm.copy(),
        duty=np.zeros((packs, cells)),
        path_ohm=path.resistor_ohm.copy(),
        hot_degc=np.tile(air_degc[:, np.newaxis], (1, cells)),
        power_w=np.zeros((packs, cells)),
        charged_as=batch.bled_as.copy(),
        drift_ratio=np.zeros((packs, cells)),
        zone_degc=air_degc.copy(),
        front_degc=air_degc.copy(),
        beads_degc=beads_degc,
    )
    return made, chain


def _stacked(chains: Sequence[Chain]) -> Chain:
    """Put the parts of boards side by side; what a design has not got stays None."""
    rows_of = zip(*chains, strict=True)
    return Chain._make(None if rows[0] is None else np.array(rows) for rows in rows_of)


def _ntcs_of(design: BoardDesign, seeds: Sequence[int], own: int) -> NtcCurves:
    drawn = np.array([make_ntcs(design, seed, own) for seed in seeds])
    part = design.ntc_part
    return NtcCurves(
        np.ascontiguousarray(drawn[..., 0]),
        np.ascontiguousarray(drawn[..., 1]),
        design.ntc_r25_ohm,
        design.ntc_beta_k,
        design.ntc_pullup_ohm,
        design.ntc_supply_v,
        1.0 if part is None else part.dissipation_w_per_k,
        -1.0 if part is None else part.tau_s,
    )


def _uniform(seed: int, part: int, draw: int) -> float:
    """Return one value in (-1, 1) of the current channel."""
    row: NDArray[np.float64] = np.empty(1)
    uniform_row(seed, part, draw, row)
    return 2.0 * float(row[0]) - 1.0
