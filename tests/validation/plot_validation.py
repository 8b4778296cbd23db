"""Plots of the validation: the worst case of each kind, and the errors by temperature.

    .venv/bin/python tests/validation/plot_validation.py docs/images/physics

Needs the extra ``validation``. Every page of the plots says against what the model was held.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from held_against import CELLS, Held, held
from matplotlib.figure import Figure

from hil.physics.validation import follow, true_soc
from hil.profile.load import load_cell
from hil.profile.measured import load_curve

KINDS = ("day", "pulses", "rest", "cycle", "top")
COLOURS = dict(
    zip(KINDS, ("tab:green", "tab:blue", "tab:gray", "tab:red", "tab:orange"), strict=True)
)


def worst(kind: str) -> Held:
    """Return the case of a kind in the unseen halves, on either mesh, that is furthest off."""
    return max(
        (one for mesh in CELLS for one in held(mesh, "unseen") if one.kind == kind),
        key=lambda one: one.errors.rms_mv or 0.0,
    )


def plot_case(one: Held, path: Path) -> None:
    """Draw voltage of reference and model, their difference, and both temperatures."""
    cell = load_cell(CELLS[one.mesh])
    curve = load_curve(one.path)
    shown = follow(cell, one.soc_ratio, curve)
    soc = true_soc(curve, one.soc_ratio, cell.capacity_ah)
    hours = curve.time_s / 3600.0
    apart_mv = np.where(
        (soc >= 0.05) & (soc <= 0.97), 1e3 * (shown.voltage_v - curve.voltage_v), np.nan
    )
    figure, (volts, apart, warm) = plt.subplots(3, 1, sharex=True, figsize=(7, 6))
    volts.plot(hours, curve.voltage_v, "k", lw=1.6, label=f"DFN (PyBaMM), {one.mesh} mesh")
    volts.plot(hours, shown.voltage_v, "tab:orange", lw=0.9, label=CELLS[one.mesh])
    volts.set_ylabel("V")
    volts.legend(fontsize=8)
    volts.set_title(f"{one.name}: {one.errors.rms_mv:.2f} mV RMS over 5 to 97 %", fontsize=10)
    apart.plot(hours, apart_mv, "tab:red", lw=0.9)
    apart.set_ylabel("model - DFN, mV")
    if curve.cell_degc is not None:
        warm.plot(hours, curve.cell_degc, "k", lw=1.6)
    warm.plot(hours, shown.cell_degc, "tab:orange", lw=0.9)
    warm.set_ylabel("degC")
    warm.set_xlabel("h; validated against a model, not against measured cells")
    save(figure, path)


def plot_by_temperature(path: Path) -> None:
    """Draw every case of both halves: voltage error over temperature, kinds by colour."""
    figure, both = plt.subplots(1, 2, sharey=True, figsize=(9, 4))
    for axes, mesh in zip(both, CELLS, strict=True):
        for half, marker in (("fit", "o"), ("unseen", "^")):
            for kind in KINDS:
                cases = [one for one in held(mesh, half) if one.kind == kind]
                degc = [one.degc for one in cases]
                rms_mv = [one.errors.rms_mv or np.nan for one in cases]
                label = f"{kind}, {half}"
                axes.scatter(degc, rms_mv, marker=marker, color=COLOURS[kind], s=22, label=label)
        axes.set_yscale("log")
        axes.set_title(f"{CELLS[mesh]}, {mesh} mesh", fontsize=9)
        axes.set_xlabel("degC")
        axes.grid(which="both", alpha=0.3)
    both[0].set_ylabel("mV RMS over 5 to 97 %")
    both[1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.supxlabel("validated against a model, not against measured cells", fontsize=8)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG without a date in it, so that the same curves give the same bytes."""
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    """Draw all plots into the folder that is named."""
    mpl.use("Agg")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        plot_case(worst(kind), folder / f"validation-{kind}.png")
    plot_by_temperature(folder / "validation-by-temperature.png")


if __name__ == "__main__":
    main()
