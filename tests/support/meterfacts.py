"""Meters whose history is made up, and what is known of them when a cycle is opened."""

from datetime import date, timedelta

from metermt.rules.history import Read, history_of
from metermt.rules.limits import limits_of, with_neighbours
from metermt.rules.town import Town

FIRST = date(2025, 1, 1)
MONTH = timedelta(days=30)


def read_monthly(*uses, start=1000):
    """A meter that was read every 30 days from `FIRST` on, and used so much."""
    reads, value = [Read(FIRST, start)], start
    for month, use in enumerate(uses, 1):
        value += use
        reads.append(Read(FIRST + month * MONTH, value))
    return history_of(reads)


def next_day(history):
    """The day on which the next reading is due."""
    return history.last.on + MONTH


def limits_for(history, town=None, stops=()):
    """The limits of a meter for the cycle that follows its history."""
    return with_neighbours(limits_of(history, town or Town(), next_day(history)), stops)
