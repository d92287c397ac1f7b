"""No sequence of submissions, second looks, retries and corrections loses or doubles a reading, whatever the store."""

import itertools

import pytest
from conftest import NOW, Clock, make_account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres import empty
from readers import open_with_past, readings_in

from metermt.calls import readings
from metermt.calls.desk import Desk
from metermt.calls.known import key_of
from metermt.errors import AlreadyRead, ConfirmReading
from metermt.model import Answer, Session
from metermt.store.memory.store import MemoryStore
from metermt.store.postgres.store import PostgresStore
from metermt.store.sqlite.store import SqliteStore

READERS, METERS = ("adam", "carol"), ("M1", "M2")
GOOD, ODD, ODDER = 1_144, 87_712, 87_713
"""Values of meters that showed 1,132 last, and use some 12 a month."""
ANSWERS = st.tuples(
    st.sampled_from(READERS),
    st.sampled_from(METERS),
    st.sampled_from([GOOD, ODD, ODD, ODDER, None]),
    st.sampled_from(["", "k", "k", "k"]),  # without a key, or with one of its own
    st.sampled_from([False, False, False, True]),  # verified on the device
)
SENT = st.lists(st.lists(st.one_of(ANSWERS, st.integers(0, 5)), min_size=1, max_size=4), max_size=8)
"""What is sent at once, time after time: an answer, or one that was sent before, once more."""


class Expected:
    """What ought to become of answers."""

    def __init__(self):
        self.kept = []  # meter, reader, value, quality
        self._by_key = set()
        self._read_by = {}
        self._asked = {}  # by meter: reader, value, key

    def of(self, reader, answer):
        """Return the error that an answer ought to be told, None if it is taken."""
        odd = answer.value in (ODD, ODDER)
        if (reader, answer.key) in self._by_key:
            return None
        if self._read_by.setdefault(answer.meter, reader) != reader:
            return AlreadyRead
        asked = self._asked.get(answer.meter)
        again = asked and asked[:2] == (reader, answer.value) and (answer.key is None or answer.key != asked[2])
        if odd and not answer.verified and not again:
            self._asked[answer.meter] = reader, answer.value, answer.key
            if not any(meter == answer.meter for meter, *_ in self.kept):
                del self._read_by[answer.meter]
            return ConfirmReading
        self._asked.pop(answer.meter, None)
        self.kept.append((answer.meter, reader, answer.value, "V" if odd or answer.verified else "A"))
        if answer.key:
            self._by_key.add((reader, answer.key))
        return None


@pytest.mark.parametrize(("kind", "examples"), [("memory", 30), ("sqlite", 15), ("postgres", 8)])
def test_what_is_taken_is_kept_once_and_nothing_else_is(kind, examples, request, tmp_path):
    numbers = itertools.count()
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else ""

    def new_store():
        if kind == "memory":
            return MemoryStore()
        if kind == "sqlite":
            return SqliteStore(tmp_path / f"{next(numbers)}.db")
        empty(url)
        return PostgresStore(url)

    @given(SENT)
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    def run(sent):
        with new_store() as store:
            desk, expected, before = town(store), Expected(), []
            for batch in sent:
                answers = [before[said % len(before)] if isinstance(said, int) and before else said for said in batch]
                answers = [made(numbers, one) for one in answers if not isinstance(one, int)]
                before += answers
                # One transaction for each run of answers of one reader: a bulk.
                for reader, bulk in itertools.groupby(answers, key=lambda pair: pair[0]):
                    said = [answer for _, answer in bulk]
                    outcomes = desk.ask(readings.submit_readings, readings.Answers(said), reader)
                    wanted = [expected.of(reader, answer) for answer in said]
                    assert [error and type(error) for error in outcomes] == wanted
            found = [(told(one), one.counts) for one in readings_in(store)]
            assert sorted((one for one, _ in found), key=repr) == sorted(expected.kept, key=repr)
            latest = {meter: (meter, *rest) for meter, *rest in expected.kept}
            assert sorted((one for one, counts in found if counts), key=repr) == sorted(latest.values(), key=repr)

    run()


def told(reading):
    return reading.answer.meter, reading.username, reading.answer.value, reading.quality


def made(numbers, said):
    """Make an answer of what is said, unless it is one that was sent before."""
    if isinstance(said[1], Answer):
        return said
    reader, meter, value, key, verified = said
    reason = "" if value else "dog"
    return reader, Answer(meter, value, reason, NOW, f"{key}{next(numbers)}" if key else None, None, verified)


def town(store):
    """Two meters with a past, and two readers whose session ids are their names."""
    accounts = [make_account(username) for username in READERS]
    sessions = [Session(key_of(one.user.username), one.user, NOW.timestamp(), "here") for one in accounts]
    store.write(lambda tx: (tx.accounts.put(accounts), tx.sessions.add(sessions)))
    desk = Desk(store, clock=Clock())
    open_with_past(desk, dict.fromkeys(METERS, 1_000))
    return desk
