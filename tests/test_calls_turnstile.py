"""Who gets one of a few places, and who is told to try again."""

import pytest
from conftest import start, wait_until

from metermt.calls.turnstile import Turnstile
from metermt.errors import DeadlineExceeded, ServerBusy


def here():
    return False


@pytest.fixture
def turnstile():
    return Turnstile(1, most=3, long=3)


def entering(turnstile, entered, who, address, is_gone=here):
    """Wait for a place in a thread; return what tells how that ended."""
    waiting = len(turnstile)
    outcome = start(lambda: enter(turnstile, entered, who, address, is_gone))
    wait_until(lambda: len(turnstile) > waiting, f"{who} waits")
    return outcome


def enter(turnstile, entered, who, address, is_gone=here):
    with turnstile.place(is_gone, address):
        entered.append(who)


def test_those_who_wait_are_let_in_one_by_one_and_addresses_take_turns(turnstile):
    entered = []
    with turnstile.place(here, "first"):
        ends = [entering(turnstile, entered, *one) for one in ((1, "crowded"), (2, "crowded"), ("carol", "elsewhere"))]
        assert entered == []
    for end in ends:
        end()
    assert entered == [1, "carol", 2]
    with turnstile.place(here, "again"):
        pass


def test_who_is_gone_when_it_is_their_turn_takes_no_place(turnstile):
    entered = []
    with turnstile.place(here, "first"):
        gone = entering(turnstile, entered, "gone", "a", is_gone=lambda: True)
        stays = entering(turnstile, entered, "stays", "b")
    stays()
    with pytest.raises(DeadlineExceeded, match="did not wait"):
        gone()
    assert entered == ["stays"]


def test_when_too_many_wait_one_is_told_to_try_again(turnstile):
    entered = []
    with turnstile.place(here, "first"):
        ends = [entering(turnstile, entered, number, "crowded") for number in range(3)]
        ends.append(start(lambda: enter(turnstile, entered, "carol", "elsewhere")))
        with pytest.raises(ServerBusy, match="try again"):
            ends[0]()
    for end in ends[1:]:
        end()
    assert sorted(entered, key=str) == [1, 2, "carol"]


def test_a_place_is_free_again_after_an_error(turnstile):
    with pytest.raises(ZeroDivisionError), turnstile.place(here, "a"):
        1 / 0  # noqa: B018
    with turnstile.place(here, "a"):
        pass
