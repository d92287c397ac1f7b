"""What the window asks before it goes on, and the answers to choose from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from metermt.errors import Error
from metermt.model import Answer
from metermt.rules.answers import in_short

_LISTED = 3  # readings; more are counted


class Choice(NamedTuple):
    """An answer. Alt with the underlined letter gives it."""

    text: str
    underline: int = 0


class Asking(Enum):
    """The kinds of questions: the heading, the answers, Enter's first, and the number of Escape's."""

    WHICH = "Which is it?", (Choice("Back"), Choice("Send reading", 5), Choice("Send reason", 6))
    SEND = "Send now?", (Choice("Send"), Choice("Not now")), 1
    REFUSED = "Refused", (Choice("Keep"), Choice("Throw away"))
    QUIT = "Quit?", (Choice("Stay"), Choice("Quit", 1))  # not with Q, which has asked: it may be held down

    def __init__(self, heading: str, choices: Sequence[Choice], escape: int = 0) -> None:
        self.heading = heading
        self.choices = choices
        self.escape = escape


@dataclass(frozen=True, slots=True)
class Question:
    """One question, in full."""

    asking: Asking
    text: str


def which_is_it(reading: int | str | None, reason: str) -> Question:
    """Ask about a reading that came together with a reason why there is none."""
    return Question(
        Asking.WHICH,
        f"You typed a reading, {reading}, and {in_short(Answer('', reason=reason))}, which says that there is none.",
    )


def send_now(answers: Sequence[Answer]) -> Question:
    """Ask whether what was kept for a reader is to be sent."""
    if len(answers) == 1:
        return Question(Asking.SEND, f"Your reading of {_named(answers[0])}, was kept here and is not confirmed.")
    return Question(Asking.SEND, f"Readings of yours were kept here and are not confirmed: {_listed(answers)}.")


def it_was_refused(refused: Mapping[Answer, Error]) -> Question:
    """Ask whether to throw away what the server has refused, and why it has."""
    told = [f"{_named(answer)}: {refusal}." for answer, refusal in refused.items()]
    more = [f"And {len(told) - _LISTED} more."] if len(told) > _LISTED else []
    which = "it" if len(told) == 1 else "them"
    return Question(Asking.REFUSED, " ".join([*told[:_LISTED], *more, f"Keep {which}, to be asked again at a login?"]))


def quit_all_the_same(username: str, unsent: Sequence[tuple[str, str]]) -> Question:
    """Ask this user whether what was not sent may be lost: the reader and the meter of each reading."""
    readings = [f"{_whose(reader, username)} reading of {meter}" for reader, meter in unsent]
    text = f"{' and '.join(readings)} {'was' if len(unsent) == 1 else 'were'} not sent. Quit all the same?"
    return Question(Asking.QUIT, text[0].upper() + text[1:])


def quit_unconfirmed(answer: Answer) -> Question:
    """Ask whether to leave with a reading that is not confirmed, and kept."""
    kept = "It is kept on this computer, and you are asked about it when you log in here again. Quit?"
    return Question(Asking.QUIT, f"Your reading of {answer.meter} is not confirmed. {kept}")


def kept_for(username: str, full_name: str, answer: Answer) -> str:
    """Return what to say when somebody else logs in than the reader whose answer was not sent."""
    return f"The reading of {answer.meter} by {full_name} was not sent. It is kept here until {username} logs in again"


def accepted(answers: Sequence[Answer]) -> str:
    """Return what to say of readings that were kept and are accepted now."""
    if len(answers) == 1:
        return f"Accepted {in_short(answers[0])} for {answers[0].meter}"
    return f"Accepted {len(answers)} readings" if answers else ""


def _named(answer: Answer) -> str:
    return f"{answer.meter}, {in_short(answer)}"


def _listed(answers: Sequence[Answer]) -> str:
    more = [f"{len(answers) - _LISTED} more"] if len(answers) > _LISTED else []
    *most, last = [*map(_named, answers[:_LISTED]), *more]
    return f"{'; '.join(most)} and {last}"


def _whose(reader: str, username: str) -> str:
    return "your" if reader == username else f"{reader}'s"
