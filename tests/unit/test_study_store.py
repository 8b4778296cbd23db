"""Results on disk: what was kept is found to the bit, and what is damaged is told."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.core.errors import EnvironmentProblem
from hil.study.store import Row, Store

ABOUT: dict[str, str | int | float] = {"experiment": "E1", "arm": "none", "seed": 1}


def rows(*keys: str) -> list[Row]:
    values = {"soc_spread": 0.1 + 0.2, "balance_time": math.inf, "useful_share": math.nan}
    return [Row(key, ABOUT, len(key) / 7, values | {"duty": len(key) / 3}) for key in keys]


def test_what_was_kept_is_found_to_the_bit(tmp_path: Path) -> None:
    store = Store(tmp_path / "studies")
    store.keep(rows("a", "bb"))
    store.keep(rows("ccc"))
    found = Store(tmp_path / "studies").known(["bb", "ccc", "unknown"])
    assert set(found) == {"bb", "ccc"}
    for key, row in found.items():
        [expected] = rows(key)
        assert (row.key, row.took_s.hex()) == (key, expected.took_s.hex())
        assert {name: one.hex() for name, one in row.metrics.items()} == {
            name: one.hex() for name, one in expected.metrics.items()
        }


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    Store(None).keep(rows("a"))
    assert Store(None).known(["a"]) == {}
    assert Store(tmp_path / "never").known(["a"]) == {}
    Store(tmp_path / "never").keep([])
    assert not (tmp_path / "never").exists()


def test_keeping_twice_keeps_once(tmp_path: Path) -> None:
    for _ in range(2):
        Store(tmp_path).keep(rows("a", "b"))
    assert len(list(tmp_path.iterdir())) == 1


def test_what_was_not_finished_is_not_there(tmp_path: Path) -> None:
    Store(tmp_path).keep(rows("a"))
    whole = next(tmp_path.iterdir())
    whole.rename(whole.with_suffix(".77.part"))
    assert Store(tmp_path).known(["a"]) == {}


def test_a_file_that_was_changed_is_named_and_never_believed(tmp_path: Path) -> None:
    Store(tmp_path).keep(rows("a"))
    kept = next(tmp_path.iterdir())
    whole = kept.read_bytes()
    flipped = (whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, 999, 37))
    for damaged in (b"", b"PAR1 and no table", whole[:-1], *flipped):
        kept.write_bytes(damaged)
        with pytest.raises(EnvironmentProblem, match=f"{kept.name}: damaged: .*delete it"):
            Store(tmp_path).known(["a"])


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).keep(rows("a"))
    (tmp_path / "notes.parquet").write_text("a summary that somebody wrote beside them")
    (tmp_path / "folder.parquet").mkdir()
    assert set(Store(tmp_path).known(["a"])) == {"a"}


@pytest.mark.parametrize(
    "write", [lambda store: store.keep(rows("a")), lambda store: store.ready()]
)
def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, write: Callable[[Store], None]
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentProblem, match=r"file.*: cannot be written"):
        write(Store(tmp_path / "file"))


def test_where_something_can_be_kept_nothing_is_left_by_asking(tmp_path: Path) -> None:
    Store(tmp_path / "studies").ready()
    Store(None).ready()
    assert not any((tmp_path / "studies").iterdir())
