"""The log of a program: where it goes, how much it tells, and how a line of it looks."""

import functools
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

import click

from metermt.counting import CountsLost
from metermt.errors import SettingError
from metermt.loglines import line_of
from metermt.logring import LogRing, RingHandler

_LEVELS = ("debug", "info", "warning", "error")
_FILE_BYTES, _FILES_KEPT = 10_000_000, 9


@dataclass(frozen=True, slots=True)
class Log:
    """Where the log is to go, and how much it is to tell."""

    level: str
    as_json: bool
    file: Path | None
    """None for standard error."""

    @property
    def files(self) -> list[Path]:
        """What is written to: the file, and what it is called when it has been rotated."""
        if not self.file:
            return []
        return [self.file, *(Path(f"{self.file}.{number}") for number in range(1, _FILES_KEPT + 1))]

    def begin(self, ring: LogRing | None = None) -> None:
        """Set up the log, to be kept in a ring as well. Raises `SettingError`."""
        set_up_log(self.level, as_json=self.as_json, file=self.file)
        if ring:
            logging.root.addHandler(RingHandler(ring))


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --log-level, --log-json and --log-file; the command gets `log`, and begins it when it has checked it."""

    @click.option(
        "--log-level",
        type=click.Choice(_LEVELS, case_sensitive=False),
        default="info",
        show_default=True,
        help="How much the log tells; a server's debug also tells which meters were handed out.",
    )
    @click.option("--log-json", is_flag=True, help="A JSON object a line, for programs that collect logs.")
    @click.option(
        "--log-file",
        type=click.Path(path_type=Path),
        help="Log into this file; of 10 MB each, the last ten are kept.  [default: standard error]",
    )
    @functools.wraps(command)
    def with_log(*, log_level: str, log_json: bool, log_file: Path | None, **options: Any) -> Any:
        return command(log=Log(log_level, log_json, log_file), **options)

    return with_log


def set_up_log(level: str, *, as_json: bool = False, file: Path | None = None) -> None:
    """Have everything from this level on logged, unless the log was set up before. Raises `SettingError`."""
    handler = log_handler(as_json=as_json, file=file)
    if logging.root.handlers:
        handler.close()
        return
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("metermt").setLevel(level.upper())
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # the store says once that the database is away


def log_handler(*, as_json: bool = False, file: Path | None = None) -> logging.Handler:
    """Return what writes the log, to standard error unless a file is named. Raises `SettingError`."""
    handler = _into_file(file) if file else _StandardError()
    handler.setFormatter(_Json() if as_json else _Lines())
    return handler


class _Lines(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        return line_of(record).for_people()


class _Json(logging.Formatter):
    """A line for programs."""

    def format(self, record: logging.LogRecord) -> str:
        return line_of(record).for_programs()


class _StandardError(CountsLost, logging.StreamHandler[TextIO]):
    """What the program was started with."""


class _RotatedFile(CountsLost, RotatingFileHandler):
    """A file that only its owner can read. If it cannot be written that is said once, until it can."""

    _why = ""

    def emit(self, record: logging.LogRecord) -> None:
        failed_before, self._why = self._why, ""
        super().emit(record)
        if self._why and not failed_before:
            click.echo(f"The log {self.baseFilename} cannot be written: {self._why}", err=True)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's own name
        self.lost += 1
        self._why = str(sys.exc_info()[1])

    def _open(self) -> TextIOWrapper:
        opened = open(self.baseFilename, self.mode, encoding="utf-8", opener=_open_private)  # noqa: SIM115 - by logging
        assert isinstance(opened, TextIOWrapper)
        return opened


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _into_file(path: Path) -> logging.Handler:
    try:
        return _RotatedFile(path, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8")
    except OSError as error:
        raise SettingError(f"Cannot log into {path}: {error.strerror}") from error
