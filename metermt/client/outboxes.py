"""A client's part of the outbox: what whoever is logged in has typed for its server."""

import logging
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from metermt.client.outbox import Outbox, Unconfirmed
from metermt.config import default_outbox
from metermt.errors import OutboxError
from metermt.model import Answer
from metermt.names import new_key

_log = logging.getLogger("metermt.outbox")


class ClientOutbox:
    """Keeps answers until the server has accepted them, or somebody throws them away.

    `place` is a folder, or True for the one of this user of this machine; with False nothing is kept. `server` is what
    the server was asked for by. Unless told otherwise methods speak of the answers of `username`, who is logged in.
    """

    def __init__(self, place: Path | str | bool, server: str) -> None:
        self._outbox = Outbox(default_outbox() if place is True else Path(place)) if place else None
        self._server = server
        self.username = ""
        self.trouble = ""
        """Why the disk did not take what came last, for people; empty if it did."""

    def unconfirmed(self) -> list[Answer]:
        """Return what was sent from this device and is not accepted, oldest first. Raises `OutboxError`.

        Sent again as they are they count once.
        """
        return [row.answer for row in self._outbox.of(self._server, self.username)] if self._outbox else []

    @property
    def unwritten(self) -> list[Unconfirmed]:
        """What anybody has sent that is not accepted and could not be written: it goes with the client."""
        return self._outbox.unwritten if self._outbox else []

    def keeps(self, answer: Answer) -> bool:
        """Tell whether an answer is on the disk of this device."""
        return self._outbox is not None and self._outbox.keeps(*self._rows([answer]))

    def discard(self, answer: Answer) -> None:
        """Throw an answer away, as its reader wishes. A disk that does not let it go is told to the log."""
        if self._outbox:
            was_kept = self.keeps(answer)
            try:
                self._outbox.remove(self._rows([answer]))
            except OutboxError as error:  # it is offered once more
                if was_kept:
                    _log.warning("%s", error)

    def renew(self, answer: Answer) -> Answer:
        """Return an answer under a new key, which is how an odd one is sent again; it takes the place of the old one.

        A disk that does not take it keeps the old one.
        """
        renewed = replace(answer, key=new_key())
        self.keep([renewed])
        if self.keeps(renewed):
            self.discard(answer)
        return renewed

    def adopt(self, server: str) -> None:
        """Take over what was typed for a server that was asked for by this name. Raises `OutboxError`."""
        if self._outbox:
            theirs = self._outbox.of(server, self.username)
            self._outbox.put(self._rows(row.answer for row in theirs))
            self._outbox.remove(row for row in theirs if row.server != self._server)

    def keep(self, answers: Iterable[Answer]) -> None:
        """Have answers on the disk, if somebody has logged in. A disk that does not take them is told to the log."""
        if self._outbox and self.username:
            self.trouble = ""
            try:
                self._outbox.put(self._rows(answers))
            except OutboxError as error:  # a reading is worth more than a place for it
                self.trouble = str(error)
                _log.warning("%s. It is sent all the same", error)

    def accepted(self, answers: Iterable[Answer]) -> None:
        """Let go of answers that the server has accepted."""
        if self._outbox:
            self._outbox.accepted(self._rows(answers))

    def _rows(self, answers: Iterable[Answer]) -> list[Unconfirmed]:
        return [Unconfirmed(self._server, self.username, answer) for answer in answers]
