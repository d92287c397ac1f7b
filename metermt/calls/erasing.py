"""Somebody's name is erased: a pseudonym stands for it from then on."""

from metermt.audit import What
from metermt.calls.accounts import Username, accounts_of
from metermt.calls.asking import Ask, Weight
from metermt.calls.sessions import end_sessions
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.errors import UserError
from metermt.model import Account, Role, User
from metermt.names import is_pseudonym, new_pseudonym

_NO_HASH = "erased"  # of no password


@call(Role.ADMIN, Weight.WRITE, is_large=always)  # it looks through all jobs
def erase_user(turn: Turn, ask: Ask[Username]) -> str:
    """Replace the name of somebody who is disabled by a pseudonym, for ever; return that.

    Everywhere but in the lines that billing was given, which stay what they are, and in what people have typed as
    texts. So a batch that they have made is written again with the pseudonym as who made it, and else as it was. Raises
    `UserError` if there is no such user, or they are not disabled, or erased already.
    """
    username, accounts = ask.request.username, turn.tx.accounts
    (account,) = accounts_of(turn.tx, [username])
    if is_pseudonym(username):
        raise UserError(f"{username} was erased already")
    if not account.user.disabled:
        raise UserError(f"{username} may log in: disable them first, and have what they have not sent yet sent")
    keys = turn.tx.sessions.of([username])
    end_sessions(turn, keys, free_jobs=True)
    pseudonym = new_pseudonym(user.username for user in accounts.users())
    user = User(pseudonym, pseudonym.capitalize().replace("-", " "), disabled=True, role=account.user.role)
    turn.tx.audit.erase(username, Account(user, _NO_HASH))
    turn.record(ask, What.ERASED, whom=pseudonym)
    return pseudonym
