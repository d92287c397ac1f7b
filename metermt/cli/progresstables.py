"""How far the work is, as tables for a terminal of 80 columns."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from metermt.printable import counted, printable
from metermt.progress import CycleWork, ReaderWork, RouteCounts, RouteWork, Work
from metermt.rules.times import day_of

_BAR = 12  # characters
_NAME = 14
_OF_A_CYCLE = 3  # lines beside its routes
_OTHER_LINES = 4  # beside readers: their headings, when that was, and what is wrong
_DONE, _ON_TIME, _LATE = "blue", "green", "red"


def tables_of(work: Work, trouble: str = "", lines: int | None = None) -> RenderableType:
    """Return a table of the routes of each cycle and one of the readers; below them what is wrong, if anything.

    If there are only so many `lines`, routes are left out, those that are done first.
    """
    room = None if lines is None else (lines - len(work.readers) - _OTHER_LINES) // len(work.cycles) - _OF_A_CYCLE
    parts: list[RenderableType] = []
    for cycle in work.cycles:
        shown = _most_urgent(cycle.routes, room)
        parts += [_heading(cycle), _routes(shown)]
        parts.append(Text(f"… {more} more" if (more := len(cycle.routes) - len(shown)) else ""))
    parts.append(_readers(work))
    if trouble:
        parts += [Text(), Text(trouble, style=_LATE)]
    return Group(*parts)


def _most_urgent(routes: list[RouteWork], room: int | None) -> list[RouteWork]:
    """Return as many routes as there is room for, in their order: late ones before others, and done ones last."""
    if room is None or len(routes) <= room:
        return routes
    by_need = sorted(enumerate(routes), key=lambda one: (one[1].counts.done >= one[1].counts.total, not one[1].late))
    return [one for _, one in sorted(by_need[: max(room, 1)], key=lambda one: one[0])]


def _heading(cycle: CycleWork) -> Text:
    done, total = sum(one.counts.done for one in cycle.routes), sum(one.counts.total for one in cycle.routes)
    due = f", due {cycle.due}" if cycle.due else ""
    how = {None: "", True: ", behind", False: "" if done >= total else ", on time"}[cycle.late]
    return Text(f"{printable(cycle.cycle)}{due}: {done} of {counted(total, 'job')} done{how}", style="bold")


def _table(*headings: str, numbers: tuple[str, ...]) -> Table:
    """Return a table whose first column and last one are cut to fit, but no other."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="")
    for place, heading in enumerate(headings):
        right = "right" if heading in numbers else "left"
        if place in (0, len(headings) - 1):
            table.add_column(heading, no_wrap=True, overflow="ellipsis", max_width=None if place else _NAME)
        else:
            table.add_column(heading, no_wrap=True, justify=right, min_width=len(heading))  # type: ignore[arg-type]
    return table


def _routes(routes: list[RouteWork]) -> Table:
    numbers = ("done", "est.", "no acc.", "skip", "left")
    table = _table("route", "", *numbers, "time", "readers", numbers=numbers)
    for one in routes:
        counts = one.counts
        table.add_row(
            Text(printable(counts.route) or "(none)"),
            bar(counts, one.late),
            *map(str, (counts.done, counts.estimated, counts.no_access, counts.skipped, counts.left)),
            _time(one),
            Text(_who(one)),
        )
    return table


def bar(counts: RouteCounts, late: bool | None) -> Text:
    """Return how much is done, and, in the colour of what is late or not, how much is left."""
    filled = counts.done * _BAR // counts.total if counts.total else _BAR
    left = "" if late is None else _LATE if late else _ON_TIME
    return Text.assemble(("█" * filled, _DONE), ("░" * (_BAR - filled), left))


def _time(one: RouteWork) -> Text:
    if one.counts.done >= one.counts.total:
        return Text("done", style=_DONE)
    return {None: Text(), True: Text("late", style=_LATE), False: Text("on time", style=_ON_TIME)}[one.late]


def _who(one: RouteWork) -> str:
    """Return who holds how many, and who is given the route and holds nothing."""
    held = [f"{username} {jobs}" for username, jobs in one.held_by.items()]
    return printable(", ".join([*held, *(name for name in one.given_to if name not in one.held_by)]))


def _readers(work: Work) -> Table:
    numbers = ("today", "an hour")
    table = _table("reader", "connected", *numbers, "last seen", "walks", numbers=numbers)
    for one in work.readers:
        table.add_row(
            Text(printable(one.username)),
            Text("yes", style=_ON_TIME) if one.is_connected else Text("no"),
            str(one.today),
            "" if one.an_hour is None else f"{one.an_hour:.0f}",
            _seen(one, work.moment),
            Text(printable(one.route)),
        )
    table.caption, table.caption_justify = f"As of {work.moment.astimezone():%Y-%m-%d %H:%M:%S %Z}", "left"
    return table


def _seen(one: ReaderWork, now: datetime) -> str:
    if one.last_seen is None:
        return ""
    seen = one.last_seen.astimezone()
    return f"{seen:%H:%M}" if seen.date() == day_of(now) else f"{seen:%Y-%m-%d}"
