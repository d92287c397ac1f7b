"""Answers that were given and not sent."""

from metermt.model import Answer


class Outbox:
    """Keeps answers for the readers who gave them, one for a reader and a meter, as long as the window is open."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], Answer] = {}  # by reader and meter

    def put(self, username: str, answer: Answer) -> None:
        """Keep an answer, in place of an older one of this reader for this meter."""
        self._answers[username, answer.meter] = answer

    def of(self, username: str) -> list[Answer]:
        """Return what is kept for a reader, oldest first."""
        return [answer for (reader, _), answer in self._answers.items() if reader == username]

    def meters(self) -> list[tuple[str, str]]:
        """Return the reader and the meter of each answer."""
        return list(self._answers)

    def remove(self, username: str, meter: str) -> None:
        """Forget this reader's answer for this meter, if there is one."""
        self._answers.pop((username, meter), None)
