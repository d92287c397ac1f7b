"""The key of those who watch a server: in a file, or in the environment."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from metermt.signing import SharedKey

F = TypeVar("F", bound=Callable[..., Any])
WATCH_KEY_VARIABLE = "METERMT_WATCH_KEY"


def watch_key_option(words: str) -> Callable[[F], F]:
    """Add --watch-key-file; see `read_watch_key`."""
    return click.option(
        "--watch-key-file",
        type=click.Path(path_type=Path),
        help=f"{words} The key itself may stand in the environment, as {WATCH_KEY_VARIABLE}.",
    )


def read_watch_key(file: Path | None) -> SharedKey | None:
    """Return the key in a file, or in the environment if none is named; None for no key. Raises `SettingError`."""
    if file:
        return SharedKey.read(file)
    said = os.environ.get(WATCH_KEY_VARIABLE)
    return SharedKey(said.strip().encode()) if said else None
