"""`metermt serve` in a town where it is another day: `python -m bench.year.server`, for `bench.year` only.

The whole of a server asks one clock, that of its store, which here is ahead by what a file says. Nothing else differs
from `metermt serve`.
"""

import argparse
import logging
import os
import time
from pathlib import Path

from bench.year.clock import Clock
from metermt.config import is_url
from metermt.serving import ServerSettings, serve
from metermt.store.base import Store


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--clock", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--notify", type=Path, required=True)
    asked = parser.parse_args()
    os.environ["TZ"] = "UTC"
    time.tzset()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _set_clock(_store_of(asked.database), Clock(asked.clock))
    database = asked.database if is_url(asked.database) else Path(asked.database)
    serve(ServerSettings(host="127.0.0.1", port=asked.port, database=database), notify=asked.notify)


def _store_of(database: str) -> type[Store]:
    if is_url(database):
        from metermt.store.postgres.store import PostgresStore  # noqa: PLC0415 - it may not be installed

        return PostgresStore
    from metermt.store.sqlite.store import SqliteStore  # noqa: PLC0415 - only the one that is used is loaded

    return SqliteStore


def _set_clock(store: type[Store], clock: Clock) -> None:
    its_own = store.clock
    store.clock = lambda self: its_own(self) + clock.ahead  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
