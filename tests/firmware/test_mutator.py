"""The mutator changes code and nothing else, one place at a time."""

from mutator import chosen, mutants

SOURCE = """\
#include <stdint.h>
#define LIMIT (3 + 4)
/* a < b && c: no code */
static const int sizes[4];

int over(const struct a *self, int value)
{
    int sum = value + 2; // 5 > 4
    if (value >= self->limit && sum != 7) {
        self->count += 1;
        report(self, "x < 1");
        return 1;
    }
    return 0;
}
"""


def changes() -> set[tuple[int, str, str]]:
    return {(one.line, one.before, one.after) for one in mutants("over.c", SOURCE)}


def test_what_is_changed_is_code_inside_a_function() -> None:
    assert {line for line, _, _ in changes()} == {8, 9, 10, 11, 12, 14}
    assert all(before not in {"<", "4", "5", "3"} for _, before, _ in changes())


def test_each_kind_of_change_is_there() -> None:
    found = changes()
    assert (8, "+", "-") in found
    assert (8, "2", "3") in found
    assert (8, "2", "1") in found
    assert (9, ">=", ">") in found
    assert (9, "&&", "||") in found
    assert (9, "!=", "==") in found
    condition = "value >= self->limit && sum != 7"
    assert (9, condition, f"!({condition})") in found
    assert (10, "self->count += 1;", ";") in found
    assert (10, "+=", "-=") in found
    assert (11, 'report(self, "x < 1");', ";") in found
    assert (14, "0", "1") in found


def test_a_mutant_differs_from_the_source_in_its_one_place() -> None:
    for one in mutants("over.c", SOURCE):
        changed = one.applied(SOURCE)
        assert changed != SOURCE
        assert changed.startswith(SOURCE[: one.start])
        assert changed.endswith(SOURCE[one.end :])


def test_a_choice_is_spread_over_the_sources_and_repeats() -> None:
    sources = {"one.c": SOURCE, "two.c": SOURCE}
    first = chosen(sources, 10, seed=1)
    assert [one.file for one in first] == ["one.c", "two.c"] * 5
    assert first == chosen(sources, 10, seed=1)
    assert first != chosen(sources, 10, seed=2)
