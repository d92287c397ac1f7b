"""Readers who submit without pause, each reading under a key of its own, and never give up.

As a program it is one process of them: `chaos_crew.py DIARY TIMEOUT READERS PORTS`, of which the last two are lists
with commas between. It ends when its standard input does.
"""

import random
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from chaos_history import LATE, Diary, Failed, Handed, History, Kept, Late, Refused, Sent

from metermt import Answer, Error, MeterClient, new_key
from metermt.errors import SubmissionError

PROCESSES = 2
PATIENCE = 30.0  # seconds until readers must be at work again


class StuckError(AssertionError):
    """Some readers do not go on."""


class Crew:
    """Some readers at work at the servers on these ports, until `stop` or the end of the block of its `with`.

    `timeout` is that of their calls.
    """

    def __init__(self, folder, readers, ports, timeout):
        self.readers = readers
        self.history = History()
        self._diaries = []
        self._processes = []
        for number in range(PROCESSES):
            diary = Path(folder) / f"diary-{number}"
            diary.touch()
            self._diaries.append(diary.open(encoding="utf-8"))
            words = [diary, timeout, ",".join(readers[number::PROCESSES]), ",".join(map(str, ports))]
            command = [sys.executable, "-W", "error", "-X", "faulthandler", __file__, *map(str, words)]
            self._processes.append(subprocess.Popen(command, stdin=subprocess.PIPE))
        self._halves = [""] * PROCESSES

    def look(self):
        """Return all that they have done so far."""
        for number, diary in enumerate(self._diaries):
            *lines, self._halves[number] = (self._halves[number] + diary.read()).split("\n")
            for line in lines:
                self.history.add(line)
        return self.history

    def wait_until_at_work(self, since):
        """Wait until each has been told since then that a reading is accepted; return how many seconds that took.

        Raises `StuckError`, at once if some have died.
        """
        until = time.monotonic() + PATIENCE
        while True:
            self._see_that_they_live()
            history = self.look()
            firsts = [history.first_kept(reader, since) for reader in self.readers]
            if None not in firsts:
                return max(firsts) - since
            if time.monotonic() > until:
                stuck = [reader for reader, first in zip(self.readers, firsts, strict=True) if first is None]
                raise StuckError(f"{', '.join(stuck)} got no reading accepted in {PATIENCE} s: {history.errors()}")
            time.sleep(0.01)

    def stop(self):
        """Let them end; return their history. Stopping twice is harmless."""
        for process in self._processes:
            if process.stdin:
                process.stdin.close()
        try:
            for process in self._processes:
                process.wait(PATIENCE)
            self._see_that_they_live(0)
        finally:
            for process in self._processes:
                process.kill()
                process.wait()
        return self.look()

    def _see_that_they_live(self, *ends):
        """Raise `StuckError` if a process has ended, unless with one of these statuses."""
        for number, process in enumerate(self._processes):
            if process.poll() not in (None, *ends):
                who = ", ".join(self.readers[number::PROCESSES])
                raise StuckError(f"the process of {who} has ended with status {process.returncode}")

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait()
            process.stdin.close()
        for diary in self._diaries:
            diary.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()


# --- the program


class Reader(threading.Thread):
    """One of them, with a client of its own. Of servers that it may choose from the client knows all."""

    def __init__(self, username, ports, timeout, diary, stopping):
        super().__init__(name=username)
        self._username, self._ports, self._timeout = username, ports, timeout
        self._diary = diary
        self._stopping = stopping

    def run(self):
        with self._connected() as self._client, suppress(InterruptedError):
            self._client.login(self._username, self._username)
            job = self._ask(MeterClient.get_job)
            while not self._stopping.is_set():
                if job is None:
                    time.sleep(0.02)  # more are on their way
                    job = self._ask(MeterClient.get_job)
                else:
                    job = self._submit(job)

    def _connected(self):
        if len(self._ports) == 1:
            return MeterClient("127.0.0.1", self._ports[0], timeout=self._timeout)
        return MeterClient(servers=[f"127.0.0.1:{port}" for port in self._ports], timeout=self._timeout)

    def _submit(self, job):
        """Submit a reading until it is accepted or refused; return the next job."""
        key, meter, value = new_key(), job.meter.number, random.randint(0, 99_999)
        self._write(Handed, meter)
        self._write(Sent, key, meter, value)
        answer = Answer(meter, value, key=key)
        try:
            job = self._ask(lambda client: client.submit_and_next(answer).job)
        except SubmissionError as error:
            self._write(Refused, key, repr(error))
            return self._ask(MeterClient.get_job)
        self._write(Kept, key)
        return job

    def _ask(self, call):
        """Ask until there is an answer. Raises `SubmissionError`, and `InterruptedError` when it is time to stop."""
        while True:
            began = time.monotonic()
            try:
                return call(self._client)
            except SubmissionError:
                raise
            except Error as error:
                self._write(Failed, _shown(error))
                if self._stopping.is_set():
                    raise InterruptedError from None
            finally:
                seconds = time.monotonic() - began
                if seconds > self._timeout + LATE:
                    self._write(Late, seconds)
            time.sleep(0.02)

    def _write(self, event, *columns):
        place = self._ports.index(self._client.port)
        self._diary.write(event(time.monotonic(), self._username, place, *columns))


def _shown(error):
    """Return the class and the text of an error, without what differs each time."""
    return f"{type(error).__name__}: {error}".partition(" (")[0]


def main():
    path, timeout, readers, ports = sys.argv[1:]
    diary, stopping = Diary(path), threading.Event()
    crew = [
        Reader(reader, [int(port) for port in ports.split(",")], float(timeout), diary, stopping)
        for reader in readers.split(",")
    ]
    for reader in crew:
        reader.start()
    with suppress(KeyboardInterrupt):
        sys.stdin.read()
    stopping.set()
    for reader in crew:
        reader.join()


if __name__ == "__main__":
    main()
