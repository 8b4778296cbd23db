"""What a run leaves is read by programs nobody here wrote."""

from pathlib import Path

import duckdb
from scenario import Play


def test_duckdb_reads_the_ticks_of_a_run_as_they_lie_in_its_folder(play: Play) -> None:
    run = play("open-sense-lead")
    ticks = Path(run.summary["folder"]) / "ticks.parquet"
    lowest = run.columns().index("plant.cell_v[12]")
    with duckdb.connect() as database:
        asked = 'SELECT count(*), min("plant.cell_v[12]"), max(at_ns) FROM read_parquet(?)'
        [found] = database.execute(asked, [str(ticks)]).fetchall()
    rows = run.of("tick")
    values = [float.fromhex(row["values"][lowest]) for row in rows]
    assert found == (len(rows), min(values), rows[-1]["at"])
