#!/usr/bin/env python3
"""Write a cell file from a BPX parameter file (Battery Parameter eXchange, a public standard).

    python profiles/cells/make_from_bpx.py CELL.json --about "..." --cooling 0.0431 > my-cell.yaml

``--capacity 100`` writes a cell of that many Ah with the same electrodes: more area. Open-circuit
potentials are functions in a BPX file and tables in ours: knots are set where a straight line would
be further off than 5 uV.
"""

import argparse
import ast
import json
import math
import operator
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CHORD_V = 2e-5
"""How far a table may be off the function it stands for."""
FINEST = 1.25e-4
"""What the bench resamples the potentials to: a finer knot would be lost."""
HIGHEST_V = 4.5
"""Where an open-circuit potential is cut off: functions fitted inside grow without bound outside."""
FARADAY_AS_PER_MOL = 96485.33212

OPERATORS: Mapping[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    name: getattr(math, name) for name in ("exp", "tanh", "log", "sqrt", "cosh", "sinh")
}


def function(text: str) -> Callable[[float], float]:
    """Return the function of x that a BPX expression is: arithmetic and a few names, nothing else."""
    tree = ast.parse(text, mode="eval").body

    def value(node: ast.AST, x: float) -> float:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id="x"):
                return x
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](value(left, x), value(right, x))
            case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
                return OPERATORS[type(op)](value(operand, x))
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name in FUNCTIONS:
                return FUNCTIONS[name](value(argument, x))
        raise ValueError(f"not arithmetic: {ast.dump(node)}")

    return lambda x: value(tree, x)


def curve(given: Any) -> Callable[[float], float]:
    """Return a BPX number, expression or table as a function."""
    if isinstance(given, str):
        return function(given)
    if isinstance(given, Mapping):
        points = list(zip(given["x"], given["y"], strict=True))
        return lambda x: interpolated(points, x)
    return lambda _: float(given)


def interpolated(points: list[tuple[float, float]], x: float) -> float:
    """Return the value at x between sorted points, held at the ends."""
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if x <= x1:
            return y0 + (x - x0) / (x1 - x0) * (y1 - y0)
    return points[-1][1]


def knots_of(f: Callable[[float], float], first: float, last: float, chord: float) -> list[float]:
    """Return knots from ``first`` to ``last`` between which a straight line is within ``chord``."""
    knots = [first]
    while knots[-1] < last:
        low, step = knots[-1], min(0.02, last - knots[-1])
        while step > FINEST:
            inside = [low + step * k / 8 for k in range(1, 8)]
            rise = (f(low + step) - f(low)) / step
            if all(abs(f(low) + rise * (x - low) - f(x)) <= chord for x in inside):
                break
            step *= 0.8
        knots.append(last if last - low - step < 1e-6 else round(low + max(step, FINEST), 6))
    return knots


def entry(key: str, unit: str, values: list[float], digits: int) -> str:
    """Return a YAML entry of numbers, wrapped."""
    lines, line = [], ""
    for text in (f"{value:.{digits}g}" for value in values):
        if len(line) + len(text) > 84:  # noqa: PLR2004 - with the indent this ends at 100
            lines.append(line)
            line = ""
        line += f"{text}, "
    lines.append(line.rstrip(", "))
    body = "\n             ".join(lines)
    return f"  {key}:\n    unit: \"{unit}\"\n    values: [{body}]\n"


def electrode(name: str, given: Mapping[str, Any], empty: float, full: float) -> str:
    """Return the section of one electrode."""
    ocp = curve(given["OCP [V]"])
    low, high = 1e-4, 1.0 - 1e-4
    while ocp(low) > HIGHEST_V:
        low += 1e-4
    taken = knots_of(ocp, round(low, 4), high, CHORD_V)
    entropic = curve(given["Entropic change coefficient [V.K-1]"])
    at = knots_of(entropic, 0.0, 1.0, 1e-7)
    arrow = "Diffusivity activation energy [J.mol-1]"
    rows = [
        ("thickness", given["Thickness [m]"] * 1e6, "um"),
        ("particle_radius", given["Particle radius [m]"] * 1e6, "um"),
        ("surface", given["Surface area per unit volume [m-1]"], "1/m"),
        ("porosity", given["Porosity"], ""),
        ("transport", given["Transport efficiency"], ""),
        ("conductivity", given["Conductivity [S.m-1]"], "S/m"),
        ("concentration", given["Maximum concentration [mol.m-3]"], "mol/m3"),
        ("diffusivity", given["Diffusivity [m2.s-1]"], "m2/s"),
        ("diffusivity_ea", given[arrow], "J/mol"),
        ("rate", given["Reaction rate constant [mol.m-2.s-1]"], "mol/m2/s"),
        ("rate_ea", given["Reaction rate constant activation energy [J.mol-1]"], "J/mol"),
        ("at_empty", empty, ""),
        ("at_full", full, ""),
    ]
    text = f"{name}:\n" + "".join(f"  {key}: {value:.9g} {unit}".rstrip() + "\n" for key, value, unit in rows)
    text += entry("stoichiometry", "1", taken, 6) + entry("ocp", "V", [ocp(x) for x in taken], 8)
    text += entry("entropic_stoichiometry", "1", at, 6)
    return text + entry("entropic", "mV/K", [1e3 * entropic(x) for x in at], 5)


