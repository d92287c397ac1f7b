"""The warm process: it has imported MeterMT, and forks programs of ours for the tests that ask by `warm`."""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import socket
import sys
import time
import types
import warnings
from pathlib import Path

WARM, SOCKET = "METERMT_TEST_WARM", 3
"""The variable with the id of a program's own warm process, and the descriptor of the socket to ask it by."""
_MAX_REQUEST = 100_000  # bytes, environment included
_imported = set()
"""The names of the modules that a program finds there."""
_exit_status = []
"""What a program ends with, once it has ended by itself or by `sys.exit`; else that is left to the interpreter."""


def _import_everything():
    """Import what our programs may need, the window apart; a warning is an error."""
    atexit.register(_end_at_once)  # the first one, so that it is called after all others
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        import metermt  # noqa: PLC0415 - the process that asks may do without

        for module in pkgutil.walk_packages(metermt.__path__, "metermt."):
            if not module.name.startswith(("metermt.gui", "metermt.__main__")):
                importlib.import_module(module.name)
    _imported.update(sys.modules)
    gc.collect()
    gc.freeze()  # the collector of a child need not look at it, which would copy it


def _end_at_once():
    """Let the system take back what was there before the program: the interpreter would take it apart object by object,
    which takes longer than all else. Threads have ended and `atexit` is done; what the program has made itself is taken
    apart as ever.
    """
    if not _exit_status:
        return
    sys.modules["__main__"].__dict__.clear()
    for name in sys.modules.keys() - _imported:
        del sys.modules[name]
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # the interpreter says it, and has a status for it
    os._exit(_exit_status[0])


def _serve(connection):
    """Fork for each request. Only children return, with theirs; this process ends when nobody can ask any more."""
    while True:
        request, descriptors, *_ = socket.recv_fds(connection, _MAX_REQUEST, 3)
        if not request:
            sys.exit()
        between = os.fork()
        if between == 0:
            between = os.getpid()
            child = os.fork()
            if child == 0:
                while os.getppid() == between:
                    time.sleep(0.0002)  # seconds; the other has nothing to do but to end
                connection.close()
                return _with_a_warm_process_of_its_own(json.loads(request), descriptors)
            connection.send(str(child).encode())
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(between, 0)
        connection.send(b"adopt it")


def _with_a_warm_process_of_its_own(request, descriptors):
    """Let a program that starts others have a child that forks for it; another child of that one returns as well."""
    if request["starts_others"]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = os.fork()
        if child == 0:
            ours.close()
            for descriptor in descriptors:
                os.close(descriptor)
            return _serve(theirs)
        theirs.close()
        descriptors.append(ours.detach())
        request["environment"][WARM] = str(child)
    return request, descriptors


def _become(request, descriptors):
    """Run a program, as the interpreter does that has just started."""
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    _take(descriptors)
    if request["strict"]:
        warnings.simplefilter("error")
    if not request["starts_others"]:  # which measure what logins cost
        passwords = sys.modules["metermt.passwords"]
        passwords._hasher = passwords._quick_hasher
    path = Path(request["program"][0])
    sys.argv = request["program"]
    sys.path[0] = str(path.resolve().parent)
    main = types.ModuleType("__main__")
    main.__file__ = str(path)
    sys.modules["__main__"] = main
    try:
        exec(compile(path.read_bytes(), path, "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _exit_status.append((end.code or 0) & 0xFF)
        raise
    _exit_status.append(0)


def _take(descriptors):
    """Have these, and no others, for standard input, output and errors; a fourth is the socket of a warm process."""
    if len(descriptors) == 1:
        os.login_tty(descriptors[0])
    else:
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number, inheritable=number < SOCKET)
    os.closerange(max(len(descriptors), SOCKET), os.sysconf("SC_OPEN_MAX"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before = getattr(sys, name)
        stream = open(  # noqa: SIM115 - it stays open as long as the program runs
            number,
            "r" if number == 0 else "w",
            buffering=1 if number == 2 or os.isatty(number) else -1,
            encoding=before.encoding,
            errors=before.errors,
            newline="\n",
            closefd=False,
        )
        stream.buffer.raw.name = f"<{name}>"
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    _import_everything()
    _become(*_serve(socket.socket(fileno=int(sys.argv[1]))))
