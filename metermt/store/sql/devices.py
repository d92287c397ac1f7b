"""Which device hangs at which place, in SQL."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from metermt.model import Job, Meter
from metermt.rules.consumption import Exchange
from metermt.store.sql.dialect import Steps
from metermt.store.sql.places import EXCHANGE, MADE, METER, exchange_of, exchanges_at, row_of
from metermt.store.steps.sites import Devices

_TAKEN_DOWN = (
    f"SELECT {MADE} FROM exchanges WHERE exchanges.old_meter {{among}}"
    " AND NOT EXISTS (SELECT 1 FROM places WHERE places.meter = exchanges.old_meter)"
)
_OUTDATED = (
    "SELECT jobs.id, jobs.meter, places.meter FROM jobs CROSS JOIN places WHERE jobs.cycle = ?"
    " AND jobs.state IN ('open', 'skipped') AND places.id = jobs.place AND places.meter <> jobs.meter"
)
_LAST_READ = (
    "SELECT places.meter, max(readings.read_at) FROM places CROSS JOIN jobs CROSS JOIN readings"
    " WHERE jobs.place = places.id AND jobs.meter = places.meter AND readings.id = jobs.reading"
    " AND places.meter {among} AND readings.value IS NOT NULL AND readings.quality <> 'E' GROUP BY places.meter"
)


class SqlDevices(Steps, Devices):
    """The table `exchanges`, and what it changes of places and jobs."""

    def exchange(self, exchange: Exchange, new: Meter) -> None:
        [(place,)] = self._sql.rows("SELECT id FROM places WHERE meter = ?", exchange.old_meter)
        one = exchange
        showed = (one.on.isoformat(), one.old_meter, one.final, one.initial, one.dials, str(one.multiplier))
        row = (place, *showed, one.new_meter, one.username, one.made_at.isoformat())
        self._sql.insert("exchanges", ("place", *EXCHANGE), [row])
        self._sql.update("places", METER, ("id",), [(*row_of(new), place)])

    def rehang(self, jobs: Mapping[int, Job]) -> None:
        rows = [
            (*row_of(job.meter), job.previous, job.previous_date and job.previous_date.isoformat(), id_)
            for id_, job in jobs.items()
        ]
        self._sql.update("jobs", (*METER, "previous", "previous_date"), ("id",), rows)

    def all_exchanges(self, most: int, skip: int = 0) -> list[Exchange]:
        rows = self._sql.rows(f"SELECT {', '.join(EXCHANGE)} FROM exchanges ORDER BY id LIMIT ? OFFSET ?", most, skip)
        return [exchange_of(*row) for row in rows]

    def exchanges(self, meters: Iterable[str]) -> dict[str, list[Exchange]]:
        return {meter: made for meter, (_, made) in exchanges_at(self._sql, meters).items()}

    def taken_down(self, meters: Iterable[str]) -> dict[str, Exchange]:
        made = (exchange_of(*row) for row in self._sql.rows_among(_TAKEN_DOWN, meters))
        return {one.old_meter: one for one in sorted(made, key=lambda one: one.on)}  # the last one of each

    def outdated(self, cycle: str) -> dict[int, tuple[str, str]]:
        return {job: (was, now) for job, was, now in self._sql.rows(_OUTDATED, cycle)}

    def last_read(self, meters: Iterable[str]) -> dict[str, datetime]:
        return {meter: datetime.fromisoformat(at) for meter, at in self._sql.rows_among(_LAST_READ, meters)}
