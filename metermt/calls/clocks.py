"""What a clock has left behind that was ahead for a while, and is right again."""

from metermt.calls.turn import Turn
from metermt.rules.clocks import AHEAD
from metermt.rules.handout import lent_until


def set_right(turn: Turn) -> None:
    """Let nothing have happened after now, and nothing last longer than it can if it has begun by now.

    Sessions were used now at the latest, failed logins of later are forgotten, and a lease that lasts longer than any
    could that has begun by now ends when a usual one would that begins now.
    """
    latest = turn.now + AHEAD
    turn.tx.sessions.set_back(latest, turn.now)
    turn.tx.failures.forget_after(latest)
    turn.tx.leases.shorten(
        lent_until(latest, turn.policy, own_route=True), lent_until(turn.now, turn.policy, own_route=False)
    )
