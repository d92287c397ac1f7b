"""What a reader does on a route besides reading the meter that is next. It does not depend on Tk."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from metermt.client.client import MeterClient
from metermt.errors import Error
from metermt.gui import questions
from metermt.gui.handed import Next, find
from metermt.gui.presenter import Presenter
from metermt.gui.stage import nothing
from metermt.gui.state import ANYWHERE, METER, NOTHING, Dialog, Screen
from metermt.gui.typed import Typed
from metermt.model import Job
from metermt.printable import device_time
from metermt.rules.answers import in_short, quoted
from metermt.rules.fates import Fate, fate_of
from metermt.stops import NOTHING_BEFORE, NOTHING_READ, Found, OwnReading, Stop


class RoundPresenter(Presenter):
    """Carries out these commands too: leave a meter for later, find one, correct a reading, hand over the device.

    A meter that was not handed out is read **aside**: `skip` goes back then to the one that was.
    """

    def skip(self) -> None:
        """Leave this meter for later, or as it is if it is read aside."""
        job = self.state.job
        if job is None or not self._is_free:
            return
        skip, done = partial(_skip, self._connected, job), partial(self._skipped, job)
        run = partial(self._run, "Skipping…", skip, done, self._not_skipped, self.skip)
        self._go_on_to(self.fetch if self.state.aside else run)

    def correct(self) -> None:
        """Let the reader type their last reading anew; again the one before it."""
        if self._is_free:
            call, asking = self._connected.my_readings, "Asking for your last readings…"
            self._go_on_to(partial(self._run, asking, call, self._go_back, self._failed, self.correct))

    def look(self) -> None:
        """Show what is left, and let the reader look for a meter."""
        if self._is_free:
            self._show(typed=replace(self.state.typed, sought=""))
            self.search()

    def search(self) -> None:
        """Look for what was typed; for nothing it is what is ahead on the route."""
        if not self.state.doing:
            call = partial(_search, self._connected, self.state.typed.sought.strip())
            self._run("Looking…", call, self._searched, self._failed, self.search)

    def take(self, stop: Stop) -> None:
        """Read this meter now, if nobody else does or has."""
        if stop.is_anothers(self._username):
            self._blame("sought", stop.refusal(self._username))
            return
        self.come_back()
        if not self._is_here(stop.job):
            self._go_on_to(partial(self._step_aside, stop.job, f"You have chosen {stop.job.meter.number}"))

    def come_back(self) -> None:
        """Go back from what stands in front."""
        done = self.state.screen is Screen.DONE
        if done:
            self._again = self.fetch
        self._show(dialog=None, found=Found([]), hint="", faults=NOTHING, can_retry=done)
        self._focus_on("retry" if done else "reading")

    def log_out(self) -> None:
        """Let the next reader log in; ask first if something is not sent."""
        if not self._is_free:
            return
        if lost := self._lost:
            self._put_question(questions.log_out_all_the_same(self._username, lost), nothing, self._log_out)
        else:
            self._log_out()

    # --- what came of them

    def _skipped(self, job: Job, found: Next) -> None:
        self._empty_fields()
        self._show_job(found)
        again = ": it is all that is left for you now" if self._is_here(job) else ""
        self._show(notice=f"Skipped {job.meter.number}{again}")

    def _not_skipped(self, error: Error) -> None:
        if fate_of(error) is Fate.GONE:
            self.fetch({METER: str(error)})
        else:
            self._failed(error)

    def _go_back(self, own: Sequence[OwnReading]) -> None:
        further = next((place for place, one in enumerate(own, 1) if self._is_here(one.job)), 0)
        if further < len(own):
            last = own[further]
            said = quoted(last.reason) if last.value is None else str(last.value)
            self._step_aside(last.job, f"You sent {said}, read {device_time(last.when)}: type it anew")
        else:
            self.come_back()
            self._show(faults={ANYWHERE: NOTHING_BEFORE if further else NOTHING_READ})

    def _searched(self, found: Found) -> None:
        title = "Found:" if self.state.typed.sought.strip() else "Ahead of you:"
        self._show(dialog=Dialog.FIND, found=found, found_title=title if found.stops else "")
        if not found.stops:
            self._show(faults={"sought": "There is no such meter to be read" if self.state.typed.sought else ""})
        self._focus_on("sought")

    def _log_out(self) -> None:
        self._run("Logging out…", partial(_log_out, self._connected), self._logged_out, self._failed, self._log_out)

    def _logged_out(self, _nothing: None) -> None:
        kept = self._set_aside().get(ANYWHERE, "")
        self._username, self._after_login = "", self.fetch
        self._put_off.clear()
        self._show(screen=Screen.WELCOME, job=None, status=None, counts=None, end="", aside="", full_name="")
        self._show(typed=Typed(), notice="", can_retry=False, hint=kept or "Logged out: the next reader can log in.")
        self._ask(Dialog.LOGIN)

    # --- parts

    @property
    def _is_free(self) -> bool:
        """Somebody has logged in, and nothing is under way."""
        return self.state.screen is not Screen.WELCOME and not self.state.is_locked and not self.state.front

    def _go_on_to(self, following: Callable[[], None]) -> None:
        """Go to another meter, unless something stands in the fields: it would be lost.

        What was sent and is not confirmed is kept, to be offered at the next login. A value that was asked about, and
        is left behind on purpose, may be thrown away.
        """
        if self.state.screen is Screen.READING and self.state.typed.answer:
            self._blame("reading", "Submit this first, or empty the field")
            return
        unconfirmed, doubted, self._sending, self._doubted = self._sending, self._doubted, None, None
        self._put_off |= {str(answer.key) for answer in (unconfirmed, doubted) if answer}
        if unconfirmed:
            self._show(notice=f"{in_short(unconfirmed)} for {unconfirmed.meter} is kept for your next login")
        if doubted and not unconfirmed and self._connected.outbox.keeps(doubted):

            def throw_away() -> None:
                self._discard([doubted])
                following()

            self._put_question(questions.left_behind(doubted), following, throw_away)
        else:
            following()

    def _step_aside(self, job: Job, why: str) -> None:
        self._empty_fields()
        self._show(screen=Screen.READING, job=job, aside=why, faults={}, can_retry=False)
        self._focus_on("reading")


def _skip(client: MeterClient, job: Job) -> Next:
    client.skip_job(job.meter.number, job.cycle)
    return find(client)


def _search(client: MeterClient, text: str) -> Found:
    return client.find_meters(text) if text else Found(client.list_ahead())


def _log_out(client: MeterClient) -> None:
    client.farewell(client.timeout)  # whose meters are free then
