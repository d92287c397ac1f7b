"""What billing was given, in SQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from metermt.billing import BatchHead
from metermt.quality import Billing
from metermt.store.sql.dialect import Sql, Steps
from metermt.store.steps.billing import Batches, Line, Unfinished

_HEAD = ("number", "made_at", "made_by", "cycle", "route", "lines")
_SUMS = ("sum_values", "sum_registered_use", "sum_billed_use")
_BATCH = ", ".join((*_HEAD, *_SUMS))
_UNFINISHED = f"SELECT {_BATCH}, key, worked_at FROM batches WHERE whole = 0"
_LINE = ("number", "job", "reading", "kind", "line")
_LAST = f"SELECT {', '.join(_LINE)} FROM batch_lines WHERE job {{among}} ORDER BY batch, number"


class SqlBatches(Steps, Batches):
    """The tables `batches` and `batch_lines`. `lock` ends a statement for batches that may be changed."""

    def __init__(self, sql: Sql, lock: str = "") -> None:
        super().__init__(sql)
        self._unfinished = _UNFINISHED + lock

    def begin(self, head: BatchHead, layout: str, text: str, key: str | None = None) -> None:
        row = (head.number, head.made_at.isoformat(), head.made_by, head.cycle, head.route, 0, 0, 0, "0")
        columns = (*_HEAD, *_SUMS, "layout", "layout_text", "worked_at", "whole", "key")
        self._sql.insert("batches", columns, [(*row, layout, text, head.made_at.timestamp(), 0, key)])

    def made(self, key: str) -> BatchHead | None:
        rows = self._sql.rows(f"SELECT {_BATCH} FROM batches WHERE key = ? AND whole = 1", key)
        return _head_of(*rows[0]) if rows else None

    def add(self, batch: int, lines: Sequence[Line], now: float) -> None:
        self._sql.insert("batch_lines", ("batch", *_LINE), [(batch, *line) for line in lines])
        self._sql.update("jobs", ("billing",), ("id",), [(Billing.BILLED, line.job) for line in lines])
        self._sql.update("batches", ("worked_at",), ("number",), [(now, batch)])
        self._sql.update("batches", ("lines",), ("number",), [(line.number, batch) for line in lines[-1:]])

    def finish(self, head: BatchHead) -> None:
        sums = (head.lines, head.sum_values, head.sum_registered_use, str(head.sum_billed_use))
        self._sql.update("batches", ("lines", *_SUMS, "whole"), ("number",), [(*sums, 1, head.number)])

    def unfinished(self) -> Unfinished | None:
        rows = self._sql.rows(self._unfinished)
        return Unfinished(_head_of(*rows[0][:-2]), *rows[0][-2:]) if rows else None

    def take_back(self, batch: int, most: int) -> int:
        last = self._sql.rows(
            "SELECT number, job FROM batch_lines WHERE batch = ? ORDER BY number DESC LIMIT ?", batch, most
        )
        if last:
            self._sql.rows("DELETE FROM batch_lines WHERE batch = ? AND number >= ?", batch, last[-1][0])
            self._sql.update("batches", ("lines",), ("number",), [(last[-1][0] - 1, batch)])
        billed = {(Billing.READY, job, Billing.BILLED) for _, job in last}
        self._sql.update("jobs", ("billing",), ("id", "billing"), billed)
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
