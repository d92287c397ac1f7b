"""A connection to PostgreSQL that sends statements together."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Wait

from metermt.store.sql.dialect import Row


@dataclass(slots=True, eq=False)
class Statement:
    """A statement that is to be run. In it, `?` stands for one of the values, of which a list is an array."""

    sql: str
    values: tuple[Any, ...] = ()
    rows: list[Row] = field(default_factory=list)
    """What it has returned."""
    ended: str = ""
    """How PostgreSQL says that it has ended; empty before."""


class Connection(psycopg.Connection[Row]):
    """A connection of the pool, used by one thread at a time."""

    used_at = 0.0
    """By the monotonic clock."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names: dict[str, bytes] = {}  # of its prepared statements, by their texts
        self._numbers = count()

    def run_together(self, statements: Sequence[Statement]) -> None:
        """Run statements, one after the other, and wait for all of them at once. Each is prepared the first time.

        Raises the `psycopg.Error` of the first that fails; those after it are not run then.
        """
        types = Transformer(self)
        try:
            dumped = [types.dump_sequence(one.values, [PyFormat.TEXT] * len(one.values)) for one in statements]
        except UnicodeEncodeError as error:  # a text with half a character in it
            raise psycopg.DataError(str(error)) from error
        sent: list[Statement | str] = []  # or the text of what is prepared
        self.pgconn.enter_pipeline_mode()
        try:
            for one, values in zip(statements, dumped, strict=True):
                if one.sql not in self._names:
                    self._names[one.sql] = b"metermt%d" % next(self._numbers)
                    self.pgconn.send_prepare(self._names[one.sql], _numbered(one.sql))
                    sent.append(one.sql)
                self.pgconn.send_query_prepared(self._names[one.sql], values)
                sent.append(one)
            self.pgconn.pipeline_sync()
            results = self.wait(self._results())
        finally:
            with suppress(psycopg.OperationalError):  # it is broken
                self.pgconn.exit_pipeline_mode()
        failed = next((result for result in results if result.status in _FAILED), None)
        for what, result in zip(sent, results, strict=True):
            if isinstance(what, Statement):
                types.set_pgresult(result)
                what.rows, what.ended = types.load_rows(0, result.ntuples, tuple), _text(result.command_status)
            elif result.status in _FAILED:
                del self._names[what]
        if failed:
            raise errors.error_from_result(failed, "utf-8")

    def _results(self) -> PQGen[list[PGresult]]:
        """Wait, as psycopg does, for what comes back for all that was sent, and return it."""
        link = self.pgconn
        results: list[PGresult] = []
        while True:
            if not (yield Wait.RW if link.flush() else Wait.R):
                continue
            link.consume_input()
            while not link.is_busy():
                result = link.get_result()
                if result and result.status == ExecStatus.PIPELINE_SYNC:
                    return results
                if result:
                    results.append(result)
                elif link.status == ConnStatus.BAD:
                    raise psycopg.OperationalError(link.get_error_message())


_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE, ExecStatus.PIPELINE_ABORTED)


def _text(told: bytes | None) -> str:
    return told.decode() if told else ""


@cache
def _numbered(sql: str) -> bytes:
    first, *others = sql.split("?")
    return (first + "".join(f"${number}{text}" for number, text in enumerate(others, 1))).encode()
