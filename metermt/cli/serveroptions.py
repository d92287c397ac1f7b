"""Options of `metermt serve` that belong together: what clients may take of a server, and what a utility has set."""

import functools
from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import click

from metermt.cli.moments import TimeOfDay
from metermt.config import Limits
from metermt.errors import SettingError
from metermt.policy import Policy


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --max-connections, --max-per-address and --idle-minutes; the command gets `limits`."""

    @click.option(
        "--max-connections",
        type=click.IntRange(1),
        default=1000,
        show_default=True,
        help="Connections at once, from everybody.",
    )
    @click.option(
        "--max-per-address",
        type=click.IntRange(1),
        default=200,
        show_default=True,
        help="Connections at once from one address; a crew may share one.",
    )
    @click.option(
        "--idle-minutes",
        type=click.FloatRange(0, min_open=True),
        default=30.0,
        show_default=True,
        help="After how long a silent connection is closed; clients connect again by themselves.",
    )
    @functools.wraps(command)
    def with_limits(*, max_connections: int, max_per_address: int, idle_minutes: float, **options: Any) -> Any:
        limits = Limits(max_connections, max_per_address, idle=_span("--idle-minutes", minutes=idle_minutes))
        return command(limits=limits, **options)

    return with_limits


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --lease-minutes, --day-ends, --show-expected and --session-hours; the command gets `policy`."""

    @click.option(
        "--lease-minutes",
        type=click.FloatRange(0, min_open=True),
        default=30.0,
        show_default=True,
        help="How long a meter stays with the reader it was handed to.",
    )
    @click.option(
        "--day-ends",
        type=TimeOfDay(),
        default="00:00",
        show_default=True,
        help="When a reader's day ends: until then they keep the meters of routes that were given to them.",
    )
    @click.option(
        "--show-expected",
        is_flag=True,
        help="Show readers what a meter showed last, and what is usual by now, before they type.",
    )
    @click.option(
        "--session-hours",
        type=click.FloatRange(0, min_open=True),
        default=12.0,
        show_default=True,
        help="How long a login lasts when it is not used.",
    )
    @functools.wraps(command)
    def with_policy(
        *, lease_minutes: float, day_ends: time, show_expected: bool, session_hours: float, **options: Any
    ) -> Any:
        policy = Policy(
            session_idle=_span("--session-hours", hours=session_hours),
            lease=_span("--lease-minutes", minutes=lease_minutes),
            day_ends=day_ends,
            shows_expected=show_expected,
        )
        return command(policy=policy, **options)

    return with_policy


def _span(option: str, **amount: float) -> timedelta:
    try:
        return timedelta(**amount)
    except (OverflowError, ValueError):
        (number,) = amount.values()
        raise SettingError(f"Invalid {option} {number}: no clock goes that far") from None
