"""What it takes to start, and to stay connected."""

import re
import resource
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from bench.databases import READERS, make_database
from bench.machine import rss_mb
from bench.processes import metermt
from bench.settings import Settings
from metermt.client.client import MeterClient

_TIME_WINDOW = Path(__file__).parents[1] / "scripts" / "time-window"


def measure_footprint(settings: Settings, folder: Path) -> dict[str, Any]:
    """Return how long server, console and window take to start, and how much memory the server holds."""
    return {
        "start": _start(settings, folder),
        "idle": _idle_connections(settings, folder),
        "console": _console(settings, folder),
        "window": _window(settings),
    }


def _start(settings: Settings, folder: Path) -> dict[str, Any]:
    """Start on an empty and on a full database, by turns: seconds until clients can connect, and memory then."""
    databases = {
        "empty": make_database(folder / "start-empty.db", unread=0),
        "full": make_database(folder / "start-full.db", unread=settings.imported),
    }
    seconds: dict[str, list[float]] = {name: [] for name in databases}
    memory: dict[str, list[float]] = {name: [] for name in databases}
    for _ in range(settings.starts):
        for name, database in databases.items():
            with metermt(folder, "--database", database) as server:
                seconds[name].append(server.ready_after)
                with MeterClient("127.0.0.1", server.port) as client:
                    client.ping()
                memory[name].append(rss_mb(server.pid))
    ratios = [full / empty for full, empty in zip(seconds["full"], seconds["empty"], strict=True)]
    return {
        "meters": settings.imported,
        "empty_s": round(statistics.median(seconds["empty"]), 3),
        "full_s": round(statistics.median(seconds["full"]), 3),
        "ratio": round(statistics.median(ratios), 3),
        "empty_rss_mb": round(statistics.median(memory["empty"]), 1),
        "full_rss_mb": round(statistics.median(memory["full"]), 1),
    }


def _idle_connections(settings: Settings, folder: Path) -> dict[str, Any]:
    """Connect many readers who log in and then say nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, settings.idle + 200), hard), hard))
    database = make_database(folder / "idle.db", unread=0)
    limits = ("--max-connections", 2000, "--max-per-address", 2000)
    with metermt(folder, "--database", database, *limits) as server, ExitStack() as stack:
        before = rss_mb(server.pid)
        for number in range(settings.idle):
            reader = READERS[number % len(READERS)]
            stack.enter_context(MeterClient("127.0.0.1", server.port)).login(reader, reader)
        after = rss_mb(server.pid)
    return {
        "connections": settings.idle,
        "rss_before_mb": round(before, 1),
        "rss_after_mb": round(after, 1),
        "kb_each": round((after - before) * 1024 / settings.idle, 1),
    }


def _console(settings: Settings, folder: Path) -> dict[str, Any] | None:
    """Start a console in a terminal: seconds until it asks for the user name. None if pexpect is not installed."""
    if not find_spec("pexpect"):
        return None
    import pexpect  # noqa: PLC0415 - it comes with the extra dev

    seconds = []
    with metermt(folder, "--database", make_database(folder / "console.db", unread=1)) as server:
        for _ in range(settings.starts):
            started = time.perf_counter()
            arguments = ["-m", "metermt", "console", "-h", "127.0.0.1", "-p", str(server.port)]
            console = pexpect.spawn(sys.executable, arguments, timeout=30)
            console.expect("Username")
            seconds.append(time.perf_counter() - started)
            console.close(force=True)
    return {"s": round(statistics.median(seconds), 3), "s_min": round(min(seconds), 3), "s_max": round(max(seconds), 3)}


def _window(settings: Settings) -> dict[str, Any] | None:
    """Open windows on a screen of their own: seconds until the login dialog. None without Xvfb, xdotool and pytest."""
    if not (which("Xvfb") and which("xdotool") and find_spec("pytest")):  # which the script's support comes with
        return None
    command = [sys.executable, str(_TIME_WINDOW), "--rounds", str(settings.starts)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    alone, with_server = re.findall(r"median ([0-9.]+) s", told)
    return {"s": float(alone), "with_server_s": float(with_server)}
