"""Which cycles there are, in SQL."""

from datetime import date

from metermt.store.sql.dialect import Steps
from metermt.store.sql.jobs import date_of
from metermt.store.steps.cycles import Cycles


class SqlCycles(Steps, Cycles):
    """The table `cycles`, and what becomes of their jobs."""

    def all(self) -> dict[str, bool]:
        return {
            cycle: not closed for cycle, closed in self._sql.rows("SELECT cycle, closed FROM cycles ORDER BY cycle")
        }

    def open(self, cycle: str, first_day: date | None = None, due: date | None = None) -> None:
        row = (cycle, first_day and first_day.isoformat(), due and due.isoformat())
        there = "NOTHING" if due is None else "UPDATE SET due = excluded.due"
        self._sql.insert("cycles", ("cycle", "first_day", "due"), [row], f"ON CONFLICT (cycle) DO {there}")

    def days(self) -> dict[str, tuple[date | None, date | None]]:
        rows = self._sql.rows("SELECT cycle, first_day, due FROM cycles ORDER BY cycle")
        return {cycle: (date_of(first_day), date_of(due)) for cycle, first_day, due in rows}

    def seasons(self) -> dict[str, str]:
        return dict(self._sql.rows("SELECT cycle, seasons FROM cycles WHERE seasons <> '' ORDER BY cycle"))

    def set_seasons(self, cycle: str, seasons: str) -> None:
        self._sql.update("cycles", ("seasons",), ("cycle",), [(seasons, cycle)])

    def close(self, cycle: str) -> int:
        sql = self._sql
        [(missed,)] = sql.rows("SELECT count(*) FROM jobs WHERE cycle = ? AND state IN ('open', 'skipped')", cycle)
        sql.rows("DELETE FROM leases WHERE (SELECT cycle FROM jobs WHERE id = leases.job) = ?", cycle)
        sql.rows("UPDATE jobs SET state = 'missed', leased = 0 WHERE cycle = ? AND state IN ('open', 'skipped')", cycle)
        sql.rows("UPDATE cycles SET closed = 1 WHERE cycle = ?", cycle)
        return int(missed)

    def reopen(self, cycle: str) -> int:
        sql = self._sql
        [(missed,)] = sql.rows("SELECT count(*) FROM jobs WHERE cycle = ? AND state = 'missed'", cycle)
        sql.rows("UPDATE jobs SET state = 'open' WHERE cycle = ? AND state = 'missed'", cycle)
        sql.rows("UPDATE cycles SET closed = 0 WHERE cycle = ?", cycle)
        return int(missed)

    def remove(self, cycle: str) -> None:
        for table in ("tallies", "cycles"):
            self._sql.delete(table, "cycle", [cycle])
