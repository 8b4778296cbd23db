"""What the profiles find of mistakes nobody told them of: mutants, and boards drawn blindly."""

from pathlib import Path

import pytest
from blind_bench import PROFILE, verdict
from blind_drawer import SOUND, draw
from blind_score import false_alarms, matrix
from images import compiled
from mutation_campaign import HUNTED, campaign

pytestmark = pytest.mark.nightly

BOARDS, MUTANTS = 24, 24


def test_no_sound_board_is_failed_and_hardly_a_bad_one_passes(tmp_path: Path) -> None:
    key = draw(BOARDS, seed=1, latest_s=1500)
    verdicts = []
    for one in key:
        place = (f"DEFECT_CELL={one['cell']}", f"DEFECT_AFTER_S={one['after_s']}")
        define = () if one["defect"] == SOUND else (one["defect"], *place)
        image = compiled(tmp_path / one["board"], define)
        verdicts.append(verdict(image, one["seed"], PROFILE))
    found = matrix(key, verdicts)
    alarms, sound = false_alarms(found)
    assert (alarms, sound > 0) == (0, True)
    missed = sum(row.total() - row["FAIL"] for defect, row in found.items() if defect != SOUND)
    assert missed <= BOARDS // 8, found


def test_most_mutants_are_killed_by_the_profiles_alone() -> None:
    fates = campaign(MUTANTS, HUNTED, seed=1, workers=2)
    killed = [fate.mutant for fate in fates if fate.end == "killed"]
    survived = [fate.mutant for fate in fates if fate.end in {"survived", "hung"}]
    assert len(killed) + len(survived) == MUTANTS
    assert len(killed) > len(survived), survived
