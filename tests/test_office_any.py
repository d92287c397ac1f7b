"""No order of what readers and the office do loses a reading, bills a unit twice or not at all, or breaks the record.

Beside the database stands a `Place`: what its devices must have counted by what was accepted. It knows nothing of
chains, jobs and batches. `./scripts/test --all-points` tries many more orders, for some minutes.
"""

import itertools
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import pytest
from billing_town import cut_off
from conftest import CYCLE, Clock, make_account
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from postgres import empty
from readers import FIRST_READ, as_office, open_with_past

from metermt.billing import LineKind
from metermt.calls import (
    accounts,
    audit,
    batches,
    cycles,
    erasing,
    estimating,
    exchanges,
    opening,
    readings,
    review,
    rounds,
)
from metermt.calls.batches import Batching, Lines
from metermt.calls.cycles import Closing, Cycle
from metermt.calls.desk import Desk
from metermt.calls.estimating import Estimating
from metermt.calls.exchanges import MeterExchange
from metermt.calls.known import key_of
from metermt.calls.review import Correction, Decisions, GivingUp, Reviewed, Said
from metermt.decisions import Verdict
from metermt.errors import ConfirmReading, Error
from metermt.model import Answer, Session, Status
from metermt.quality import Billing, Quality
from metermt.store.postgres.store import PostgresStore
from metermt.store.sqlite.store import SqliteStore

MONTHS = (CYCLE, "2026-12", "2027-01")
TOWN = {"P": {}, "Q": {"dials": 4, "multiplier": Decimal(40)}, "R": {"dials": 2}}
FIRST = {"P": 1_132, "Q": 9_990, "R": 88}
"""What each showed last before the first cycle, on `SINCE`; they use some 12 a month, so that Q and R go over their
tops, R by more than a tenth of what it can show."""
SINCE = FIRST_READ + timedelta(days=330)
A_DAY, MOST_USUAL, NEVER_USED = 12 / 30, 80, 9_000
PLACES, MORE, MONTH = st.sampled_from([*TOWN]), st.integers(-5, 30), st.sampled_from(MONTHS)
STEPS = st.one_of(
    st.tuples(
        st.just("read"),
        PLACES,
        st.sampled_from([12, 13, 14, 35, 400, -30, None]),
        st.sampled_from([None, *MONTHS]),
        st.sampled_from([0, 0, 0, 10, 35]),  # days ago, when it was not sent
    ),
    st.tuples(st.just("decide"), st.sampled_from([*Verdict]), MORE),
    st.tuples(st.just("correct"), PLACES, MORE, MONTH, st.sampled_from([None, None, 0, 3, 25])),
    st.tuples(st.just("estimate"), MONTH),
    st.tuples(
        st.just("exchange"),
        PLACES,
        st.sampled_from([0, 4, 9, -8]),  # that the old device has counted since
        st.sampled_from([0, 700, 9_995]),
        st.sampled_from([Decimal(1), Decimal(40), Decimal("0.1")]),
        st.sampled_from([0, 0, 2, 20]),  # days ago
        st.booleans(),  # whether a reader tells of it
    ),
    st.tuples(st.just("export"), st.sampled_from([None, None, *MONTHS])),
    st.tuples(st.just("cut_export"), st.sampled_from([None, None, *MONTHS]), st.integers(0, 4)),
    st.tuples(st.just("take_back_some")),
    st.tuples(st.just("next_month")),
    st.tuples(st.just("wait"), st.sampled_from([1, 9])),
    st.tuples(st.just("reopen"), MONTH),
    st.tuples(st.just("give_up")),
    st.tuples(st.just("erase")),
)

LATE = [
    *[("read", "P", 12, None, 0), ("next_month",), ("next_month",), ("read", "P", 12, None, 0)],
    *[("decide", Verdict.APPROVE, 0), ("export", None), ("reopen", "2026-12"), ("read", "P", None, "2026-12", 10)],
    *[("correct", "P", -5, CYCLE, None), ("export", None), ("decide", Verdict.REREAD, 0), ("wait", 1)],
]
"""What was sent late waits, and is read again after what came after it was billed."""
CUT = [
    *[("read", "P", 12, None, 0), ("read", "Q", 12, None, 0), ("decide", Verdict.APPROVE, 0), ("cut_export", None, 2)],
    *[("read", "P", 400, None, 0), ("take_back_some",), ("export", None), ("decide", Verdict.REREAD, 0)],
]
"""What an export had billed that was cut off is odd by now, when the next one takes it back."""

