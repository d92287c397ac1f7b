"""What a clock has left behind that was ahead for a while, and is right again."""

from metermt.calls.table import Turn
from metermt.rules.clocks import AHEAD


def set_right(turn: Turn) -> None:
    """Let nothing have happened after now, and nothing last longer than if it began now.

    Sessions were used now at the latest, failed logins of later are forgotten, and a lease ends when one would that
    begins now.
    """
    lease = turn.policy.lease.total_seconds()
    turn.tx.sessions.set_back(turn.now + AHEAD, turn.now)
    turn.tx.sessions.forget_failures_after(turn.now + AHEAD)
    turn.tx.leases.shorten(turn.now + AHEAD + lease, turn.now + lease)
