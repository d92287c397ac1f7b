"""What the window asks before it goes on, and the answers to choose from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import repeat
from typing import NamedTuple

from metermt.errors import ConfirmReading, Error
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
    SEND = "Send now?", (Choice("Send"), Choice("Not now"), Choice("Throw away")), 1
    DISCARD = "Throw away?", (Choice("Keep"), Choice("Throw away", 6))  # not with T, which has asked: as with QUIT
    LEFT = "Keep it?", (Choice("Keep"), Choice("Throw away"))
    REFUSED = "Refused", (Choice("Keep"), Choice("Throw away"))
    ODD = "Is it right?", (Choice("Keep"), Choice("Send again"), Choice("Throw away"))
    LOG_OUT = "Log out?", (Choice("Stay"), Choice("Log out", 2))
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
        (answer,) = answers
        return Question(
            Asking.SEND, f"Your reading of {answer.meter}, {in_short(answer)}, was kept here and is not confirmed."
        )
    return Question(Asking.SEND, _listed("These readings of yours were kept here and are not confirmed:", answers))


def throw_away(answers: Sequence[Answer]) -> Question:
    """Ask once more whether what was kept for a reader is to be thrown away."""
    if len(answers) == 1:
        return Question(Asking.DISCARD, f"Throw away {_named(answers[0])}? It cannot be had back.")
    return Question(Asking.DISCARD, f"Throw away these {len(answers)} readings? They cannot be had back.")


def left_behind(answer: Answer) -> Question:
    """Ask whether to throw away a value that was asked about, and that its reader goes on from."""
    return Question(Asking.LEFT, f"{_named(answer)} was not taken.\nKeep it, to be asked again at a login?")


def it_was_refused(refused: Mapping[Answer, Error]) -> Question:
    """Ask whether to throw away what the server has refused, and why it has; what is only odd may be sent again."""
    asking = Asking.ODD if all(isinstance(error, ConfirmReading) for error in refused.values()) else Asking.REFUSED
    if len(refused) == 1:
        ((answer, error),) = refused.items()
        return Question(asking, f"{error}.\nKeep your reading, {_named(answer)}, to be asked again at a login?")
    text = _listed("These were refused:", refused, [f": {error}" for error in refused.values()])
    return Question(asking, f"{text}\nKeep them, to be asked again at a login?")


def quit_all_the_same(username: str, unsent: Sequence[tuple[str, str]]) -> Question:
    """Ask this user whether what was not sent may be lost: whose it is, and what."""
    return Question(Asking.QUIT, f"{_not_sent(username, unsent)} Quit all the same?")


def log_out_all_the_same(username: str, unsent: Sequence[tuple[str, str]]) -> Question:
    """Ask the same before this user logs out."""
    return Question(Asking.LOG_OUT, f"{_not_sent(username, unsent)} Log out all the same?")


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
        return f"Accepted {_named(answers[0])}"
    return f"Accepted {len(answers)} readings" if answers else ""


def _named(answer: Answer) -> str:
    return f"{in_short(answer)} for {answer.meter}"


def _listed(heading: str, answers: Iterable[Answer], ends: Iterable[str] = repeat("")) -> str:
    """Return a line for each of the first answers, with its end."""
    lines = [_named(answer) + end for answer, end in zip(answers, ends, strict=False)]
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "\n".join([heading, *lines[:_LISTED], *more])


def _not_sent(username: str, unsent: Sequence[tuple[str, str]]) -> str:
    things = [f"{_whose(reader, username)} {what}" for reader, what in unsent]
    text = f"{' and '.join(things)} {'was' if len(unsent) == 1 else 'were'} not sent."
    return text[0].upper() + text[1:]


def _whose(reader: str, username: str) -> str:
    return "your" if reader == username else f"{reader}'s"
