"""A reader's round: which meter to read next."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.meant import JobsMeant
from metermt.calls.table import call, call_of_many
from metermt.calls.turn import Turn
from metermt.errors import AlreadyRead, CallError, Error
from metermt.model import Answer, Job, Lease, Role, Walk
from metermt.rules.handout import Wish, lent_until, shared_out
from metermt.rules.looks import with_expected
from metermt.rules.standings import check_fits
from metermt.rules.times import day_of
from metermt.rules.walks import next_walk
from metermt.store.gathered import KnownJob, Offer

_log = logging.getLogger("metermt.server")

_ALL = 10**9  # jobs: more than there are
_FEW = 20  # jobs; who wants more is not answered in a turn with others


@dataclass(frozen=True, slots=True)
class JobsWanted:
    """So many jobs at most, to be read where there is no network."""

    n: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A job that its reader leaves for later: the meter's number, and the cycle, None when the client does not say."""

    meter: str
    cycle: str | None = None


@call_of_many(Role.READER, Weight.WRITE, parameters={})
def get_job(turn: Turn, asks: Sequence[Ask[None]]) -> Sequence[str | Error | None]:
    """Return the number of the meter to read next, None when all are read or being read. See `next_job`."""
    return [share[0].meter.number if share else None for share in _hand_out(turn, [ask.wish(1) for ask in asks])]


@call_of_many(Role.READER, Weight.WRITE)
def next_job(turn: Turn, asks: Sequence[Ask[None]]) -> Sequence[Job | Error | None]:
    """Return the job to do next, None when all are done or in other hands. Asking twice gives the same.

    It is the one that this session still holds; else one that the reader holds by a session that nobody is connected
    with any more; else the next one on the route that they walk (see `metermt.rules.walks`). It stays with the session
    for 30 minutes from now, or on a route that was given to them till the end of the day, unless `Policy` says
    otherwise.
    """
    return [share[0] if share else None for share in _hand_out(turn, [ask.wish(1) for ask in asks])]


@call_of_many(Role.READER, Weight.WRITE, is_large=lambda request: request.n > _FEW)
def get_jobs(turn: Turn, asks: Sequence[Ask[JobsWanted]]) -> Sequence[list[Job] | Error]:
    """Return up to `n` jobs, to be read where there is no network, as `next_job` does. `n` is from 1 to 1,000."""
    shares = iter(_hand_out(turn, [ask.wish(ask.request.n) for ask in asks if _can_be(ask.request)]))
    return [
        next(shares) if _can_be(ask.request) else CallError(f"Ask for 1 to {MAX_ITEMS} jobs at once") for ask in asks
    ]


@call(Role.READER, Weight.WRITE)
def skip_job(turn: Turn, ask: Ask[Skipped]) -> None:
    """Leave a job for later: it is handed out again when nothing else is left on its route.

    Raises `UnknownMeter` or `UnknownCycle` if there is no such job, `CycleClosed` or `MeterExchanged` if there is none
    any more, `AlreadyRead` or `MeterLeased` if it is somebody else's or read.
    """
    answer, username = Answer(ask.request.meter, cycle=ask.request.cycle), ask.reader.username
    standings = turn.tx.rounds.standings([answer.meter])
    standing = JobsMeant(turn, standings, [(username, answer)]).job_for(username, answer)
    check_fits(standing, answer, username, turn.now)
    if standing.is_done:
        who = "You have" if standing.read_by else "The office has"
        raise AlreadyRead(f"{who} read meter {standing.meter} this cycle", username=standing.read_by)
    turn.tx.rounds.skip([standing.job])


def handed_out(turn: Turn, wishes: Sequence[Wish], offer: Offer) -> tuple[list[list[Job]], list[Lease]]:
    """Return the jobs for each wish out of those that are offered, and their leases, which are to be kept.

    Whoever has walked a route to its end, or none yet, goes on with another one; that is kept here.
    """
    shares = shared_out(wishes, *offer)
    if any(len(share) < wish.most for wish, share in zip(wishes, shares, strict=True)):
        wishes = _moved_on(turn, wishes, shares, offer)
    leases: list[Lease] = []
    jobs: list[list[Job]] = []
    for wish, share in zip(wishes, shares, strict=True):
        until = lent_until(turn.now, turn.policy, own_route=wish.walk is not None and wish.walk.assigned)
        jobs.append(_with_expected(turn, share) if turn.policy.shows_expected else [known.job for known in share])
        for known in share:
            leases.append(Lease(known.id, wish.username, wish.session, until))
    if _log.isEnabledFor(logging.DEBUG):
        for wish, given in zip(wishes, jobs, strict=True):
            _log.debug("handed out to %s: %s", wish.username, ", ".join(job.meter.number for job in given) or "nothing")
    return jobs, leases


