"""No order of readings, decisions, corrections and exports loses a reading, or bills one twice, or a unit too many."""

import itertools
from contextlib import suppress
from datetime import date

import pytest
from conftest import NOW, Clock, make_account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres import empty
from readers import as_office, open_with_past

from metermt.billing import LineKind
from metermt.calls import batches, cycles, estimating, opening, readings, review
from metermt.calls.batches import Batching, Lines
from metermt.calls.desk import Desk
from metermt.calls.estimating import Estimating
from metermt.calls.known import key_of
from metermt.calls.review import Correction, Decisions, Reviewed, Said
from metermt.decisions import Verdict
from metermt.errors import Error
from metermt.model import Answer, JobState, Session
from metermt.quality import Billing
from metermt.store.postgres.store import PostgresStore
from metermt.store.sqlite.store import SqliteStore

METERS = ("M1", "M2")
FIRST = 1_132
"""What each showed last before the first cycle; they use some 12 a month."""
MONTHS = ("2026-11", "2026-12", "2027-01")
STEPS = st.one_of(
    st.tuples(st.just("read"), st.sampled_from(METERS), st.sampled_from([12, 13, 14, 400, -30, None])),
    st.tuples(st.just("decide"), st.sampled_from([*Verdict]), st.integers(-5, 30)),
    st.tuples(st.just("correct"), st.sampled_from(METERS), st.integers(-5, 30)),
    st.tuples(st.just("export"), st.none(), st.none()),
    st.tuples(st.just("next_month"), st.none(), st.none()),
)


class Office:
    """A town of two meters, in which steps are taken."""

    def __init__(self, store, clock):
        self.clock, self.months, self.exported = clock, iter(MONTHS), []
        account = make_account("carol")
        session = Session(key_of("carol"), account.user, NOW.timestamp(), "here")
        store.write(lambda tx: (tx.accounts.put([account]), tx.sessions.add([session])))
        self.desk = Desk(store, clock=clock)
        open_with_past(self.desk, dict.fromkeys(METERS, 1_000))
        self.cycle = next(self.months)

    def ask(self, call, request=None):
        return as_office(self.desk, call, request)

    def take(self, step, what=None, value=None):
        """Take a step; what is refused changes nothing."""
        self.clock.move(hours=1)
        with suppress(Error):
            getattr(self, step)(what, value)

    def read(self, meter, more):
        """Send a reading, twice if it is asked about; or a reason."""
        value = None if more is None else self.last(meter) + more
        answer = Answer(meter, value, "" if more is not None else "dog", self.clock.now)
        self.desk.store.write(lambda tx: tx.sessions.note({key_of("carol"): self.clock()}, "here"))
        for _ in range(2):
            (outcome,) = self.desk.ask(readings.submit_readings, readings.Answers([answer]), "carol")
            if outcome is None:
                break

    def decide(self, verdict, more):
        waiting = self.ask(review.list_waiting, Reviewed()).waiting
        if verdict is Verdict.ESTIMATE:
            self.ask(estimating.estimate_readings, Estimating([one.reading for one in waiting]))
        else:
            said = [Said(one.reading, verdict, self.last(one.job.meter.number) + more, "why") for one in waiting]
            self.ask(review.decide, Decisions(said))

    def correct(self, meter, more):
        self.ask(review.correct_reading, Correction(meter, self.last(meter) + more, "why"))

    def export(self, *_):
        self.exported += self.lines_of(self.ask(batches.make_batch, Batching("csv", "")).number)

    def next_month(self, *_):
        """Close the cycle, whatever is not read, and open the next one."""
        month = next(self.months, None)
        if month is None:
            return
        self.clock.move(days=30)
        self.ask(cycles.close_cycle, cycles.Closing(self.cycle, force=True))
        self.cycle = month
        self.ask(opening.open_cycle, opening.Opening(month))

    def lines_of(self, batch):
        return self.ask(batches.batch_lines, Lines(batch))

    def results(self, meter):
        return self.desk.store.read(lambda tx: tx.office.of_meters([meter]))

    def last(self, meter):
        """Return the last value that counts of the meter before the cycle at hand."""
        values = [
            one.reading.answer.value for one in self.results(meter) if one.reading and one.job.cycle != self.cycle
        ]
        return next((value for value in reversed(values) if value is not None), FIRST)

    def settle(self):
        """Decide of all that waits, have read what is to be read again, and export the rest."""
        self.take("decide", Verdict.APPROVE, 0)
        for meter in METERS:
            for result in self.results(meter):
                if result.billing is Billing.AGAIN:
                    on = None if result.state is not JobState.MISSED else date.fromisoformat(f"{result.job.cycle}-21")
                    self.ask(review.correct_reading, Correction(meter, self.last(meter), "why", result.job.cycle, on))
        self.take("export")


def check(office):
    """Check that billing was told everything that counts, once, and that the uses add up."""
    told = {}
    for line in office.exported:
        before = told.get((line.meter, line.cycle))
        assert line.kind is (LineKind.CORRECTION if before else LineKind.READING)
        assert line.corrects == (before.batch if before else None)
        assert line.corrected_use == (before.billed_use if before else None)
        told[line.meter, line.cycle] = line
    for meter in METERS:
        there = [one for one in office.results(meter) if one.reading]
        assert all(one.billing is Billing.BILLED for one in there)
        lines = [told.pop((meter, one.job.cycle)) for one in there]
        assert [line.value for line in lines] == [one.reading.answer.value for one in there]
        values = [line.value for line in lines if line.value is not None]
        used = sum(line.registered_use for line in lines if line.value is not None)
        assert used == (values[-1] - FIRST if values else 0)
    assert told == {}


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 25), ("postgres", 5)])
def test_billing_is_told_all_that_counts_once(kind, examples, request, tmp_path):
    numbers = itertools.count()
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else ""

    def new_store():
        if kind == "sqlite":
            return SqliteStore(tmp_path / f"{next(numbers)}.db")
        empty(url)
        return PostgresStore(url)

    @given(st.lists(STEPS, max_size=12))
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    def run(steps):
        with new_store() as store:
            office = Office(store, Clock())
            for step in steps:
                office.take(*step)
            office.settle()
            check(office)

    run()
