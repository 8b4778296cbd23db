"""Salt between the electrodes, reduced to a few modes.

In charge the negative electrode takes lithium out of the electrolyte and the positive puts it in;
diffusion through three porous layers evens that out. With a diffusivity that depends on the salt
the equation is not linear; written in Phi(c) = integral of D(c)/D(c0), which Kirchhoff used for
heat, its steady states are. So the modes are those of Phi, exact in the steady state, and c follows
from Phi by a table. The time constants are those at c0: the one thing that is left out.
"""

from typing import NamedTuple

import numpy as np

from hil.physics.cell_types import DiffusionCell, Electrolyte
from hil.physics.stack import (
    FARADAY_AS_PER_MOL,
    LOG_RATIO,
    RESISTIVITY_OHM_M,
    ROOT_RATIO,
    SALT_MODES,
    SALT_STEPS,
    Floats,
)

_LAYER_VOLUMES = 40
"""Finite volumes a layer: the first modes are then within 0.1 % of their limits."""


class SaltModes(NamedTuple):
    """The slowest modes, at 25 degC.

    ``rates_per_s`` (SALT_MODES,); ``negative_per_a`` and ``positive_per_a`` (SALT_MODES,): what a
    steady ampere of discharge adds to the mean of Phi / c0 over either electrode.
    """

    rates_per_s: Floats
    negative_per_a: Floats
    positive_per_a: Floats


def salt_modes(cell: DiffusionCell) -> SaltModes:
    """Find the modes of the salt's diffusion through electrode, separator, electrode.

    Finite volumes: porosity dx dPhi/dt = div(D transport grad Phi) + (1 - t+) i / (F L); their
    symmetric form has orthogonal modes. The slow ones that count most are kept, and the last of
    them takes what the others would add, so the steady state stays exact.
    """
    electrolyte = cell.electrolyte
    dx, storage, conduct = _layers(cell)
    source = _source_per_a(cell, dx)
    root = np.sqrt(storage)
    rates, modes = np.linalg.eigh(conduct / np.outer(root, root))
    weight = modes.T @ (source / root)
    n = _LAYER_VOLUMES
    c0 = electrolyte.concentration_mol_per_m3
    shown = modes / root[:, None] / c0
    at_negative = shown[:n].mean(axis=0)
    at_positive = shown[-n:].mean(axis=0)
    # The mode of rate 0 is the mean of all: no current changes how much salt there is.
    steady = np.zeros_like(rates)
    steady[1:] = weight[1:] / rates[1:]
    kept = 1 + np.argsort(-np.abs(steady[1:] * (at_positive[1:] - at_negative[1:])))[:SALT_MODES]
    kept = np.sort(kept)
    found = SaltModes(
        rates[kept], steady[kept] * at_negative[kept], steady[kept] * at_positive[kept]
    )
    found.negative_per_a[-1] += (steady * at_negative)[1:].sum() - found.negative_per_a.sum()
    found.positive_per_a[-1] += (steady * at_positive)[1:].sum() - found.positive_per_a.sum()
    return found


def _layers(cell: DiffusionCell) -> tuple[Floats, Floats, Floats]:
    """Return widths (m), storage (m) and exchange (m/s) of the finite volumes of three layers."""
    electrolyte = cell.electrolyte
    layers = (
        (cell.negative.thickness_m, cell.negative.porosity_ratio, cell.negative.transport_ratio),
        (
            electrolyte.separator_thickness_m,
            electrolyte.separator_porosity_ratio,
            electrolyte.separator_transport_ratio,
        ),
        (cell.positive.thickness_m, cell.positive.porosity_ratio, cell.positive.transport_ratio),
    )
    n = _LAYER_VOLUMES
    thickness, porosity, transport = (np.repeat(column, n) for column in zip(*layers, strict=True))
    diffusivity = np.interp(
        electrolyte.concentration_mol_per_m3,
        electrolyte.knots_mol_per_m3,
        electrolyte.diffusivity_m2_per_s,
    )
    dx = thickness / n
    half = 0.5 * dx / (diffusivity * transport)
    between = 1.0 / (half[1:] + half[:-1])
    conduct = np.zeros((3 * n, 3 * n))
    at = np.arange(3 * n - 1)
    conduct[at, at] += between
    conduct[at + 1, at + 1] += between
    conduct[at, at + 1] -= between
    conduct[at + 1, at] -= between
    return dx, porosity * dx, conduct


def _source_per_a(cell: DiffusionCell, dx: Floats) -> Floats:
    """Return what an ampere of discharge adds to each volume, mol/(m2 s): in at the negative."""
    per_m2 = (1.0 - cell.electrolyte.transference_ratio) / (FARADAY_AS_PER_MOL * cell.area_m2)
    source = np.zeros_like(dx)
    n = _LAYER_VOLUMES
    source[:n] = per_m2 * dx[:n] / cell.negative.thickness_m
    source[-n:] = -per_m2 * dx[-n:] / cell.positive.thickness_m
    return source


def salt_table(electrolyte: Electrolyte) -> tuple[Floats, float, float]:
    """Return the table over Phi / c0, its first place and its places per unit.

    (513, 3): ln(c / c0), resistivity of the free electrolyte at 25 degC (ohm m), sqrt(c / c0); it
    reaches from the first knot of the salt's concentration to the last.
    """
    c0 = electrolyte.concentration_mol_per_m3
    knots = np.asarray(electrolyte.knots_mol_per_m3)
    c = np.union1d(np.linspace(knots[0], knots[-1], 4001), [c0])
    diffusivity = np.interp(c, knots, electrolyte.diffusivity_m2_per_s)
    at_c0 = float(np.interp(c0, knots, electrolyte.diffusivity_m2_per_s))
    phi = np.zeros_like(c)
    phi[1:] = np.cumsum(0.5 * (diffusivity[1:] + diffusivity[:-1]) / at_c0 * np.diff(c)) / c0
    phi -= phi[np.searchsorted(c, c0)]
    places = np.linspace(phi[0], phi[-1], SALT_STEPS + 1)
    salt = np.interp(places, phi, c)
    table = np.empty((SALT_STEPS + 1, 3))
    table[:, LOG_RATIO] = np.log(salt / c0)
    table[:, RESISTIVITY_OHM_M] = 1.0 / np.interp(salt, knots, electrolyte.conductivity_s_per_m)
    table[:, ROOT_RATIO] = np.sqrt(salt / c0)
    return table, float(phi[0]), SALT_STEPS / float(phi[-1] - phi[0])
