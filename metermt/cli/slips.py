"""Values that the office types: where one may be a slip, it is asked about before it counts."""

import sys
from collections.abc import Callable
from typing import TypeVar

import click

from metermt.errors import ConfirmReading

R = TypeVar("R")

yes_option = click.option("--yes", is_flag=True, help="Do not ask, even if a reader would be asked about that value.")


def put(have_it_count: Callable[[bool], R], *, yes: bool) -> R:
    """Have a value count; `have_it_count` is told whether that is sure, and raises `ConfirmReading` if it is not.

    Where it may be a slip, somebody at a terminal is asked; else it is refused, with `ConfirmReading`, unless `yes`.
    """
    try:
        return have_it_count(yes)
    except ConfirmReading as error:
        if not _is_asked():
            raise ConfirmReading(f"{error}: say --yes if it is right all the same") from error
        click.confirm(f"{error}. Does it count all the same?", abort=True, err=True)
        return have_it_count(True)


def _is_asked() -> bool:
    """Tell whether somebody is there to be asked."""
    return sys.stdin.isatty()
