"""Programs that die: each case is run in a process of its own, and one start of Python serves all of them.

A module that is such a program calls `run_cases` when it is run as one, and tests use `Program` of its file.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict


class Program:
    """The program of a file, for the block of a `with`."""

    def __init__(self, file):
        self._program = subprocess.Popen(
            [sys.executable, "-W", "error", file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def result_of(self, case):
        """Run a case, a dataclass; return what came of it in a list, None if it died. Fails if it ended otherwise."""
        self._program.stdin.write(json.dumps(asdict(case)) + "\n")
        self._program.stdin.flush()
        status, result = json.loads(self._program.stdout.readline() or "[1, null]")
        assert status in (0, -signal.SIGKILL), f"{case} ended with {status}"
        return None if status else [result]

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._program.stdin.close()
        self._program.stdout.close()
        assert self._program.wait(20) == 0


def run_cases(run):
    """Run a function with each case that comes, its fields as keywords; print its exit status and its result."""
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.write(writing, json.dumps(run(**json.loads(line))).encode())
                status = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
                raise
            finally:
                os._exit(status)
        os.close(writing)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with os.fdopen(reading) as result:
            print(json.dumps([status, json.loads(result.read() or "null")]), flush=True)
