"""Whether a cycle is there, and whether its name is like those of the others."""

import pytest

from metermt.errors import RouteError
from metermt.rules.cycles import check_there_is, is_unlike, none_is_open

MONTHS = [f"2026-{month:02}" for month in range(1, 13)]


@pytest.mark.parametrize(
    ("cycles", "words"),
    [
        ([], "There is no cycle '2025-11', and no other: import a route file first"),
        (["2026-11"], "There is no cycle '2025-11': only 2026-11"),
        (["2026-12", "2026-11"], "There is no cycle '2025-11': there are 2026-11, 2026-12"),
        (
            ["2025-12", *MONTHS],
            f"There is no cycle '2025-11': the last of 13 are {', '.join(MONTHS)}",
        ),
    ],
    ids=["none", "one", "two", "many"],
)
def test_a_cycle_that_is_not_there_is_refused_with_those_that_are(cycles, words):
    with pytest.raises(RouteError) as caught:
        check_there_is("2025-11", cycles)
    assert str(caught.value) == words
    for cycle in cycles:
        check_there_is(cycle, cycles)


@pytest.mark.parametrize(
    ("closed", "words"),
    [
        ([], "There is no cycle yet: import a route file first"),
        (["2026-11", "2026-10"], "No cycle is open; closed are 2026-10, 2026-11"),
        (["2025-12", *MONTHS], f"No cycle is open; 13 are closed, the last of them {', '.join(MONTHS)}"),
    ],
    ids=["none", "two", "many"],
)
def test_when_none_is_open_those_that_are_closed_are_told(closed, words):
    assert none_is_open(closed) == words


@pytest.mark.parametrize(
    ("cycle", "others", "unlike"),
    [
        ("2026-11", [], False),
        ("2026-12", ["2026-11"], False),
        ("11-2026", ["2026-11"], True),
        ("202611", ["2026-11"], True),
        ("Nov-26", ["2026-11"], True),
        ("Nov-26", ["2026-11", "Oct-26"], False),
        ("2026-Q4", ["2026-Q3"], False),
    ],
)
def test_a_name_is_unlike_the_others_when_no_other_is_made_like_it(cycle, others, unlike):
    assert is_unlike(cycle, others) is unlike
