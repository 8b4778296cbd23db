"""Write a cell file from a BPX parameter file (Battery Parameter eXchange, a public standard).

    python profiles/cells/make_from_bpx.py CELL.json --about "..." --source "..." > my-cell.yaml

Open-circuit potentials are functions in a BPX file and tables in ours: knots are set where a
straight line would be further off than 20 uV. What a BPX file does not know is asked for: whose
figures they are (``--source``), where they hold (``--fitted``, ``--rate``), what a bare cell gives
to the air. A cell of another size with the same electrodes is ``based_on`` this one: more area.
"""

import argparse
import ast
import json
import math
import operator
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

CHORD_V = 2e-5
"""How far a table of potentials may be off the function it stands for."""
CHORD_V_PER_K = 1e-7
"""The same for dU/dT: 4 uV at 40 K from 25 degC."""
FINEST, COARSEST = 1.25e-4, 0.02
"""Between which knots lie apart. The bench resamples to the first: a finer knot would be lost."""
CLOSER_THAN_A_KNOT = 1e-6
HIGHEST_V = 4.5
"""Where a potential is cut off: functions fitted inside grow without bound outside."""
EDGE = 1e-4
"""A potential is taken from this share of taken sites to as much below 1."""
FARADAY_AS_PER_MOL = 96485.33212
WIDTH = 100

Function = Callable[[float], float]
Given = Mapping[str, Any]
Row = tuple[str, float, str]

