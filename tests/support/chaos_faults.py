"""The faults: each is made again and again under readers at work, and set right."""

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from chaos_crew import StuckError
from chaos_history import Verdict, verdict_on
from chaos_stage import (
    frozen,
    is_there,
    is_up,
    kill_all,
    name_of,
    processes_of,
)
from chaos_stages import on_small_disk, with_link, with_servers, with_standby

FAULTS = {}
"""All of them, by name."""

_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@dataclass(frozen=True)
class Fault:
    """A way in which something can fail.

    `once` makes it on a stage, for the n-th time, and sets it right; it returns when all was well again, by the
    monotonic clock, which is when it was made if nothing has to be set right. `stage` makes a stage in a folder, and
    may be told in which cluster.
    """

    once: Callable
    stage: Callable
    may_lose: bool = False
    extra: Callable | None = None
    """Says what else is to be looked at in the end."""

    @property
    def name(self):
        return self.once.__name__.replace("_", "-")


@dataclass(frozen=True)
class Report:
    """What came of a fault that was made so many times."""

    name: str
    rounds: int
    acknowledged: int
    stored: int
    verdict: Verdict
    at_odds: dict
    longest_wait: float
    """Of a reader, in seconds, from when a reading was first sent until it was accepted."""
    went_on: float
    """Seconds from when all was well again until the last reader was told that a reading is accepted, at most."""
    stuck: str
    """Who did not go on, after which there were no more rounds; empty for nobody."""
    late: int
    """Calls that did not end by their deadlines."""
    errors: dict
    """What readers saw, and how often."""
    log: str
    extra: str = ""

    @property
    def is_good(self):
        return not (self.verdict.faults or self.at_odds or self.late or self.stuck)

    def line(self):
        wrong = self.verdict
        words = [
            f"{self.name}: {self.rounds} rounds, {self.acknowledged} acknowledged, {self.stored} stored",
            f"{len(wrong.lost)} lost, {len(wrong.doubled)} doubled, {len(wrong.wrong_name)} under a wrong name",
            f"longest wait {self.longest_wait:.2f} s, on again after {self.went_on:.2f} s",
        ]
        others = {name: found for name, found in wrong.faults.items() if name not in ("lost", "doubled", "wrong_name")}
        words += [f"{name.replace('_', ' ')} {len(found)}" for name, found in (others | self.at_odds).items()]
        words.append(f"{sum(self.errors.values())} errors seen, {self.late} calls late")
        return "; ".join(filter(None, [*words, self.extra, self.stuck]))


def run(fault, rounds, tell=lambda _words: None):
    """Make a fault so many times, on a stage of its own; return what came of it."""
    with tempfile.TemporaryDirectory(prefix="metermt-chaos-") as folder, fault.stage(folder) as stage:
        return run_on(stage, {fault: rounds}, tell)


def run_on(stage, rounds, tell=lambda _words: None):
    """Make faults one after the other, each as often as this says; return what came of all of them."""
    stage.begin()
    made, went_on, stuck = 0, [0.0], ""
    try:
        for fault, number in ((fault, number) for fault, most in rounds.items() for number in range(most)):
            stage.see_that_there_is_work()
            time.sleep(random.uniform(0.05, 0.6))  # so that nobody knows what they are at
            made += 1
            went_on.append(stage.crew.wait_until_at_work(fault.once(stage, number)))
            stage.see_that_servers_run()
            tell(f"{fault.name} {made}: on again after {went_on[-1]:.2f} s")
    except StuckError as error:
        stuck = str(error)
    except BaseException:
        tell(stage.log())
        raise
    history = stage.crew.stop()
    rows = stage.rows()
    return Report(
        name=", ".join(fault.name for fault in rounds),
        rounds=made,
        acknowledged=len(history.kept),
        stored=len(rows),
        verdict=verdict_on(history, rows),
        at_odds=stage.at_odds(),
        longest_wait=max(wait.seconds for wait in history.waits()),
        went_on=max(went_on),
        stuck=stuck,
        late=len(history.late),
        errors=dict(history.errors()),
        log=stage.log(),
        extra="; ".join(fault.extra(stage, history) for fault in rounds if fault.extra),
    )


# --- faults


def fault(stage, **properties):
    """Declare a function as a fault of its name."""

    def declare(once):
        made = Fault(once, stage, **properties)
        FAULTS[made.name] = made
        return once

    return declare


@fault(with_servers(2))
def server_kill(stage, number):
    """SIGKILL of one of two servers, which is started again."""
    place = number % 2
    stage.servers[place].kill()
    at = time.monotonic()
    stage.start(place)
    return at


@fault(with_servers(1))
def database_kill(stage, number):
    """SIGKILL of all of PostgreSQL, which is started again."""
    kill_all(stage.cluster)
    stage.cluster.start()
    return time.monotonic()


