"""A run says for how long its cells stood outside the range that their figures were fitted in."""

from hil.bench.extrapolated import Extrapolated
from hil.core.instants import SECOND
from hil.core.records import Tick
from hil.core.signals import Layout, Signal
from hil.profile.load import load_cell

LAYOUT = Layout(
    [
        Signal("pack.current_a", "A", 1),
        Signal("plant.soc", "1", 2),
        Signal("plant.cell_degc", "degC", 2),
    ]
)


def row(current_a: float, soc: tuple[float, float], degc: tuple[float, float]) -> Tick:
    return Tick(0, (current_a, *soc, *degc), "")


def test_nothing_is_told_while_the_model_stands_on_figures() -> None:
    one = Extrapolated(load_cell("lfp-100ah"), LAYOUT, SECOND)
    one.feed(row(20.0, (0.5, 0.6), (20.0, 30.0)))
    assert one.seconds() == {}


def test_each_reason_is_told_with_its_time() -> None:
    one = Extrapolated(load_cell("lfp-100ah"), LAYOUT, 10 * SECOND)
    one.feed(row(-95.0, (0.5, 0.6), (20.0, 30.0)))  # fitted to 0.9C
    one.feed(row(5.0, (0.5, 0.98), (20.0, 30.0)))  # to 97 %
    one.feed(row(5.0, (0.04, 0.6), (-11.0, 30.0)))  # from 5 % and -10 degC
    one.feed(row(5.0, (0.5, 0.6), (20.0, 56.0)))  # to 55 degC
    assert one.seconds() == {"rate": 10.0, "soc": 20.0, "temperature": 20.0}
