"""What is printed when a run is over: the verdict first, then the evidence, then how to repeat."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hil.app import Outcome, Request
from hil.cli import streams

COLOURS = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow", "ABORTED": "magenta"}
WIDTH_OF_A_FILE = 140
"""Where there is no terminal to fit into, tables need not break their lines."""

MOST_OF_A_NAME, MOST_LINES = 3, 16
"""How many reasons of one name are printed, and how many lines of them in all."""

OPEN = {True: "pass", False: "FAIL", None: "open"}


def show(outcome: Outcome, request: Request) -> None:
    """Print the summary of a run to stdout."""
    console = streams.console()
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    body = outcome.summary
    verdict = body["verdict"]
    head = Text(verdict, style=f"bold {COLOURS[verdict]}")
    console.print(head, f" {body['profile']}: {body['ended']}")
    for line in _reasons(body["reasons"]):
        console.print(f"  {line}")
    _expectations(console, body["expectations"])
    _metrics(console, body["metrics"])
    console.print(
        f"{body['simulated_s']:.0f} s simulated in {body['wall_s']:.1f} s "
        f"({body['speed']:.0f} times real time), after {body['startup_s']:.1f} s of set-up"
    )
    if body["termination"]:
        console.print(f"charge  {body['termination'].removeprefix('Charge ')}")
    if body["extrapolated_s"]:
        console.print(f"cells   {_extrapolated(body['extrapolated_s'])}")
    if body["engine"] is not None:
        console.print(_engine(body["engine"]))
    if body["timing"]:
        console.print(_timing(body["timing"]))
    for line in _watched(body):
        console.print(line)
    if "telemetry" in body:
        console.print(_telemetry(body["telemetry"]))
    for line in _left(body):
        console.print(line)
    console.print(f"digest  {body['digest']}")
    console.print(f"folder  {body['folder']}")
    console.print(f"report  {body.get('report') or body['report_problem']}")
    console.print(f"repeat  {request.command()}")


def _left(body: Mapping[str, Any]) -> Sequence[str]:
    """Return who had left the bench as it was, and what was lost of the log."""
    holders = body.get("held", {}).get("left_by", ())
    lines = [f"bench   left by {one}: read back safe before anything went on" for one in holders]
    if dropped := sum(body["log"].values()):
        lines.append(f"log     {dropped} lines were dropped: nobody took them in time")
    return lines


def _watched(body: Mapping[str, Any]) -> list[str]:
    """Say what disturbed the links, what the bench warned of, how the chamber's door was left."""
    faults = ", ".join(f"{count} {kind}" for kind, count in body["link_faults"].items())
    lines = [f"links   disturbed by the bench's own plan: {faults}"] if faults else []
    lines += [f"warned  {line}" for line in body["warned"]]
    lines += [f"bench   {body['wiring']}"] if body.get("wiring") else []
    return [*lines, f"door    {body['door']}"] if body["door"] else lines


def _reasons(reasons: Sequence[str]) -> Sequence[str]:
    """Return the first few of each name: a hundred of one must not hide the one of another."""
    named: dict[str, list[str]] = {}
    for reason in reasons:
        named.setdefault(reason.partition(":")[0], []).append(reason)
    lines: list[str] = []
    for name, alike in named.items():
        lines += alike[:MOST_OF_A_NAME]
        if len(alike) > MOST_OF_A_NAME:
            lines.append(f"{name}: {len(alike) - MOST_OF_A_NAME} more, all of them in the report")
    return lines[:MOST_LINES]


def _extrapolated(seconds: Mapping[str, float]) -> str:
    """Say for how long the cell model was a guess, and in what."""
    times = ", ".join(f"{name} for {s:.0f} s" for name, s in seconds.items())
    return f"outside the range that the model's figures were fitted in: {times}"


def _telemetry(told: Mapping[str, Any]) -> str:
    """Say what the broker has got, and why it has not got all."""
    owed = sum(last - first + 1 for first, last in told.get("owed", ()))
    more = f", {told['backfilled']} of them later" if told.get("backfilled") else ""
    missing = f", {owed} not" if owed else ""
    problem = f" ({told['problem']})" if told["problem"] else ""
    return f"mqtt    {told['sent']} messages to {told['broker']}{more}{missing}{problem}"


def _engine(engine: Mapping[str, Any]) -> str:
    """Say what the virtual board was."""
    if "sha256" not in engine:
        return f"engine  {engine['kind']}"
    made = engine.get("compiler") or engine.get("file", "")
    return f"engine  {engine['kind']}, firmware {engine['sha256'][:16]} ({made})"


def _timing(timing: Mapping[str, Any]) -> str:
    """Say how well the bench kept to the wall clock."""
    late, took = (
        " / ".join(f"{timing[what][of]:.2g}" for of in ("p50", "p99", "max"))
        for what in ("late_ms", "took_ms")
    )
    share = f"{100 * timing['cpu_share']:.0f} % of a core"
    return f"ticks   late by {late} ms, busy for {took} ms (median / p99 / longest), {share}"


def _expectations(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    table = Table(
        "", "expectation", "value", "± (k=2)", "limit", "read at", box=None, pad_edge=False
    )
    for row in rows:
        table.add_row(
            OPEN[row["passed"]],
            row["name"],
            number(row["value"], row["unit"]),
            number(row["uncertainty"], row["unit"]),
            f"{row['comparison']} {number(row['limit'], row['unit'])}",
            f"{row['read_at_s']:.0f} s, {row['where']}",
        )
    console.print(table)


def _metrics(console: Console, metrics: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table("metric", "value", "± (k=2)", "where", box=None, pad_edge=False)
    for name, one in metrics.items():
        if one["value"] is not None:
            spread = number(one["uncertainty"], one["unit"])
            table.add_row(name, number(one["value"], one["unit"]), spread, one["where"])
    console.print(table)


def number(value: float | None, unit: str) -> str:
    """Write a value in the prefix that a person of the trade would choose."""
    if value is None:
        return "n/a"
    if unit == "1":
        return f"{100 * value:.4g} %"
    if unit == "V" and abs(value) < 1.0:
        return f"{1000 * value:.4g} mV"
    return f"{value:.4g} {unit}"
