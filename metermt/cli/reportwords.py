"""A report in the words of the office: the same on a terminal and in a page."""

from collections.abc import Mapping

from metermt.model import KINDS
from metermt.printable import counted, local_time
from metermt.report import Hint, HintKind, ReaderReport, Report

COLOURS = {
    "actual": "#2b6cb0",
    "verified": "#63b3ed",
    "edited": "#805ad5",
    "estimated": "#d69e2e",
    "no value, a reason": "#a0aec0",
    "missed, no reason": "#c53030",
    "left": "#e2e8f0",
}
"""Of what counts, also told apart in grey."""
READERS = (
    *("reader", "read", "not\nread", "odd", "typed\ntwice", "corrected", "replaced", "an\nhour", "most\na day"),
    "a\nminute",
)
ROUTES = ("route", "kind", "meters", "left out", "use", "last year", "more")
NO_ACCUSATION = (
    "A hint is no proof: meters of one route differ from those of another. Have some of these meters read again by"
    " somebody else, give the route to another reader once, and look at what comes."
)


def heading(report: Report) -> str:
    """Return which cycle it is of, and when."""
    state = "open" if report.is_open else "closed"
    days = "".join(f", {word} {day}" for word, day in (("from", report.first_day), ("due", report.due)) if day)
    return f"Cycle {report.cycle}, {state}{days}; as of {local_time(report.made_at)}"


def shares(report: Report) -> dict[str, int]:
    """Return how many jobs there are of each sort, by its name."""
    one = report.shares
    numbers = (one.actual, one.verified, one.edited, one.estimated, one.no_value, one.missed, one.left)
    return dict(zip(COLOURS, numbers, strict=True))


def percent(part: float, whole: float) -> str:
    """Return a share."""
    return f"{part / whole:.1%}" if whole else ""


def reader_row(one: ReaderReport) -> tuple[str, ...]:
    """Return the columns `READERS` of a reader."""
    hourly = "" if one.an_hour is None else f"{one.an_hour:.0f}"
    numbers = (one.readings, one.reasons, one.flags, one.overrides, one.corrections, one.replaced)
    sums = (sum(number.values()) if isinstance(number, dict) else number for number in numbers)
    return one.username, *map(str, sums), hourly, str(one.most_a_day), str(one.most_a_minute)


def by_number(counts: Mapping[str, int]) -> str:
    """Return what there is, the most first: `dog 12, no-access 3`."""
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def details(report: Report) -> list[str]:
    """Return a line for each reader: the reasons and flags that they have sent."""
    lines = []
    for one in report.readers:
        parts = [
            f"{words} {by_number(counts)}"
            for words, counts in (("not read:", one.reasons), ("odd:", one.flags))
            if counts
        ]
        if parts:
            lines.append(f"{one.username}: {'; '.join(parts)}")
    return lines


def route_rows(report: Report) -> list[tuple[str, ...]]:
    """Return the columns `ROUTES` of all routes."""
    rows: list[tuple[str, ...]] = []
    for one in report.routes:
        then = one.last_year
        more = f"{one.use / then - 1:+.0%}" if then else ""
        before = "" if then is None else f"{then:,.0f}"
        kind = KINDS[one.kind]
        rows.append((one.route or "(none)", kind, str(one.meters), str(one.left_out), f"{one.use:,.0f}", before, more))
    return rows


def worth_a_look(report: Report) -> list[str]:
    """Return what somebody should look at, in lines."""
    lines = [_beyond(one) for one in report.readers if one.is_beyond_people]
    lines += [in_words(hint) for hint in report.hints]
    routes: dict[str, list[str]] = {}
    for same in report.same_reader:
        routes.setdefault(same.username, []).append(same.route)
    lines += [
        f"{username} has read the same {'route' if len(names) == 1 else 'routes'} twice running: {', '.join(names)}"
        for username, names in sorted(routes.items())
    ]
    return lines


def estimated_twice(report: Report) -> list[str]:
    """Return the meters that were estimated twice running, in lines."""
    return [
        ", ".join(filter(None, (one.meter, one.address, one.route and f"{one.route} {one.sequence}")))
        for one in report.estimated_twice
    ]


def in_words(hint: Hint) -> str:
    """Return what stands out in somebody's readings."""
    many = f"{hint.share:.0%} of {counted(hint.readings, 'reading')}"
    if hint.kind is HintKind.MADE_UP_FOR:
        return (
            f"Of the uses that {hint.username} has read, {many} are far too low and were made up for by the next one;"
            f" {hint.usual:.0%} are usual here"
        )
    if hint.kind is HintKind.AS_EXPECTED:
        return (
            f"Of the uses that {hint.username} has read, {many} are just what was expected; {hint.usual:.0%} are"
            " usual here"
        )
    return (
        f"Some last digits come too often in what {hint.username} has read: {many} would have to end otherwise for all"
        " digits to be alike in number"
    )


def _beyond(one: ReaderReport) -> str:
    day = f" on {one.busiest_day}" if one.busiest_day else ""
    return (
        f"{one.username} was faster than a person can be: {counted(one.most_a_day, 'stop')}{day},"
        f" up to {one.most_a_minute} within a minute"
    )
