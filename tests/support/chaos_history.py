"""What readers did and heard, as each has written it down, and the checker that compares it with what is stored.

Times are those of the monotonic clock, which all processes of a machine share.
"""

import json
import os
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

LATE = 3.0  # seconds that a call may end after its deadline, on a busy machine


class Diary:
    """What the readers of one process write down: a line is there at once, whatever becomes of the writer."""

    def __init__(self, path):
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, event):
        line = json.dumps([type(event).__name__, *event])
        os.write(self._descriptor, f"{line}\n".encode())

    def close(self):
        os.close(self._descriptor)


# Each says when, who, and at which of the servers: that which the reader was connected to last, by its place.


class Handed(NamedTuple):
    """A reader was told to read a meter."""

    at: float
    reader: str
    server: int
    meter: str


class Sent(NamedTuple):
    """A reader has sent a reading for the first time."""

    at: float
    reader: str
    server: int
    key: str
    meter: str
    value: int


class Kept(NamedTuple):
    """A reader was told that it is accepted."""

    at: float
    reader: str
    server: int
    key: str


class Refused(NamedTuple):
    """A reader was told that it is not."""

    at: float
    reader: str
    server: int
    key: str
    error: str


class Failed(NamedTuple):
    """A reader saw another error than that."""

    at: float
    reader: str
    server: int
    error: str


class Late(NamedTuple):
    """A call did not end by its deadline."""

    at: float
    reader: str
    server: int
    seconds: float


EVENTS = {event.__name__: event for event in (Handed, Sent, Kept, Refused, Failed, Late)}


class Wait(NamedTuple):
    """How long a reader waited until a reading was accepted, from when it was first sent."""

    since: float
    until: float
    reader: str
    server: int
    """That which it was first sent to."""

    @property
    def seconds(self):
        return self.until - self.since


class Row(NamedTuple):
    """A reading as it is stored; `counts` tells whether it is the one of its job that does."""

    key: str
    username: str
    meter: str
    value: int
    counts: bool = True


@dataclass
class History:
    """All diaries together."""

    handed: dict[str, set[str]] = field(default_factory=dict)
    """Readers by meter."""
    sent: dict[str, Sent] = field(default_factory=dict)
    """By key, as the two below."""
    kept: dict[str, Kept] = field(default_factory=dict)
    refused: dict[str, Refused] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    kept_at: dict[str, list[float]] = field(default_factory=dict)
    """When readers were told that a reading is accepted, by reader."""

    def add(self, line):
        name, *columns = json.loads(line)
        self.note(EVENTS[name](*columns))

    def note(self, event):
        match event:
            case Handed():
                self.handed.setdefault(event.meter, set()).add(event.reader)
            case Sent():
                self.sent[event.key] = event
            case Kept():
                self.kept[event.key] = event
                self.kept_at.setdefault(event.reader, []).append(event.at)
            case Refused():
                self.refused[event.key] = event
            case Failed():
                self.failed.append(event)
            case Late():
                self.late.append(event)

    def first_kept(self, reader, since):
        """Return when a reader was first told after this time that a reading is accepted, None if it was not yet."""
        times = self.kept_at.get(reader, [])
        place = bisect_right(times, since)
        return times[place] if place < len(times) else None

    def waits(self):
        for key, kept in self.kept.items():
            sent = self.sent[key]
            yield Wait(sent.at, kept.at, sent.reader, sent.server)

    def errors(self):
        """Return how often readers saw which errors, refusals included."""
        return Counter(event.error for event in (*self.failed, *self.refused.values()))


@dataclass(frozen=True)
class Verdict:
    """What is wrong with what is stored: keys, or meters."""

    lost: list[str]
    """Acknowledged, and not there, or as something else."""
    doubled: list[str]
    """There again: under the same key, or for the same meter."""
    wrong_name: list[str]
    """There under the name of another reader than who has sent it."""
    never_sent: list[str]
    """There, and nobody has sent that."""
    refused_and_kept: list[str]
    handed_twice: list[str]
    """Meters that two readers were told to read, though no lease had ended."""

    @property
    def faults(self):
        """What is wrong, by its name."""
        return {name: found for name, found in vars(self).items() if found}


def verdict_on(history, rows):
    """Compare what readers did with all that is stored."""
    said = {(row.key, row.meter, row.value) for row in rows}
    doubled, keys, meters = [], set(), set()
    for row in rows:
        if row.key in keys or row.meter in meters:
            doubled.append(row.key)
        keys.add(row.key)
        meters.add(row.meter)
    sent = history.sent
    return Verdict(
        lost=[key for key in history.kept if (key, sent[key].meter, sent[key].value) not in said],
        doubled=doubled,
        wrong_name=[row.key for row in rows if row.key in sent and sent[row.key].reader != row.username],
        never_sent=[
            row.key
            for row in rows
            if row.key not in sent or (sent[row.key].meter, sent[row.key].value) != (row.meter, row.value)
        ],
        refused_and_kept=[row.key for row in rows if row.key in history.refused],
        handed_twice=[meter for meter, readers in history.handed.items() if len(readers) > 1],
    )
