"""`python -m bench`: measure, print, and with `--json FILE` write down."""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.bulk import measure_bulk
from bench.company import measure_company
from bench.databases import make_database
from bench.footprint import measure_footprint
from bench.growth import measure_growth
from bench.logins import measure_logins
from bench.machine import busy_seconds, cpu_seconds, describe
from bench.report import show
from bench.rounds import measure_rounds, rows_of
from bench.settings import QUICK, Settings
from bench.systems import make_certificates, systems
from bench.targets import judge


def main() -> None:
    chosen = _arguments()
    settings = QUICK if chosen.quick else Settings()
    if chosen.runs:
        settings = replace(settings, runs=chosen.runs)
    folder_of = chosen.folder and str(chosen.folder)
    with tempfile.TemporaryDirectory(prefix="metermt-bench-", dir=folder_of, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        started = time.monotonic()
        machine = describe(folder)
        busy = busy_seconds()
        compared = systems(make_certificates(folder))
        _say(started, f"rounds: {', '.join(system.name for system in compared)}")
        database = make_database(folder / "meters.db", unread=settings.meters)
        rows = rows_of(measure_rounds(compared, database, settings, folder))
        _say(started, "readers in company")
        company = measure_company(settings, next(one for one in compared if one.name == "metermt"), folder)
        _say(started, "growth")
        growth = measure_growth(settings, folder)
        _say(started, "bulk submission, import, export")
        bulk = measure_bulk(settings, folder)
        _say(started, "start-up, connections, console, window")
        footprint = measure_footprint(settings, folder)
        _say(started, "logins")
        logins = measure_logins(settings, folder)
        machine["seconds"] = round(time.monotonic() - started)
        machine["load_at_end"] = round(os.getloadavg()[0], 2)
    own = cpu_seconds(os.getpid()) + sum(os.times()[2:4])
    machine["processors_kept_busy_by_others"] = round((busy_seconds() - busy - own) / machine["seconds"], 2)
    results = {
        "machine": machine,
        "rows": rows,
        "company": company,
        "growth": growth,
        "bulk": bulk,
        **footprint,
        "logins": logins,
    }
    verdicts = judge(results, settings)
    results["targets"] = [
        {
            "target": verdict.target.words,
            "bound": verdict.target.bound,
            "figure": verdict.figure,
            "verdict": verdict.word,
        }
        for verdict in verdicts
    ]
    show(results, compared, verdicts, Console(width=None if sys.stdout.isatty() else 140))
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure MeterMT beside others.")
    parser.add_argument("--quick", action="store_true", help="less of everything: under a minute")
    parser.add_argument("--runs", type=int, help="how often each system is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--folder", type=Path, help="where databases are made, on the disk to measure [default: /tmp]")
    return parser.parse_args()


def _say(started: float, words: str) -> None:
    print(f"{time.monotonic() - started:4.0f} s  {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
