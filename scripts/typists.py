"""Readers whose programs are killed while they type, and the check that nothing of it is lost.

As a program it is one of them: it reads meters through an outbox without pause, sends first what its life before has
left there, and writes into a diary what it typed, what was kept, and what was acknowledged. A line is there at once,
whatever becomes of the program.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

sys.path.extend(str(Path(__file__).parents[1] / "tests" / part) for part in ("", "support"))
import warm

from metermt import Answer, Error, MeterClient, new_key
from metermt.client.outbox import Outbox
from metermt.client.sending import to_send
from metermt.errors import ConnectionFailed

PASSWORD = "a good password"
PATIENCE = 600  # seconds: a busy machine may have the server up for a second in twenty

Sent = dict[str, tuple[str, int]]
"""Meters and values, by the key of the submission."""


class Typist:
    """One of them, seen from outside. It goes on in a new program whenever it was killed."""

    error: Error | None = None

    def __init__(self, port: int, username: str, folder: Path) -> None:
        self.username = username
        self.kills = 0
        self._port = port
        self._outbox = folder / f"{username}-outbox"
        self._diary = folder / f"{username}-diary"
        self._diary.touch()

    @property
    def attempted(self) -> Sent:
        return self._noted("attempted")

    @property
    def kept(self) -> Sent:
        """What was in the outbox, before it was sent."""
        return self._noted("kept")

    @property
    def acknowledged(self) -> Sent:
        return self._noted("acknowledged")

    @property
    def unconfirmed(self) -> set[str]:
        """The keys of what is in the outbox."""
        return {str(row.answer.key) for row in Outbox(self._outbox).all()}

    def start(self) -> None:
        command = [sys.executable, __file__, self._port, self.username, self._outbox, self._diary]
        self._program = warm.Popen(list(map(str, command)))

    def kill(self) -> None:
        """End the program at once."""
        if self._program.poll() is not None:
            sys.exit(f"FAILED: {self.username} ended by itself, with status {self._program.returncode}")
        self._program.kill()
        self._program.wait()
        self.kills += 1

    def send_what_is_left(self) -> int:
        """Log in when the program is dead, and send what is in the outbox; return how many there were."""
        with MeterClient(port=self._port, timeout=PATIENCE, outbox=self._outbox) as client:
            client.login(self.username, PASSWORD)
            return _send_what_is_left(client)

    def _noted(self, what: str) -> Sent:
        lines = map(json.loads, self._diary.read_text(encoding="utf-8").splitlines())
        return {key: (meter, value) for noted, key, meter, value in lines if noted == what}


def _send_what_is_left(client: MeterClient) -> int:
    left = client.outbox.unconfirmed()
    refused = [str(error) for error in client.submit_readings(left) if error]
    if refused or client.outbox.unconfirmed():
        sys.exit(f"FAILED: of what was kept for {client.username} was refused: {refused}")
    return len(left)


def _connected(port: int, outbox: str) -> MeterClient:
    while True:
        try:
            return MeterClient(port=port, timeout=PATIENCE, outbox=outbox)
        except ConnectionFailed:  # its server is dead for the moment
            time.sleep(0.02)


def _type(port: int, username: str, outbox: str, diary: str) -> None:
    notes = os.open(diary, os.O_WRONLY | os.O_APPEND)

    def note(what: str, answer: Answer) -> None:
        os.write(notes, f"{json.dumps([what, answer.key, answer.meter, answer.value])}\n".encode())

    with _connected(port, outbox) as client:
        client.login(username, PASSWORD)
        _send_what_is_left(client)
        job = client.get_job()
        while job:
            answer = to_send(Answer(job.meter.number, random.randint(0, 99_999), key=new_key(), cycle=job.cycle))
            note("attempted", answer)
            client.outbox.keep([answer])  # as the next step does, which finds it kept already
            note("kept", answer)
            job = client.submit_and_next(answer).job
            note("acknowledged", answer)


if __name__ == "__main__":
    _type(int(sys.argv[1]), *sys.argv[2:])
