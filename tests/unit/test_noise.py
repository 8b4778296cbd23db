"""Noise: published known answers, statistics, independence, and equal bits without the compiler."""

import os
import subprocess
import sys

import numpy as np
import pytest

from hil.physics.noise import noise_row, threefry, uniform_row

KNOWN = [  # Random123's kat_vectors, threefry2x32, 20 rounds
    ((0, 0, 0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 4, (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


def normals(seed: int, device: int, sample: int, n: int) -> list[float]:
    row = np.empty(n)
    noise_row(seed, device, sample, row)
    return [float(value) for value in row]


@pytest.mark.parametrize(("key_and_count", "words"), KNOWN)
def test_threefry_gives_the_published_answers(
    key_and_count: tuple[int, int, int, int], words: tuple[int, int]
) -> None:
    assert tuple(threefry(*key_and_count)) == words


def test_normals_are_standard() -> None:
    rows = np.array([normals(7, 1, sample, 16) for sample in range(20_000)])
    assert abs(rows.mean()) < 4 / np.sqrt(rows.size)
    assert abs(rows.std() - 1) < 4 / np.sqrt(2 * rows.size)
    assert abs((rows**4).mean() - 3) < 0.1
    correlation = np.corrcoef(rows, rowvar=False) - np.eye(16)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(rows))


def test_uniforms_fill_the_open_unit_interval() -> None:
    row = np.empty(10_000)
    uniform_row(3, 2, 1, row)
    assert row.min() > 0
    assert row.max() < 1
    assert np.histogram(row, 10, (0, 1))[0].min() > 880


@pytest.mark.parametrize(
    "other", [(8, 1, 5), (7, 2, 5), (7, 1, 6), (7 + 2**32, 1, 5), (7, 1, 2**40)]
)
def test_every_part_of_the_counter_changes_the_noise(other: tuple[int, int, int]) -> None:
    mine, theirs = normals(7, 1, 5, 16), normals(*other, 16)
    assert not set(mine) & set(theirs)


def test_a_channel_does_not_depend_on_how_many_are_asked_for() -> None:
    assert normals(1, 2, 3, 7) == normals(1, 2, 3, 32)[:7]


def test_the_plain_source_gives_the_same_bits() -> None:
    script = (
        "import numpy as np\n"
        "from hil.physics.noise import noise_row, uniform_row\n"
        "row = np.empty(17)\n"
        "for fill in (noise_row, uniform_row):\n"
        "    for seed, device, sample in ((0, 0, 0), (7, 3, 12345), (2**47, 65535, 2**40)):\n"
        "        fill(seed, device, sample, row)\n"
        "        print(row.tobytes().hex())\n"
    )
    outputs = [
        subprocess.run(  # noqa: S603 -- our own interpreter and script
            [sys.executable, "-W", "error", "-c", script],
            env={**os.environ, "NUMBA_DISABLE_JIT": flag},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for flag in ("0", "1")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].split()) == 6
