"""`python -m bench.memory`: MeterMT's server on the store in memory."""

import signal

from bench.databases import CYCLE, accounts
from bench.peers.program import announce, options
from metermt.calls.asking import Caller
from metermt.calls.desk import Desk
from metermt.calls.routes import Import, import_jobs
from metermt.model import Job, Meter, Role
from metermt.store.memory.store import MemoryStore
from metermt.transport.server import MeterServer

_METERS = 60_000  # as many as the other servers have


def main() -> None:
    chosen = options()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    desk = Desk(MemoryStore())
    desk.store.write(lambda tx: tx.accounts.put(accounts()))
    jobs = [Job(Meter(f"W{n:07}", "W", 5), CYCLE, f"W{n // 250:05}", n % 250) for n in range(_METERS)]
    desk.ask(import_jobs, Import(CYCLE, jobs), caller=Caller(role=Role.ADMIN))
    server = MeterServer(desk, "127.0.0.1", 0)
    server.start()
    announce(chosen.notify, server.port)
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main()
