"""Who is let in when seats run short, and who has to go for that."""

import pytest

from metermt.rules.seats import Admission, Seats

NOW = 1000.0
CROWDED = Admission(refusal="The server has as many connections from your address as it takes: try again later")
FULL = Admission(refusal="The server has as many connections as it takes: try again later")


def readers(number, address="10.0.0.1"):
    return [(f"reader {n} at {address}", address, None) for n in range(number)]


def strangers(number, address="10.0.0.66", since=NOW - 5):
    """Idle ones, each of whom came a little after the one before."""
    return [(f"stranger {n} at {address}", address, since + n / 1000) for n in range(number)]


def judge(taken, address="10.0.0.2", *, is_regular=False, most=20, most_an_address=10):
    seats = Seats(most, most_an_address)
    for who, at, since in taken:
        seats.came(who, at, since or NOW)
        if since is None:
            seats.note_busy(who)
    return seats.judged(address, NOW, is_regular=is_regular)


def test_as_long_as_there_are_seats_everybody_is_let_in():
    assert judge(readers(9) + strangers(8)) == Admission()


def test_nobody_who_is_logged_in_has_to_go():
    assert judge(readers(10), "10.0.0.1") == CROWDED
    assert judge(readers(10) + readers(10, "10.0.0.3"), is_regular=True) == FULL


def test_an_idle_stranger_makes_room_at_the_same_address():
    assert judge(readers(8) + strangers(2, "10.0.0.1"), "10.0.0.1") == Admission("stranger 0 at 10.0.0.1")


def test_the_longest_idle_stranger_makes_room_where_most_of_them_are():
    taken = [*strangers(2, "10.0.0.3", NOW - 9), *readers(9), *strangers(9)]
    assert judge(taken, is_regular=True) == Admission("stranger 0 at 10.0.0.66")


def test_who_has_just_come_does_not_have_to_go():
    assert judge(strangers(10, since=NOW - 0.5), "10.0.0.66") == CROWDED


@pytest.mark.parametrize(("is_regular", "verdict"), [(True, Admission()), (False, FULL)])
def test_the_last_seats_are_for_addresses_that_somebody_has_logged_in_from(is_regular, verdict):
    assert judge(readers(9) + readers(9, "10.0.0.3"), is_regular=is_regular) == verdict


def test_a_stranger_who_waits_for_something_does_not_have_to_go_until_it_is_idle_again():
    seats = Seats(2, 2)
    seats.came("first", "10.0.0.1", NOW - 9)
    seats.came("second", "10.0.0.1", NOW - 8)
    seats.note_busy("first")
    assert seats.judged("10.0.0.1", NOW, is_regular=True) == Admission("second")
    seats.note_idle("first", NOW - 7)
    assert seats.judged("10.0.0.1", NOW, is_regular=True) == Admission("second")
    seats.went("second")
    assert seats.judged("10.0.0.1", NOW, is_regular=True) == Admission()


def test_a_seat_is_free_once_somebody_has_gone_however_often_that_is_said():
    seats = Seats(20, 1)
    seats.came("first", "10.0.0.1", NOW)
    assert seats.judged("10.0.0.1", NOW, is_regular=True) == CROWDED
    for _ in range(2):
        seats.went("first")
    assert seats.judged("10.0.0.1", NOW, is_regular=True) == Admission()
    seats.note_idle("first", NOW)
    assert seats.judged("10.0.0.1", NOW, is_regular=True) == Admission()
