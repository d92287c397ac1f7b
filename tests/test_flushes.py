"""A reading is flushed to the disk before it is acknowledged: the system calls of the real server tell."""

import re
import shutil
from contextlib import contextmanager
from typing import NamedTuple

from conftest import DEADLINE, run_together, wait_until
from servers import SERVER_PY, ServerProcess

from metermt import MeterClient

SENT = {f"key-{number}": (f"M{number:05}", number) for number in range(30)}


def test_a_reading_is_flushed_to_the_disk_before_its_reply(database, tmp_path):
    with traced_server(tmp_path, database) as (server, trace), MeterClient(port=server.port) as client:
        client.login("carol", "carol")
        for key, (meter, value) in list(SENT.items())[:12]:
            client.submit_reading(meter, value, key=key)
    steps = steps_of(trace)
    for key in list(SENT)[:12]:
        between = conversation(steps, key)
        written = [step.file for step in between if step.call == "pwrite64"]
        assert written
        assert any(file.endswith("-wal") for file in written)
        assert flushed_at_last(between), f"{key} was acknowledged before it was flushed: {between}"


def test_readings_that_share_a_commit_are_flushed_before_their_replies(database, tmp_path):
    shares = {name: list(SENT)[start::4] for start, name in enumerate(("adam", "carol", "eric", "gwenda"))}
    with traced_server(tmp_path, database) as (server, trace):

        def submit_share(name):
            with MeterClient(port=server.port, timeout=DEADLINE) as client:
                client.login(name, name)
                for key in shares[name]:
                    client.submit_reading(*SENT[key], key=key)

        run_together(*(lambda name=name: submit_share(name) for name in shares))
    steps = steps_of(trace)
    for key in SENT:
        assert any(map(is_flush, conversation(steps, key))), f"{key} was acknowledged before it was flushed"


class Step(NamedTuple):
    """A system call: when it was entered and left, as places in the trace."""

    thread: str
    call: str
    file: str
    words: str
    entered: int
    left: int


@contextmanager
def traced_server(folder, database):
    """Run the real server with its system calls written down."""
    assert shutil.which("strace"), "strace is missing: apt-get install strace"
    trace = folder / "trace"
    # -D: the server is the process that the test started, and strace its grandchild.
    watched = "trace=fsync,fdatasync,pwrite64,recvfrom,sendto"
    command = ("strace", "-D", "-f", "-y", "-s", "1000", "-o", trace, "-e", watched, "-e", "signal=none", *SERVER_PY)
    with ServerProcess(folder, "--database", database, command=command) as server:
        yield server, trace
        assert server.stop() == 0
        wait_until(
            lambda: re.search(rf"^{server.pid} +\+\+\+ exited", trace.read_text(), re.MULTILINE), "the trace is written"
        )


def steps_of(trace):
    """Return the finished system calls of a trace, in the order in which they finished."""
    steps, unfinished = [], {}
    for place, line in enumerate(trace.read_text().splitlines()):
        thread, _, words = line.partition(" ")
        words = words.strip()
        entered = place
        if words.endswith("<unfinished ...>"):
            unfinished[thread] = place, words.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>", words):
            entered, beginning = unfinished.pop(thread)
            words = beginning + words[resumed.end() :]
        if found := re.match(r"(\w+)\(\d+<(.*?)>(.*)\) += \d+$", words):
            steps.append(Step(thread, *found.groups(), entered, place))
    return steps


def conversation(steps, key):
    """Return what was begun and finished between the arrival of the request with this key and the reply to it."""
    (request,) = [step for step in steps if step.call == "recvfrom" and key_in(key, step.words)]
    replies = (step for step in steps if step.call == "sendto" and step.file == request.file)
    reply = min(step.entered for step in replies if step.entered > request.left)
    return [step for step in steps if request.left < step.entered and step.left < reply]


def key_in(key, words):
    return re.search(rf"{key}\D", words)


def is_flush(step):
    return step.call in ("fdatasync", "fsync") and step.file.endswith("-wal")


def flushed_at_last(steps):
    """Tell whether a thread flushed what it had written: another may just write the server's sign of life."""
    last = {step.thread: step for step in steps if step.call in ("pwrite64", "fdatasync", "fsync")}
    return any(map(is_flush, last.values()))
