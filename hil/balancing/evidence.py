"""Layers that decide what counts as evidence: quiet samples, plausible ones, no open leads."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.rationing import Unchanging
from hil.balancing.strategy import Bools, Decision, Floats, Observation


class DisciplineState(NamedTuple):
    """Since when nothing has bled (NaN while something does) and decisions since then, (...,).

    Then the last quiet sample and the duties given, (..., cells).
    """

    quiet_since_s: Floats
    bled: Floats
    sample_v: Floats
    duty: Floats


@dataclass(frozen=True, slots=True)
class MeasurementDiscipline:
    """For boards that do not mute: bleed, stop, wait, sample, and decide on that sample only.

    A bleed current through the sense leads shifts the readings of its own cell and of both
    neighbours (design/physics.md, E6). So for ``bleed_decisions`` decisions the last quiet sample
    stands in for what is read; then all bleeds are off for ``settle_s`` or one decision, whichever
    is longer, and the next sample is quiet. In between a bleed may end and none may begin. What it
    costs is one part in ``bleed_decisions + 1`` of the duty. Raises ValueError.
    """

    kind: ClassVar[str] = "measurement-discipline"

    bleed_decisions: int = 5
    settle_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse a cycle without bleeding."""
        if self.bleed_decisions < 1:
            raise ValueError(f"bleed_decisions: found {self.bleed_decisions}, expected at least 1")

    def initial(self, cells: int) -> DisciplineState:
        """Return a state in which nothing has ever bled."""
        unknown_v = np.full(cells, np.nan)
        return DisciplineState(np.array(-np.inf), np.array(0.0), unknown_v, np.zeros(cells))

    def before(
        self, state: DisciplineState, observation: Observation
    ) -> tuple[DisciplineState, Observation]:
        """Show the last quiet sample of each cell; a cell that is unknown now stays unknown."""
        known = observation.valid & np.isfinite(observation.cell_v)
        read_v = np.where(known, observation.cell_v, np.nan)
        sample_v = np.where(
            self._quiet(state, observation)[..., np.newaxis], read_v, state.sample_v
        )
        shown_v = np.where(known, sample_v, np.nan)
        shown = observation._replace(cell_v=shown_v, valid=np.isfinite(shown_v))
        return state._replace(sample_v=sample_v), shown

    def after(
        self, state: DisciplineState, observation: Observation, decision: Decision
    ) -> tuple[DisciplineState, Decision]:
        """Begin bleeds on a quiet sample, let them run, and end them all for the next one."""
        quiet = self._quiet(state, observation)
        runs = np.isnan(state.quiet_since_s) & (state.bled < self.bleed_decisions)
        kept = np.where(runs[..., np.newaxis], np.minimum(state.duty, decision.duty), 0.0)
        duty = np.where(quiet[..., np.newaxis], decision.duty, kept)
        off_since_s = np.where(
            np.isnan(state.quiet_since_s), observation.time_s, state.quiet_since_s
        )
        since_s = np.where((duty > 0.0).any(axis=-1), np.nan, off_since_s)
        bled = np.where(quiet, 1.0, state.bled + 1.0)
        after = DisciplineState(since_s, bled, state.sample_v, duty)
        return after, decision._replace(duty=duty)

    def _quiet(self, state: DisciplineState, observation: Observation) -> Bools:
        """Return where bleeds have been off for long enough, (...,); False while one is on."""
        return np.greater_equal(observation.time_s - state.quiet_since_s, self.settle_s)


class PlausibilityState(NamedTuple):
    """The cell voltages of the last decision, (..., cells); NaN if there was none."""

    last_v: Floats


