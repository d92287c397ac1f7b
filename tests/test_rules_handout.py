"""To whom which job is handed."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from metermt.model import Walk
from metermt.rules.handout import Wish, shared_out

WALK, BACK = Walk("North"), Walk("North", reverse=True)
SESSIONS = {"carol-1": "carol", "carol-2": "carol", "adam-1": "adam"}


def wish(session, most=1):
    """Return a wish of somebody who walks forwards, or backwards if they are adam."""
    return Wish(session, SESSIONS[session], most, BACK if session == "adam-1" else WALK)


def shared(wishes, held, left, free):
    """Share out; all walk along one route."""
    return shared_out(wishes, held, left, {WALK: free, BACK: free[::-1]})


WISHES = st.lists(
    st.builds(wish, st.sampled_from([*SESSIONS]), st.integers(1, 4)),
    max_size=6,
)


@st.composite
def jobs_in_hand(draw):
    """Twelve jobs, each held by a session, left to a reader, or free."""
    held, left, free = defaultdict(list), defaultdict(list), []
    for job in range(12):
        place = draw(st.sampled_from([*SESSIONS, "carol", "adam", None]))
        (held[place] if place in SESSIONS else left[place] if place else free).append(job)
    return dict(held), dict(left), free


def test_what_a_session_holds_comes_first_then_what_its_reader_left_then_what_is_free():
    held, left, free = {"carol-1": [1]}, {"carol": [2], "adam": [3]}, [4, 5]
    assert shared([wish("carol-1", 3)], held, left, free) == [[1, 2, 4]]


def test_who_comes_first_is_served_first():
    assert shared([wish("adam-1", 2), wish("carol-1", 2)], {}, {}, [1, 2, 3]) == [[3, 2], [1]]


def test_who_asks_twice_at_once_gets_the_same():
    assert shared([wish("adam-1"), wish("carol-1"), wish("adam-1")], {}, {}, [1, 2, 3]) == [[3], [1], [3]]
    assert shared([wish("adam-1"), wish("adam-1", 3)], {"adam-1": [7]}, {}, [1, 2]) == [[7], [7, 2, 1]]


def test_two_sessions_of_one_reader_get_different_jobs():
    assert shared([wish("carol-1"), wish("carol-2")], {}, {"carol": [1]}, [2]) == [[1], [2]]


def test_there_may_be_less_than_was_wished_for_or_nothing():
    assert shared([wish("carol-1", 3), wish("adam-1")], {}, {}, [1]) == [[1], []]
    assert shared([], {}, {}, [1]) == []


@given(WISHES, jobs_in_hand())
def test_no_job_is_given_to_two_sessions_and_none_is_taken_from_anybody(wishes, jobs):
    held, left, free = jobs
    shares = shared(wishes, held, left, free)
    given_to = defaultdict(set)
    for each, share in zip(wishes, shares, strict=True):
        assert len(share) <= each.most
        assert len(share) == len(set(share))
        assert set(share) <= {*held.get(each.session, ()), *left.get(each.username, ()), *free}
        for job in share:
            given_to[job].add(each.session)
    assert all(len(sessions) == 1 for sessions in given_to.values())


@given(WISHES, jobs_in_hand())
def test_nobody_goes_away_with_less_than_wished_for_while_there_is_more(wishes, jobs):
    held, left, free = jobs
    shares = shared(wishes, held, left, free)
    given = {job for share in shares for job in share}
    for each, share in zip(wishes, shares, strict=True):
        if len(share) < each.most:
            assert set(free) <= given
            assert set(left.get(each.username, ())) <= given
            assert share[: len(held.get(each.session, ()))] == held.get(each.session, [])[: each.most]