def _with_expected(turn: Turn, share: Sequence[KnownJob]) -> list[Job]:
    """Return jobs as readers see them who are shown what is usual."""
    standings = {one.job: one for one in turn.tx.rounds.standings({known.job.meter.number for known in share})}
    today = day_of(turn.moment)
    return [with_expected(known.job, standings[known.id], today) for known in share]


def _moved_on(turn: Turn, wishes: Sequence[Wish], shares: list[list[KnownJob]], offer: Offer) -> list[Wish]:
    """Let those whose shares are too small walk other routes, and add what is there to their shares.

    Returns the wishes with the walks that they have now.
    """
    now_on = list(wishes)
    free = {known.id for jobs in offer.free.values() for known in jobs}
    given = Counter(known.job.route for share in shares for known in share if known.id in free)
    wanting = sum(wish.most - len(share) for wish, share in zip(wishes, shares, strict=True))
    enough = wanting + max(given.values(), default=0)  # only who joins others on a route needs to know all
    counted = turn.tx.rounds.routes_left(enough)
    if not counted:
        return now_on
    routes = _Routes(turn, counted, given)
    tried = [{wish.walk.route} if wish.walk else set() for wish in wishes]
    while moved := _next_walks(routes, now_on, shares, tried):
        wanted: Counter[Walk] = Counter()
        for place, walk in moved.items():
            wanted[walk] += now_on[place].most - len(shares[place])
        found = turn.tx.rounds.free({walk: most + given[walk.route] for walk, most in wanted.items()})
        for place, walk in moved.items():
            taken = {known.id for share in shares for known in share}
            more = [known for known in found.get(walk, ()) if known.id not in taken]
            more = more[: now_on[place].most - len(shares[place])]
            shares[place] += more
            given[walk.route] += len(more)
            now_on[place] = now_on[place]._replace(walk=walk)
    _keep_walks(turn, wishes, now_on)
    return now_on


class _Routes:
    """What is left on each route, and who walks where, while some move on."""

    def __init__(self, turn: Turn, counted: Mapping[str, int], given: Counter[str]) -> None:
        """So many jobs of each route were `counted`, or more are there; so many were `given` away since."""
        self._rounds = turn.tx.rounds
        self._counted, self._all_are_counted = counted, False
        self._left = {route: jobs - given[route] for route, jobs in counted.items()}
        self._assignments, self._walkers = turn.tx.walks.assignments(), turn.tx.walks.now(turn.idle_since)

    def next_for(self, username: str, tried: Collection[str]) -> Walk | None:
        """Return where a reader goes on, None if there is nothing for them."""
        others = [walk for name, walk in self._walkers if name != username]
        walk = next_walk(username, self._assignments, self._left, others, tried)
        joins = walk and not walk.assigned and any(walk.route == other.route for other in others)
        if not joins or self._all_are_counted:
            return walk
        self._count_all()
        return next_walk(username, self._assignments, self._left, others, tried)

    def walked(self, username: str, walk: Walk, jobs: int) -> None:
        """Take note that a reader walks there, who wants so many jobs."""
        self._left[walk.route] -= jobs
        self._walkers = [(username, walk), *((name, one) for name, one in self._walkers if name != username)]

    def _count_all(self) -> None:
        self._all_are_counted = True
        there = self._rounds.routes_left(_ALL)
        self._left = {route: jobs + there.get(route, 0) - self._counted[route] for route, jobs in self._left.items()}


def _next_walks(
    routes: _Routes, wishes: Sequence[Wish], shares: Sequence[Sequence[KnownJob]], tried: Sequence[set[str]]
) -> dict[int, Walk]:
    """Return where those go on whose shares are too small, by the place of their wish, and note that they tried it."""
    moved: dict[int, Walk] = {}
    for place, wish in enumerate(wishes):
        missing = wish.most - len(shares[place])
        if missing and (walk := routes.next_for(wish.username, tried[place])):
            moved[place] = walk
            tried[place].add(walk.route)
            routes.walked(wish.username, walk, missing)
    return moved


def _keep_walks(turn: Turn, before: Sequence[Wish], now_on: Sequence[Wish]) -> None:
    """Keep which walks have begun."""
    begun = {wish.session: wish.walk for wish, was in zip(now_on, before, strict=True) if wish.walk != was.walk}
    turn.tx.walks.go({session: walk for session, walk in begun.items() if walk})
    turn.moved.update(begun)


def _hand_out(turn: Turn, wishes: Sequence[Wish]) -> list[list[Job]]:
    jobs, leases = handed_out(turn, wishes, turn.tx.gather(turn.now, wishes=wishes).offer)
    turn.tx.keep(leases=leases)
    return jobs


def _can_be(wanted: JobsWanted) -> bool:
    return type(wanted.n) is int and 1 <= wanted.n <= MAX_ITEMS
