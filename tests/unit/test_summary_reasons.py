"""What is printed of many reasons: each of their names is seen, whatever stands beside it."""

from hil.cli.summary import MOST_LINES, MOST_OF_A_NAME, _reasons


def test_a_hundred_of_one_name_do_not_hide_the_one_of_another() -> None:
    many = [f"reading-off: cell[{k}]" for k in range(100)]
    lines = _reasons([*many, "bleed-oscillates: cell[5]"])
    assert lines[:MOST_OF_A_NAME] == many[:MOST_OF_A_NAME]
    assert lines[MOST_OF_A_NAME:] == [
        "reading-off: 97 more, all of them in the report",
        "bleed-oscillates: cell[5]",
    ]


def test_few_reasons_are_printed_as_they_are() -> None:
    few = ["a: 1", "b: 1", "a: 2", "stopped by Ctrl-C"]
    assert _reasons(few) == ["a: 1", "a: 2", "b: 1", "stopped by Ctrl-C"]


def test_no_more_lines_than_a_screen_has_room_for() -> None:
    assert len(_reasons([f"name{k}: x" for k in range(100)])) == MOST_LINES
