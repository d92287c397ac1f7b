"""What billing may be given, in SQL."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from metermt.decisions import Result
from metermt.quality import Billing as Stage
from metermt.quality import Quality
from metermt.rules.consumption import Chain, Exchange, Link, Span
from metermt.rules.history import Read
from metermt.rules.times import MORE_THAN_A_DAY, day_of
from metermt.store.sql.dialect import Row, Sql, Steps
from metermt.store.sql.office import RESULT, result_of
from metermt.store.sql.places import EXCHANGE, exchange_of
from metermt.store.steps.billing import Billing, Held

_STAGES = {one.value: one for one in Stage}

# MATERIALIZED, or a database might walk through all jobs in the order that is wanted, to find the few that are ready.
_READY = """
    WITH ready AS MATERIALIZED (
        SELECT id, cycle, route, sequence, meter FROM jobs WHERE billing = 'ready' AND reading > 0
    )
    SELECT id FROM ready WHERE (CAST(? AS TEXT) IS NULL OR cycle = ?) AND (CAST(? AS TEXT) IS NULL OR route = ?)
    ORDER BY cycle, route, sequence, meter
"""
_RESULTS = (
    f"SELECT {RESULT} FROM jobs LEFT JOIN readings ON readings.id = jobs.reading WHERE jobs.id {{among}}"
    " ORDER BY jobs.cycle, jobs.route, jobs.sequence, jobs.meter"
)
# CROSS JOIN, as SQLite keeps the order of its tables: what is asked for comes first.
_LINKS = (
    "SELECT asked.id, jobs.id, jobs.meter, jobs.cycle, jobs.billing, readings.value, readings.read_at,"
    " readings.quality"
    " FROM jobs AS asked CROSS JOIN jobs LEFT JOIN readings ON readings.id = jobs.reading"
    " WHERE jobs.place = asked.place AND jobs.billing <> '' AND asked.id {among}"
)
_LINKS_IN_SPAN = (
    f"{_LINKS} AND (readings.read_at BETWEEN ? AND ? OR jobs.billing IN ('waiting', 'again')"
    " OR jobs.billing = 'billed' AND jobs.cycle > asked.cycle)"
)
_SHOWN = (
    "SELECT asked.id, history.read_on, history.value, history.exchanged, history.estimated"
    " FROM jobs AS asked CROSS JOIN history"
    " WHERE history.place = asked.place AND asked.id {among} ORDER BY history.read_on, history.exchanged"
)
_EXCHANGES = (
    f"SELECT asked.id, {', '.join(f'exchanges.{column}' for column in EXCHANGE)}"
    " FROM jobs AS asked CROSS JOIN exchanges WHERE exchanges.place = asked.place AND asked.id {among}"
    " ORDER BY exchanges.read_on, exchanges.id"
)
# The latest that was given up to its cycle. What equals something that was read there before came from there, and
# counts no more if that does not.
_GIVEN = (
    "SELECT asked.id, jobs.previous_date, jobs.previous FROM jobs AS asked CROSS JOIN jobs"
    " WHERE jobs.place = asked.place AND jobs.cycle <= asked.cycle AND jobs.previous_date IS NOT NULL"
    " AND jobs.previous IS NOT NULL AND asked.id {among} AND NOT EXISTS ("
    "SELECT 1 FROM jobs AS earlier CROSS JOIN readings WHERE earlier.place = asked.place AND earlier.cycle < jobs.cycle"
    " AND readings.job = earlier.id AND readings.value = jobs.previous) ORDER BY jobs.cycle, jobs.id"
)
_LIMITS = "SELECT job, limits FROM limits WHERE job {among}"
# By the indexes of what is rare: UNION would have all jobs gone through in order.
_UNSETTLED = """
    WITH unsettled(id) AS MATERIALIZED (
        SELECT id FROM jobs WHERE billing = 'waiting' UNION ALL SELECT id FROM jobs WHERE billing = 'again'
    )
