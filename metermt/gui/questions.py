"""What the window asks before it goes on, and the answers to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Choice(NamedTuple):
    """An answer. Alt with the underlined letter gives it."""

    text: str
    underline: int = 0


class Asking(Enum):
    """The kinds of questions: the heading, and the answers. The first answer changes nothing; Escape gives it."""

    WHICH = "Which is it?", (Choice("Back"), Choice("Send reading", 5), Choice("Send reason", 6))
    QUIT = "Quit?", (Choice("Stay"), Choice("Quit", 1))  # not with Q, which has asked: it may be held down

    def __init__(self, heading: str, choices: Sequence[Choice]) -> None:
        self.heading = heading
        self.choices = choices


@dataclass(frozen=True, slots=True)
class Question:
    """One question, in full."""

    asking: Asking
    text: str


def which_is_it(reading: int | str | None, reason: str) -> Question:
    """Ask about a reading that came together with a reason why there is none."""
    return Question(Asking.WHICH, f"You typed a reading, {reading}, and “{reason}”, which says that there is none.")


def quit_all_the_same(unsent: Sequence[str]) -> Question:
    """Ask whether what was not sent may be lost; name each as in "Your reading of G72168"."""
    return Question(
        Asking.QUIT, f"{' and '.join(unsent)} {'was' if len(unsent) == 1 else 'were'} not sent. Quit all the same?"
    )