OVER = [
    *[("read", "R", 12, None, 0), ("estimate", CYCLE), ("export", None), ("next_month",), ("read", "R", 14, None, 0)],
    *[("read", "Q", -13, None, 0), ("decide", Verdict.APPROVE, 0), ("export", None)],
]
"""R goes over its top, and Q by an estimate that is too high, but not by what is read then."""
LEAK = [
    *[("estimate", CYCLE), ("export", None), ("next_month",), ("read", "R", 35, None, 0)],
    *[("decide", Verdict.APPROVE, 0), ("export", None)],
]
"""R goes over its top by an estimate, and then far more is read."""


GIVEN_UP = [
    *[("read", "P", 12, None, 0), ("export", None), ("read", "P", 400, None, 0), ("decide", Verdict.REREAD, 0)],
    *[("next_month",), ("read", "P", 14, None, 0), ("give_up",), ("export", None)],
]
"""What was billed is sent back, and nobody reads it again."""
NEARLY_ROUND = [
    *[("wait", 9), ("estimate", CYCLE), ("read", "R", 14, None, 0), ("next_month",), ("wait", 9)],
    *[("decide", Verdict.ESTIMATE, 0), ("read", "R", -30, "2026-12", 0)],
]
"""R shows a little less than in the beginning, and may have gone all the way round but for that: by twice the usual."""


@dataclass
class Device:
    """What hangs, or hung, at a place; what it showed first and, when it was taken down, last."""

    number: str
    dials: int
    multiplier: Decimal
    first: int
    since: date
    final: int | None = None

    def counted(self, shown):
        """Return what it has counted over what was shown: days, values, and whether nobody has read them.

        By what was really read; an estimate is beyond that for as long as it is the last. None if nobody can tell
        whether it has gone over its top: only of the first device of a place it is known what is usual, and that only
        while it is used as ever.
        """
        read, on, counted, beyond = self.first, self.since, 0, 0
        for day, value, estimated in shown:
            if estimated:
                beyond += self.round(value - (read + beyond) % 10**self.dials)
                continue
            step = value - read
            if step < 0:
                usual = A_DAY * (day - on).days if self.number in TOWN and counted <= MOST_USUAL else None
                over = step + 10**self.dials
                least = over if self.is_over(read + beyond) else over - beyond
                is_usual = usual is not None and over <= 1.5 * usual
                if over < 10**self.dials // 10 or is_usual or self.goes_over(read + beyond, value):
                    step = over
                elif least < (NEVER_USED if usual is None else 4 * usual + 15):
                    return None
            read, on, counted, beyond = value, day, counted + step, 0
        return counted + beyond

    def is_over(self, estimated):
        """Tell whether an estimate, as the units from 0, is over the top."""
        return estimated >= 10**self.dials

    def goes_over(self, estimated, value):
        """Tell whether a value below what was read before an estimate is surely over the top because of that."""
        since = value - estimated % 10**self.dials
        if self.is_over(estimated):
            return 2 * since <= 10**self.dials
        return since + 10**self.dials < 10**self.dials // 10

    def counted_until_final(self, shown):
        """Return what it has counted until it was taken down, which is no less than what was shown."""
        until = max((place for place, one in enumerate(shown, 1) if not one[2]), default=0)
        by_reading = self.counted(shown[:until])
        *_, read = [self.first, *(value for _, value, _ in shown[:until])]
        more = self.round(self.final - read)
        assert by_reading + more >= self.counted(shown)
        return by_reading + more

    def round(self, step):
        """Return a step as the shorter way if that is over the top."""
        return step + 10**self.dials if 2 * step < -(10**self.dials) else step


