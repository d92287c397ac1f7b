"""A reader's program that dies at a chosen step between Enter and the answer.

As a program it reads one `Case` a line, runs each in a process of its own, forked so that it starts at once, and prints
the process's exit status and the steps that it took. What a process does is seen by others through its system calls
only, so it dies before each of them, and half-way in each write.
"""

import os
import signal
from dataclasses import dataclass

from forked import Program, run_cases

from metermt.client import outbox
from metermt.client.client import MeterClient
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


class Typists(Program):
    """This program, which runs cases."""

    def __init__(self):
        super().__init__(__file__)

    def steps(self, case):
        """Run a case; return the steps that it took, None if it died. Fails if it ended in any other way."""
        result = self.result_of(case)
        return result and result[0]


def _run(**case):
    typist = Case(**case)
    typist.run()
    return typist.taken


if __name__ == "__main__":
    run_cases(_run)
