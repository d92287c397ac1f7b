"""What MeterMT should reach, and whether it did."""

from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

from bench.settings import Settings

Results = dict[str, Any]


class Target(NamedTuple):
    """A figure with a bound, and the whole words of it. `figure` raises `LookupError` if it was not measured."""

    words: str
    figure: Callable[[Results], float]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def bound(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_most is None else f"≤ {self.at_most:g}"

    def met_by(self, figure: float) -> bool:
        return figure <= self.at_most if self.at_most is not None else figure >= (self.at_least or 0)


class Verdict(NamedTuple):
    """What became of a target; `figure` is None if the run did not measure it."""

    target: Target
    figure: float | None

    @property
    def word(self) -> str:
        if self.figure is None:
            return "not measured"
        return "met" if self.target.met_by(self.figure) else "not met"


def judge(results: Results, settings: Settings) -> list[Verdict]:
    """Return what became of each target."""
    verdicts = []
    for target in _targets(max(settings.stored)):
        try:
            verdicts.append(Verdict(target, target.figure(results)))
        except (LookupError, TypeError):
            verdicts.append(Verdict(target, None))
    return verdicts


def _targets(most: int) -> list[Target]:
    grown = [
        Target(f"{kind} with {most:,} readings stored / with none", _grown(kind, most), at_most=1.1)
        for kind in ("status", "job", "submission")
    ]
    return [
        Target("1 client: metermt / plain, rounds/s", _ratio("metermt", "plain", 1), at_least=4),
        Target("64 clients: metermt / plain, rounds/s", _ratio("metermt", "plain", 64), at_least=10),
        Target("64 clients: metermt / plain, p99", _ratio("metermt", "plain", 64, "p99_ms"), at_most=0.1),
        Target("64 clients: metermt / pyro5, rounds/s", _ratio("metermt", "pyro5", 64), at_least=3),
        Target("1 client: metermt-tls / metermt, rounds/s", _ratio("metermt-tls", "metermt", 1), at_least=0.7),
        *grown,
        Target("bulk submission, readings/s", lambda found: found["bulk"]["submission"]["per_s"], at_least=20_000),
        Target("bulk submission / single ones of 64 clients", _bulk_to_single, at_least=5),
        Target("import / bare executemany, seconds", lambda found: found["bulk"]["import"]["times_bare"], at_most=4),
        Target("start with all meters / with none, seconds", lambda found: found["start"]["ratio"], at_most=1.2),
        Target(
            "start with all meters, MB more than with none",
            lambda found: found["start"]["full_rss_mb"] - found["start"]["empty_rss_mb"],
            at_most=30,
        ),
        Target(
            "32 readers beside bulks / alone, rounds/s", lambda found: found["company"]["bulks"]["share"], at_least=0.6
        ),
        Target(
            "32 readers beside another writer / alone", lambda found: found["company"]["writer"]["share"], at_least=0.85
        ),
        Target("threads beside bulks", lambda found: found["company"]["bulks"]["threads"], at_most=8),
        *(
            Target(f"{step}, with half of the jobs leased ahead / without", _leases(step), at_most=1.5)
            for step in ("lease", "disconnect", "nothing left")
        ),
        Target("console, seconds until it asks", lambda found: found["console"]["s"], at_most=0.4),
        Target("window, seconds until it asks", lambda found: found["window"]["s"], at_most=0.8),
        Target("window with a server to start", lambda found: found["window"]["with_server_s"], at_most=1.8),
    ]


def _row(results: Results, system: str, clients: int) -> dict[str, Any]:
    for row in results["rows"]:
        if (row["system"], row["clients"]) == (system, clients):
            return dict(row)
    raise LookupError


def _ratio(system: str, other: str, clients: int, field: str = "rounds_per_s") -> Callable[[Results], float]:
    """Return the figure that compares two systems within each run, and is the median of those."""

    def figure(results: Results) -> float:
        ours, theirs = (_row(results, name, clients)[f"{field}_runs"] for name in (system, other))
        return median(mine / another for mine, another in zip(ours, theirs, strict=True))

    return figure


def _grown(kind: str, stored: int) -> Callable[[Results], float]:
    def figure(results: Results) -> float:
        for row in results["growth"]:
            if (row["system"], row["stored"]) == ("metermt", stored):
                return float(row[f"{kind}_ratio"])
        raise LookupError

    return figure


def _leases(step: str) -> Callable[[Results], float]:
    return lambda found: float(found["company"]["leases"][step]["ratio"])


def _bulk_to_single(results: Results) -> float:
    return float(results["bulk"]["submission"]["per_s"] / _row(results, "metermt", 64)["rounds_per_s"])
