"""Lithium in the particles of an electrode, reduced to a few modes.

dx/dt = D laplace(x) in a sphere of radius R. How far the surface is from the mean follows the flux
by a transfer function that is the same for every sphere in the time R^2 / D:

    tanh q / (q - tanh q) - 3 / q^2,    q^2 = s R^2 / D

and is reproduced by eight first-order terms.
"""

from typing import NamedTuple

import numpy as np

from hil.physics.stack import PARTICLE_MODES, Floats


class ParticleModes(NamedTuple):
    """``rates`` in D / R^2, and ``gains``: the surface's steady shift by a mode, (8,) each.

    Gains are per R^2 / D times the rate of the mean; in a smooth sphere they sum to 1/15.
    """

    rates: Floats
    gains: Floats


SMOOTH = ParticleModes(
    np.array(
        [
            *(20.353675, 69.011877, 210.0413, 656.46342),
            *(2074.626, 6639.8688, 23156.46, 193670.99),
        ]
    ),
    np.array(
        [
            *(0.033663825, 0.013905536, 0.0082272529, 0.004741424),
            *(0.002688324, 0.0015356073, 0.00097088521, 0.00093381242),
        ]
    ),
)
"""The smooth sphere: least squares of the relative error, s R^2 / D from 0.03 to 3e4. A step is
within 1.4e-4 of the exact one after 3e-4 R^2 / D."""


def shell_modes(shells: int) -> ParticleModes:
    """Return the modes of a sphere of equal shells, as finite volumes make it.

    The surface is extrapolated as a straight line through the two outermost shells. That is what
    PyBaMM does by default with 20 of them; in the cold, where lithium comes no deeper than a shell
    or two in the time of a charge, such a particle is another one than a smooth sphere. The
    slowest seven modes are kept; the last takes what the others add, in amount and in time.
    """
    edges = np.arange(shells + 1) / shells
    volume = (edges[1:] ** 3 - edges[:-1] ** 3) / 3.0
    between = edges[1:-1] ** 2 * shells
    exchange = np.zeros((shells, shells))
    at = np.arange(shells - 1)
    exchange[at, at] += between
    exchange[at + 1, at + 1] += between
    exchange[at, at + 1] -= between
    exchange[at + 1, at] -= between
    root = np.sqrt(volume)
    rates, modes = np.linalg.eigh(exchange / np.outer(root, root))
    shown = modes / root[:, None]
    surface = 1.5 * shown[-1] - 0.5 * shown[-2]
    # a mean that rises by 1 takes a third at the surface of the unit sphere
    gains = surface[1:] * shown[-1, 1:] / 3.0 / rates[1:]
    rates, last = rates[1:], PARTICLE_MODES - 1
    rest = gains[last:].sum()
    rest_rate = rest / (gains[last:] / rates[last:]).sum()
    return ParticleModes(np.append(rates[:last], rest_rate), np.append(gains[:last], rest))


def particle_modes(shells: int) -> ParticleModes:
    """Return the modes of a particle of so many equal shells, or of a smooth one (0)."""
    return shell_modes(shells) if shells else SMOOTH
