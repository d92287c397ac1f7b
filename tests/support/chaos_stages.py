"""What faults are made on: servers, a link that can be cut, a small disk, a primary with a standby."""

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chaos_stage import (
    Link,
    Stage,
    kill_all,
    lasting_port,
    remove,
    steady_cluster,
)
from postgres import Cluster


def with_servers(number, *settings, timeout=10.0):
    """Return what makes a stage with so many servers, on a cluster that has these settings if it is made for it."""

    @contextmanager
    def stage(folder, cluster=None):
        with ExitStack() as stack:
            cluster = cluster or stack.enter_context(steady_cluster(*settings))
            yield stack.enter_context(Stage(folder, cluster, servers=number, timeout=timeout))

    return stage


@contextmanager
def with_link(folder, cluster=None):
    """A stage with one server, whose link to the database is `stage.link`."""
    with ExitStack() as stack:
        cluster = cluster or stack.enter_context(steady_cluster())
        link = stack.enter_context(Link(cluster.port))
        there = Stage(folder, cluster, timeout=5.0, url=lambda database: cluster.url(database, link.port))
        there.link = link
        yield stack.enter_context(there)


@contextmanager
def on_small_disk(folder, cluster=None):
    """A stage whose cluster is on a disk of its own, `stage.disk`, which is soon full."""
    assert os.geteuid() == 0, "only root can mount a disk: run this as root"
    with ExitStack() as stack:
        disk = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="metermt-disk-")))
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "tmpfs", disk], check=True)
        stack.callback(subprocess.run, ["umount", disk], check=True)
        settings = "max_wal_size=64MB", "min_wal_size=32MB", "shared_buffers=16MB", "log_min_messages=panic"
        cluster = stack.enter_context(steady_cluster(*settings, parent=disk))
        there = stack.enter_context(Stage(folder, cluster, timeout=5.0))
        there.disk = disk
        yield there


class Pair:
    """Two clusters, of which one is in charge, and the other has all that it has and could take over."""

    def __init__(self, *, waits):
        """`waits` tells whether what is kept is kept by both of them before anybody is told so."""
        self._waits = waits
        self.primary, self.standby = (Cluster(name="metermt-chaos-") for _ in range(2))
        self._ports = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        self._link = Link(self.primary.port)  # which the standby follows the primary by
        self.primary.start()

    def url(self, database):
        return f"postgresql://metermt@{self._ports}/{database}?target_session_attrs=read-write"

    def follow(self):
        """Let the standby begin anew from what the primary has."""
        shutil.rmtree(self.standby.data)
        source = f"host=127.0.0.1 port={self.primary.port} user=metermt application_name=standby"
        self.standby._do("pg_basebackup", "-d", source, "-D", self.standby.data, "-R", "-c", "fast", "--no-sync")
        self._link.server_port = self.primary.port
        with (self.standby.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = '{source.replace(str(self.primary.port), str(self._link.port))}'\n")
        self.standby.start()
        self._wait_for("state = 'streaming'")
        if self._waits:
            self.primary.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
            self.primary.ask("SELECT pg_reload_conf()")
            self._wait_for("sync_state = 'sync'")

    def promote(self):
        """Kill the primary, and let the other take its place; return when that is in charge.

        The other one is a tenth of a second behind then, as one that is far away may be.
        """
        with self._link.deaf():
            time.sleep(0.1)
            kill_all(self.primary)
            self._link.cut(hard=True)
        self.standby._do("pg_ctl", "promote", "-w", "-D", self.standby.data)
        at = time.monotonic()
        # What it leaves in shared memory is removed by its next start only; on another port, as nobody may meet it.
        self.primary.start(f"port={lasting_port()}")
        self.primary.stop()
        self.primary, self.standby = self.standby, self.primary
        return at

    def _wait_for(self, what):
        until = time.monotonic() + 30
        while not self.primary.ask(f"SELECT 1 FROM pg_stat_replication WHERE {what}"):
            assert time.monotonic() < until, f"the standby does not come to {what}"
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._link.close()
        remove(self.standby)
        remove(self.primary)


def with_standby(*, waits):
    @contextmanager
    def stage(folder, cluster=None):
        with Pair(waits=waits) as pair, Stage(folder, pair.primary, url=pair.url) as there:
            there.pair = pair
            yield there

    return stage
