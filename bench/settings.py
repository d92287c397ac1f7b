"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The sizes of all measurements. The defaults are those of a whole run; times are seconds."""

    runs: int = 5
    clients: tuple[int, ...] = (1, 8, 64)
    seconds: float = 1.0  # that each number of clients is measured for, in each run, for each system
    meters: int = 60_000  # unread, in the database that rounds are run on
    stored: tuple[int, ...] = (0, 10_000, 1_000_000)  # readings that are there already
    calls: int = 60  # of each kind in each run, where single calls are timed
    bulk: int = 100_000  # readings in a bulk submission
    imported: int = 1_000_000  # meters in an import
    imports: int = 3  # runs of that
    idle: int = 1_000  # connections that say nothing
    logins: int = 200  # at once
    company: int = 32  # readers whom others disturb
    ahead: int = 50  # readers with jobs leased ahead
    ahead_each: int = 1_000  # jobs that each of them has
    starts: int = 7  # of a server, and of a console


QUICK = Settings(
    runs=1,
    clients=(2,),
    seconds=0.05,
    meters=1_000,
    stored=(0, 100),
    calls=5,
    bulk=1_000,
    imported=500,
    imports=1,
    idle=20,
    logins=5,
    company=2,
    ahead=5,
    ahead_each=50,
    starts=1,
)
"""Enough to see that everything works and roughly where it stands."""
