"""The shared dictionary of meters: its tallies of who read how many are what a walk over its readings finds."""

import copy
import operator
import sys
from collections import Counter
from contextlib import suppress

import pytest
from conftest import run_together
from dictionaries import USERS, BothMachine, Reading
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from metermt.safedict import ThreadSafeDict, _MeterDict

METERS = ("G72168", "E445691", "W1", "W2", "W3")
any_meter = st.sampled_from(METERS)
any_reading = st.one_of(st.none(), st.builds(Reading, st.sampled_from(USERS), st.integers(0, 2)))
any_round = st.dictionaries(any_meter, any_reading, max_size=4)


class MeterMachine(BothMachine):
    """Does everything to a _MeterDict, and finds in its status what a walk over a plain dict finds."""

    keys, values = any_meter, any_reading

    def __init__(self):
        super().__init__()
        self.shared, self.plain = _MeterDict(), {}
        self.left = []

    @initialize(walked=any_round, names=any_round)
    def make(self, walked, names):
        self.shared, self.plain = _MeterDict(walked, **names), {**walked, **names}

    @rule(meter=any_meter, reading=any_reading)
    def insert_if_missing(self, meter, reading):
        assert self.shared.insert_if_missing(meter, reading) is (meter not in self.plain)
        self.plain.setdefault(meter, reading)

    @rule(meter=any_meter)
    def insert_unread_if_missing(self, meter):
        assert self.shared.insert_if_missing(meter) is (meter not in self.plain)
        self.plain.setdefault(meter)

    @rule(walked=any_round, names=any_round, kind=st.sampled_from([dict, list, _MeterDict, ThreadSafeDict]))
    def update(self, walked, names, kind):
        source = list(walked.items()) if kind is list else kind(walked)
        self.both(lambda d: d.update(source, **names))

    @rule(meter=any_meter)
    def refuse_what_has_no_username(self, meter):
        for refused in (
            lambda: operator.setitem(self.shared, meter, "12345"),
            lambda: operator.setitem(self.shared, meter, Reading(username=[])),
            lambda: operator.setitem(self.shared, [], Reading("ada")),
        ):
            with pytest.raises((AttributeError, TypeError)):
                refused()

    @rule(copied=st.sampled_from([_MeterDict.copy, copy.copy, _MeterDict]))
    def go_on_with_a_copy(self, copied):
        twin = copied(self.shared)
        assert type(twin) is _MeterDict
        self.left.append((self.shared, dict(self.plain)))
        self.shared = twin

    @invariant()
    def status_is_what_a_walk_finds(self):
        for meters, plain in [(self.shared, self.plain), *self.left[-2:]]:
            assert meters == plain
            assert list(meters) == list(plain)
            walked = Counter(reading.username for reading in plain.values() if reading is not None)
            for user in (*USERS, "nobody"):
                assert meters.status(user) == (walked[user], walked.total())
            assert dict(meters._read_by) == dict(walked), "a tally of zero was kept"


TestMeterDictKeepsItsTallies = MeterMachine.TestCase
TestMeterDictKeepsItsTallies.settings = settings(max_examples=20, stateful_step_count=30, database=None)


def test_no_number_is_won_twice_by_sixteen_threads():
    numbers = [f"E{number:06}" for number in range(400)]
    meters = _MeterDict()

    def insert_all(user):
        return [number for number in numbers if meters.insert_if_missing(number, Reading(user))]

    users = [f"reader{place}" for place in range(16)]
    won = run_together(*(lambda user=user: insert_all(user) for user in users))

    assert sorted(number for wins in won for number in wins) == numbers
    assert sorted(meters) == numbers
    for user, wins in zip(users, won, strict=True):
        assert meters.status(user) == (len(wins), len(numbers))
        assert all(meters[number].username == user for number in wins)


def test_two_meter_dictionaries_that_update_and_compare_each_other_keep_their_tallies():
    first, second = _MeterDict(W1=Reading("ada")), _MeterDict(W2=Reading("ben"))

    def mingle(mine, yours, user):
        for turn in range(150):
            mine["W3"] = Reading(user, turn)
            mine.update(yours)
            assert (mine == yours) in (True, False)
            assert mine.copy() != {}

    run_together(*[lambda: mingle(first, second, "ada"), lambda: mingle(second, first, "ben")] * 3)
    for meters in (first, second):
        for user in USERS:
            by_user = sum(reading.username == user for reading in meters.values())
            assert meters.status(user) == (by_user, 3)


def test_tallies_are_right_after_many_threads_changed_the_same_meters():
    meters = _MeterDict()

    def change(user):
        for turn in range(300):
            meter = f"W{turn % 7}"
            meters[meter] = Reading(user, turn)
            meters.insert_if_missing(f"G{turn % 5}", Reading(user))
            by_user, by_all = meters.status(user)
            assert 0 <= by_user <= by_all <= 12
            meters.pop(f"G{turn % 3}", None)
            meters.setdefault(meter, Reading(user))
            meters.update({meter: None, "G4": Reading(user)}, W6=Reading(user))
            if turn % 10 == 4:
                meters.clear()
            if turn % 10 == 9:
                with suppress(KeyError):  # another thread may have cleared it
                    meters.popitem()

    run_together(*(lambda user=user: change(user) for user in USERS * 3))
    walked = Counter(reading.username for reading in meters.values() if reading is not None)
    for user in USERS:
        assert meters.status(user) == (walked[user], walked.total())
    assert set(meters._read_by) == set(walked)


def test_a_copy_of_a_subclass_is_of_that_subclass_with_tallies_of_its_own():
    class Walk(_MeterDict):
        pass

    meters = Walk(W1=Reading("ada"), W2=Reading("ben"), W3=None)
    twin = meters.copy()
    assert type(twin) is Walk
    twin["W3"] = Reading("ada")
    del meters["W1"]
    assert (meters.status("ada"), twin.status("ada")) == ((0, 1), (2, 3))


def test_status_looks_at_no_reading():
    looks = Counter()

    class Watched:
        def __init__(self, user):
            self.user = user

        @property
        def username(self):
            looks[self.user] += 1
            return self.user

    meters = _MeterDict((f"W{number}", Watched(USERS[number % 3])) for number in range(900))
    looks.clear()
    assert [meters.status(user) for user in USERS] == [(300, 900)] * 3
    assert not looks
    meters["W0"] = Watched("ben")
    assert looks.total() <= 2, "a change looked at more than the old reading and the new"


def test_status_takes_as_many_steps_for_ten_thousand_meters_as_for_ten():
    def steps_of_status(meters):
        steps = 0

        def count(frame, event, argument):
            nonlocal steps
            frame.f_trace_opcodes = True
            steps += event == "opcode"
            return count

        before = sys.gettrace()
        sys.settrace(count)
        try:
            meters.status("ada")
        finally:
            sys.settrace(before)
        return steps

    few, many = (_MeterDict((str(n), Reading("ada", n)) for n in range(size)) for size in (10, 10_000))
    assert 0 < steps_of_status(few) == steps_of_status(many)
