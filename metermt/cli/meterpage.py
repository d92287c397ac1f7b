"""All that is known of a meter, on a page of 80 columns."""

from collections.abc import Iterator
from itertools import zip_longest

from metermt.calls.meters import MeterShown, Seen
from metermt.model import KINDS
from metermt.printable import local_time
from metermt.rules.history import Period

_WIDTH = 80
_PERIODS, _READINGS = 13, 12  # that are shown: a year and the month a year ago
_BAR = 40  # columns of the longest one
_EIGHTHS = " ▏▎▍▌▋▊▉"


def page_of(shown: MeterShown) -> Iterator[str]:
    """Yield the lines of the page."""
    for part in (_place(shown), _chart(shown.periods[-_PERIODS:]), _table(shown.seen[-_READINGS:])):
        for line in part:
            yield line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def _place(shown: MeterShown) -> Iterator[str]:
    place, meter = shown.place, shown.place.meter
    dials = f", {meter.dials} dials" if meter.dials else ""
    times = f", times {meter.multiplier}" if meter.multiplier != 1 else ""
    yield f"{meter.number}, {KINDS[meter.kind]}{dials}{times}, {'in use' if meter.active else 'out of use'}"
    stop = f"route {place.route}, at {place.sequence}" if place.route else "on no route"
    yield f"  {', '.join(filter(None, (meter.address, stop)))}"
    for cycle, state in list(shown.jobs.items())[-3:]:
        yield f"  {cycle}: {state}"
    for one in shown.exchanges:
        who = f", told by {one.username}" if one.username else ""
        yield f"  {one.on}: {one.old_meter} at {one.final} exchanged for {one.new_meter} at {one.initial}{who}"
    for note in shown.notes:
        yield f"  note of {note.username}, {local_time(note.left_at)}: {note.text}"


def _chart(periods: list[Period]) -> Iterator[str]:
    """Yield what was used a day in each period, as a bar."""
    if not periods:
        return
    yield ""
    yield "until       days     a day"
    uses = [period.use / max(period.days, 1) for period in periods]
    top = max(uses)
    for period, use in zip(periods, uses, strict=True):
        eighths = round(use / top * _BAR * 8) if top else 0
        bar = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
        yield f"{period.ended}  {period.days:4}  {use:8.2f}  {bar}".rstrip()


def _table(seen: list[Seen]) -> Iterator[str]:
    yield ""
    if not seen:
        yield "Nothing was read."
        return
    width = max(len("reading"), *(len(str(one.value or "")) for one in seen))
    yield f"date        {'reading':>{width}}  {'use':>8}  quality  remarks"
    for one, following in zip_longest(seen, seen[1:]):
        value = "-" if one.value is None else str(one.value)
        use = "" if one.use is None else str(one.use)
        device = "a new device" if one.exchanged else "taken down" if following and following.exchanged else ""
        said = [device, *one.flags, one.reason, one.reader and f"by {one.reader}"]
        yield f"{one.on}  {value:>{width}}  {use:>8}  {one.quality:7}  {', '.join(filter(None, said))}".rstrip()
