"""What a reader can say at a prompt of the console besides an answer: words that begin with a slash."""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from metermt.client.client import MeterClient
from metermt.client.exchanging import ToldExchange, TypedExchange, check_field, find_told, tell_exchange
from metermt.console.reasons import Reasons
from metermt.console.terminal import Terminal, say
from metermt.errors import ConfirmReading, Error, InvalidReport, SubmissionError, UnknownMeter
from metermt.fieldnotes import likely_kind
from metermt.model import Job, Meter
from metermt.printable import device_time, printable
from metermt.progress import RouteCounts
from metermt.rules.answers import as_typed, quoted
from metermt.rules.fates import Fate, fate_of
from metermt.stops import NOTHING_BEFORE, NOTHING_READ, Found, OwnReading, Stop

SLASH = "/"
_EMPTY = "-"  # typed for a last value that nobody knows, where Enter takes the one that was typed before
_LISTED = 10  # jobs ahead; a terminal has 24 lines


class Elsewhere(NamedTuple):
    """Where a word leads. `job` is the one to go on with, None when there is none."""

    job: Job | None
    aside: bool = False
    """It was not handed out: whoever gives no answer goes back to the one that was."""
    next_reader: bool = False
    """It leads to a login: whoever was logged in hands the device to somebody else."""


class _Word(NamedTuple):
    do: Callable[[str, Job | None], Elsewhere | None]
    takes: str
    means: str