_IN_TRANSACTIONS = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name LIKE 'chaos-%%' AND backend_xid IS NOT NULL ORDER BY random() LIMIT 1
"""


@fault(with_servers(1))
def backend_kill(stage, number):
    """One backend ended in mid-transaction: by SIGKILL, after which all others end too, or by pg_terminate_backend."""
    until = time.monotonic() + 20
    with psycopg.connect(stage.cluster.url(stage.database), autocommit=True) as connection:
        while True:
            assert time.monotonic() < until, "no transaction is found"
            if number % 2:
                if connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({_IN_TRANSACTIONS}) AS _").fetchall():
                    return time.monotonic()
            elif found := connection.execute(_IN_TRANSACTIONS).fetchall():
                os.kill(found[0][0], signal.SIGKILL)
                break
    at = time.monotonic()
    while not is_up(stage.cluster):
        assert time.monotonic() < until, "PostgreSQL does not start again by itself"
        time.sleep(0.01)
    return at


@fault(with_standby(waits=True))
def promote_sync(stage, number):
    """The primary is lost, and a standby takes over that has been waited for with each commit."""
    return _promote(stage)


@fault(with_standby(waits=False), may_lose=True)
def promote_async(stage, number):
    """The primary is lost, and a standby takes over that nobody has waited for."""
    return _promote(stage)


def _promote(stage):
    stage.pair.follow()
    stage.crew.wait_until_at_work(time.monotonic())
    time.sleep(0.5)  # of readers at work under what is tried
    at = stage.pair.promote()
    stage.cluster = stage.pair.primary
    return at


@fault(with_servers(1, timeout=5.0))
def freeze(stage, number):
    """All of PostgreSQL stands still for ten seconds."""
    with frozen(stage.cluster):
        time.sleep(10)
    return time.monotonic()


@fault(with_link)
def link_cut(stage, number):
    """Nothing passes between server and database for four seconds, and nobody is told."""
    with stage.link.deaf():
        time.sleep(4)
    return time.monotonic()


@fault(with_link)
def link_slow(stage, number):
    """All that the database says comes 50 ms later, for three seconds."""
    stage.link.delay = 0.05
    time.sleep(3)
    stage.link.delay = 0.0
    return time.monotonic()


@fault(with_link)
def link_reset(stage, number):
    """All connections between server and database are reset."""
    stage.link.cut(hard=True)
    return time.monotonic()


@fault(with_servers(1, "max_connections=40", timeout=5.0))
def pool(stage, number):
    """All connections that the database has are taken by others for three seconds, those of the server too."""
    ours = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name_of(0)}'"
    with ExitStack() as taken:
        first = taken.enter_context(psycopg.connect(stage.cluster.url(), autocommit=True))
        until = time.monotonic() + 20
        while first.execute(ours).fetchall() or len(processes_of(stage.cluster)) < 40:
            assert time.monotonic() < until, "the server has always had a connection"
            with suppress(psycopg.OperationalError):
                while True:
                    taken.enter_context(psycopg.connect(stage.cluster.url()))
        time.sleep(3)
    return time.monotonic()


@fault(on_small_disk)
def disk_full(stage, number):
    """There is no room left on the disk of the database for three seconds."""
    filler = stage.disk / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
    time.sleep(3)
    filler.unlink()
    if not is_there(stage.cluster.pid or 0):  # without room for its log it has ended, and whoever runs it starts it
        stage.cluster.start()
    return time.monotonic()


@fault(with_servers(1, timeout=5.0))
def read_only(stage, number):
    """The database takes nothing for a second."""
    stage.cluster.ask("ALTER SYSTEM SET default_transaction_read_only = on")
    stage.cluster.ask("SELECT pg_reload_conf()")
    time.sleep(1)
    stage.cluster.ask("ALTER SYSTEM RESET default_transaction_read_only")
    stage.cluster.ask("SELECT pg_reload_conf()")
    return time.monotonic()


def _wrong_times(stage, _history):
    stage.servers[1].stop()
    now = time.time()
    [(times,)] = stage.ask(
        "SELECT count(*) FROM readings"
        " WHERE extract(epoch FROM recorded_at::timestamptz) NOT BETWEEN %s AND %s"
        "    OR extract(epoch FROM read_at::timestamptz) NOT BETWEEN %s AND %s",
        *(stage.began_at - 2, now + 2, stage.began_at - 2, now + 2),
    )
    [(leases,)] = stage.ask("SELECT count(*) FROM leases WHERE until NOT BETWEEN %s AND %s", now, now + 1802)
    return f"{times} wrong times, {leases} wrong leases"


@fault(with_servers(2), extra=_wrong_times)
def clock(stage, number):
    """One of two servers comes back with its clock an hour off, one way or the other."""
    assert _FAKETIME.exists(), "to change a clock needs: apt-get install --no-install-recommends libfaketime"
    stage.servers[1].stop()  # by SIGTERM, as libfaketime leaves files behind when it is killed
    at = time.monotonic()
    stage.start(
        1,
        LD_PRELOAD=str(_FAKETIME),
        FAKETIME="-1h" if number % 2 else "+1h",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    time.sleep(2)
    return at


_frozen_times = []


def _waits_of_the_others(_stage, history):
    """Say how long those waited who were at the other server than the one that was frozen."""
    longest = 0.0
    for place, since, until in _frozen_times:
        waits = [wait for wait in history.waits() if wait.server != place and wait.until > since and wait.since < until]
        longest = max(longest, *(wait.seconds for wait in waits))
    _frozen_times.clear()
    return f"longest wait at the other server {longest:.2f} s"


@fault(with_servers(2), extra=_waits_of_the_others)
def frozen_server(stage, number):
    """One of two servers stands still for eight seconds, in the middle of a transaction."""
    place = number % 2
    server = stage.servers[place]
    until = time.monotonic() + 20
    while True:
        server.send(signal.SIGSTOP)
        time.sleep(0.01)  # what it has sent is done by then
        found = stage.ask(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND state LIKE 'idle in%%'"
            " AND backend_xid IS NOT NULL",
            name_of(place),
        )
        if found:
            break
        server.send(signal.SIGCONT)
        assert time.monotonic() < until, "it is never found in the middle of a transaction"
        time.sleep(0.02)
    since = time.monotonic()
    time.sleep(8)
    server.send(signal.SIGCONT)
    _frozen_times.append((place, since, time.monotonic()))
    return time.monotonic()
