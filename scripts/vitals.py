"""What a process takes of the machine."""

from pathlib import Path

LONG_CALLS = 4
"""Threads that a server keeps for calls that take long, once there were some."""
OF_DATABASE = 32
"""Descriptors of connections to the database: a server keeps as many as were needed at once, up to 16."""


def vitals(pid: int) -> dict[str, float]:
    """Return how many threads and descriptors a process has, and how much memory."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "threads": int(status["Threads"]),
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "MB": int(status["VmRSS"].split()[0]) / 1024,
    }


def print_vitals(before: dict[str, float], after: dict[str, float]) -> None:
    for name, then in before.items():
        print(f"        {name}: {then:.4g} half-way, {after[name]:.4g} in the end")


def grown(before: dict[str, float], after: dict[str, float], growth: float) -> list[str]:
    """Return what has grown by more than it may: memory by so many per cent."""
    allowed = {
        "threads": before["threads"] + LONG_CALLS,
        "descriptors": before["descriptors"] + OF_DATABASE,
        "MB": before["MB"] * (1 + growth / 100),
    }
    return [f"{name} grew from {before[name]:.4g} to {now:.4g}" for name, now in after.items() if now > allowed[name]]
