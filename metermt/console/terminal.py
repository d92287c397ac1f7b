"""Questions to a person at a terminal, or to a file that has the answers."""

import getpass
import os
import signal
import socket
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from threading import Event, Thread, Timer, get_ident
from typing import ParamSpec, TypeVar

from metermt.errors import Error, SettingError
from metermt.printable import printable
from metermt.rules.answers import quoted

if sys.platform != "win32":
    import fcntl
    import termios
with suppress(ImportError):  # it lets `input` take the arrow keys, where there is one
    import readline

P = ParamSpec("P")
R = TypeVar("R")

_NUDGES, _NUDGE_AFTER = 50, 0.02  # how often, and after how many seconds, Python is woken to notice Ctrl+C
_SLOW_AFTER = 3.0  # seconds; before that a word about waiting would only flicker


def say(text: str) -> None:
    """Print a line; on a terminal that is narrower it is broken between words."""
    columns = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0
    wide = columns < 2 or len(text) < columns  # without a size there is nothing to go by
    print(text if wide else textwrap.fill(text, columns - 1, break_long_words=False, break_on_hyphens=False))


class Terminal:
    """Standard input and output. To be used in the main thread, from its `with` block.

    Where the answers come from a file or a pipe each is shown behind its question, but for secrets.
    """

    def __init__(self) -> None:
        """Raises `SettingError` if the program was started without one of the two."""
        if sys.stdin is None or sys.stdout is None:
            raise SettingError("There is no standard input, or no standard output: start this in a terminal")
        for stream in (sys.stdin, sys.stdout):  # characters that the terminal has not, or that are none
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        self.is_person = sys.stdin.isatty()
        self._edits_lines = self.is_person and sys.stdout.isatty() and _can_edit_lines()
        self._is_editing = False
        self.not_entered = ""
        """What stood on the line when Ctrl+C broke off the last question, where lines can be edited."""

    def __enter__(self) -> "Terminal":
        # Python notices Ctrl+C between two of its own steps, so one that comes just before a wait for the keyboard
        # waits for the next key. Through this socket a thread hears of it, and ends that wait by another signal.
        self._ears, self._alarm = socket.socketpair()
        self._alarm.setblocking(False)
        self._noticed = Event()
        self._nudger = Thread(target=self._nudge, args=(get_ident(),), name="nudger", daemon=True)
        if self.is_person and sys.platform != "win32":
            self._before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGUSR1)]
            signal.signal(signal.SIGINT, self._interrupt)
            signal.signal(signal.SIGUSR1, lambda *_: None)
            signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
            self._nudger.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._nudger.is_alive():
            signal.set_wakeup_fd(-1)
            self._alarm.close()
            self._nudger.join()
            for number, handler in self._before:
                signal.signal(number, handler)
        self._ears.close()
        self._alarm.close()

    def _interrupt(self, *_of_signal: object) -> None:
        self._noticed.set()
        if self._is_editing:
            self.not_entered = readline.get_line_buffer().strip()
        raise KeyboardInterrupt

    def _nudge(self, main_thread: int) -> None:
        while numbers := self._ears.recv(64):
            if signal.SIGINT in numbers:
                for _ in range(_NUDGES):
                    if self._noticed.wait(_NUDGE_AFTER):
                        break
                    signal.pthread_kill(main_thread, signal.SIGUSR1)
                self._noticed.clear()

    def ask(self, question: str) -> str:
        """Return the answer, without blanks around it. A person may edit it with the arrow keys.

        Raises `EOFError` at the end of input.
        """
        self.not_entered = ""
        if self._edits_lines:
            self._is_editing = True
            try:
                return input(question).strip()
            finally:
                self._is_editing = False
        sys.stdout.write(question)
        sys.stdout.flush()
        answer = self._next_line().strip()
        if not self.is_person:
            print(answer)
        return answer

    def try_again(self, error: Error, question: str) -> bool:
        """Tell a person what went wrong, and ask whether to try again.

        A file is not asked, and nothing is tried again: what comes next in it answers another question.
        """
        if not self.is_person:
            return False
        say(f"Error: {error}")
        return self.yes_or_no(question, default=True)

    def ask_secret(self, question: str) -> str:
        """Return the answer, which is shown nowhere. Raises `EOFError` at the end of input."""
        if sys.platform == "win32":
            return getpass.getpass(question)
        with _without(termios.ECHO, termios.TCSAFLUSH) if self.is_person else nullcontext():
            sys.stdout.write(question)
            sys.stdout.flush()
            answer = self._next_line()
        print()
        return answer

    def confirm(self, question: str, *, default: bool) -> bool:
        """Ask a person for yes or no.

        A file was written before anybody knew of this question: it is not asked, and what its text answers to it is the
        default.
        """
        return self.yes_or_no(question, default=default) if self.is_person else default

    def yes_or_no(self, question: str, *, default: bool) -> bool:
        """Ask for yes or no; Enter alone means the default. A person who types anything else is asked again.

        A file was perhaps written before anybody knew of this question. Raises `SettingError` if its next line is no
        answer: that belongs to another question, and so do those after it.
        """
        while True:
            answer = self.ask(f"{question} [{'Y/n' if default else 'y/N'}]: ")
            if answer.lower() in ("y", "yes", "n", "no"):
                return answer.lower().startswith("y")
            if not self.is_person:
                instead = quoted(printable(answer))
                raise SettingError(f"{instead} is neither y nor n: write one before it. Nothing after it was taken")
            if not answer:
                return default
            print("Type y for yes or n for no")

    def wait_for(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what a call of a server returns; a person is told if it takes long."""
        with self.waiting("Waiting for the server…"):
            return call(*args, **kwargs)

    @contextmanager
    def waiting(self, words: str) -> Iterator[None]:
        """Say these words to a person if what is done in the block takes long.

        What is typed after that is not taken for an answer to the next question, which nobody has seen yet.
        """
        was_said = Event()

        def tell() -> None:
            was_said.set()
            print(words, flush=True)

        timer = Timer(_SLOW_AFTER, tell)
        try:
            if self.is_person:
                timer.start()  # Ctrl+C may come in here as well; the program would not end before the timer
            yield
        finally:
            timer.cancel()
            if timer.is_alive():
                timer.join()
            if was_said.is_set() and _drop_what_was_typed():
                print("What was typed meanwhile was not taken: type it again")

    def _next_line(self) -> str:
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")


def _can_edit_lines() -> bool:
    """Make lines editable; tell whether they are now."""
    if "readline" not in sys.modules:
        return False
    readline.set_auto_history(False)  # a reading must not come back by one key
    readline.parse_and_bind("set enable-bracketed-paste off")  # else it talks to the terminal before each question
    return True


def _drop_what_was_typed() -> bool:
    """Throw away what was typed and is not read yet; tell whether there was anything. Windows keeps it."""
    if sys.platform == "win32":
        return False
    with _without(termios.ICANON, termios.TCSANOW) as descriptor:  # in which a line counts before its Enter, too
        return any(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))


@contextmanager
def _without(flag: int, when: int) -> Iterator[int]:
    """Take a flag from the terminal of standard input; at the end put it back, and drop what was typed."""
    descriptor = sys.stdin.fileno()
    usual = termios.tcgetattr(descriptor)
    changed = termios.tcgetattr(descriptor)
    changed[3] &= ~flag
    termios.tcsetattr(descriptor, when, changed)
    try:
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, usual)
