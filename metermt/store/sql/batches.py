"""What billing is given, in SQL."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from metermt.billing import BatchHead
from metermt.decisions import Result
from metermt.quality import Billing
from metermt.rules.consumption import Chain, Exchange, Link, Span
from metermt.rules.history import Read
from metermt.store.billing import Batches, Held, Line
from metermt.store.sql.dialect import Row, Sql, Steps
from metermt.store.sql.office import RESULT, result_of
from metermt.store.sql.places import EXCHANGE, exchange_of

_BILLING = {one.value: one for one in Billing}

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
    "SELECT asked.id, jobs.id, jobs.meter, jobs.cycle, jobs.billing, readings.value, readings.read_at"
    " FROM jobs AS asked CROSS JOIN jobs LEFT JOIN readings ON readings.id = jobs.reading"
    " WHERE jobs.place = asked.place AND jobs.billing <> '' AND asked.id {among}"
)
_LINKS_IN_SPAN = f"{_LINKS} AND (readings.read_at BETWEEN ? AND ? OR jobs.billing IN ('waiting', 'again'))"
_SHOWN = (
    "SELECT asked.id, history.read_on, history.value, history.exchanged FROM jobs AS asked CROSS JOIN history"
    " WHERE history.place = asked.place AND asked.id {among} ORDER BY history.read_on, history.exchanged"
)
_EXCHANGES = (
    f"SELECT asked.id, {', '.join(f'exchanges.{column}' for column in EXCHANGE)}"
    " FROM jobs AS asked CROSS JOIN exchanges WHERE exchanges.place = asked.place AND asked.id {among}"
    " ORDER BY exchanges.read_on, exchanges.id"
)
_HEAD = ("number", "made_at", "made_by", "cycle", "route", "lines")
_SUMS = ("sum_values", "sum_registered_use", "sum_billed_use")
_BATCH = ", ".join((*_HEAD, *_SUMS))
_LINE = ("number", "job", "reading", "kind", "line")
_LAST = f"SELECT {', '.join(_LINE)} FROM batch_lines WHERE job {{among}} ORDER BY batch, number"
_HELD = (
    "SELECT count(*) FILTER (WHERE billing = 'waiting'), count(*) FILTER (WHERE billing = 'again'),"
    " count(*) FILTER (WHERE billing = '') FROM jobs WHERE cycle = ? AND (CAST(? AS TEXT) IS NULL OR route = ?)"
)


class SqlBatches(Steps, Batches):
    """The tables `batches` and `batch_lines`. `lock` ends a statement for jobs that may be changed."""

    def __init__(self, sql: Sql, lock: str = "") -> None:
        super().__init__(sql)
        self._results = _RESULTS + lock

    def ready(self, cycle: str | None = None, route: str | None = None) -> list[int]:
        return [job for (job,) in self._sql.rows(_READY, cycle, cycle, route, route)]

    def results(self, jobs: Iterable[int]) -> list[Result]:
        return [result_of(*row) for row in self._sql.rows_among(self._results, jobs)]

    def chains(self, jobs: Iterable[int], span: Span | None = None) -> dict[int, Chain]:
        asked = list(jobs)
        chains: dict[int, tuple[list[Link], list[Read], list[Exchange]]] = {job: ([], [], []) for job in asked}
        for job, other, meter, cycle, billing, value, read_at in self._links(asked, span):
            when = datetime.fromisoformat(read_at) if read_at else None
            chains[job][0].append(Link(other, meter, cycle, _BILLING[billing], value, when))
        for job, read_on, value, exchanged in () if span else self._sql.rows_among(_SHOWN, asked):
            chains[job][1].append(Read(date.fromisoformat(read_on), value, bool(exchanged)))
        for job, *made in self._sql.rows_among(_EXCHANGES, asked):
            chains[job][2].append(exchange_of(*made))
        return {job: Chain(*chain, span) for job, chain in chains.items()}

    def _links(self, jobs: Sequence[int], span: Span | None) -> list[Row]:
        if span is None:
            return self._sql.rows_among(_LINKS, jobs)
        return self._sql.rows_among(_LINKS_IN_SPAN, jobs, span.since.isoformat(), span.until.isoformat())

    def begin(self, head: BatchHead, layout: str, text: str) -> None:
        row = (head.number, head.made_at.isoformat(), head.made_by, head.cycle, head.route, 0, 0, 0, "0")
        columns = (*_HEAD, *_SUMS, "layout", "layout_text", "worked_at", "whole")
        self._sql.insert("batches", columns, [(*row, layout, text, head.made_at.timestamp(), 0)])

    def add(self, batch: int, lines: Sequence[Line], now: float) -> None:
        self._sql.insert("batch_lines", ("batch", *_LINE), [(batch, *line) for line in lines])
        self._sql.update("jobs", ("billing",), ("id",), [(Billing.BILLED, line.job) for line in lines])
        self._sql.update("batches", ("worked_at",), ("number",), [(now, batch)])

    def finish(self, head: BatchHead) -> None:
        sums = (head.lines, head.sum_values, head.sum_registered_use, str(head.sum_billed_use))
        self._sql.update("batches", ("lines", *_SUMS, "whole"), ("number",), [(*sums, 1, head.number)])

    def unfinished(self) -> tuple[BatchHead, float] | None:
        rows = self._sql.rows(f"SELECT {_BATCH}, worked_at FROM batches WHERE whole = 0")
        return (_head_of(*rows[0][:-1]), rows[0][-1]) if rows else None

    def take_back(self, batch: int, most: int) -> int:
        last = self._sql.rows(
            "SELECT number, job FROM batch_lines WHERE batch = ? ORDER BY number DESC LIMIT ?", batch, most
        )
        if last:
            self._sql.rows("DELETE FROM batch_lines WHERE batch = ? AND number >= ?", batch, last[-1][0])
        self._sql.update("jobs", ("billing",), ("id",), [(Billing.READY, job) for _, job in last])
        if len(last) < most:
            self._sql.delete("batches", "number", [batch])
        return len(last)

    def all(self) -> list[tuple[BatchHead, str]]:
        rows = self._sql.rows(f"SELECT {_BATCH}, layout FROM batches WHERE whole = 1 ORDER BY number")
        return [(_head_of(*row[:-1]), row[-1]) for row in rows]

    def layout(self, batch: int) -> str:
        [(text,)] = self._sql.rows("SELECT layout_text FROM batches WHERE number = ?", batch)
        return str(text)

    def lines(self, batch: int, most: int, after: int = 0) -> list[Line]:
        rows = self._sql.rows(
            f"SELECT {', '.join(_LINE)} FROM batch_lines WHERE batch = ? AND number > ? ORDER BY number LIMIT ?",
            *(batch, after, most),
        )
        return [Line(*row) for row in rows]

    def last_lines(self, jobs: Iterable[int]) -> dict[int, Line]:
        return {row[1]: Line(*row) for row in self._sql.rows_among(_LAST, jobs)}

    def held(self, cycles: Iterable[str], route: str | None = None) -> list[Held]:
        found = [Held(cycle, *self._sql.rows(_HELD, cycle, route, route)[0]) for cycle in cycles]
        return [one for one in found if one.waiting or one.again or one.unread]


def _head_of(*columns: Any) -> BatchHead:
    """Make a head of the columns `_BATCH`."""
    number, made_at, made_by, cycle, route, lines, values, registered, billed = columns
    return BatchHead(
        number=number,
        made_at=datetime.fromisoformat(made_at),
        made_by=made_by,
        cycle=cycle,
        route=route,
        lines=lines,
        sum_values=values,
        sum_registered_use=registered,
        sum_billed_use=Decimal(billed),
    )