@dataclass
class Place:
    """The devices of a place, and what counts of it by cycle: which of them showed what, and when that was."""

    devices: list[Device]
    counts: dict = field(default_factory=dict)

    @property
    def hanging(self):
        return self.devices[-1]

    def device_of(self, cycle):
        """Return the device that counts in a cycle, or else would be read."""
        number = self.counts[cycle][0] if cycle in self.counts else self.hanging.number
        return next(one for one in self.devices if one.number == number)

    def shown(self, device):
        """Return what a device has shown, in the order of the days, and of cycles on one day."""
        seen = [
            (when.astimezone().date(), cycle, value, estimated)
            for cycle, (number, value, when, estimated) in self.counts.items()
            if number == device.number and value is not None
        ]
        return [(day, value, estimated) for day, _, value, estimated in sorted(seen)]

    def last(self, device, but_not=None):
        """Return what it has shown last, but for one cycle."""
        others = Place(self.devices, {cycle: one for cycle, one in self.counts.items() if cycle != but_not})
        return [device.first, *(value for _, value, _ in others.shown(device))][-1]

    def counted(self):
        """Return the units that are to be billed, and these times the multipliers; None if nobody can tell."""
        read = [place for place, device in enumerate(self.devices) if self.shown(device)]
        registered, billed = 0, Decimal(0)
        for place, device in enumerate(self.devices[: max(read, default=-1) + 1]):
            more = device.counted(self.shown(device))
            if more is not None and place < read[-1]:
                more = device.counted_until_final(self.shown(device))
            if more is None:
                return None
            registered, billed = registered + more, billed + more * device.multiplier
        return registered, billed


