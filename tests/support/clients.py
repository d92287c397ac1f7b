"""What tests of clients say and look at."""

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from readers import readings_in
from stalls import lateness

YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).isoformat()  # for servers that go by the clock of this machine
LATE = 0.5  # seconds that a call may end after its deadline, and four times what a busy machine takes longer


def meter_of(client):
    """Ask for a job; return the number of its meter."""
    return client.get_job().meter.number


def read_in(store):
    """Return the meters and values of all readings, those that count and those that do not."""
    return sorted((reading.answer.meter, reading.answer.value) for reading in readings_in(store))


@contextmanager
def ends_after(seconds, *, earliest=None):
    """Check that the block takes so long, and no longer than a busy machine explains."""
    with lateness() as late:
        started = time.monotonic()
        yield
        took = time.monotonic() - started
    assert (seconds - 0.1 if earliest is None else earliest) <= took <= seconds + LATE + 4 * late()


def ends_by(seconds):
    return ends_after(seconds, earliest=0)
