"""Cycles whose jobs other servers lease and read, too."""

from metermt.store.postgres.sql import CLOSING, PostgresSql
from metermt.store.sql.cycles import SqlCycles


class PostgresCycles(SqlCycles):
    """Cycles that nobody writes to while they are closed or reopened."""

    def __init__(self, sql: PostgresSql) -> None:
        super().__init__(sql)
        self._postgres = sql

    def close(self, cycle: str) -> int:
        self._postgres.take(CLOSING)
        return super().close(cycle)

    def reopen(self, cycle: str) -> int:
        self._postgres.take(CLOSING)
        return super().reopen(cycle)
