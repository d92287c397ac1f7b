"""Commands that work on a database beside its server, again and again, and the check of what they made."""

import csv
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Self

import apsw
from crowd import CYCLE, OTHER_ROUTE, ROOT, Crowd, Sent, exit_with, faults_in, integrity_of

sys.path.extend(str(ROOT / "tests" / part) for part in ("", "support"))
import warm

METERMT = Path(sys.executable).with_name("metermt")
SECONDS = 60  # that a command may take; it waits for ten when the database is locked
ROUTE = 500  # meters in a route file


class Company:
    """Backups, exports and imports, each in a thread of its own, until the block of its `with` ends.

    Exits if one has failed. What a backup or an export holds is at least what was acknowledged before it was begun, and
    at most what was sent until it was there.
    """

    def __init__(self, database: Path, crowd: Crowd) -> None:
        self._database = database
        self._crowd = crowd
        self._folder = database.with_name("company")
        self._folder.mkdir()
        self._ending = threading.Event()
        self._fault = ""
        self._threads = [
            threading.Thread(target=self._again_and_again, args=(work,), name=work.__name__)
            for work in (self._back_up, self._export, self._import)
        ]
        self.backups = self.exports = self.imports = 0

    def check(self) -> None:
        """Exit if one has failed, or has done nothing."""
        if self._fault:
            sys.exit(f"FAILED: {self._fault}")
        for thread in self._threads:
            if thread.is_alive():
                sys.exit(f"FAILED: {thread.name} does not end")
        if not (self.backups and self.exports and self.imports):
            sys.exit(f"FAILED: there was no time for {self}")

    def __str__(self) -> str:
        return f"{self.backups} backups, {self.exports} exports, {self.imports} imports"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(SECONDS)
        if not exc[0]:
            self.check()

    def _again_and_again(self, work: Callable[[int], None]) -> None:
        number = 0
        try:
            while not self._ending.is_set():
                number += 1
                work(number)
        except (SystemExit, Exception) as error:  # noqa: BLE001 - the main thread exits with it
            self._fault = self._fault or f"{work.__name__.strip('_')} {number}: {error!r}"

    def _metermt(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [*map(str, (METERMT, *arguments)), "--database", str(self._database)]
        done = warm.run(command, capture_output=True, text=True, timeout=SECONDS)
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    # --- the three

    def _back_up(self, number: int) -> None:
        path, earlier = self._folder / f"{number}.db", self._folder / f"{number - 1}.db"
        acknowledged = self._crowd.acknowledged
        self._metermt("backup", path)
        self._check_backup(path, acknowledged)
        earlier.unlink(missing_ok=True)
        self.backups += 1

    def _check_backup(self, path: Path, acknowledged: Sent) -> None:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as backup:
            readings = backup.execute(
                "SELECT key, meter, value FROM readings JOIN jobs ON jobs.id = readings.job WHERE cycle = ?", (CYCLE,)
            ).fetchall()
        faults = faults_in(readings, acknowledged, self._crowd.attempted)
        exit_with(faults | {"damage": integrity_of(path) != "ok"}, f"in the backup {path.name}, ")

    def _export(self, number: int) -> None:
        path = self._folder / "readings.csv"  # each takes the place of the one before
        acknowledged = self._crowd.acknowledged
        said = self._metermt("readings", "export", path, "--cycle", CYCLE, "--all", "--force").stderr
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        readings = [(row["key"], row["meter"], int(row["reading"])) for row in rows]
        faults = faults_in(readings, acknowledged, self._crowd.attempted)
        part = not said.startswith(f"{len(rows)} reading") or any(None in row.values() for row in rows)
        exit_with(faults | {"only a part": part}, f"in export {number}, ")
        self.exports += 1

    def _import(self, number: int) -> None:
        """Open a further cycle, with the same meters; bring it up to date; close it again."""
        path, cycle = self._folder / "route.csv", f"later-{number}"
        for address, expected in (("Mill Lane", "added"), ("Mill Lane", "unchanged"), ("Hill Road", "changed")):
            rows = (f"W{n},{OTHER_ROUTE},W,{n},{address} {n}\n" for n in range(ROUTE))
            path.write_text("meter,route,kind,sequence,address\n" + "".join(rows), encoding="utf-8")
            counts = {"added": 0, "changed": 0, "unchanged": 0} | {expected: ROUTE}
            said = self._metermt("routes", "import", path, "--cycle", cycle).stdout.strip()
            if said != f"Cycle {cycle}: {', '.join(f'{count} {what}' for what, count in counts.items())}.":
                sys.exit(said)
            self.imports += 1
        said = self._metermt("cycles", "close", cycle, "--force").stdout.strip()
        if said != f"Closed cycle {cycle}; {ROUTE} meters were not read.":
            sys.exit(said)
