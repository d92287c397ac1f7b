"""Days and times of day, as they are typed behind an option."""

from datetime import date, datetime, time

import click

from metermt.errors import RouteError
from metermt.files.csvfields import day


class Day(click.ParamType[date]):
    """A day like 2026-11-20."""

    name = "YYYY-MM-DD"

    def convert(self, value: str | date, parameter: click.Parameter | None, context: click.Context | None) -> date:
        """Return the day."""
        if isinstance(value, date):
            return value
        try:
            return day("day", value)
        except RouteError as error:
            self.fail(str(error), parameter, context)


class TimeOfDay(click.ParamType[time]):
    """A time of day like 18:00."""

    name = "HH:MM"

    def convert(self, value: str | time, parameter: click.Parameter | None, context: click.Context | None) -> time:
        """Return the time."""
        if isinstance(value, time):
            return value
        try:
            return datetime.strptime(value, "%H:%M").time()
        except ValueError:
            self.fail(f"Invalid time {value!r}: write it like 18:00", parameter, context)
