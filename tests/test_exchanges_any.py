"""Whatever the order of readings, exchanges and exports: no use is negative, and each unit is billed once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from conftest import make_job
from hypothesis import given
from hypothesis import strategies as st

from metermt.decisions import Result
from metermt.model import Answer, JobState, Meter, Reading
from metermt.quality import Billing
from metermt.rules.billing import correcting, line_of
from metermt.rules.consumption import Chain, Exchange, Link, came_after, over_exchanges
from metermt.rules.history import Read, history_of

FIRST = date(2026, 1, 31)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["read", "read", "skip", "exchange", "back", "export"]),
        st.integers(0, 1),  # days that pass before it
        st.integers(0, 80),  # units that are used before it: between two readings less than a tenth of the register
        st.sampled_from([Decimal(1), Decimal(40), Decimal("0.1")]),  # of a new device
        st.integers(0, 999),  # what that one shows first
    ),
    max_size=12,
)


class Place:
    """A place as the stores tell of it, beside what its devices have counted."""

    def __init__(self, start):
        self.meter, self.shows, self.multiplier = "D0", start, Decimal(1)
        self.now = datetime(2026, 2, 1, 12, tzinfo=UTC)
        self.start = start
        self.results, self.exchanges, self.told = [], [], {}
        self.registered, self.billed = 0, Decimal(0)
        self.read_until = self.registered, self.billed  # what was counted when it was read last

    def use(self, days, units):
        self.now += timedelta(days=days, minutes=1)
        self.shows = (self.shows + units) % 10_000
        self.registered, self.billed = self.registered + units, self.billed + units * self.multiplier

    def read(self, value):
        number = len(self.results)
        job = make_job(self.meter, f"C{number:02}", dials=4)
        job = type(job)(Meter(self.meter, dials=4, multiplier=self.multiplier), job.cycle)
        said = Answer(self.meter, value, "" if value is not None else "dog", self.now)
        reading = Reading(said, "carol", job.cycle, self.now)
        self.results.append(Result(number, job, JobState.DONE, Billing.READY, number, reading))
        if value is not None:
            self.read_until = self.registered, self.billed

    def exchange(self, new, multiplier, initial):
        day = self.now.astimezone().date()
        if new == self.meter or (self.exchanges and day <= self.exchanges[-1].on):
            return  # which is refused
        taken = (day, self.meter, self.shows, initial, 4, self.multiplier, new, "", self.now)
        self.exchanges.append(Exchange(*taken))
        self.meter, self.shows, self.multiplier = new, initial, multiplier

    def chain(self):
        links = [
            Link(
                one.id,
                one.job.meter.number,
                one.job.cycle,
                Billing.BILLED if one.id in self.told else one.billing,
                one.reading.answer.value,
                one.reading.answer.when,
            )
            for one in self.results
        ]
        return Chain(links, [Read(FIRST, self.start)], self.exchanges)

    def export(self):
        chain = self.chain()
        ready = [one for one in self.results if one.id not in self.told]
        later = {job for one in ready for job in came_after(one, chain)}
        for one in [*ready, *(self.results[job] for job in later)]:
            line = line_of(one, chain, 1, 1)
            if one.id in self.told:
                assert correcting(line, self.told[one.id]) is None, "an exchange changes nothing that was billed"
            self.told[one.id] = line


@given(st.integers(0, 9_999), EVENTS)
def test_all_that_the_devices_of_a_place_count_is_billed_once(start, events):
    place = Place(start)
    for number, (event, days, units, multiplier, initial) in enumerate(events, 1):
        place.use(days, units)
        match event:
            case "read" | "skip":
                place.read(place.shows if event == "read" else None)
            case "exchange":
                place.exchange(f"D{number}", multiplier, initial)
            case "back":
                place.exchange("D0", multiplier, initial)
            case "export":
                place.export()
    place.export()
    uses = [line for line in place.told.values() if line.registered_use is not None]
    assert all(line.registered_use >= 0 for line in uses)
    assert (sum(line.registered_use for line in uses), sum(line.billed_use for line in uses)) == place.read_until

    reads = [(one.job.meter.number, one.reading.answer) for one in place.results]
    read = [(meter, Read(said.when.astimezone().date(), said.value)) for meter, said in reads if said.value is not None]
    seen = over_exchanges([Read(FIRST, start)], read, place.exchanges, place.multiplier)
    assert all(period.use >= 0 for period in history_of(seen, 4).periods)
