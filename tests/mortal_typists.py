"""A reader's program that dies at a chosen step between Enter and the answer.

As a program it reads one `Case` a line, runs each in a process of its own, forked so that it starts at once, and prints
the process's exit status and the steps that it took. What a process does is seen by others through its system calls
only, so it dies before each of them, and half-way in each write.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass

from metermt import outbox
from metermt.client import MeterClient
from metermt.model import Answer
from metermt.transport.stream import Stream

_OF_THE_DISK = ("open", "write", "fsync", "unlink")


@dataclass
class Case:
    """Carol reads a value at the server of this port, and her program dies before step `n`; 0 for never."""

    n: int
    port: int
    folder: str
    value: int

    def __post_init__(self):
        self.taken = []  # steps, so far

    def run(self):
        with MeterClient(port=self.port, outbox=self.folder) as client:
            client.login("carol", "carol")
            job = client.get_job()
            self._arm()
            client.submit_and_next(Answer(job.meter.number, self.value, cycle=job.cycle))

    def _arm(self):
        proxy = type("os", (), {"__getattr__": lambda _self, name: getattr(os, name)})()
        for name in _OF_THE_DISK:
            setattr(proxy, name, self._mortal(name, getattr(os, name)))
        outbox.os = proxy
        Stream.send_now = self._mortal("send", Stream.send_now)
        Stream.receive_now = self._mortal("receive", Stream.receive_now)

    def _mortal(self, name, call):
        def die_or_call(*args, **kwargs):
            self._step(name)
            if name == "write":
                descriptor, content = args
                half = len(content) // 2
                self._step("write", lambda: call(descriptor, content[:half]))
            return call(*args, **kwargs)

        return die_or_call

    def _step(self, name, last_act=None):
        self.taken.append(name)
        if len(self.taken) == self.n:
            if last_act:
                last_act()
            os.kill(os.getpid(), signal.SIGKILL)


class Typists:
    """Runs cases, each in a process of its own. One Python start serves all of them."""

    def __init__(self):
        self._program = subprocess.Popen(
            [sys.executable, "-W", "error", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def steps(self, case):
        """Run a case; return the steps that it took, None if it died. Fails if it ended in any other way."""
        self._program.stdin.write(json.dumps(asdict(case)) + "\n")
        self._program.stdin.flush()
        status, steps = json.loads(self._program.stdout.readline() or "[1, []]")
        assert status in (0, -signal.SIGKILL), f"{case} ended with {status}"
        return None if status else steps

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._program.stdin.close()
        self._program.stdout.close()
        assert self._program.wait(20) == 0


def _run_cases():
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                case = Case(**json.loads(line))
                case.run()
                os.write(writing, json.dumps(case.taken).encode())
                status = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
                raise
            finally:
                os._exit(status)
        os.close(writing)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with os.fdopen(reading) as steps:
            print(json.dumps([status, json.loads(steps.read() or "[]")]), flush=True)


if __name__ == "__main__":
    _run_cases()
