"""Starts programs of ours from a warm process, for tests: one that has imported MeterMT, and forks.

Importing MeterMT costs 0.3 s of processor, and tests start some 700 programs. `Popen`, `run` and `spawn` are used as
those of `subprocess` and `pexpect`, and do the same: what they start is a process of its own and a child of this one,
with its own arguments, environment, folder, terminal and signals, and with no descriptors but the first three. Only the
interpreter is there already, and all of MeterMT but the window, and a new hash of a password costs next to nothing.
`test_warm.py` compares the two.

What is no program in a file for this Python, or would need another interpreter (`_SEEN_AT_START`), is started as ever.
What only a true start shows, such as an import that is missing, is tested in `test_packaging.py` (what is installed),
`test_readme.py`, `test_window_opening.py`, `test_flushes.py` (server.py), `test_public_names.py`, and
`test_console_dialogue.py` under "a quick start" (client_console.py, `metermt console`).

How it works: with the first start `warmprocess.py` is run, with a socket. It forks for each request, and the child
becomes the program. Between the two there is a process that ends at once, so that the system gives the child another
parent: us (`_adopting`).
"""

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import termios
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock

import warmprocess

_SEEN_AT_START = ("PYTHON", "LC_", "LANG")
"""Variables that the interpreter looks at when it starts; with others than the warm process has it has to start."""
_WITHOUT_EFFECT = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")  # on our programs, which flush what is to be seen
_ENVIRONMENT = dict(os.environ)
"""That of the warm process."""
_INTERPRETERS = {(sys.executable,): False, (sys.executable, "-W", "error"): True}
"""How a program of ours may begin, and whether warnings are errors then."""
_SETTINGS = {"stdin", "stdout", "stderr", "cwd", "env", "bufsize", "text", "encoding", "errors"}
"""Of `Popen`, as far as they are known here: with others a program is started as ever."""
_CONSOLE_SCRIPT = str(Path(sys.executable).with_name("metermt"))
_SCRIPTS = Path(__file__).parents[2] / "scripts"
BENCH = Path(__file__).with_name("warmbench.py")
"""This program and those of `scripts` start others, by this module: each gets a warm process, forked as it is."""
_PR_SET_CHILD_SUBREAPER = 36

_asking = Lock()
"""Guards the socket, and our being the parent of what has none."""


class Popen(subprocess.Popen):
    """`subprocess.Popen`, faster for programs of ours."""

    def __init__(self, args, **settings):
        self._is_usual = settings.keys() <= _SETTINGS
        super().__init__(args, **settings)

    def _execute_child(self, args, *rest):
        cwd, env = rest[4:6]
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = rest[9:15]
        command = _ours(args, env)
        if not command or not self._is_usual:
            super()._execute_child(args, *rest)
            return
        wanted = [own if own >= 0 else number for number, own in enumerate((p2cread, c2pwrite, errwrite))]
        self.pid = _fork(command, env, cwd, wanted)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def run(command, *, input=None, capture_output=False, timeout=None, check=False, **settings):  # noqa: A002 - as there
    """`subprocess.run`, faster for programs of ours."""
    if input is not None:
        settings["stdin"] = subprocess.PIPE
    if capture_output:
        settings["stdout"] = settings["stderr"] = subprocess.PIPE
    with Popen(command, **settings) as process:
        try:
            output, errors = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, output, errors)
    if check:
        done.check_returncode()
    return done


def spawn(command, arguments=(), **settings):
    """`pexpect.spawn`, faster for programs of ours."""
    return _terminal()(command, list(arguments), **settings)


@cache
def _terminal():
    import pexpect  # noqa: PLC0415 - the warm process needs none
    import ptyprocess  # noqa: PLC0415

    class Terminal(pexpect.spawn):
        def _spawnpty(self, args, *, env, cwd, dimensions=(24, 80), **settings):
            command = _ours(map(os.fsdecode, args), env)
            if not command:
                return super()._spawnpty(args, env=env, cwd=cwd, dimensions=dimensions, **settings)
            here, there = os.openpty()
            termios.tcsetwinsize(there, dimensions)
            try:
                return ptyprocess.PtyProcess(_fork(command, env, cwd, [there]), here)
            finally:
                os.close(there)

    return Terminal


def _ours(args, env):
    """Return a command without its interpreter, and whether warnings are errors; None if it has to be started."""
    needs_its_own = _seen_at_start(os.environ if env is None else env) != _seen_at_start(_ENVIRONMENT)
    if needs_its_own or isinstance(args, str | os.PathLike) or sys.platform != "linux":
        return None
    command = list(map(os.fspath, args))
    if command[0] == _CONSOLE_SCRIPT:
        return command, False
    for interpreter, strict in _INTERPRETERS.items():
        program = command[len(interpreter) :]
        if command[: len(interpreter)] == list(interpreter) and program and Path(program[0]).is_file():
            return program, strict
    return None


def _seen_at_start(env):
    return {
        name: value for name, value in env.items() if name.startswith(_SEEN_AT_START) and name not in _WITHOUT_EFFECT
    }


def _fork(command, env, cwd, descriptors):
    """Let the warm process fork; return the id of a process that is our child. One descriptor is that of a terminal."""
    program, strict = command
    request = {
        "program": program,
        "strict": strict,
        "environment": dict(os.environ if env is None else env),
        "folder": os.fspath(cwd or Path.cwd()),
        "starts_others": _starts_others(Path(program[0])),
    }
    with _asking, _adopting():
        socket.send_fds(_warm_process(), [json.dumps(request).encode()], descriptors)
        child, adopted = _warm_process().recv(20), _warm_process().recv(20)
    assert adopted, "the warm process has died"
    return int(child)


def _starts_others(program):
    return program == BENCH or (program.parent == _SCRIPTS and not program.suffix)


@contextmanager
def _adopting():
    """Become the parent of those whose parent ends meanwhile."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@cache
def _warm_process():
    """Start it, once, unless we have one; return the socket that it listens to. It ends with us."""
    if process := os.environ.pop(warmprocess.WARM, None):
        inherited = socket.socket(fileno=warmprocess.SOCKET)
        atexit.register(lambda: (inherited.close(), os.waitpid(int(process), 0)))
        return inherited
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, warmprocess.__file__, str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=_ENVIRONMENT, start_new_session=True
        )

    def end():
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
