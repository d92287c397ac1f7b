"""The reason why there is no reading, asked for at a terminal."""

from collections.abc import Callable, Sequence

from metermt.console.terminal import say
from metermt.errors import Error, InvalidReason
from metermt.fieldnotes import Reason
from metermt.printable import printable
from metermt.rules.reasons import FIRST, meant

_LISTING = ("?", "/reasons")


class Reasons:
    """The known reasons. Once they were listed one is chosen by its number or first letters; free text is taken too.

    A number is never free text: whoever types one before they were listed is shown them, and asked again.
    `known` asks for those in use.
    """

    def __init__(self, known: Callable[[], Sequence[Reason]]) -> None:
        self._known = known
        self._listed: list[str] = []

    def list(self) -> None:
        """Show the known reasons with their numbers; where the server does not tell them, those of before."""
        try:
            self._listed = [printable(reason.text) for reason in self._known()]
        except Error as error:
            say(str(error))
            print("The office's list cannot be had now. These are the usual reasons:")
            self._listed = self._listed or [reason.text for reason in FIRST]
        for number, text in enumerate(self._listed, 1):
            print(f"{number:>4}  {text}")
        print("Type a number, first letters, or a reason of your own")

    def ask(self, ask: Callable[[], str]) -> str:
        """Return the reason that is typed, empty for none. `ask` asks for it.

        Raises `InvalidReason` for a number that none of them has: it may be the reading.
        """
        while True:
            typed = ask()
            if typed in _LISTING or (typed.isdecimal() and not self._listed):
                self.list()
                continue
            try:
                reason = meant(typed, self._listed)
            except InvalidReason as error:
                if typed.isdecimal():
                    raise
                say(str(error))
                continue
            if reason in self._listed:
                print(f"Reason: {reason}")
            return reason