@dataclass(frozen=True, slots=True)
class Plausibility:
    """Takes for unknown what no LFP cell and no thermistor can show.

    A cell voltage out of ``low_v`` to ``high_v``, or one that has moved by ``jump_v`` more than the
    pack (its median) since the last decision: a load moves all cells alike. A new level that stays
    is believed at the next decision. Temperatures out of ``cold_degc`` to ``hot_degc`` are an
    open or a shorted thermistor.
    """

    kind: ClassVar[str] = "plausibility"

    low_v: float = 1.5
    high_v: float = 4.2
    jump_v: float = 0.5
    cold_degc: float = -40.0
    hot_degc: float = 125.0

    def __post_init__(self) -> None:
        """Refuse a range turned round. Raises ValueError."""
        if not (self.low_v < self.high_v and self.cold_degc < self.hot_degc and self.jump_v > 0.0):
            raise ValueError("expected low_v < high_v, cold_degc < hot_degc and jump_v > 0")

    def initial(self, cells: int) -> PlausibilityState:
        """Return that nothing was seen yet."""
        return PlausibilityState(np.full(cells, np.nan))

    def before(
        self, state: PlausibilityState, observation: Observation
    ) -> tuple[PlausibilityState, Observation]:
        """Take implausible readings away."""
        cell_v = observation.cell_v
        in_range = (cell_v > self.low_v) & (cell_v < self.high_v)
        read_v = np.where(in_range & observation.valid, cell_v, np.nan)
        moved_v = read_v - state.last_v
        valid = np.isfinite(read_v) & ~(np.abs(moved_v - _median(moved_v)) > self.jump_v)
        shown = observation._replace(
            valid=valid,
            ntc_degc=self._degc(observation.ntc_degc),
            pcb_degc=self._degc(observation.pcb_degc),
        )
        return PlausibilityState(read_v), shown

    def after(
        self, state: PlausibilityState, observation: Observation, decision: Decision
    ) -> tuple[PlausibilityState, Decision]:
        """Bleed nothing that is not known, even if the strategy counts on what it once knew."""
        return state, decision._replace(duty=np.where(observation.valid, decision.duty, 0.0))

    def _degc(self, degc: Floats) -> Floats:
        return np.where((degc > self.cold_degc) & (degc < self.hot_degc), degc, np.nan)


@dataclass(frozen=True, slots=True)
class OpenWireSafety:
    """Bleeds no cell at a lead that may be open, nor its neighbours.

    An open lead makes one of its two cells read low and the other one as much higher (the sum of
    both stays right), so two neighbours that mirror each other about the pack's median by more
    than ``mirror_v``, to within half of that, are suspect; so is a cell that is not valid, which is
    how a board reports a lead it has found open. Bleeding there would drive the lead further.
    """

    kind: ClassVar[str] = "open-wire-safety"

    mirror_v: float = 0.100

    def __post_init__(self) -> None:
        """Refuse a mirror without size. Raises ValueError."""
        if not self.mirror_v > 0.0:
            raise ValueError(f"mirror_v: found {self.mirror_v:g}, expected more than 0")

    def initial(self, cells: int) -> Unchanging:  # noqa: ARG002 - the protocol's signature
        """Return that there is nothing to remember."""
        return Unchanging()

    def before(self, state: Unchanging, observation: Observation) -> tuple[Unchanging, Observation]:
        """Take suspect cells out of the evidence: they would be what others are compared with."""
        valid = observation.valid & ~self._mirrored(observation)
        return state, observation._replace(valid=valid)

    def after(
        self, state: Unchanging, observation: Observation, decision: Decision
    ) -> tuple[Unchanging, Decision]:
        """Turn off suspect cells and both neighbours of each."""
        suspect = ~(observation.valid & np.isfinite(observation.cell_v))
        near = suspect.copy()
        near[..., 1:] |= suspect[..., :-1]
        near[..., :-1] |= suspect[..., 1:]
        return state, decision._replace(duty=np.where(near, 0.0, decision.duty))

    def _mirrored(self, observation: Observation) -> Bools:
        """Return who mirrors a neighbour, (..., cells)."""
        cell_v = np.where(observation.valid, observation.cell_v, np.nan)
        off_v = cell_v - _median(cell_v)
        left, right = off_v[..., :-1], off_v[..., 1:]
        large = np.minimum(np.abs(left), np.abs(right)) > self.mirror_v
        pair = large & (left * right < 0.0) & (np.abs(left + right) < 0.5 * self.mirror_v)
        mirrored = np.zeros(cell_v.shape, dtype=np.bool_)
        mirrored[..., :-1] |= pair
        mirrored[..., 1:] |= pair
        return mirrored


def _median(values: Floats) -> Floats:
    """Return the median of what is known of each pack, (..., 1); NaN where nothing is.

    By sorting, which puts NaN last: ``nanmedian`` warns of packs of which nothing is known.
    """
    ordered = np.sort(values, axis=-1)
    known = np.isfinite(values).sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(known - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(known // 2, values.shape[-1] - 1), axis=-1)
    middle: Floats = 0.5 * (low + high)
    return middle