def electrolyte(given: Mapping[str, Any], separator: Mapping[str, Any]) -> str:
    """Return the section of the electrolyte; knots every 50 mol/m3 from 20 to 3000."""
    knots = [20.0, *(50.0 * k for k in range(1, 61))]
    conductivity, diffusivity = (curve(given[f"{n}"]) for n in ("Conductivity [S.m-1]", "Diffusivity [m2.s-1]"))
    rows = [
        ("concentration", given["Initial concentration [mol.m-3]"], "mol/m3"),
        ("transference", given["Cation transference number"], ""),
        ("conductivity_ea", given["Conductivity activation energy [J.mol-1]"], "J/mol"),
        ("diffusivity_ea", given["Diffusivity activation energy [J.mol-1]"], "J/mol"),
        ("separator_thickness", separator["Thickness [m]"] * 1e6, "um"),
        ("separator_porosity", separator["Porosity"], ""),
        ("separator_transport", separator["Transport efficiency"], ""),
    ]
    text = "electrolyte:\n" + "".join(f"  {key}: {value:.9g} {unit}".rstrip() + "\n" for key, value, unit in rows)
    text += entry("knots", "mol/m3", knots, 6)
    text += entry("conductivity", "S/m", [conductivity(c) for c in knots], 7)
    return text + entry("diffusivity", "m2/s", [diffusivity(c) for c in knots], 7)


def window(given: Mapping[str, Any]) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Return (empty, full) of negative and positive and the charge per area between them, Ah/m2.

    BPX states a window of stoichiometries; 0 and 100 % are where the equilibrium is at the voltage
    limits. The charge of both electrodes moves together, so both limits are found by bisection on
    the lithium that is there.
    """
    cell, negative, positive = given["Cell"], given["Negative electrode"], given["Positive electrode"]

    def sites(one: Mapping[str, Any]) -> float:
        share = one["Surface area per unit volume [m-1]"] * one["Particle radius [m]"] / 3.0
        per_m2 = share * one["Thickness [m]"] * one["Maximum concentration [mol.m-3]"]
        return float(per_m2 * FARADAY_AS_PER_MOL / 3600.0)

    un, up = curve(negative["OCP [V]"]), curve(positive["OCP [V]"])
    xn, xp = negative["Maximum stoichiometry"], positive["Minimum stoichiometry"]
    lithium = xn * sites(negative) + xp * sites(positive)

    def at(volts: float) -> tuple[float, float]:
        low, high = 0.0, 1.0
        for _ in range(200):
            taken = 0.5 * (low + high)
            other = (lithium - taken * sites(negative)) / sites(positive)
            low, high = (taken, high) if up(other) - un(taken) < volts else (low, taken)
        return taken, (lithium - taken * sites(negative)) / sites(positive)

    empty, full = at(cell["Lower voltage cut-off [V]"]), at(cell["Upper voltage cut-off [V]"])
    charge = (full[0] - empty[0]) * sites(negative)
    return (empty[0], full[0]), (empty[1], full[1]), charge


def main() -> None:
    """Read one BPX file and print one cell file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bpx", type=Path)
    parser.add_argument("--about", required=True)
    parser.add_argument("--capacity", type=float, help="Ah, in place of the file's own")
    parser.add_argument("--cooling", type=float, help="W/K of the bare cell to moving air")
    parser.add_argument("--mass", type=float, help="kg, in place of volume times density")
    parser.add_argument("--leakage", default="0 mA")
    parser.add_argument("--leakage-ea", default="50 kJ/mol")
    given = parser.parse_args()
    file = json.loads(given.bpx.read_text(encoding="utf-8"))
    parts = file["Parameterisation"]
    cell = parts["Cell"]
    negative, positive, per_m2_ah = window(parts)
    pairs = cell["Number of electrode pairs connected in parallel to make a cell"]
    area_m2 = cell["Electrode area [m2]"] * pairs
    capacity_ah = given.capacity or per_m2_ah * area_m2
    scale = capacity_ah / (per_m2_ah * area_m2)
    mass_kg = given.mass or cell["Density [kg.m-3]"] * cell["Volume [m3]"] * scale
    lines = [
        f"about: {given.about}",
        f"capacity: {capacity_ah:.6g} Ah",
        f"area: {area_m2 * scale:.9g} m2",
        f"mass: {mass_kg:.6g} kg",
        f"heat_capacity: {cell['Specific heat capacity [J.K-1.kg-1]']} J/(kg*K)",
        *([f"cooling: {given.cooling} W/K"] if given.cooling is not None else []),
        f"leakage: {given.leakage}",
        f"leakage_ea: {given.leakage_ea}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.write(electrode("negative", parts["Negative electrode"], *negative))
    sys.stdout.write(electrode("positive", parts["Positive electrode"], *positive))
    sys.stdout.write(electrolyte(parts["Electrolyte"], parts["Separator"]))


if __name__ == "__main__":
    main()
