"""The stage of scripts that look at a server: made-up users and meters, and a server in a process of its own."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from argon2 import PasswordHasher

ROOT = Path(__file__).parents[1]
sys.path.extend(str(ROOT / "tests" / part) for part in ("", "support"))
from conftest import make_account, make_jobs  # noqa: E402
from servers import METERMT_SERVE, ServerProcess, make_database  # noqa: E402

from metermt.model import Account, Role  # noqa: E402

MOST_METERS = 99_999
_TOLD = 4000  # characters of a log


def accounts(names: Iterable[str], role: Role = Role.READER, password_hash: str | None = None) -> list[Account]:
    """Make up users. Their passwords are their names, hashed so cheaply that a login costs next to nothing."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return [make_account(name, None, password_hash or hasher.hash(name), role) for name in names]


@contextmanager
def staged(users: Iterable[Account], meters: int, *options: object) -> Iterator[ServerProcess]:
    """Let a server run with these users, so many meters (99,999 at most) and these options until the block ends."""
    with TemporaryDirectory() as folder:
        database = make_database(Path(folder) / "metermt.db", users, make_jobs(min(MOST_METERS, meters)))
        with ServerProcess(folder, "--database", database, *options, command=METERMT_SERVE) as server:
            yield server


def faults_of(server: ServerProcess) -> list[str]:
    """Return what a server has logged from its first error on, if there is one, or if it does not run any more."""
    complaints = server.complaints
    if server.runs and "Traceback" not in complaints and " ERROR " not in complaints:
        return []
    begins = max(0, complaints.find(" ERROR "))  # what comes before is usual
    return ["the server has logged: " + complaints[begins : begins + _TOLD]]
