"""The manager: the calls of a reader's round, in one object.

It knows nothing of networks: call it from your own code. All its calls may be made from any thread.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from metermt.calls import finding, found, left, notes, readings, reasons, rounds, sessions
from metermt.calls.desk import Desk
from metermt.demo import add_town
from metermt.errors import Error
from metermt.fieldnotes import Reason
from metermt.model import Answer, Job, Status
from metermt.policy import Policy
from metermt.progress import RouteCounts
from metermt.stops import Found, OwnReading, Stop
from metermt.store.base import Store
from metermt.store.memory.store import MemoryStore


class Manager:
    """The four calls of the original service, and what else a reader's round needs. What each does stands in `calls`.

    `Manager()` keeps everything in memory, and knows the users and the meters of a made-up town (see `metermt.demo`).
    `Manager(store)` works on what is in the store. `clock` returns seconds since 1970; it is the store's own unless
    told otherwise. All calls but `login` raise `SessionError` for a session id that is unknown or has expired.
    """

    def __init__(
        self, store: Store | None = None, *, policy: Policy | None = None, clock: Callable[[], float] | None = None
    ) -> None:
        self.desk = Desk(store or MemoryStore(), policy, clock=clock)
        if store is None:
            add_town(self.desk)

    def login(self, username: str, password: str) -> tuple[str, str]:
        """Let a user in; return the session id and the user's full name. Raises `LoginError`."""
        welcome = self.desk.ask(sessions.login, sessions.Login(username, password))
        return welcome.session_id, welcome.full_name

    def get_job(self, session_id: str) -> str | None:
        """Return the number of the meter to read next, None when all are read or being read."""
        return self.desk.ask(rounds.get_job, None, session_id)

    def submit_reading(
        self,
        session_id: str,
        meter: str,
        when: datetime | str | None,
        reading: int | None,
        reason: str = "",
        key: str | None = None,
        cycle: str | None = None,
    ) -> None:
        """Accept a reading, or a reason why there is none.

        `when` is a `datetime` or an ISO 8601 text, in this machine's local time if it has no offset; None is now.
        `reading` is a whole number from 0 in the register's units, or -1 when there is only a reason. `key` is unique
        to this submission; sending it again returns without doing anything twice. `cycle` is that of the job;
        without it the reading is for the job that this reader was handed last. Raises `SubmissionError`, and then
        nothing was changed.
        """
        self.desk.ask(readings.submit_reading, Answer(meter, reading, reason, when, key, cycle), session_id)

    def get_status(self, session_id: str) -> Status:
        """Return how many meters of the open cycles this user has read, and all have."""
        return self.desk.ask(readings.get_status, None, session_id)

    def next_job(self, session_id: str) -> Job | None:
        """Return the job to do next, None when all are done or in other hands."""
        return self.desk.ask(rounds.next_job, None, session_id)

    def why_no_job(self, session_id: str) -> left.Left:
        """Return what is left to be read, for a reader who was given no job."""
        return self.desk.ask(left.why_no_job, None, session_id)

    def get_jobs(self, session_id: str, n: int) -> list[Job]:
        """Return up to `n` jobs, to be read where there is no network. Raises `CallError` unless it is 1 to 1,000."""
        return self.desk.ask(rounds.get_jobs, rounds.JobsWanted(n), session_id)

    def skip_job(self, session_id: str, meter: str, cycle: str | None = None) -> None:
        """Leave a job for later. Raises `SubmissionError`."""
        self.desk.ask(rounds.skip_job, rounds.Skipped(meter, cycle), session_id)

    def count_route(self, session_id: str, job: Job) -> RouteCounts:
        """Return how far the route of a job is, in the cycle of that job. Raises `RouteError`."""
        return self.desk.ask(finding.count_route, finding.RouteOf(job.cycle, job.route), session_id)

    def list_ahead(self, session_id: str, n: int) -> list[Stop]:
        """Return the first `n` jobs ahead. Raises `CallError` unless it is 1 to 1,000."""
        return self.desk.ask(finding.list_ahead, finding.Most(n), session_id)

    def find_meters(self, session_id: str, text: str) -> Found:
        """Find jobs by a part of the meter's number or of its address. Raises `CallError` for an empty text."""
        return self.desk.ask(finding.find_meters, finding.Sought(text), session_id)

    def my_readings(self, session_id: str, n: int) -> list[OwnReading]:
        """Return what this reader has read last, up to `n`. Raises `CallError` unless it is 1 to 1,000."""
        return self.desk.ask(finding.my_readings, finding.Most(n), session_id)

    def submit_and_next(self, session_id: str, answer: Answer) -> readings.Next:
        """Accept an answer; return the status and the next job, all in one step. Raises `SubmissionError`."""
        return self.desk.ask(readings.submit_and_next, answer, session_id)

    def submit_readings(self, session_id: str, answers: Sequence[Answer]) -> list[Error | None]:
        """Accept many answers in one step; return the error of each, or None when it was accepted."""
        return self.desk.ask(readings.submit_readings, readings.Answers(list(answers)), session_id)

    def list_reasons(self, session_id: str) -> list[Reason]:
        """Return the reasons why a meter may not be read, in order: the number of each is its place, from 1."""
        return self.desk.ask(reasons.list_reasons, None, session_id)

    def leave_note(self, session_id: str, meter: str, text: str) -> None:
        """Leave a note of up to 200 characters about a meter's place. Raises `UnknownMeter` or `InvalidReport`."""
        self.desk.ask(notes.leave_note, notes.Noted(meter, text), session_id)

    def report_found(
        self, session_id: str, number: str, kind: str, dials: int | None, reading: int | None, where: str
    ) -> None:
        """Tell of a meter that is on no list; None for what cannot be seen of it. Raises `InvalidReport`."""
        self.desk.ask(found.report_found, found.FoundMeter(number, kind, dials, reading, where), session_id)

    def logout(self, session_id: str) -> None:
        """End a session. What it holds is free for everybody."""
        self.desk.ask(sessions.logout, None, session_id)
