"""A program that is forked from a warm process is like one that was started: see `warm`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
import warm
import warmprocess
from conftest import DEADLINE, wait_until

PROBE = """
import json, os, random, signal, stat, sys, threading, warnings

def descriptors():
    for number in range(100):
        try:
            yield number, stat.S_IFMT(os.fstat(number).st_mode), os.isatty(number)
        except OSError:
            pass

def terminal():
    try:
        with open("/dev/tty") as tty:
            return tuple(os.get_terminal_size(tty.fileno())), os.tcgetpgrp(tty.fileno()) == os.getpgrp()
    except OSError:
        return None

print(json.dumps({
    "arguments": sys.argv,
    "path": sys.path,
    "main": [__name__, __file__, __package__, sys.modules["__main__"].__dict__ is globals()],
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "descriptors": list(descriptors()),
    "streams": [[s.encoding, s.errors, s.newlines, s.line_buffering, s.fileno(), s.mode, s.name]
                for s in (sys.stdin, sys.stdout, sys.stderr)],
    "terminal": terminal(),
    "signals": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "threads": [thread.name for thread in threading.enumerate()],
    "warnings": [warning[0] for warning in warnings.filters[:1]],
    "parent": os.getppid(),
    "read": "" if os.isatty(0) else sys.stdin.read(),
}))
"""

ENDINGS = {
    "by itself": "import atexit, threading, time; atexit.register(print, 'atexit')\n"
    "threading.Thread(target=lambda: (time.sleep(0.05), print('thread'))).start()\n"
    "class Held:\n    def __del__(self): print('let go of')\nheld = Held()",
    "with a status": "raise SystemExit(3)",
    "with words": "import sys; sys.exit('that is why')",
    "with an error": "print(1 / 0)",
    "with Ctrl+C": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "with a warning": "import warnings; warnings.warn('a warning', stacklevel=1)",
    "with what was not closed": "import socket\nclass Holder: pass\n"
    "holder = Holder(); holder.own = holder; holder.socket = socket.socket()",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "with nobody who reads": "import os, sys; os.close(1); print('unheard')",
}


@pytest.fixture(autouse=True)
def _usual_buffers(monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def written(tmp_path):
    """Write a program; return its file."""

    def written(text):
        path = tmp_path / "program.py"
        path.write_text(text)
        return path

    return written


@pytest.fixture(params=[(), ("-W", "error")], ids=["usual", "strict"])
def interpreter(request):
    return (sys.executable, *request.param)


def test_it_finds_around_it_what_a_program_finds_that_was_started(written, interpreter, tmp_path):
    command = (*interpreter, written(PROBE), "one", "-W", "zwei ü")
    environment = {**os.environ, "METERMT_DATABASE": "postgresql://ü", "TZ": "EET-2", "XDG_DATA_HOME": ""}
    settings = {"input": "ä\r\nb", "env": environment, "cwd": tmp_path, "capture_output": True, "encoding": "utf-8"}

    forked, started = warm.run(command, **settings), subprocess.run(command, **settings)

    assert json.loads(forked.stdout) == json.loads(started.stdout)
    assert json.loads(forked.stdout)["parent"] == os.getpid()
    assert forked.stderr == started.stderr


def test_it_has_a_terminal_of_its_own(written):
    found = []
    for spawn in (warm.spawn, pexpect.spawn):
        arguments = [str(written(PROBE))]
        with spawn(sys.executable, arguments, env=dict(os.environ), dimensions=(24, 111), encoding="utf-8") as child:
            found.append(json.loads(child.read()))
        assert child.exitstatus == 0

    assert found[0] == found[1]
    assert found[0]["terminal"] == [[111, 24], True]


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_ends_as_a_program_does_that_was_started(written, interpreter, ending):
    command = (*interpreter, written(ENDINGS[ending]))

    forked, started = (run(command, capture_output=True, text=True) for run in (warm.run, subprocess.run))

    assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
    assert words_in(forked.stderr) == words_in(started.stderr)


def words_in(errors):
    """Return what was said, without the lines that say where: two programs have different numbers."""
    where = ("fd=", "Traceback (")
    return [line for line in errors.splitlines() if line[:1].isalpha() and not any(word in line for word in where)]


def test_it_is_waited_for_and_gets_signals_like_any_child(written):
    stuck = written("import time; print('up', flush=True); time.sleep(60)")
    with warm.Popen((sys.executable, stuck), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        assert Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")[1] == warmprocess.__file__
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: "\nState:\tT" in Path(f"/proc/{process.pid}/status").read_text(), "it stands still")
        process.kill()
        assert process.wait(DEADLINE) == -signal.SIGKILL
    assert not Path(f"/proc/{process.pid}").exists()


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ((sys.executable, "-c", "print(open('/proc/self/cmdline').read())"), None),
        (("cat", "/proc/self/cmdline"), None),
        (("PROGRAM",), {"PYTHONIOENCODING": "ascii"}),
    ],
    ids=["a text", "no Python", "another interpreter"],
)
def test_what_needs_an_interpreter_of_its_own_is_started(written, command, environment):
    program = written("print(open('/proc/self/cmdline').read())")
    command = (sys.executable, program) if command == ("PROGRAM",) else command

    done = warm.run(command, env=os.environ | (environment or {}), capture_output=True, text=True)

    assert done.returncode == 0
    assert warmprocess.__file__ not in done.stdout