OPERATORS: Mapping[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
FUNCTIONS: Mapping[str, Function] = {
    name: getattr(math, name) for name in ("exp", "tanh", "log", "sqrt", "cosh", "sinh")
}


# --- what a BPX file says ------------------------------------------------------------------------


def function(text: str) -> Function:
    """Return the function of x that an expression is. Raises ValueError for what is not arithmetic.

    A file from elsewhere is data: it is parsed, never evaluated as Python.
    """
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
        raise ValueError(f"not arithmetic of x: {ast.unparse(node)}")

    value(tree, 0.5)  # so that a wrong one is told here, and not at its first use
    return lambda x: value(tree, x)


def curve(given: Given, key: str) -> Function:
    """Return the number, expression or table under ``key`` as a function."""
    found = given[key]
    if isinstance(found, str):
        return function(found)
    if isinstance(found, Mapping):
        points = sorted(zip(found["x"], found["y"], strict=True))
        return lambda x: interpolated(points, x)
    constant = number(given, key)
    return lambda _: constant


def number(given: Given, key: str, otherwise: float | None = None) -> float:
    """Return the number under ``key``. Raises ValueError for a function or table: none fits here.

    ``otherwise`` is what counts where the standard lets the key be left out.
    """
    found = given.get(key, otherwise) if otherwise is not None else given[key]
    if isinstance(found, bool) or not isinstance(found, int | float):
        # of the file, not of the caller, and told in one line with the file's other mistakes
        raise ValueError(f"{key}: found {found!r:.60}, expected a number")  # noqa: TRY004 - see above
    return float(found)


def interpolated(points: list[tuple[float, float]], x: float) -> float:
    """Return the value at x between sorted points, held at the ends."""
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return y0 + (x - x0) / (x1 - x0) * (y1 - y0)
    return points[-1][1]


def knots_of(f: Function, first: float, last: float, chord: float) -> list[float]:
    """Return knots from ``first`` to ``last`` between which a straight line is within ``chord``."""
    knots = [first]
    while knots[-1] < last:
        low, step = knots[-1], min(COARSEST, last - knots[-1])
        while step > FINEST:
            inside = [low + step * k / 8 for k in range(1, 8)]
            rise = (f(low + step) - f(low)) / step
            if all(abs(f(low) + rise * (x - low) - f(x)) <= chord for x in inside):
                break
            step *= 0.8
        at_end = last - low - step < CLOSER_THAN_A_KNOT
        knots.append(last if at_end else round(low + max(step, FINEST), 6))
    return knots


def sites_ah_per_m2(electrode: Given) -> float:
    """Return the charge of all lithium sites of an electrode; spheres: surface 3 share / R."""
    surface, radius = "Surface area per unit volume [m-1]", "Particle radius [m]"
    share = number(electrode, surface) * number(electrode, radius) / 3.0
    per_m3 = share * number(electrode, "Maximum concentration [mol.m-3]")
    return per_m3 * number(electrode, "Thickness [m]") * FARADAY_AS_PER_MOL / 3600.0


def window(parts: Given) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Return (empty, full) of negative and positive and the charge per area between them, Ah/m2.

    BPX states a window of stoichiometries; 0 and 100 % are where the equilibrium is at the voltage
    limits. The charge of both electrodes moves together, so both limits are found by bisection on
    the lithium that is there.
    """
    cell, negative, positive = (
        parts[name] for name in ("Cell", "Negative electrode", "Positive electrode")
    )
    negative_ah, positive_ah = sites_ah_per_m2(negative), sites_ah_per_m2(positive)
    un, up = curve(negative, "OCP [V]"), curve(positive, "OCP [V]")
    xn = number(negative, "Maximum stoichiometry")
    xp = number(positive, "Minimum stoichiometry")
    lithium_ah = xn * negative_ah + xp * positive_ah

    def at(volts: float) -> tuple[float, float]:
        low, high = 0.0, 1.0
        for _ in range(200):
            taken = 0.5 * (low + high)
            other = (lithium_ah - taken * negative_ah) / positive_ah
            low, high = (taken, high) if up(other) - un(taken) < volts else (low, taken)
        return taken, (lithium_ah - taken * negative_ah) / positive_ah

    empty = at(number(cell, "Lower voltage cut-off [V]"))
    full = at(number(cell, "Upper voltage cut-off [V]"))
    return (empty[0], full[0]), (empty[1], full[1]), (full[0] - empty[0]) * negative_ah


# --- what a cell file says -----------------------------------------------------------------------


def entry(key: str, unit: str, values: Iterable[float], digits: int) -> str:
    """Return a YAML entry of numbers, wrapped."""
    head, indent = "    values: [", " " * 13
    body = ", ".join(f"{value:.{digits}g}" for value in values) + "]"
    lines = textwrap.fill(body, WIDTH, initial_indent=head, subsequent_indent=indent)
    return f'  {key}:\n    unit: "{unit}"\n{lines}\n'


def section(name: str, rows: Iterable[Row]) -> str:
    """Return the head of a section and its scalars."""
    lines = (f"  {key}: {value:.9g} {unit}".rstrip() for key, value, unit in rows)
    return "\n".join([f"{name}:", *lines]) + "\n"


def electrode(name: str, given: Given, empty: float, full: float) -> str:
    """Return the section of one electrode."""
    ocp, entropic = curve(given, "OCP [V]"), curve(given, "Entropic change coefficient [V.K-1]")
    low = EDGE
    while ocp(low) > HIGHEST_V:
        low += EDGE
    taken = knots_of(ocp, round(low, 4), 1.0 - EDGE, CHORD_V)
    at = knots_of(entropic, 0.0, 1.0, CHORD_V_PER_K)
    rate_ea = "Reaction rate constant activation energy [J.mol-1]"
    rows = [
        ("thickness", number(given, "Thickness [m]") * 1e6, "um"),
        ("particle_radius", number(given, "Particle radius [m]") * 1e6, "um"),
        ("surface", number(given, "Surface area per unit volume [m-1]"), "1/m"),
        ("porosity", number(given, "Porosity"), ""),
        ("transport", number(given, "Transport efficiency"), ""),
        ("conductivity", number(given, "Conductivity [S.m-1]"), "S/m"),
        ("concentration", number(given, "Maximum concentration [mol.m-3]"), "mol/m3"),
        ("diffusivity", number(given, "Diffusivity [m2.s-1]"), "m2/s"),
        ("diffusivity_ea", number(given, "Diffusivity activation energy [J.mol-1]", 0.0), "J/mol"),
        ("rate", number(given, "Reaction rate constant [mol.m-2.s-1]"), "mol/m2/s"),
        ("rate_ea", number(given, rate_ea, 0.0), "J/mol"),
        ("at_empty", empty, ""),
        ("at_full", full, ""),
    ]
    return (
        section(name, rows)
        + entry("stoichiometry", "1", taken, 6)
        + entry("ocp", "V", map(ocp, taken), 8)
        + entry("entropic_stoichiometry", "1", at, 6)
        + entry("entropic", "mV/K", (1e3 * entropic(x) for x in at), 5)
    )


def electrolyte(given: Given, separator: Given) -> str:
    """Return the section of the electrolyte; knots every 50 mol/m3 from 20 to 3000."""
    knots = [20.0, *(50.0 * k for k in range(1, 61))]
    conductivity_ea = number(given, "Conductivity activation energy [J.mol-1]", 0.0)
    diffusivity_ea = number(given, "Diffusivity activation energy [J.mol-1]", 0.0)
    rows = [
        ("concentration", number(given, "Initial concentration [mol.m-3]"), "mol/m3"),
        ("transference", number(given, "Cation transference number"), ""),
        ("conductivity_ea", conductivity_ea, "J/mol"),
        ("diffusivity_ea", diffusivity_ea, "J/mol"),
        ("separator_thickness", number(separator, "Thickness [m]") * 1e6, "um"),
        ("separator_porosity", number(separator, "Porosity"), ""),
        ("separator_transport", number(separator, "Transport efficiency"), ""),
    ]
    return (
        section("electrolyte", rows)
        + entry("knots", "mol/m3", knots, 6)
        + entry("conductivity", "S/m", map(curve(given, "Conductivity [S.m-1]"), knots), 7)
        + entry("diffusivity", "m2/s", map(curve(given, "Diffusivity [m2.s-1]"), knots), 7)
    )


def head(header: Given, source: str) -> str:
    """Return whose figures these are: what the file says of itself, and where it was found."""
    told = [header.get("Title", ""), header.get("Description", ""), source]
    made = "Made by make_from_bpx.py; open-circuit potentials are within 20 uV of its functions."
    return "".join(
        textwrap.fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ") + "\n"
        for text in (*filter(None, told), made)
    )


def cell_file(bpx: Given, given: argparse.Namespace) -> str:
    """Return the whole cell file."""
    parts = bpx["Parameterisation"]
    cell = parts["Cell"]
    negative, positive, per_m2_ah = window(parts)
    pairs = number(cell, "Number of electrode pairs connected in parallel to make a cell")
    area_m2 = number(cell, "Electrode area [m2]") * pairs
    mass_kg = given.mass or number(cell, "Density [kg.m-3]") * number(cell, "Volume [m3]")
    coldest, hottest = given.fitted
    lines = [
        f"about: {given.about}",
        f"capacity: {per_m2_ah * area_m2:.6g} Ah",
        f"area: {area_m2:.9g} m2",
        f"mass: {mass_kg:.6g} kg",
        f"heat_capacity: {number(cell, 'Specific heat capacity [J.K-1.kg-1]'):.6g} J/(kg*K)",
        *([f"cooling: {given.cooling:g} W/K"] if given.cooling is not None else []),
        f"leakage: {given.leakage}",
        f"leakage_ea: {given.leakage_ea}",
        *(["heat_of_mixing: no"] if given.without_heat_of_mixing else []),
        *(["depth: yes"] if given.depth else []),
        *([f"particle_shells: {given.shells}"] if given.shells else []),
        "fitted_from_soc: 0 %",
        "fitted_to_soc: 100 %",
        f"fitted_from: {coldest:g} degC",
        f"fitted_to: {hottest:g} degC",
        f"fitted_to_rate: {given.rate:g} 1/h",
    ]
    return (
        head(bpx.get("Header", {}), given.source)
        + "\n".join(lines)
        + "\n"
        + electrode("negative", parts["Negative electrode"], *negative)
        + electrode("positive", parts["Positive electrode"], *positive)
        + electrolyte(parts["Electrolyte"], parts["Separator"])
    )


def main() -> None:
    """Read one BPX file and print one cell file."""
    layout = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("bpx", type=Path)
    parser.add_argument("--about", required=True, help="one line: whose cell it is")
    parser.add_argument("--source", default="", help="where the file was published, its licence")
    parser.add_argument("--cooling", type=float, help="W/K of the bare cell to moving air")
    parser.add_argument("--mass", type=float, help="kg, in place of volume times density")
    parser.add_argument("--leakage", default="0 mA", help="self-discharge at 25 degC")
    parser.add_argument("--leakage-ea", default="50 kJ/mol", help="its activation energy")
    parser.add_argument(
        "--fitted", type=float, nargs=2, default=(-10.0, 55.0), help="degC, from to"
    )
    parser.add_argument("--rate", type=float, default=1.0, help="highest rate it holds for, 1/h")
    parser.add_argument(
        "--without-heat-of-mixing", action="store_true", help="as most simulations have it"
    )
    parser.add_argument(
        "--depth", action="store_true", help="let the reaction differ over an electrode's depth"
    )
    parser.add_argument("--shells", type=int, default=0, help="of a particle; 0 is a smooth one")
    given = parser.parse_args()
    try:
        text = cell_file(json.loads(given.bpx.read_text(encoding="utf-8")), given)
    except KeyError as missing:
        parser.error(f"{given.bpx}: no {missing}")
    except (OSError, SyntaxError, ValueError) as error:
        parser.error(f"{given.bpx}: {error}")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
