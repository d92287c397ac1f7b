"""Questions to a person at a terminal, or to a file that has the answers."""

import getpass
import select
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

if sys.platform != "win32":
    import termios


class Terminal:
    """Standard input and output. To be used in the main thread, from its `with` block.

    Where the answers come from a file or a pipe each is shown behind its question, but for secrets.
    """

    def __init__(self) -> None:
        for stream in (sys.stdin, sys.stdout):  # characters that the terminal has not, or that are none
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        self._is_person = sys.stdin.isatty()

    def __enter__(self) -> "Terminal":
        # Python notices Ctrl+C between two of its own steps, so one that comes just before a read of the keyboard would
        # wait for the next key. Through this socket it ends the wait for the keyboard at once.
        self._awake, self._alarm = socket.socketpair()
        self._alarm.setblocking(False)
        self._before = signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_exc: object) -> None:
        signal.set_wakeup_fd(self._before)
        self._awake.close()
        self._alarm.close()

    def ask(self, question: str) -> str:
        """Return the answer, without blanks around it. Raises `EOFError` at the end of input."""
        sys.stdout.write(question)
        sys.stdout.flush()
        answer = self._next_line().strip()
        if not self._is_person:
            print(answer)
        return answer

    def ask_secret(self, question: str) -> str:
        """Return the answer, which is shown nowhere. Raises `EOFError` at the end of input."""
        if sys.platform == "win32":
            return getpass.getpass(question)
        with _no_echo() if self._is_person else nullcontext():
            sys.stdout.write(question)
            sys.stdout.flush()
            answer = self._next_line()
        print()
        return answer

    def _next_line(self) -> str:
        if sys.platform != "win32" and self._is_person:
            while select.select([sys.stdin, self._awake], [], [])[0][0] is not sys.stdin:
                self._awake.recv(64)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")


@contextmanager
def _no_echo() -> Iterator[None]:
    descriptor = sys.stdin.fileno()
    usual = termios.tcgetattr(descriptor)
    silent = termios.tcgetattr(descriptor)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, usual)
