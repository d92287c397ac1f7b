"""Which route a reader walks next."""

import pytest

from metermt.model import Assignment, Walk
from metermt.rules.walks import next_walk

LEFT = {"North": 5, "South": 80, "West": 20}
GIVEN = [Assignment("South", "carol", reverse=True), Assignment("West", "carol"), Assignment("West", "adam")]


def test_the_first_route_that_nobody_walks_is_next():
    assert next_walk("carol", [], LEFT, []) == Walk("North")
    assert next_walk("carol", [], LEFT, [Walk("North")]) == Walk("South")
    assert next_walk("carol", [], LEFT, [Walk("North")], tried=["South"]) == Walk("West")
    assert next_walk("carol", [], {"": 3}, []) == Walk("")


def test_a_route_without_jobs_is_nowhere_to_go():
    assert next_walk("carol", [], {"North": 0, "South": 1}, []) == Walk("South")
    assert next_walk("carol", [], {"North": 0}, []) is None
    assert next_walk("carol", [], {}, []) is None


@pytest.mark.parametrize(
    ("others", "walk"),
    [
        ([Walk("South")], Walk("South", reverse=True)),
        ([Walk("South", reverse=True)], Walk("South")),
        ([Walk("South"), Walk("South", reverse=True)], Walk("South")),
        ([Walk("South")] * 2 + [Walk("South", reverse=True)], Walk("South", reverse=True)),
        ([Walk("South")] * 17, Walk("West", reverse=True)),
    ],
)
def test_who_joins_others_goes_where_most_is_left_for_each_from_the_end_where_fewer_are(others, walk):
    there = [Walk("North"), Walk("West")]
    assert next_walk("carol", [], LEFT, there + others) == walk


def test_who_is_given_routes_walks_these_and_no_others():
    assert next_walk("carol", GIVEN, LEFT, [Walk("South")]) == Walk("South", reverse=True, assigned=True)
    assert next_walk("carol", GIVEN, LEFT, [], tried=["South"]) == Walk("West", assigned=True)
    assert next_walk("carol", GIVEN, LEFT | {"South": 0, "West": 0}, []) is None


def test_what_is_given_to_somebody_is_for_nobody_else():
    assert next_walk("eric", GIVEN, LEFT, []) == Walk("North")
    assert next_walk("eric", GIVEN, LEFT, [], tried=["North"]) is None
