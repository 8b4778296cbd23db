"""The reduced particle against the exact series of a sphere, and against finite volumes."""

import math

import numpy as np
import pytest

from hil.physics.particles import SMOOTH, particle_modes, shell_modes
from hil.physics.stack import PARTICLE_MODES, Floats


def roots_of_tan(count: int) -> Floats:
    """Return the first roots of tan x = x above zero, by bisection of sin x - x cos x."""
    found = []
    for k in range(1, count + 1):
        low, high = k * math.pi, (k + 0.5) * math.pi
        for _ in range(60):
            middle = 0.5 * (low + high)
            same = (math.sin(middle) - middle * math.cos(middle)) * math.cos(k * math.pi) < 0.0
            low, high = (middle, high) if same else (low, middle)
        found.append(low)
    return np.array(found)


def shift_of_modes(rates: Floats, gains: Floats, at: float) -> float:
    """Return the surface's shift after a flux that began at 0, per R^2 / D and rate of the mean."""
    return float((gains * -np.expm1(-rates * at)).sum())


@pytest.mark.parametrize("at", [3e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0])
def test_a_smooth_sphere_answers_a_step_as_its_exact_series_does(at: float) -> None:
    squares = roots_of_tan(4000) ** 2
    # Crank, The Mathematics of Diffusion, 6.3.4: 2 / root^2 for each, of 1/5 for a unit flux
    exact = float((2.0 / 3.0 / squares * -np.expm1(-squares * at)).sum())
    exact += (1.0 / 15.0 - float((2.0 / 3.0 / squares).sum())) * (at > 0.0)
    assert shift_of_modes(*SMOOTH, at) == pytest.approx(exact, rel=2e-4)


def test_a_steady_flux_shifts_the_surface_by_a_fifteenth() -> None:
    assert SMOOTH.gains.sum() == pytest.approx(1.0 / 15.0, rel=1e-6)
    assert len(SMOOTH.rates) == PARTICLE_MODES
    assert np.all(np.diff(SMOOTH.rates) > 0.0)
    assert np.all(SMOOTH.gains > 0.0)


def shells_stepped(shells: int, until: float) -> float:
    """Return the same shift of a sphere of shells, by many small implicit steps."""
    edges = np.arange(shells + 1) / shells
    volume = (edges[1:] ** 3 - edges[:-1] ** 3) / 3.0
    area = edges**2
    matrix = np.zeros((shells, shells))
    for k in range(shells - 1):
        pass_ = area[k + 1] * shells
        matrix[k, k] -= pass_ / volume[k]
        matrix[k, k + 1] += pass_ / volume[k]
        matrix[k + 1, k + 1] -= pass_ / volume[k + 1]
        matrix[k + 1, k] += pass_ / volume[k + 1]
    steps = 4000
    dt = until / steps
    source = np.zeros(shells)
    source[-1] = 1.0 / 3.0 / volume[-1]  # the mean rises by 1 in the unit of time
    # trapezoids: second order in dt, stable
    left = np.linalg.inv(np.eye(shells) - 0.5 * dt * matrix)
    right = left @ (np.eye(shells) + 0.5 * dt * matrix)
    taken = np.zeros(shells)
    for _ in range(steps):
        taken = right @ taken + left @ source * dt
    return float(1.5 * taken[-1] - 0.5 * taken[-2] - until)


@pytest.mark.parametrize("at", [2e-3, 1e-2, 0.05, 0.3])
@pytest.mark.parametrize("shells", [12, 20, 25])
def test_shells_answer_a_step_as_their_finite_volumes_do(shells: int, at: float) -> None:
    found = shift_of_modes(*shell_modes(shells), at)
    assert found == pytest.approx(shells_stepped(shells, at), rel=6e-3)


def test_many_shells_come_near_a_smooth_sphere_and_few_do_not() -> None:
    at = 2e-3
    smooth = shift_of_modes(*particle_modes(0), at)
    off = [abs(shift_of_modes(*particle_modes(n), at) / smooth - 1.0) for n in (10, 20, 25)]
    assert off[0] > off[1] > off[2]
    assert off[1] > 0.02  # what a simulation of 20 shells is off by in the cold
