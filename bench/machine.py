"""The machine that is measured on, and what the system knows of a process."""

import os
import platform
import statistics
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

_PACKAGES = ("rpyc", "apsw", "Pyro5", "grpcio", "argon2-cffi")
_TICKS = os.sysconf("SC_CLK_TCK")


def describe(folder: Path) -> dict[str, Any]:
    """Say what this machine is, how busy it is, and how long its disk takes for one flush."""
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "fdatasync_ms": round(_flush_seconds(folder) * 1000, 3),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def rss_mb(pid: int) -> float:
    """Return how much memory a process holds."""
    return int(_field(f"/proc/{pid}/status", "VmRSS").split()[0]) / 1024


def family_mb(pid: int) -> float:
    """Return how much memory a process and those that it has begun hold together; what they share counts once."""
    own = int(_field(f"/proc/{pid}/smaps_rollup", "Pss").split()[0]) / 1024
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return own + sum(family_mb(int(child)) for task in tasks for child in (task / "children").read_text().split())


def cpu_seconds(pid: int, *, with_ended_children: bool = False) -> float:
    """Return how much processor time a process has taken, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if with_ended_children else 13])) / _TICKS


def busy_seconds() -> float:
    """Return how long the processors have been at work, added up, for whichever process."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / _TICKS


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None


def _flush_seconds(folder: Path) -> float:
    page = b"\0" * 4096
    took = []
    with TemporaryFile(dir=folder, buffering=0) as file:
        file.write(page * 200)
        os.fsync(file.fileno())
        for place in range(200):
            os.pwrite(file.fileno(), page, place * len(page))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - started)
    return statistics.median(took)
