"""``hil safe``: put a bench into its safe state, now."""

import json
import sys

from rich.table import Table

from hil.app.safe import make_bench_safe
from hil.cli import ENVIRONMENT, streams
from hil.cli.arguments import AsJson, BenchKeys, BenchName


def safe(
    *,
    bench: BenchName = "virtual-16s",
    set_: BenchKeys = (),
    json_: AsJson = False,
) -> int:
    """Make every device of a bench safe and read it back: bleeds off, outputs off, chamber off.

    A run that has the bench is asked to go safe, then its guardian; who does not hear is ended.

    Exit code 0 if all read back safe, 69 if one did not; it keeps no other one on.

    Example: hil safe --bench virtual-16s
    """
    made = make_bench_safe(bench, set_)
    if json_:
        devices = [one.plain() for one in made.devices]
        body = {"bench": bench, "safe": made.ok, "devices": devices, "held_by": list(made.holders)}
        sys.stdout.write(json.dumps(body) + "\n")
    else:
        table = Table("", "device", "safe means", "read back", box=None, pad_edge=False)
        for one in made.devices:
            note = f"  (a stranger? {one.stranger})" if one.stranger else ""
            mark = "safe" if one.ok else "NOT SAFE"
            table.add_row(mark, one.device, one.meaning, one.read_back + note)
        for line in made.holders:
            sys.stderr.write(f"hil: {line}\n")
        streams.show(table)
    return 0 if made.ok else ENVIRONMENT