class Words:
    """The words."""

    def __init__(self, client: MeterClient, terminal: Terminal, reasons: Reasons) -> None:
        self._client = client
        self._terminal = terminal
        self._wait_for = terminal.wait_for
        self._reasons = reasons
        self.were_used = False
        """Whether a word was said: whoever has said none keeps the dialogue as it was before there were any."""
        self._forget()
        self._known = {
            "/skip": _Word(self._skip, "", "leave this meter for later; it comes again at the end"),
            "/where": _Word(self._where, "", "how far this route is"),
            "/list": _Word(self._list, "", "what is left on your route"),
            "/find": _Word(self._find, "TEXT", "find meters by a part of the number or the address"),
            "/read": _Word(self._read, "TEXT", "read another meter now; TEXT as with /find"),
            "/undo": _Word(self._undo, "", "correct your last reading; again for the one before"),
            "/note": _Word(self._note, "TEXT", "leave a note here for the next reader and the office"),
            "/found": _Word(self._report, "NUMBER WHERE", "tell the office of a meter that is on no list"),
            "/exchanged": _Word(self._exchanged, "", "another meter hangs here now: tell the office"),
            "/reasons": _Word(self._list_reasons, "", "the reasons why there may be no reading"),
            "/logout": _Word(self._log_out, "", "hand this device to the next reader"),
            "/help": _Word(self._help, "", "these words"),
        }

    def say(self, typed: str, job: Job | None) -> Elsewhere | None:
        """Do what a word means at this job, or at none; return where it leads, None for nowhere. Raises `Error`."""
        self.were_used = True
        if self._username != self._client.username:
            self._forget()
        name, _, rest = typed.partition(" ")
        word = self._known.get(name.lower())
        if word is None:
            print(f"There is no word {quoted(printable(name))}: /help lists them")
            return None
        return word.do(rest.strip(), job)

    def _forget(self) -> None:
        """Begin anew with whoever is logged in: what another reader has typed is not theirs."""
        self._username = self._client.username
        self._own: list[OwnReading] = []  # what /undo goes back through
        self._exchange = ("", TypedExchange("", ""))  # a meter, and what was typed of its exchange and not sent

    def _skip(self, _rest: str, job: Job | None) -> Elsewhere:
        job = _this(job)
        try:
            self._wait_for(self._client.skip_job, job.meter.number, job.cycle)
        except SubmissionError as error:
            if fate_of(error) is not Fate.GONE:
                raise
            say(str(error))
            return Elsewhere(self._wait_for(self._client.get_job))
        following = self._wait_for(self._client.get_job)
        again = " It is all that is left for you now" if following == job else ""
        print(f"Skipped {job.meter.number}.{again}")
        return Elsewhere(following)

    def _where(self, _rest: str, job: Job | None) -> None:
        print(_in_words(self._wait_for(self._client.count_route, _this(job))))

    def _list(self, _rest: str, job: Job | None) -> None:
        self._where("", job)
        ahead = self._wait_for(self._client.list_ahead, _LISTED + 1)
        self._show(Found(ahead[:_LISTED], more=len(ahead) > _LISTED))

    def _find(self, rest: str, _job: Job | None) -> None:
        self._show(self._found(rest))

    def _read(self, rest: str, _job: Job | None) -> Elsewhere | None:
        found = self._found(rest)
        exactly = [stop for stop in found.stops if stop.job.meter.number == rest.upper()]
        named = Found(exactly) if exactly else found
        stop = named.stops[0] if len(named.stops) == 1 else self._ask_which(named)
        username = self._client.username
        if stop and stop.is_anothers(username):
            say(stop.refusal(username))
            return None
        return self._at(stop) if stop else None

    def _at(self, stop: Stop) -> Elsewhere:
        return Elsewhere(stop.job, aside=stop.held_by != self._client.username)

    def _undo(self, _rest: str, job: Job | None) -> Elsewhere | None:
        further = next((place for place, own in enumerate(self._own, 1) if own.job == job), 0)
        if not further:
            self._own = self._wait_for(self._client.my_readings)
        if further == len(self._own):
            say(NOTHING_BEFORE if further else NOTHING_READ)
            return None
        own = self._own[further]
        what = quoted(printable(own.reason)) if own.value is None else str(own.value)
        say(f"{own.job.meter.number}: you sent {what}, read {device_time(own.when)}. Type it anew, or Enter twice:")
        return Elsewhere(own.job, aside=True)

    def _note(self, rest: str, job: Job | None) -> None:
        number = _this(job).meter.number
        self._wait_for(self._client.leave_note, number, rest)
        print(f"Noted for {number}")

    def _report(self, rest: str, _job: Job | None) -> None:
        number, _, where = rest.partition(" ")
        if not where.strip():
            print("Say which meter and where it is, such as /found W99 behind the shed")
            return
        number = number.upper()
        self._wait_for(self._client.report_found, number, likely_kind(number), None, None, where.strip())
        print(f"Reported {printable(number)} to the office")

    def _exchanged(self, _rest: str, job: Job | None) -> Elsewhere | None:
        job = _this(job)
        old = job.meter
        if not self._ask_of_exchange(old):
            return None
        try:
            told = self._tell_exchange(old, sure=False)
        except ConfirmReading as error:
            if not self._terminal.yes_or_no(f"{error}. Is that what the old meter showed?", default=False):
                say("Nothing was told. What you typed is kept: say /exchanged again, and type the last value anew")
                return None
            told = self._tell_exchange(old, sure=True)
        say(told.words)
        self._exchange = ("", TypedExchange("", ""))
        stop = self._wait_for(find_told, self._client, told, job.cycle)
        return self._at(stop) if stop else Elsewhere(self._wait_for(self._client.get_job))

    def _tell_exchange(self, old: Meter, *, sure: bool) -> ToldExchange:
        """Tell the server what was typed. What is refused but for being odd is kept, and that is said."""
        try:
            return self._wait_for(tell_exchange, self._client, old, self._exchange[1], sure=sure)
        except ConfirmReading:
            raise
        except Error:
            print("What you typed is kept: say /exchanged again, and Enter takes it")
            raise

    def _ask_of_exchange(self, old: Meter) -> bool:
        """Ask for what is known of an exchange, and keep it; False if it is left. Enter takes what is in brackets."""
        if self._exchange[0] != old.number:
            self._exchange = (old.number, TypedExchange("", "", "0", str(old.dials or ""), str(date.today())))
        nobody = f"{_EMPTY if self._exchange[1].final else 'Enter'} if nobody knows it"
        for field, question in (
            ("new", "Number of the new meter"),
            ("final", f"Last value of {old.number}, {nobody}"),
            ("initial", "First value of the new one"),
            ("dials", "Digits on its register"),
            ("on", "Day of the exchange"),
        ):
            try:
                text = self._ask_for_field(field, question, getattr(self._exchange[1], field))
            except KeyboardInterrupt:
                text = None
                print()
            if text is None:
                print("Nothing was told")
                return False
            self._exchange = (old.number, self._exchange[1]._replace(**{field: text}))
        return True

    def _ask_for_field(self, field: str, question: str, kept: str) -> str | None:
        """Return what is typed, or was before; None if there is no number of a new meter."""
        while True:
            typed = self._terminal.ask(f"{question}{f' [{kept}]' if kept else ''}: ")
            text = "" if (field, typed) == ("final", _EMPTY) else typed or kept
            if field == "new" and not text:
                return None
            try:
                check_field(field, text)
            except InvalidReport as error:
                say(str(error))
            else:
                return text

    def _list_reasons(self, _rest: str, _job: Job | None) -> None:
        self._reasons.list()

    def _log_out(self, _rest: str, _job: Job | None) -> Elsewhere:
        return Elsewhere(None, next_reader=True)

    def _help(self, _rest: str, _job: Job | None) -> None:
        for name, word in self._known.items():
            print(f"  {name} {word.takes}".ljust(23) + word.means)

    def _found(self, text: str) -> Found:
        """Return the meters that are meant by a text; tell if there are none."""
        found = self._wait_for(self._client.find_meters, text)
        if not found.stops:
            say(f"No meter that is to be read has {quoted(printable(text))} in its number or address")
        return found

    def _ask_which(self, found: Found) -> Stop | None:
        """Return which of several meters is meant, None for none of them; a file of answers is not asked."""
        self._show(found, numbered=True)
        last = len(found.stops)
        while last and self._terminal.is_person:
            typed = self._terminal.ask(f"Which one, 1 to {last}? Enter for none: ")
            if not typed:
                break
            number = as_typed(typed)
            if isinstance(number, int) and 1 <= number <= last:
                return found.stops[number - 1]
            print(f"{quoted(printable(typed))} is none of them")
        return None

    def _show(self, found: Found, *, numbered: bool = False) -> None:
        for number, stop in enumerate(found.stops, 1):
            print(f"{number:>4}" if numbered else "", stop_in_words(stop, self._client.username), sep="  ")
        if found.more:
            print("  and more")


def _this(job: Job | None) -> Job:
    """Return the job that a word is about. Raises `UnknownMeter` if there is none."""
    if job is None:
        raise UnknownMeter("You are at no meter now: /find looks for one, /read and /undo go to one")
    return job


def stop_in_words(stop: Stop, username: str) -> str:
    """Return a line about a job, for this reader."""
    job = stop.job
    where = f"{job.route} {job.sequence}".strip()
    return ", ".join(filter(None, (f"{where}: {job.meter.number}", job.meter.address, stop.note(username))))


def _in_words(counts: RouteCounts) -> str:
    skipped = f", {counts.skipped} skipped" if counts.skipped else ""
    return f"{f'Route {counts.route}' if counts.route else 'On no route'}: {counts.done} of {counts.total}{skipped}"
