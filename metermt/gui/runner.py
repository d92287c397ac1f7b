"""What runs calls that take a while: `metermt.gui.background.Background` in the window."""

from collections.abc import Callable
from typing import Any, Protocol

from metermt.errors import Error

Call = Callable[[], Any]
Handler = Callable[[Any], None]


class Runner(Protocol):
    """Runs calls in the background, so that the window goes on answering its user."""

    def run(self, call: Call, done: Handler, failed: Callable[[Error], None], slow: Callable[[], None]) -> None:
        """Run a call, then one of `done` and `failed` where the window is; before, `slow` if it takes long."""