class Office:
    """A town of two places, in which steps are taken."""

    def __init__(self, store, clock):
        self.clock, self.numbers = clock, itertools.count(1)
        self.desk = Desk(store, clock=clock)
        self.cycle = CYCLE
        self.told = {}  # the last line of billing, by place and cycle
        self.sent = Counter()  # what was accepted of readers
        self.sent_back = {}  # when what is to be read again was read, likewise
        self.noted = None
        self.hire()
        start = {place: shown - 11 * 12 for place, shown in FIRST.items()}
        open_with_past(self.desk, start, also=TOWN)
        self.places = {
            place: Place([Device(place, also.get("dials", 5), also.get("multiplier", Decimal(1)), FIRST[place], SINCE)])
            for place, also in TOWN.items()
        }

    def hire(self):
        self.reader = f"reader{next(self.numbers)}"
        account = make_account(self.reader)
        session = Session(key_of(self.reader), account.user, self.clock(), "here")
        self.desk.store.write(lambda tx: (tx.accounts.put([account]), tx.sessions.add([session])))

    def ask(self, call, request=None):
        return as_office(self.desk, call, request)

    def ask_as_reader(self, call, request):
        self.desk.store.write(lambda tx: tx.sessions.note({key_of(self.reader): self.clock()}, "here"))
        return self.desk.ask(call, request, self.reader)

    def take(self, step, *what):
        """Take a step, which may be refused; what that says is tested elsewhere."""
        self.clock.move(hours=1)
        with suppress(Error):
            getattr(self, step)(*what)
        found = self.ask(audit.verify_audit, audit.Verifying(self.noted))
        assert found.fault is None
        self.noted = found.hash

    def count(self, meter, cycle, value, when, *, estimated=False):
        self.places[meter[0]].counts[cycle] = meter, value, when, estimated

    def read(self, place, more, cycle, days=0):
        """Send a reading, again if it is asked about, and once more with the same key; or a reason."""
        cycle, there, when = cycle or self.cycle, self.places[place], self.clock.now - timedelta(days=days)
        device = there.hanging
        value = None if more is None else (there.last(device, cycle) + more) % 10**device.dials
        for _ in range(2):
            key = f"key-{next(self.numbers)}"
            answer = Answer(device.number, value, "" if more is not None else "dog", when, key, cycle)
            (outcome,) = self.ask_as_reader(readings.submit_readings, readings.Answers([answer]))
            if not isinstance(outcome, ConfirmReading):
                break
        if outcome is None:
            self.sent[place, cycle, value] += 1
            self.count(device.number, cycle, value, when)
            assert self.ask_as_reader(readings.submit_readings, readings.Answers([answer])) == [None]

    def decide(self, verdict, more):
        waiting = self.ask(review.list_waiting, Reviewed()).waiting
        if verdict is Verdict.ESTIMATE:
            self.keep_estimates(self.ask(estimating.estimate_readings, Estimating([one.reading for one in waiting])))
            return
        said = [Said(one.reading, verdict, self.value_for(one.job, more), "why") for one in waiting]
        for one, asked, error in zip(waiting, said, self.ask(review.decide, Decisions(said)), strict=True):
            if error is None and verdict is Verdict.EDIT:
                self.count(one.job.meter.number, one.job.cycle, asked.value, one.when)
            if error is None and verdict is Verdict.REREAD:
                place = one.job.meter.number[0]
                self.sent_back[place, one.job.cycle] = self.places[place].counts.pop(one.job.cycle)[2]

    def value_for(self, job, more):
        place = self.places[job.meter.number[0]]
        device = next(one for one in place.devices if one.number == job.meter.number)
        return (place.last(device, job.cycle) + more) % 10**device.dials

    def keep_estimates(self, outcomes, when=None):
        for one in outcomes:
            if one.made:
                there = self.places[one.made.meter[0]].counts.get(one.made.cycle)
                when_read = there[2] if there else when
                self.count(one.made.meter, one.made.cycle, one.made.value, when_read, estimated=True)

    def estimate(self, cycle):
        """Have values computed for what was not read in a cycle, as of today."""
        meters = [place.device_of(cycle).number for place in self.places.values()]
        asked = Estimating([], cycle, meters, self.clock.now.astimezone().date())
        self.keep_estimates(self.ask(estimating.estimate_readings, asked), self.clock.now)

    def correct(self, place, more, cycle, days):
        there = self.places[place]
        device, counted = there.device_of(cycle), there.counts.get(cycle)
        value = (there.last(device, cycle) + more) % 10**device.dials
        when = self.clock.now - timedelta(days=days or 0)
        on = None if days is None else when.astimezone().date()
        self.ask(review.correct_reading, Correction(device.number, value, "why", cycle, on))
        self.count(device.number, cycle, value, counted[2] if counted and on is None else when)

    def exchange(self, place, more, initial, multiplier, days, by_reader):
        there = self.places[place]
        old, on = there.hanging, (self.clock.now - timedelta(days=days)).astimezone().date()
        final = (there.last(old) + more) % 10**old.dials
        new = Device(f"{place}{next(self.numbers)}", 4, multiplier, initial, on)
        asked = MeterExchange(old.number, new.number, final, initial, on, new.dials, multiplier)
        if by_reader:
            self.ask_as_reader(rounds.get_jobs, rounds.JobsWanted(4))
            self.ask_as_reader(exchanges.exchange_meter, asked)
        else:
            self.ask(exchanges.exchange_meter, asked)
        old.final = final
        there.devices.append(new)

    def export(self, cycle=None):
        """Make a batch; each line is the first one of its result, or takes the place of the last one.

        Nothing is in it that waited for a decision, or was to be read again.
        """
        unsettled = {
            (place, one.job.cycle)
            for place in TOWN
            for one in self.results(place)
            if one.billing in (Billing.WAITING, Billing.AGAIN)
        }
        batch = self.ask(batches.make_batch, Batching("csv", "", cycle)).number
        for line in self.ask(batches.batch_lines, Lines(batch)):
            assert (line.meter[0], line.cycle) not in unsettled
            before = self.told.get((line.meter[0], line.cycle))
            assert line.kind is (LineKind.CORRECTION if before else LineKind.READING)
            assert line.corrects == (before.batch if before else None) != batch
            assert line.corrected_use == (before.billed_use if before else None)
            self.told[line.meter[0], line.cycle] = line
        for place in TOWN:
            self.check_billed(place)

    def cut_export(self, cycle, parts):
        """Begin to make a batch, and die after so many results, or before it is whole; billing is told nothing."""
        cut_off(self.desk, parts, cycle)

    def take_back_some(self):
        """Begin to take back what was cut off, and die."""
        there = self.desk.store.read(lambda tx: tx.batches.unfinished())
        if there:
            self.desk.store.write(lambda tx: tx.batches.take_back(there.head.number, 1))

    def check_billed(self, place):
        """Check what billing was told of a place, if nothing of it is on the way."""
        if {one.billing for one in self.results(place)} <= {Billing.NOTHING, Billing.BILLED}:
            lines = [line for (of, _), line in self.told.items() if of == place and line.value is not None]
            registered = sum(line.registered_use for line in lines)
            billed = sum(line.billed_use for line in lines)
            assert self.places[place].counted() in (None, (registered, billed))

    def wait(self, days):
        self.clock.move(days=days)

    def next_month(self):
        """Close the cycle, whatever is not read, and open the next one."""
        month = next((month for month in MONTHS if month > self.cycle), None)
        if month is None:
            return
        self.clock.move(days=30)
        self.ask(cycles.close_cycle, Closing(self.cycle, force=True))
        self.cycle = month
        self.ask(opening.open_cycle, opening.Opening(month))

    def reopen(self, cycle):
        self.ask(cycles.reopen_cycle, Cycle(cycle))

    def give_up(self):
        """Let no job be read again that was sent back."""
        for place, there in self.places.items():
            for result in self.results(place):
                if result.billing is Billing.AGAIN:
                    number, cycle = result.job.meter.number, result.job.cycle
                    self.ask(review.give_up_reread, GivingUp(number, "why", cycle))
                    there.counts[cycle] = number, None, self.sent_back[place, cycle], False

    def erase(self):
        """Let the reader leave, who is forgotten, and another one come."""
        self.ask(accounts.disable_user, accounts.Username(self.reader))
        self.ask(erasing.erase_user, accounts.Username(self.reader))
        self.hire()

    def results(self, place):
        return self.desk.store.read(lambda tx: tx.office.at_place(self.places[place].hanging.number))

    def settle(self):
        """Decide on all that waits, have put what is to be read again, and export the rest."""
        for place, there in self.places.items():
            for result in self.results(place):
                if result.billing is Billing.AGAIN:
                    with suppress(Error):  # it is open
                        self.reopen(result.job.cycle)
                    self.read(place, 1, result.job.cycle)
                    assert result.job.cycle in there.counts, "it can be read"
        for _ in MONTHS:  # in each of which something may be asked about when what was before it is told
            self.take("decide", Verdict.APPROVE, 0)
            self.take("export")

    def check(self):
        """Check that all is on record, and billed as it is."""
        for place, there in self.places.items():
            results = {one.job.cycle: one for one in self.results(place) if one.reading}
            assert all(one.billing is Billing.BILLED for one in results.values())
            assert {cycle: one[:2] for cycle, one in there.counts.items()} == {
                cycle: (one.job.meter.number, one.reading.answer.value) for cycle, one in results.items()
            }
            lines = {cycle: line for (of, cycle), line in self.told.items() if of == place}
            assert {cycle: (line.meter, line.value) for cycle, line in lines.items()} == {
                cycle: one[:2] for cycle, one in there.counts.items()
            }
            self.check_billed(place)
        self.check_tallies()
        kept = self.desk.store.read(lambda tx: [one for _, one in tx.readings.all(None)])
        by_readers = [one for one in kept if one.quality in (Quality.ACTUAL, Quality.VERIFIED)]
        assert Counter((one.answer.meter[0], one.cycle, one.answer.value) for one in by_readers) == self.sent

    def check_tallies(self):
        """Check that the status of the open cycles counts each job once, for whoever has read it last."""
        is_open = self.desk.store.read(lambda tx: tx.cycles.all())
        jobs = [one.id for place in TOWN for one in self.results(place) if is_open[one.job.cycle]]
        by = Counter(self.desk.store.read(lambda tx: tx.office.counted_for(jobs)).values())
        tallies = self.desk.store.read(lambda tx: tx.readings.tallies([*by, self.reader]))
        assert tallies == {name: Status(by[name], by.total()) for name in tallies}


@pytest.mark.parametrize(("kind", "examples", "more"), [("sqlite", 19, 3_000), ("postgres", 3, 300)])
def test_no_order_loses_a_reading_or_bills_it_twice_or_breaks_the_chain(
    kind, examples, more, request, tmp_path, every_point
):
    numbers = itertools.count()
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else ""
    new = request.getfixturevalue("_new_database") if kind == "sqlite" else None

    def new_store():
        if kind == "sqlite":
            path = tmp_path / f"{next(numbers)}.db"
            shutil.copy(new, path)
            return SqliteStore(path)
        empty(url)
        return PostgresStore(url)

    @given(st.lists(STEPS, max_size=16))
    @example(LATE)
    @example(CUT)
    @example(OVER)
    @example(LEAK)
    @example(GIVEN_UP)
    @example(NEARLY_ROUND)
    @settings(max_examples=more if every_point else examples, suppress_health_check=list(HealthCheck))
    def run(steps):
        with new_store() as store:
            office = Office(store, Clock())
            for step in steps:
                office.take(*step)
            office.settle()
            office.check()
        if kind == "sqlite":
            for path in tmp_path.glob("*.db*"):
                path.unlink()

    run()
