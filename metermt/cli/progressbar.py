"""A bar for what takes a while."""

import sys
from collections.abc import Callable
from contextlib import ExitStack

_BAR_FROM = 10_000  # rows: what takes less is done before a bar could be read


class ProgressBar:
    """A bar on the terminal, if there is one and there are many rows, until the end of its `with` block."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._shown = ExitStack()
        self._show: Callable[[float], None] | None = None
        self._total = 0.0

    def __call__(self, rows: int, done: float, total: float) -> None:
        """Say that this is about so many rows at least, and that so much of the total is done."""
        if self._show is None and rows >= _BAR_FROM and sys.stderr.isatty():
            self._show, self._total = self._begun(total), total
        if self._show:
            self._show(done)

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, error: object, *_exc: object) -> None:
        if self._show and not error:
            self._show(self._total)
        self._shown.close()

    def _begun(self, total: float) -> Callable[[float], None]:
        from rich.console import Console  # noqa: PLC0415 - 60 ms that a small file does not owe
        from rich.progress import Progress  # noqa: PLC0415

        progress = self._shown.enter_context(Progress(console=Console(stderr=True)))
        task = progress.add_task(self._words, total=total)
        return lambda done: progress.update(task, completed=done)
