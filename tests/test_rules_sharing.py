"""Who is next of those who wait, and who has to go when too many do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metermt.rules.sharing import FairQueue


@pytest.fixture
def waiting():
    return FairQueue(most=100, long=100)


def all_of(waiting):
    return [waiting.next() for _ in range(len(waiting))]


def test_of_one_address_the_oldest_is_next(waiting):
    for who in "abc":
        assert waiting.came(who, "here") is None
    assert all_of(waiting) == ["a", "b", "c"]
    assert waiting.next() is None


def test_addresses_take_turns_however_many_wait_at_one(waiting):
    for number in range(50):
        waiting.came(number, "crowded")
    waiting.came("carol", "elsewhere")
    assert all_of(waiting)[:3] == [0, "carol", 1]


def test_who_comes_again_and_again_gets_no_more_turns_than_others(waiting):
    for number in range(50):
        waiting.came(number, "crowded")
    turns = []
    for number in range(10):
        waiting.came(f"carol {number}", "elsewhere")
        turns += [waiting.next(), waiting.next()]
    assert sum(str(who).startswith("carol") for who in turns) == 10


def test_kinds_take_turns_before_addresses_do(waiting):
    for number in range(20):
        waiting.came(number, "stranger", f"address {number}")
    waiting.came("carol", "regular", "her address")
    waiting.came("adam", "regular", "his address")
    assert all_of(waiting)[:4] == [0, "carol", 1, "adam"]


def test_where_many_wait_the_newest_is_next():
    waiting = FairQueue(most=100, long=3)
    for number in range(5):
        waiting.came(number, "here")
    assert all_of(waiting) == [4, 3, 0, 1, 2]


def test_who_went_is_never_next(waiting):
    for who in "abc":
        waiting.came(who, "here")
    waiting.went("a")
    waiting.went("b")
    waiting.went("b")
    waiting.went("nobody")
    assert all_of(waiting) == ["c"]


def test_when_too_many_wait_the_oldest_of_the_most_crowded_place_has_to_go():
    waiting = FairQueue(most=4, long=4)
    for who in "abc":
        waiting.came(who, "crowded")
    assert waiting.came("carol", "elsewhere") is None
    assert waiting.came("adam", "elsewhere") == "a"
    assert waiting.came("d", "crowded") == "b"
    assert sorted(all_of(waiting)) == ["adam", "c", "carol", "d"]


@given(st.lists(st.one_of(st.tuples(st.integers(0, 2), st.integers(0, 3)), st.none(), st.integers(0, 40)), max_size=60))
def test_everybody_is_next_once_or_has_gone(steps):
    """A pair: somebody comes so; a number: that one goes; None: somebody is next."""
    waiting, here = FairQueue(most=10, long=2), set()
    for number, step in enumerate(steps):
        match step:
            case tuple():
                here |= {f"{number}"}
                here -= {waiting.came(f"{number}", *step)}
            case None:
                who = waiting.next()
                assert (who in here) if here else who is None
                here -= {who}
            case int():
                waiting.went(f"{step}")
                here -= {f"{step}"}
        assert len(waiting) == len(here) <= 10
    assert set(all_of(waiting)) == here


def test_who_comes_again_while_they_wait_keeps_their_place_and_has_one_turn(waiting):
    for who, kind in [("carol", "stranger"), ("eric", "stranger"), ("carol", "regular"), ("carol", "stranger")]:
        waiting.came(who, kind)
    assert len(waiting) == 2
    assert all_of(waiting) == ["carol", "eric"]
    waiting.came("adam", "stranger")
    assert waiting.next() == "adam"
