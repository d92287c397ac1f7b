"""What the window asks before it goes on, and the answers to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from metermt.model import Answer

_SHORT = 40  # characters of a reason that are enough to know it again


class Choice(NamedTuple):
    """An answer. Alt with the underlined letter gives it."""

    text: str
    underline: int = 0


class Asking(Enum):
    """The kinds of questions: the heading, the answers, Enter's first, and the number of Escape's."""

    WHICH = "Which is it?", (Choice("Back"), Choice("Send reading", 5), Choice("Send reason", 6))
    SEND = "Send it now?", (Choice("Send"), Choice("Not now")), 1
    QUIT = "Quit?", (Choice("Stay"), Choice("Quit", 1))  # not with Q, which has asked: it may be held down

    def __init__(self, heading: str, choices: Sequence[Choice], escape: int = 0) -> None:
        self.heading = heading
        self.choices = choices
        self.escape = escape


def said_in(answer: Answer) -> str:
    """Return what was said of the meter, in short."""
    return _short(answer.reason) if answer.value is None else str(answer.value)


@dataclass(frozen=True, slots=True)
class Question:
    """One question, in full."""

    asking: Asking
    text: str


def which_is_it(reading: int | str | None, reason: str) -> Question:
    """Ask about a reading that came together with a reason why there is none."""
    return Question(
        Asking.WHICH, f"You typed a reading, {reading}, and {_short(reason)}, which says that there is none."
    )


def send_now(answer: Answer) -> Question:
    """Ask whether what was kept for a reader is to be sent."""
    return Question(Asking.SEND, f"Your reading of {answer.meter}, {said_in(answer)}, was kept here and not sent.")


def quit_all_the_same(username: str, unsent: Sequence[tuple[str, str]]) -> Question:
    """Ask this user whether what was not sent may be lost: the reader and the meter of each reading."""
    readings = [f"{_whose(reader, username)} reading of {meter}" for reader, meter in unsent]
    text = f"{' and '.join(readings)} {'was' if len(unsent) == 1 else 'were'} not sent. Quit all the same?"
    return Question(Asking.QUIT, text[0].upper() + text[1:])


def kept_for(username: str, full_name: str, answer: Answer) -> str:
    """Return what to say when somebody else logs in than the reader whose answer was not sent."""
    reading = f"The reading of {answer.meter} by {full_name} was not sent"
    return f"{reading}. It is kept in this window until {username} logs in here again"


def _short(reason: str) -> str:
    return f"“{reason if len(reason) <= _SHORT else reason[: _SHORT - 1] + '…'}”"


def _whose(reader: str, username: str) -> str:
    return "your" if reader == username else f"{reader}'s"