"""
_CYCLES_UNSETTLED = f"{_UNSETTLED} SELECT DISTINCT cycle FROM unsettled CROSS JOIN jobs WHERE jobs.id = unsettled.id"
_BESIDE = (
    f"{_UNSETTLED} SELECT DISTINCT jobs.id FROM unsettled CROSS JOIN jobs AS other CROSS JOIN jobs"
    " WHERE other.id = unsettled.id AND jobs.place = other.place AND jobs.billing = 'ready' AND jobs.reading > 0"
    " AND (CAST(? AS TEXT) IS NULL OR jobs.cycle = ?) AND (CAST(? AS TEXT) IS NULL OR jobs.route = ?)"
)
_HELD = (
    "SELECT count(*) FILTER (WHERE billing = 'waiting'), count(*) FILTER (WHERE billing = 'again'),"
    " count(*) FILTER (WHERE billing = '') FROM jobs WHERE cycle = ? AND (CAST(? AS TEXT) IS NULL OR route = ?)"
)


class SqlBilling(Steps, Billing):
    """The table `jobs`, and what counts at their places. `lock` ends a statement for jobs that may be changed."""

    def __init__(self, sql: Sql, lock: str = "") -> None:
        super().__init__(sql)
        self._results = _RESULTS + lock

    def ready(self, cycle: str | None = None, route: str | None = None) -> list[int]:
        return [job for (job,) in self._sql.rows(_READY, cycle, cycle, route, route)]

    def chains(self, jobs: Iterable[int], span: Span | None = None) -> dict[int, Chain]:
        asked = list(jobs)
        chains: dict[int, tuple[list[Link], list[Read], list[Exchange]]] = {job: ([], [], []) for job in asked}
        for job, other, meter, cycle, billing, value, read_at, quality in self._links(asked, span):
            when = datetime.fromisoformat(read_at) if read_at else None
            estimated = quality == Quality.ESTIMATED
            chains[job][0].append(Link(other, meter, cycle, _STAGES[billing], value, when, estimated))
        for job, read_on, value, exchanged, estimated in () if span else self._sql.rows_among(_SHOWN, asked):
            chains[job][1].append(Read(date.fromisoformat(read_on), value, bool(exchanged), bool(estimated)))
        for job, *made in self._sql.rows_among(_EXCHANGES, asked):
            chains[job][2].append(exchange_of(*made))
        judged = [job for job, (links, _, _) in chains.items() if span is None or _may_have_fallen(job, links)]
        limits: dict[int, str] = dict(self._sql.rows_among(_LIMITS, judged)) if judged else {}
        bare = [] if span else [job for job, (links, shown, _) in chains.items() if _is_bare(job, links, shown)]
        given = self._given(bare) if bare else {}
        return {job: Chain(*chain, span, limits.get(job), given.get(job)) for job, chain in chains.items()}

    def results(self, jobs: Iterable[int]) -> list[Result]:
        return [result_of(*row) for row in self._sql.rows_among(self._results, jobs)]

    def held(self, cycles: Iterable[str], route: str | None = None) -> list[Held]:
        found = [Held(cycle, *self._sql.rows(_HELD, cycle, route, route)[0]) for cycle in cycles]
        return [one for one in found if one.waiting or one.again or one.unread]

    def unsettled(self) -> list[str]:
        return [cycle for (cycle,) in self._sql.rows(_CYCLES_UNSETTLED)]

    def beside_unsettled(self, cycle: str | None = None, route: str | None = None) -> list[int]:
        return [job for (job,) in self._sql.rows(_BESIDE, cycle, cycle, route, route)]

    def _given(self, jobs: Sequence[int]) -> dict[int, Read]:
        rows = self._sql.rows_among(_GIVEN, jobs)
        return {job: Read(date.fromisoformat(on), value) for job, on, value in rows}  # the last one of each

    def _links(self, jobs: Sequence[int], span: Span | None) -> list[Row]:
        if span is None:
            return self._sql.rows_among(_LINKS, jobs)
        return self._sql.rows_among(_LINKS_IN_SPAN, jobs, span.since.isoformat(), span.until.isoformat())


def _is_bare(job: int, links: Sequence[Link], shown: Sequence[Read]) -> bool:
    """Tell whether what came with the jobs of a place may be all that was known before this one was read."""
    end = next((link.read_at for link in links if link.job == job), None)
    if end and any(link.value is not None and link.read_at and link.read_at < end - MORE_THAN_A_DAY for link in links):
        return False
    days = [day_of(link.read_at) for link in links if link.read_at]
    return not shown or min(days, default=shown[0].on) < shown[0].on


def _may_have_fallen(job: int, links: Sequence[Link]) -> bool:
    """Tell whether anything at its place showed more than the result of a job: few are judged once more."""
    values = [link.value for link in links if link.value is not None]
    return max(values, default=0) > next((link.value or 0 for link in links if link.job == job), 0)
