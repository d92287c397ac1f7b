"""What a reader has typed and no server has accepted, offered at a terminal."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from metermt.client.client import MeterClient
from metermt.console.terminal import Terminal, say
from metermt.errors import ConfirmReading, OutboxError
from metermt.model import Answer
from metermt.printable import local_time
from metermt.rules.answers import as_typed, in_short
from metermt.rules.fates import UNCERTAIN

KEPT = "kept on this device: you are asked about it when you log in again"

_LISTED = 10  # readings; more are counted


def offer(client: MeterClient, terminal: Terminal) -> None:
    """Offer to send what whoever has logged in typed here before, and tell what came of it."""
    try:
        answers = client.outbox.unconfirmed()
    except OutboxError as error:
        say(str(error))
        return
    if not answers:
        return
    is_one = len(answers) == 1
    print("A reading that you typed here is not confirmed:" if is_one else "Not confirmed of what you typed here:")
    _list(answers)
    if terminal.confirm(f"Send {'it' if is_one else 'them'} now?", default=True):
        send(client, terminal, answers)
    else:
        decide(client, terminal, answers)


def send(client: MeterClient, terminal: Terminal, answers: Sequence[Answer]) -> None:
    """Send answers; tell of each whether it was accepted, and ask what is to become of what was refused.

    Raises what says nothing of the answers, such as `SessionError`; they are kept then.
    """
    try:
        outcomes = terminal.wait_for(client.submit_readings, answers)
    except UNCERTAIN as error:
        say(f"Error: {error}")
        say(f"Not confirmed yet, and {KEPT}")
        return
    refused = []
    for answer, refusal in zip(answers, outcomes, strict=True):
        if isinstance(refusal, ConfirmReading) and _is_sure(terminal, answer, refusal):
            send(client, terminal, [client.outbox.renew(answer)])
            continue
        say(f"{'Refused' if refusal else 'Accepted'}: {described(answer)}" + (f". {refusal}" if refusal else ""))
        if refusal:
            refused.append(answer)
    decide(client, terminal, refused)


def decide(client: MeterClient, terminal: Terminal, answers: Sequence[Answer]) -> None:
    """Ask whether to throw away what was refused, or left behind. If not it stays, and is offered again."""
    kept = [answer for answer in answers if client.outbox.keeps(answer)]
    if not kept:
        return
    which = f"your reading {described(kept[0])}" if len(kept) == 1 else f"these {len(kept)} readings"
    if terminal.confirm(f"Throw away {which}?", default=False):
        for answer in kept:
            client.outbox.discard(answer)
    else:
        say(f"It is {KEPT}" if len(kept) == 1 else f"They are {KEPT}")


def tell_of_unsent(client: MeterClient, answer: Answer) -> None:
    """Tell who leaves whether what was typed last and is not confirmed stays on this device."""
    if client.outbox.keeps(answer):
        say(f"Your reading {described(answer)} is {KEPT}")
    else:
        say(f"Your reading {described(answer)} is not confirmed, and not kept on this device: write it down")


def described(answer: Answer) -> str:
    """Return what was read, and of which meter."""
    return f"{in_short(answer)} for meter {answer.meter}"


def typed_at(answer: Answer) -> str:
    """Return when it was typed, in the local time of this device."""
    with suppress(ValueError):
        return local_time(datetime.fromisoformat(str(answer.when)))
    return str(answer.when)


def _is_sure(terminal: Terminal, answer: Answer, error: ConfirmReading) -> bool:
    """Ask a person for an odd value once more. The meter may be far away: whoever is not sure presses Enter."""
    if not terminal.is_person:
        return False
    say(str(error))
    return as_typed(terminal.ask(f"Reading for meter {answer.meter}: ")) == answer.value


def _list(answers: Sequence[Answer]) -> None:
    for answer in answers[:_LISTED]:
        cycle = f", cycle {answer.cycle}" if answer.cycle else ""
        print(f"  {described(answer)}{cycle}, typed {typed_at(answer)}")
    if more := answers[_LISTED:]:
        print(f"  and {len(more)} more")
