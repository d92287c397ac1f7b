"""What the window shows, the one call that is under way, and the question that is asked. It does not depend on Tk."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from metermt.errors import Error
from metermt.gui.questions import Asking, Question
from metermt.gui.runner import Call, Handler, Runner
from metermt.gui.state import NOTHING, Screen, State
from metermt.gui.typed import NO_EXCHANGE, READ

_KEYS_REFUSED = "What you typed while the window was busy was not taken"


class Stage:
    """Holds the state, and gives each new one to `changed`. All methods belong to the window's thread."""

    def __init__(self, state: State, runner: Runner) -> None:
        self.state = state
        self.changed: Callable[[State], None] = lambda _state: None
        self._runner = runner
        self._again: Callable[[], None] = nothing  # what Retry does
        self._choices: Sequence[Callable[[], None]] = ()  # what the answers to the question do

    # --- what a reader does to it

    def edit(self, name: str, text: str) -> None:
        """Take what was typed into a field."""
        if getattr(self.state.typed, name) != text:
            faults = {at: fault for at, fault in self.state.faults.items() if at != name}
            self._show(typed=replace(self.state.typed, **{name: text}), faults=faults)

    def refuse_key(self) -> None:
        """Remember that a key was pressed in a locked field: the rest of a number must not count as a number."""
        if not self.state.keys_refused:
            self._show(keys_refused=True)

    def unlock(self) -> None:
        """Let the fields take keys again, after some were refused."""
        if self.state.keys_refused and not self.state.doing:
            word = f"{_KEYS_REFUSED}: type the whole reading"
            self._show(keys_refused=False, faults={**self.state.faults, "reading": word})
            self._focus_on("reading")

    def retry(self) -> None:
        """Do again what failed."""
        if self.state.can_retry and not self.state.doing:
            self._again()

    def choose(self, number: int) -> None:
        """Give an answer to the question that is asked: do what it means."""
        if self.state.question:
            self._show(question=None)
            self._choices[number]()

    # --- what a program does with it

    def _run(
        self,
        doing: str,
        call: Call,
        done: Handler,
        failed: Callable[[Error], None],
        again: Callable[[], None],
    ) -> None:
        self._again = again
        self._show(doing=doing, slow=False, faults=NOTHING, can_retry=False)
        self._runner.run(call, partial(self._ended, done), partial(self._ended, failed), self._is_slow)

    def _ended(self, handler: Handler, outcome: Any) -> None:
        self._show(doing="", slow=False)
        if self.state.front is Asking.QUIT:  # it was asked without knowing this outcome
            self._show(question=None)
        handler(outcome)
        if self.state.keys_refused and not self.state.doing:
            self._tell_of_refused_keys()

    def _is_slow(self) -> None:
        self._show(slow=True)

    def _put_question(self, question: Question, *choices: Callable[[], None]) -> None:
        self._choices = choices
        self._show(question=question)

    def _tell_of_refused_keys(self) -> None:
        if self.state.dialog or self.state.screen is not Screen.READING:
            self._show(keys_refused=False)
            return
        words = (self.state.faults.get("reading"), _KEYS_REFUSED, "Press Enter, then type the whole reading")
        self._show(faults={**self.state.faults, "reading": ". ".join(filter(None, words))})

    def _empty_fields(self) -> None:
        self._show(typed=replace(self.state.typed, reading="", reason=READ, note="", **NO_EXCHANGE))

    def _blame(self, name: str, error: Error | str) -> None:
        self._show(faults={name: str(error)})
        self._focus_on(name)

    def _focus_on(self, name: str) -> None:
        if name:
            self._show(focus=name, focus_turn=self.state.focus_turn + 1)

    def _show(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self.changed(self.state)


def nothing() -> None:
    """Do nothing: an answer that leaves all as it is."""
