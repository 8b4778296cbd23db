"""The catalogue of faults that a bench must be able to show, each on two boards.

On one that handles it, which must pass, and on one that does not, which must fail: the same steps,
and one thing about the board that is another. A board that is blind to a fault is made by its
design (a threshold that is never reached, a procedure that is never run), as a wrong parameter
would make it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from scenario import Play
from tools import program

Profile = Callable[..., Path]

NEVER = "1000000"


@dataclass(frozen=True)
class Case:
    """A fault: the steps that bring it about and ask for the report, and what makes a board blind.

    ``broken`` are steps that break the other board first, where it is no parameter of it that is
    wrong; ``engine`` runs firmware on both.
    """

    steps: str
    blind: tuple[str, ...] = ()
    broken: str = ""
    engine: str | None = None
    pack: str = "{cell: lfp-100ah, soc: 60 %}"
    more: dict[str, str] = field(default_factory=dict)


def charge_to(volt: str) -> str:
    return f"  - charge: {{current: 50 A, limit: none, until: [any cell.voltage >= {volt}]}}\n"


HIGH = "{cell: lfp-100ah, soc: 99 %, cells: {5: {soc: 99.9 %}}}"
LOW = "{cell: lfp-100ah, soc: 4 %, cells: {5: {soc: 2 %}}}"
WIDE = {
    "limits": "{cell.voltage: {min: 2.1 V, max: 3.78 V}}",
    "verdict": "[min_cell_voltage >= 2 V]",
}
HEAT = {"limits": "{cell.temperature: {min: -40 degC, max: 90 degC}}"}


def forbids(name: str, direction: str = "charge") -> str:
    """Ask for a current that obeys the board: it must not flow."""
    return (
        f"  - {direction}: {{current: 20 A, until: [after: 2 s]}}\n"
        f"  - expect: {{current: {{max: 0.1 A}}, read: {name}}}\n"
    )


BLEEDS = {"controller": "{strategy: fixed-threshold, start: 10 mV, stop: 5 mV, every: 1 s}"}
ONE_HIGH = "{cell: lfp-100ah, soc: 60 %, cells: {5: {soc: 99 %}}}"


def host(fault: str, reported: str) -> str:
    """Break the bench as a host: a board must notice, and bleed no more on what it was told."""
    return (
        "  - expect: {board.bleeding: {min: 5 %}, read: before}\n"
        f"  - inject: {{target: board, fault: {fault}}}\n"
        f"  - expect: {{board: {reported}, within: 8 s}}\n"
        "  - rest: 8 s\n"
        "  - expect: {board.bleeding: {max: 0 %}, read: on no valid command}\n"
    )


def board_breaks(fault: str) -> Case:
    """Return the case of a board that breaks by itself: what it sends is not to be believed."""
    return Case("  - rest: 20 s\n", broken=f"  - inject: {{target: board, fault: {fault}}}\n")


CATALOGUE = {
    "cell reading stuck": Case(
        "  - discharge: {current: 50 A, until: [after: 60 s]}\n"
        "  - rest: 2 s\n"
        "  - expect: {board.cell.error: {min: -10 mV, max: 10 mV}}\n",
        broken="  - inject: {target: board, fault: stuck-cell, cell: 5}\n",
    ),
    "cell readings drifting with heat": Case(
        "  - soak: {chamber: 60 degC, for: 20 min}\n"
        "  - expect: {board.cell.error: {min: -10 mV, max: 10 mV}}\n",
        ("bench.board.drift=500 ppm/K",),
        more={"needs": "{cells: 16, chamber: {min: 10 degC, max: 70 degC}}"},
    ),
    "CAN node lost: the host": Case(
        host("host-silent", "command-lost"),
        ("bench.board.command_timeout=1 h",),
        pack=ONE_HIGH,
        more=BLEEDS,
    ),
    "CAN bit errors in what the host sends": Case(
        host("host-bad-crc", "bad-command"),
        ("bench.devices.board.virtual.checks_commands=no",),
        pack=ONE_HIGH,
        more=BLEEDS,
    ),
    "CAN counter of the host stale": Case(
        host("host-stuck-counter", "bad-command"),
        ("bench.devices.board.virtual.checks_commands=no",),
        pack=ONE_HIGH,
        more=BLEEDS,
    ),
    "CAN node lost, or bus off: the board": board_breaks("silent"),
    "CAN bit errors in what the board sends": board_breaks("bad-crc"),
    "CAN counter of the board stale": board_breaks("stuck-counter"),
    "front end's messages tampered with": Case(
        "  - inject: {target: board, fault: tampered, cell: 3}\n"
        "  - expect: {board: front-end-silent, cell: 1, within: 5 s}\n"
        + forbids("what cannot be believed forbids charge"),
        ("bench.devices.board.engine.define=[DEFECT_PEC_NOT_CHECKED]",),
        engine="lib",
    ),
    "thermal runaway": Case(
        "  - inject: {target: sensors, fault: runaway-ntc, cell: 2}\n"
        "  - expect: {board: over-temperature, within: 60 s}\n" + forbids("runaway forbids charge"),
        ("bench.board.over_temperature=120 degC",),
    ),
    "supply browned out": Case(
        "  - inject: {target: supply, fault: brown-out, for: 1 s}\n"
        "  - rest: 5 s\n"
        "  - expect: {board.age: {max: 300 ms}}\n",
        ("bench.devices.board.virtual.hangs_in_brown_out=yes",),
        more={"bench": "supply-16s"},
    ),
    "cell over-voltage": Case(
        charge_to("3.67 V") + "  - rest: 5 s\n" + forbids("over-voltage forbids charge"),
        ("bench.board.over_voltage=4.5 V",),
        pack=HIGH,
        more=WIDE,
    ),
    "cell under-voltage": Case(
        "  - discharge: {current: 20 A, limit: none, until: [any cell.voltage <= 2.45 V]}\n"
        "  - rest: 1 s\n" + forbids("under-voltage forbids discharge", "discharge"),
        ("bench.board.under_voltage=1 V",),
        pack=LOW,
        more=WIDE,
    ),
    "charger over-current": Case(
        "  - charge: {current: 130 A, limit: none, until: [after: 4 s]}\n"
        + forbids("over-current forbids charge"),
        ("bench.board.over_current=150 A",),
    ),
    "load over-current": Case(
        "  - discharge: {current: 130 A, limit: none, until: [after: 4 s]}\n"
        + forbids("over-current forbids discharge", "discharge"),
        ("bench.board.over_current=150 A",),
    ),
    "cells too hot": Case(
        forbids("heat forbids charge"),
        ("bench.board.over_temperature=95 degC",),
        pack="{cell: lfp-100ah, soc: 60 %, ambient: 67 degC}",
        more=HEAT,
    ),
    "cells too cold": Case(
        forbids("cold forbids charge"),
        (
            "bench.board.under_temperature=-39 degC",
            "bench.board.under_temperature_release=-38 degC",
            "bench.board.no_charge_below=-38 degC",
            "bench.board.cold_charge_below=-37 degC",
        ),
        pack="{cell: lfp-100ah, soc: 60 %, ambient: -25 degC}",
        more=HEAT,
    ),
    "charge below 0 degC": Case(
        forbids("frost forbids charge"),
        ("bench.board.no_charge_below=-30 degC", "bench.board.cold_charge_below=-25 degC"),
        pack="{cell: lfp-100ah, soc: 60 %, ambient: -5 degC}",
        more=HEAT,
    ),
    "sense lead open, bottom": Case(
        "  - inject: {target: wiring, fault: open-lead, cell: 1}\n"
        "  - expect: {board: open-wire, cell: 1, within: 10 s}\n",
        (f"bench.board.open_wire_every={NEVER}",),
    ),
    "sense lead open, inside": Case(
        "  - inject: {target: wiring, fault: open-lead, cell: 9}\n"
        "  - expect: {board: open-wire, cell: 9, within: 10 s}\n",
        (f"bench.board.open_wire_every={NEVER}",),
    ),
    "sense lead open, top": Case(
        "  - inject: {target: wiring, fault: open-lead, cell: 17}\n"
        "  - expect: {board: top-lead-open, within: 10 s}\n",
        (f"bench.board.open_wire_every={NEVER}",),
    ),
    "sense leads shorted": Case(
        "  - inject: {target: wiring, fault: shorted-leads, cell: 5}\n"
        "  - expect: {board: under-voltage, cell: 5, within: 5 s}\n",
        ("bench.board.protection_delay=1 h",),
    ),
    "cell reversed": Case(
        "  - inject: {target: wiring, fault: reversed-cell, cell: 5}\n"
        "  - expect: {board: under-voltage, cell: 5, within: 5 s}\n",
        ("bench.board.protection_delay=1 h",),
    ),
    "sense leads swapped": Case(
        "  - inject: {target: wiring, fault: swapped-leads, cell: 5}\n"
        "  - expect: {board: under-voltage, cell: 5, within: 5 s}\n"
        + forbids("double cells forbid charge"),
        ("bench.board.protection_delay=1 h",),
    ),
    "NTC implausible": Case(
        "  - inject: {target: sensors, fault: hot-ntc, cell: 3}\n"
        "  - expect: {board: over-temperature, within: 5 s}\n" + forbids("105 degC forbid charge"),
        ("bench.board.over_temperature=120 degC",),
    ),
    "current sensor with an offset": Case(
        "  - expect: {board.current.error: {min: -0.1 A, max: 0.1 A}, read: the offset}\n",
        ("bench.board.current_offset=2 A",),
    ),
    "current sensor stuck": Case(
        # it shows for ever what flowed last, and that was more than the board allows
        "  - charge: {current: 130 A, limit: none, until: [after: 500 ms]}\n"
        "  - inject: {target: sensors, fault: stuck-current}\n"
        "  - expect: {board: over-current, within: 5 s}\n",
        ("bench.board.over_current=150 A",),
    ),
    **{
        f"NTC {what}, shown by the bench": Case(
            f"  - inject: {{target: sensors, fault: {what}-ntc, cell: 2}}\n"
            "  - expect: {board: ntc-lost, within: 5 s}\n"
            f"  - clear: {{target: sensors, fault: {what}-ntc, cell: 2}}\n"
            "  - expect: {board: ntc-lost, gone_within: 5 s}\n",
            ("bench.board.protection_delay=1 h",),
        )
        for what in ("open", "shorted")
    },
    **{
        f"NTC {what}": Case(
            f"  - inject: {{target: wiring, fault: {what}-ntc, cell: 2}}\n"
            "  - expect: {board: ntc-lost, within: 5 s}\n"
            + forbids(f"an NTC that is {what} forbids charge"),
            ("bench.board.protection_delay=1 h",),
        )
        for what in ("open", "shorted")
    },
    "plugged in one lead after the other": Case(
        "".join(
            f"  - inject: {{target: wiring, fault: open-lead, cell: {lead}}}\n"
            for lead in (1, 2, 3)
        )
        + "  - rest: 12 s\n"
        + "".join(
            f"  - clear: {{target: wiring, fault: open-lead, cell: {lead}}}\n"
            f"  - expect: {{board: open-wire, cell: {lead}, gone_within: 10 s}}\n"
            for lead in (3, 2, 1)
        )
        + "  - rest: 2 s\n"
        "  - charge: {current: 20 A, until: [after: 2 s]}\n"
        "  - expect: {current: {min: 19.9 A}, read: all leads are in}\n",
        # it looks for broken leads so seldom that it has not noticed yet that they are back
        ("bench.board.open_wire_every=100",),
    ),
}


def played(case: Case, play: Play, profile: Profile, *changes: str, broken: str = "") -> str:
    """Play the steps on one board; return the verdict."""
    if case.engine:
        program("cc")
    steps = "  - rest: 12 s\n" + broken + case.steps
    path = profile(steps, pack=case.pack, **case.more)
    return play(path, *changes, engine=case.engine).verdict


@pytest.mark.parametrize("fault", CATALOGUE)
def test_a_board_that_handles_it_passes(fault: str, play: Play, profile: Profile) -> None:
    assert played(CATALOGUE[fault], play, profile) == "PASS"


@pytest.mark.parametrize("fault", CATALOGUE)
def test_a_board_that_does_not_fails(fault: str, play: Play, profile: Profile) -> None:
    case = CATALOGUE[fault]
    assert case.blind or case.broken
    assert played(case, play, profile, *case.blind, broken=case.broken) == "FAIL"
