"""Which part of what is known of places is enough to tell what came before results. Pure functions over values."""

from collections.abc import Sequence
from datetime import UTC, datetime, time

from metermt.decisions import Result
from metermt.names import FIRST_DAY
from metermt.rules.consumption import Chain, Span, Told, read_at
from metermt.rules.times import MORE_THAN_A_DAY

_FEW = 20  # of so many results one may have been read last before a span, and is looked up by itself
_DAYS = 2 * MORE_THAN_A_DAY  # so that what is a day further inside is in the span whatever the time zone
_END = datetime.max.replace(tzinfo=UTC)


def span_of(results: Sequence[Result], *, to_the_end: bool) -> Span | None:
    """Return a span in which most results and their previous readings lie; None if nothing is known of these.

    It ends after the last of the results, or never. For the few that were not read for long it is too short:
    `is_enough` tells.
    """
    days = sorted(result.job.previous_date for result in results if result.job.previous_date)
    if not days:
        return None
    since = datetime.combine(max(days[len(days) // _FEW], FIRST_DAY), time(), UTC) - _DAYS
    return Span(since, _END if to_the_end else max(map(read_at, results)) + _DAYS)


def is_enough(result: Result, chain: Chain, was: Told | None = None) -> bool:
    """Return whether `before` and `came_after` say of a chain that may be a part what they say of the whole one.

    They do if there is an earlier value in the part that was read, and of a later day than its begin: nothing that is
    left out was read after that, and nothing before it counts. Where devices were exchanged, days alone do not say what
    was earlier. For `waits_for` and `of_later_cycles` any part is enough.
    """
    if chain.span is None:
        return True
    begin, end = chain.span.since + MORE_THAN_A_DAY, read_at(result) - MORE_THAN_A_DAY
    if chain.exchanges or (was and was[1] < begin):
        return False
    return any(
        link.job != result.id
        and link.value is not None
        and not link.estimated
        and link.read_at is not None
        and begin < link.read_at < end
        for link in chain.links
    )
