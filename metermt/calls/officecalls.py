"""The calls of the office as methods, for whatever makes calls: a client of a server, or a command on a database."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime

from metermt.audit import Shown, Verified
from metermt.billing import BatchHead, BillingLine
from metermt.calls import (
    accounts,
    audit,
    batches,
    cycles,
    erasing,
    estimating,
    exchanges,
    found,
    limits,
    meters,
    notes,
    opening,
    progress,
    reasons,
    replay,
    report,
    review,
    routes,
    settings,
    unread,
    walks,
)
from metermt.calls.making import MakesCalls
from metermt.calls.table import in_parts
from metermt.decisions import Setting, Waiting
from metermt.errors import Error
from metermt.fieldnotes import Found, Note, Reason
from metermt.model import Assignment, Place
from metermt.names import new_key
from metermt.progress import RouteProgress, Unread, Work
from metermt.report import Report
from metermt.rules.consumption import Exchange


class OfficeCalls(MakesCalls):
    """What supervisors and admins can have done. Each raises `RoleError` for whoever may not."""

    def list_reasons(self) -> list[Reason]:
        """Return the reasons in use, in order: the number of each is its place, from 1. Anybody may ask for them."""
        return self.call(reasons.list_reasons, None)

    def exchange_meter(self, exchange: exchanges.MeterExchange) -> exchanges.Exchanged:
        """Hang another device up at the place of a meter; return which of its jobs are to be read there.

        A reader may where the old one is to be read and nobody else holds it. Raises `UnknownMeter`, `MeterExchanged`,
        `InvalidReport` or `RouteError`.
        """
        return self.call(exchanges.exchange_meter, exchange)

    # --- for supervisors

    def list_routes(self) -> list[RouteProgress]:
        """Return how far each route of the open cycles is, sorted."""
        return self.call(routes.list_routes, None)

    def list_missing(self, cycle: str | None = None, route: str | None = None) -> list[Unread]:
        """Return the meters that are not read, or were missed, by cycle, route, sequence and number.

        Those of all open cycles, or of one cycle, open or closed; of all routes, or of one. Raises `RouteError` if
        there is no such cycle or route.
        """
        left: list[Unread] = []
        while part := self.call(unread.list_missing, unread.Missing(cycle, left[-1] if left else None, route)):
            left += part
        return left

    def release_jobs(
        self,
        *,
        route: str | None = None,
        meter: str | None = None,
        username: str | None = None,
        cycle: str | None = None,
    ) -> int:
        """Let others read what somebody holds of a route, one meter, or all that a reader holds: name one of the three.

        In all open cycles, or in one. Returns how many jobs there were. Who held one may send its reading all the same,
        until somebody else is handed it. Raises `RouteError`, `UserError`, or `CallError` unless one is named.
        """
        return self.call(unread.release_jobs, unread.Release(route, meter, username, cycle))

    def list_cycles(self) -> list[cycles.CycleProgress]:
        """Return all cycles in order, with how far the routes of the open ones are, and what became of the others."""
        return self.call(cycles.list_cycles, None)

    def show_progress(self, cycle: str | None = None) -> Work:
        """Return how far the routes of the open cycles are, or of one, and what readers have done today.

        Ask every few seconds at most: it counts the jobs. Raises `RouteError` if there is no such open cycle.
        """
        return self.call(progress.show_progress, progress.ProgressOf(cycle))

    def make_report(self, cycle: str) -> Report:
        """Return what became of a cycle, open or closed. Raises `RouteError` if there is no such cycle."""
        return self.call(report.make_report, cycles.Cycle(cycle))

    def assign_route(self, route: str, usernames: Iterable[str], *, reverse: bool = False) -> None:
        """Give a route to readers, with `reverse` from its end: they get its jobs, nobody else does, and no others.

        Raises `RouteError` if no meter is on such a route, `UserError` if there is no such user.
        """
        self.call(walks.assign_route, walks.Assigning(route, list(usernames), reverse))

    def unassign_route(self, route: str, usernames: Iterable[str]) -> None:
        """Take a route from readers; what they hold of it they may still read. Raises `RouteError` or `UserError`."""
        self.call(walks.unassign_route, walks.Assigning(route, list(usernames)))

    def list_assignments(self) -> list[Assignment]:
        """Return which routes are given to whom, sorted by route and user name."""
        return self.call(walks.list_assignments, None)

    def list_notes(self) -> list[Note]:
        """Return what readers have left about places, in the order of its arrival."""
        left: list[Note] = []
        while part := self.call(notes.list_notes, notes.Notes(len(left))):
            left += part
        return left

    def list_found(self) -> list[Found]:
        """Return the reports of meters that are on no list, and not decided on yet, in the order of their arrival."""
        there: list[Found] = []
        while part := self.call(found.list_found, found.FoundMeters(there[-1].id if there else 0)):
            there += part
        return there

    def accept_found(self, accepting: found.Accepting) -> Place:
        """Have a meter that was found be read from the next cycle on; return its place.

        Raises `DecisionError` if there is no such report or it was decided, `RouteError` if the meter cannot be so.
        """
        return self.call(found.accept_found, accepting)

    def dismiss_found(self, number: int, why: str) -> None:
        """Leave a report of a meter at that. Raises `DecisionError`."""
        self.call(found.dismiss_found, found.Dismissing(number, why))

    def list_exchanges(self) -> list[Exchange]:
        """Return all exchanges in the order in which they were told."""
        there: list[Exchange] = []
        while part := self.call(exchanges.list_exchanges, exchanges.Exchanges(len(there))):
            there += part
        return there

    def add_meter(self, place: Place) -> None:
        """Put a meter up at a new place. Raises `RouteError` if it is known already."""
        self.call(meters.add_meter, place)

    def show_meter(self, meter: str) -> meters.MeterShown:
        """Return all that is known of the place of a meter. Raises `UnknownMeter` or `MeterExchanged`."""
        return self.call(meters.show_meter, meters.Named(meter))

    def switch_meter(self, meter: str, *, active: bool) -> meters.Unread:
        """Take a meter out of use, or into use again; return what became of its unread jobs.

        Raises `UnknownMeter` or `MeterExchanged`.
        """
        return self.call(meters.switch_meter, meters.Switching(meter, active))

    def move_meter(self, meter: str, route: str, sequence: int) -> meters.Unread:
        """Give a meter another stop on a route, along with its unread jobs, whose cycles are returned.

        Raises `RouteError`, `UnknownMeter` or `MeterExchanged`.
        """
        return self.call(meters.move_meter, meters.Moving(meter, route, sequence))

    def replay_limits(self, sensitivity: float, cycles: Iterable[str] = ()) -> list[replay.Replayed]:
        """Tell how many readings another sensitivity would have asked about, in the last three cycles or in these.

        Raises `SettingError` or `RouteError`.
        """
        return self.call(replay.replay_limits, replay.Replay(sensitivity, list(cycles)))

    def list_settings(self) -> list[Setting]:
        """Return what was ever set, oldest first; the last one of a name is in force."""
        return self.call(settings.list_settings, None)

    def list_waiting(self) -> list[Waiting]:
        """Return all results that wait for a decision, in the order in which their jobs were made."""
        waiting: list[Waiting] = []
        after: int | None = 0
        while after is not None:
            page = self.call(review.list_waiting, review.Reviewed(after))
            waiting += page.waiting
            after = page.after
        return waiting

    def decide(self, decisions: Iterable[review.Said]) -> list[Error | None]:
        """Decide on results, 1,000 in one step; return of each its error, or None when it is decided."""
        parts = in_parts(decisions)
        return [outcome for part in parts for outcome in self.call(review.decide, review.Decisions(part))]

    def estimate(self, readings: Iterable[int]) -> list[estimating.Outcome]:
        """Have values computed instead of results that wait, which are named by the numbers of their readings.

        Returns each, or its error: `DecisionError`, or `CannotEstimate`.
        """
        asked = map(estimating.Estimating, in_parts(readings))
        return [outcome for part in asked for outcome in self.call(estimating.estimate_readings, part)]

    def estimate_unread(self, cycle: str, meters: Iterable[str], on: date | None = None) -> list[estimating.Outcome]:
        """Have values computed for meters of a cycle that nobody has read; return each, or its error.

        For the day `on`; None for the day by which the cycle is due, or 30 days after its first day, but no later than
        today. Raises `RouteError` if there is no such cycle.
        """
        asked = [estimating.Estimating([], cycle, part, on) for part in in_parts(meters)]
        return [outcome for part in asked for outcome in self.call(estimating.estimate_readings, part)]

    def correct_reading(
        self,
        meter: str,
        value: int,
        why: str,
        cycle: str | None = None,
        on: date | None = None,
        *,
        sure: bool = True,
    ) -> cycles.Cycle:
        """Have another value count for a meter, of the latest cycle in which it has a job, or of another one.

        `on` is the day on which it was read, None for that of what counted so far, or today. Billing is told when the
        old value was in a batch. Returns the cycle. Raises `UnknownMeter` or `DecisionError`, and `ConfirmReading` if
        you are not `sure` and a reader would be asked about the value.
        """
        return self.call(review.correct_reading, review.Correction(meter, value, why, cycle, on, sure))

    def give_up_reread(self, meter: str, why: str, cycle: str | None = None) -> cycles.Cycle:
        """End the job of a meter that is to be read again without a value; return its cycle. Raises `DecisionError`."""
        return self.call(review.give_up_reread, review.GivingUp(meter, why, cycle))

    def make_batch(self, layout: str, text: str, cycle: str | None = None, route: str | None = None) -> BatchHead:
        """Give billing what is settled and was in no batch, of one cycle or route, or of all.

        The name and the TOML text of its layout are kept with the batch. If the answer is lost it may be asked for
        once more, by itself, and is made once. Raises `DecisionError` if there is nothing to give, or somebody else is
        making one; `RouteError` if there is no such cycle or route.
        """
        return self.call(batches.make_batch, batches.Batching(layout, text, cycle, route, new_key()))

    def list_batches(self) -> list[batches.Batch]:
        """Return what billing was given, in order."""
        return self.call(batches.list_batches, None)

    def batch_lines(self, batch: int) -> Iterator[BillingLine]:
        """Yield the lines of a batch, in order. Raises `DecisionError` if there is no such batch."""
        after = 0
        while part := self.call(batches.batch_lines, batches.Lines(batch, after)):
            yield from part
            after = part[-1].number

    def batch_layout(self, batch: int) -> str:
        """Return the TOML text of the layout of a batch. Raises `DecisionError` if there is no such batch."""
        return self.call(batches.batch_layout, batches.Lines(batch))

    def held_back(self, cycle: str | None = None, route: str | None = None) -> list[batches.HeldBack]:
        """Return what billing is told nothing of yet, of one cycle; or of the open ones, the last closed one, and any
        other in which something is not settled.

        Raises `RouteError` if there is no such cycle or route.
        """
        return self.call(batches.held_back, batches.Scope(cycle, route))

    # --- for admins

    def set_sensitivity(self, sensitivity: float) -> None:
        """Have readings asked about sooner, or later, in cycles that are opened from now on. Raises `SettingError`."""
        self.call(settings.set_sensitivity, settings.Sensitivity(sensitivity))

    def renew_limits(self, cycle: str) -> limits.Renewed:
        """Judge the unread meters of an open cycle by what is known by now. Raises `RouteError`."""
        return self.call(limits.renew_limits, limits.Renewal(cycle))

    def add_reason(self, code: str, text: str, *, wants_reread: bool = False, allows_reading: bool = True) -> None:
        """Add a reason at the end of the list, or one that was retired at its old place.

        Raises `ReasonError` if it is malformed, or its code or its text is that of one in use.
        """
        self.call(reasons.add_reason, Reason(code, text, wants_reread, allows_reading))

    def retire_reason(self, code: str) -> None:
        """Take a reason off the list; readings that have it keep it. Raises `ReasonError` if there is none in use."""
        self.call(reasons.retire_reason, reasons.Retiring(code))

    def open_cycle(self, cycle: str, routes: Iterable[str] = (), due: date | None = None) -> opening.Opened:
        """Have all active meters read, or those on some routes, that have no job in the cycle yet, by the day `due`.

        Raises `RouteError` if the cycle was closed, or if there is no such route or meter.
        """
        return self.call(opening.open_cycle, opening.Opening(cycle, list(routes), due))

    def close_cycle(self, cycle: str, *, force: bool = False) -> int:
        """Close a cycle. With `force` what was not read is missed, and handed out no more; returns how many jobs.

        Raises `RouteError` if there is no such open cycle, or if meters are not read and it is not forced.
        """
        return self.call(cycles.close_cycle, cycles.Closing(cycle, force))

    def reopen_cycle(self, cycle: str) -> int:
        """Open a closed cycle again: what was missed is to be read. Returns how many jobs are open again.

        Raises `RouteError` if there is no such cycle, or it is open.
        """
        return self.call(cycles.reopen_cycle, cycles.Cycle(cycle))

    def remove_cycle(self, cycle: str) -> int:
        """Remove a cycle in which nothing was read, open or closed, with its jobs; returns how many these were.

        Raises `RouteError` if there is no such cycle, or there are readings in it.
        """
        return self.call(cycles.remove_cycle, cycles.Cycle(cycle))

    def remove_jobs(self, cycle: str, meters: Iterable[str]) -> None:
        """Take meters that were not read out of an open cycle, whoever holds them; a reading sent later is refused.

        Raises `RouteError`, and removes nothing, if the cycle is closed, or one of them was read or is not in it.
        """
        self.call(routes.remove_jobs, routes.Removal(cycle, list(meters)))

    def audit_entries(self, subject: str | None = None, since: datetime | None = None) -> Iterator[Shown]:
        """Yield the entries of the record in the order of their chain, those from a moment on.

        All of them, or those about a meter, cycle, route or batch, or by or about a user. What was done in the last
        seconds is not among them yet.
        """
        after = 0
        while part := self.call(audit.list_entries, audit.Entries(after, subject, since)):
            yield from part
            after = part[-1].place

    def verify_audit(self, noted: str | None = None) -> Verified:
        """Tell whether the record is as it was written, and has the entry whose hash was noted, if any was."""
        return self.call(audit.verify_audit, audit.Verifying(noted))

    def erase_user(self, username: str) -> str:
        """Replace the name of somebody who is disabled by a pseudonym, for ever; return that. Raises `UserError`."""
        return self.call(erasing.erase_user, accounts.Username(username))
