"""The reason why there is no reading, asked for at a terminal."""

from collections.abc import Callable, Sequence

from metermt.fieldnotes import Reason
from metermt.printable import printable
from metermt.rules.answers import quoted
from metermt.rules.choices import chosen

_LISTING = ("?", "/reasons")


class Reasons:
    """The known reasons. Once they were listed one is chosen by its number or first letters; free text is taken too.

    `known` asks for those in use.
    """

    def __init__(self, known: Callable[[], Sequence[Reason]]) -> None:
        self._known = known
        self._listed: list[str] = []

    def list(self) -> None:
        """Show the known reasons with their numbers."""
        self._listed = [printable(reason.text) for reason in self._known()]
        for number, text in enumerate(self._listed, 1):
            print(f"{number:>4}  {text}")
        print("Type a number, first letters, or a reason of your own")

    def ask(self, ask: Callable[[], str]) -> str:
        """Return the reason that is typed, empty for none. `ask` asks for it."""
        while True:
            typed = ask()
            if typed in _LISTING:
                self.list()
                continue
            meant = chosen(typed, self._listed)
            if len(meant) == 1:
                print(f"Reason: {meant[0]}")
                return meant[0]
            if not meant and self._listed and typed.isdecimal():
                print(f"There is no reason {typed}: use 1 to {len(self._listed)}")
            elif not meant:
                return typed
            else:
                print(f"{quoted(typed)} may be {' or '.join(map(quoted, meant))}: type more of it, or its number")
