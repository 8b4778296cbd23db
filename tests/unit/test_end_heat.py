"""Heat of a board that leaves through the top cell: where it goes, and that none is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.physics.batch import Batch, Cut
from hil.physics.boards import Boards
from hil.physics.pack import ThermalNetwork
from hil.physics.parameters import PackParameters
from hil.profile.designs import load_board
from hil.profile.load import load_cell

CELL = load_cell("lfp-100ah")
SHARES = st.floats(0.0, 1.0)


def network(share: float, enclosure_ambient_w_per_k: float = 5.0) -> ThermalNetwork:
    return ThermalNetwork.of_pack(
        PackParameters(
            4,
            CELL,
            end_heat_ratio=share,
            enclosure_ambient_w_per_k=enclosure_ambient_w_per_k,
        )
    )


@given(SHARES, st.floats(1.0, 1e5))
def test_without_a_way_out_all_heat_is_in_the_nodes_wherever_it_went(
    share: float, dt_s: float
) -> None:
    cell_j_per_k = CELL.mass_kg * CELL.heat_capacity_j_per_kg_k
    capacities = np.array([*[cell_j_per_k] * 4, 5000.0])
    _, gain = network(share, enclosure_ambient_w_per_k=0.0).propagators(dt_s)
    assert gain @ capacities == pytest.approx(np.full(5, dt_s), rel=1e-9)


@given(SHARES)
def test_the_top_cell_settles_where_the_balance_of_heat_has_it(share: float) -> None:
    _, gain = network(share).propagators(1e9)
    # by hand: cells 0 to 3 in a row (1.5 W/K), each with 0.8 W/K to the box, that with 5 to outside
    box = np.diag([2.3, 3.8, 3.8, 2.3, 8.2]) - 1.5 * np.diag([1, 1, 1, 0], 1)
    box -= 1.5 * np.diag([1, 1, 1, 0], -1)
    box[:4, 4] = box[4, :4] = -0.8
    heat_w = np.array([0.0, 0.0, 0.0, share, 1.0 - share])
    assert gain[-1] == pytest.approx(np.linalg.solve(box, heat_w), rel=1e-9)
    assert gain[:-1] == pytest.approx(network(0.0).propagators(1e9)[1][:-1], rel=1e-12)


def test_a_board_on_the_side_of_a_batch_warms_its_top_cell() -> None:
    packs = [PackParameters(16, CELL, end_heat_ratio=share) for share in (0.0, 0.5)]
    batch = Batch(packs, [1, 1])
    boards = Boards(load_board("standard-200mA"), batch)
    boards.order(np.ones((2, 16)))
    boards.sample(batch)
    for _ in range(60):
        batch.run_leg(120.0, 0.0, 25.0, boards.conductances(batch), kind="current", cut=Cut())
        boards.after_leg(batch, 120.0)
        batch.finish_leg(120.0)
    plain, sided = batch.cell_degc
    assert np.ptp(plain) < 0.1
    assert sided.argmax() == 15
    assert np.ptp(sided) > 1.0
