"""What the server has for the reader. These calls take a while: the runner makes them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from metermt.client.client import MeterClient
from metermt.errors import Error, OutboxError
from metermt.fieldnotes import Reason
from metermt.model import Answer, Job, Status
from metermt.progress import RouteCounts


class Next(NamedTuple):
    """The next job, and how far the work is."""

    job: Job | None
    status: Status
    end: str
    """Why there is no job, in words."""
    counts: RouteCounts | None = None
    """How far the route of the job is, None if the job is on none."""


class Beginning(NamedTuple):
    """What a reader begins with."""

    following: Next
    kept: Sequence[Answer]
    """What they have typed here before, and the server has not accepted."""
    reasons: Sequence[Reason] | None
    """The office's list; None where the server does not tell it, as older ones do not."""


def begin(client: MeterClient) -> Beginning:
    """Ask a server for a job and for the reasons, and look for what was kept."""
    following = find(client)
    kept: list[Answer] = []
    with suppress(OutboxError):  # told when something is to be kept
        kept = client.outbox.unconfirmed()
    reasons = None
    with suppress(Error):  # those of before do meanwhile, and free text always does
        reasons = client.list_reasons()
    return Beginning(following, kept, reasons)


def find(client: MeterClient) -> Next:
    """Ask a server for a job."""
    return _next(client, client.get_job(), client.get_status())


def send(client: MeterClient, answer: Answer) -> Next:
    """Send an answer, and ask for the job that follows it."""
    following = client.submit_and_next(answer)
    return _next(client, following.job, following.status)


def _next(client: MeterClient, job: Job | None, status: Status) -> Next:
    if job is None:
        return Next(None, status, client.why_no_job_in_words())
    return Next(job, status, "", _counts_of(client, job))


def _counts_of(client: MeterClient, job: Job) -> RouteCounts | None:
    """Return how far the route of a job is; None also where the server does not say: what came before has been done."""
    with suppress(Error):
        return client.count_route(job) if job.route else None
    return None
