"""`python -m bench.schemes`: which way of serving many clients serves best, with the same work behind each."""

import argparse
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.machine import busy_seconds, cpu_seconds, family_mb
from bench.peers.schemes import POOL, SCHEMES, Client
from bench.processes import Server
from bench.rounds import Sample, measure_clients

_NAMES = [f"reader{number:03}" for number in range(256)]
_ALONE = "one-shot"  # serves one client, and ends
_ABOUT = {
    "one-shot": "RPyC's OneShotServer: one connection, then it ends",
    "select": "one thread, select",
    "threads": "RPyC's ThreadedServer: a thread a connection",
    "pool": f"RPyC's ThreadPoolServer: {POOL} threads",
    "processes": "RPyC's ForkingServer: a process a connection, the book in one more",
    "switchboard": "ours",
}
_CREW = 8  # who work beside clients that block
_BLOCKING = (0, 1, POOL)  # how many of these there are
_PATIENCE = 1.5  # seconds until one of the crew gives up


@dataclass(frozen=True, slots=True)
class _Settings:
    runs: int = 2
    clients: tuple[int, ...] = (1, 8, 64, 256)
    seconds: float = 1.0
    starts: int = 30


_QUICK = _Settings(runs=1, clients=(1, 2), seconds=0.1, starts=3)


@dataclass(frozen=True, slots=True)
class Company:
    """What a crew got done, and how long one of them waited."""

    rounds_per_s: float
    longest_ms: float
    gave_up: int
    """How many of them had no answer in time."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.schemes", description="Compare ways of serving clients.")
    parser.add_argument("--quick", action="store_true", help="does it work? half a minute")
    parser.add_argument("--runs", type=int, help="how often each scheme is measured")
    chosen = parser.parse_args()
    settings = _QUICK if chosen.quick else _Settings()
    if chosen.runs:
        settings = replace(settings, runs=chosen.runs)
    began, busy = time.monotonic(), busy_seconds()
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="metermt-schemes-", ignore_cleanup_errors=True) as name:
        start = partial(_start, Path(name))
        samples: dict[tuple[int, str], list[Sample]] = {}
        starts: dict[str, list[float]] = {}
        company: dict[tuple[str, int], list[Company]] = {}
        for run in range(settings.runs):
            for clients in settings.clients:
                for scheme in SCHEMES if clients == 1 else [one for one in SCHEMES if one != _ALONE]:
                    _say(began, f"run {run + 1}: {clients} at {scheme}")
                    with start(scheme) as server:
                        sample = measure_clients(
                            Client, [server], clients, settings.seconds, names=_NAMES, memory=family_mb
                        )
                    samples.setdefault((clients, scheme), []).append(sample)
            for scheme in SCHEMES:
                _say(began, f"run {run + 1}: clients that come, and that block, at {scheme}")
                starts.setdefault(scheme, []).append(_start_ms(start, scheme, settings.starts))
                for blocking in _BLOCKING if scheme != _ALONE else ():
                    company.setdefault((scheme, blocking), []).append(
                        _beside_blocking(start, scheme, blocking, settings.seconds)
                    )
    own = cpu_seconds(os.getpid()) + sum(os.times()[2:4])
    others = (busy_seconds() - busy - own) / (time.monotonic() - began)
    _show(samples, starts, company)
    print(f"\n{time.monotonic() - began:.0f} s; other programs kept {others:.1f} of {os.cpu_count()} processors busy.")


def _start(folder: Path, scheme: str) -> Server:
    return Server(folder, f"bench.peers.schemes {scheme}")


def _start_ms(start: Callable[[str], Server], scheme: str, times: int) -> float:
    """Return how long a new client waits for its first answer, the median of so many that come one by one."""

    def came(port: int) -> float:
        began = time.perf_counter()
        connection = Client(port).connection
        took = 1000 * (time.perf_counter() - began)
        connection.close()
        return took

    if scheme != _ALONE:
        with start(scheme) as server:
            return statistics.median(came(server.port) for _ in range(times))
    took = []
    for _ in range(3):
        with start(scheme) as server:
            took.append(came(server.port))
    return statistics.median(took)


def _beside_blocking(start: Callable[[str], Server], scheme: str, blocking: int, seconds: float) -> Company:
    """Return what a crew gets done while so many others have sent half of a request and nothing more."""
    with start(scheme) as server, ThreadPoolExecutor(_CREW) as pool:
        crew = [Client(server.port, _PATIENCE) for _ in range(_CREW)]
        others = [Client(server.port, _PATIENCE) for _ in range(blocking)]
        for client, name in zip(crew + others, _NAMES, strict=False):
            client.login(name)
        for client in others:
            client.block()
        time.sleep(0.1)  # until the server has read that
        until = time.monotonic() + seconds
        took = list(pool.map(lambda client: _rounds_until(client, until), crew))
        for client in crew + others:
            with suppress(Exception):  # it may wait for an answer that never comes
                client.connection._channel.close()
    done = [second for one in took for second in one if second < _PATIENCE]
    gave_up = sum(bool(one) and one[-1] >= _PATIENCE for one in took)
    return Company(len(done) / seconds, 1000 * max(max(one, default=0.0) for one in took), gave_up)


def _rounds_until(client: Client, until: float) -> list[float]:
    """Return how long each round took; the last one for ever, if it had no answer in time."""
    took = []
    while (began := time.monotonic()) < until:
        try:
            client.round()
        except (TimeoutError, EOFError):
            return [*took, _PATIENCE]
        took.append(time.monotonic() - began)
    return took


def _show(
    samples: dict[tuple[int, str], list[Sample]],
    starts: dict[str, list[float]],
    company: dict[tuple[str, int], list[Company]],
) -> None:
    """Print the tables, as the docs have them."""
    for scheme, words in _ABOUT.items():
        print(f"- `{scheme}`: {words}")
    print("\n| scheme | clients | rounds/s | lowest | highest | p50 ms | p99 ms | MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (clients, scheme), runs in samples.items():
        rates = [run.rounds_per_s for run in runs]
        middle = [statistics.median(getattr(run, name) for run in runs) for name in ("p50_ms", "p99_ms")]
        memory = statistics.median(run.server_rss_mb for run in runs)
        print(
            f"| `{scheme}` | {clients} | {statistics.median(rates):,.0f} | {min(rates):,.0f} | {max(rates):,.0f} |"
            f" {middle[0]:.2f} | {middle[1]:.2f} | {memory:.0f} |"
        )
    heads = ["start ms", *(f"beside {count} that block" if count else f"{_CREW} alone" for count in _BLOCKING)]
    print(f"\n| scheme | {' | '.join(heads)} |")
    print(f"| --- |{' ---: |' * len(heads)}")
    for scheme, times in starts.items():
        beside = [_in_words(company.get((scheme, blocking), [])) for blocking in _BLOCKING]
        print(f"| `{scheme}` | {statistics.median(times):.1f} | {' | '.join(beside)} |")


def _in_words(runs: list[Company]) -> str:
    if not runs:
        return ""
    rate = statistics.median(run.rounds_per_s for run in runs)
    if gave_up := max(run.gave_up for run in runs):
        return f"{rate:,.0f}/s, {gave_up} of {_CREW} had no answer"
    return f"{rate:,.0f}/s, longest {statistics.median(run.longest_ms for run in runs):.0f} ms"


def _say(began: float, words: str) -> None:
    print(f"{time.monotonic() - began:4.0f} s  {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
