"""What the meters of the demo show."""

from datetime import UTC, datetime

from metermt.demotown import stops


def shows(meter, on=None):
    """Return what a meter shows on a day, or now, if it was not read since the town was made up in that month."""
    on = on or datetime.now(UTC).date()
    [stop] = [stop for stop in stops() if stop.number == meter]
    last = stop.past(on.replace(day=1))[0]
    return (last.value + round(stop.usual(last.on, on))) % 10**stop.dials
