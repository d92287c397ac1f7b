"""What every store promises: of transactions at the same time one comes after the other."""

import itertools
import threading

import pytest
from conftest import (
    CYCLE,
    DEADLINE,
    MANY,
    add_readers,
    import_jobs,
    make_account,
    make_jobs,
    make_lease,
    make_reading,
    opened_again,
    run_together,
)
from steps import Failure, free_jobs, meters_of, record

from metermt.model import Status


def hash_of_carol(tx):
    return tx.accounts.find(["carol"])["carol"].password_hash


def add_one(tx):
    """Read a number and write the next one."""
    number = int(hash_of_carol(tx)) + 1
    tx.accounts.put([make_account(password_hash=str(number))])
    return number


@pytest.fixture
def counting(store):
    """A store with a number in it."""
    store.write(lambda tx: tx.accounts.put([make_account(password_hash="0")]))
    return store


# --- one after the other


def test_no_write_is_lost_among_many(counting):
    with opened_again(counting) as other:
        numbers = run_together(
            *([lambda: [counting.write(add_one) for _ in range(20)]] * 5),
            *([lambda: [other.write(add_one) for _ in range(20)]] * 2),
        )
    assert sorted(itertools.chain(*numbers)) == list(range(1, 141))


def test_writes_that_fail_spoil_no_others(counting):
    def fail(tx):
        add_one(tx)
        raise Failure

    def failing():
        for _ in range(20):
            with pytest.raises(Failure):
                counting.write(fail)
        return []

    numbers = run_together(*([lambda: [counting.write(add_one) for _ in range(20)], failing] * 4))
    assert sorted(itertools.chain(*numbers)) == list(range(1, 81))


def test_a_job_is_never_leased_to_two_readers(store):
    usernames = [f"reader{number}" for number in range(8)]
    add_readers(store, *usernames)
    import_jobs(store, CYCLE, make_jobs(160))

    def take_one(tx, username):
        free = free_jobs(tx)[:1]
        tx.leases.put([make_lease(known.id, username) for known in free])
        return meters_of(free)

    def walk(through, username):
        handed = []
        while meters := through.write(lambda tx: take_one(tx, username)):
            handed += meters
        return username, handed

    with opened_again(store) as other:
        doors = itertools.cycle([store, other])
        walks = [lambda door=door, name=name: walk(door, name) for door, name in zip(doors, usernames, strict=False)]
        handed = dict(run_together(*walks))
    assert sorted(itertools.chain(*handed.values())) == [f"M{number:05}" for number in range(160)]
    held = store.read(lambda tx: tx.leases.held({f"{username}-1": MANY for username in usernames}))
    assert {key: sorted(meters_of(jobs)) for key, jobs in held.items()} == {
        f"{username}-1": sorted(meters) for username, meters in handed.items() if meters
    }


def test_tallies_are_right_however_many_count_at_once(store):
    usernames = [f"reader{number}" for number in range(6)]
    add_readers(store, *usernames)
    import_jobs(store, CYCLE, make_jobs(120))

    def walk(first):
        for number in range(first, 120, 6):
            readings = [make_reading(f"M{number:05}", username) for username in (usernames[0], usernames[first])]
            store.write(lambda tx, readings=readings: record(tx, readings))

    run_together(*(lambda first=first: walk(first) for first in range(6)))
    assert store.read(lambda tx: tx.readings.tallies(usernames)) == dict.fromkeys(usernames, Status(20, 120))


# --- begun, and not waited for


def over(begun, woken):
    """Return the result of a begun transaction, which may have to be waited for."""
    while not begun.wait(0):
        assert woken.wait(DEADLINE), "nobody said that it is over"
        woken.clear()
    return begun.result()


def test_what_was_begun_is_kept_when_it_is_over(counting):
    woken = threading.Event()
    begun = counting.begin(add_one, woken.set)
    assert over(begun, woken) == 1
    assert begun.wait(0)
    assert begun.wait(DEADLINE)
    assert begun.result() == 1
    with opened_again(counting) as other:
        assert other.read(hash_of_carol) == "1"


def test_what_was_begun_and_failed_is_taken_back_and_tells_why(counting):
    woken, error = threading.Event(), Failure()

    def work(tx):
        add_one(tx)
        raise error

    begun = counting.begin(work, woken.set)
    for _ in range(2):
        with pytest.raises(Failure) as caught:
            over(begun, woken)
        assert caught.value is error
    assert counting.read(hash_of_carol) == "0"


def test_several_transactions_may_be_begun_before_one_is_over(counting):
    woken = threading.Event()
    begun = [counting.begin(add_one, woken.set) for _ in range(5)]
    assert sorted(over(one, woken) for one in begun) == [1, 2, 3, 4, 5]


def test_what_was_begun_and_never_asked_for_hinders_nobody(counting):
    counting.begin(add_one, lambda: None)
    numbers = run_together(*([lambda: counting.write(add_one)] * 4))
    assert sorted(numbers) in ([1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 4, 5], [1, 3, 4, 5], [2, 3, 4, 5])


def test_who_begins_goes_on_beside_those_who_write(counting):
    def begin_many():
        woken = threading.Event()
        return [over(counting.begin(add_one, woken.set), woken) for _ in range(40)]

    numbers = run_together(begin_many, *([lambda: [counting.write(add_one) for _ in range(20)]] * 6))
    assert sorted(itertools.chain(*numbers)) == list(range(1, 161))
