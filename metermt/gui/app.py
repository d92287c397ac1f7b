"""The window: the presenter, the thread for its calls, and the views, joined."""

import logging
import signal
import tkinter as tk
from collections.abc import Callable, Mapping
from types import TracebackType

from metermt.errors import SettingError
from metermt.gui.background import Background
from metermt.gui.fitting import Fitting
from metermt.gui.opening import Opening
from metermt.gui.questions import Asking
from metermt.gui.reports import ReportPresenter
from metermt.gui.state import Dialog, Screen, State
from metermt.gui.theme import Theme
from metermt.gui.views.dialog import FormDialog
from metermt.gui.views.find import FindDialog
from metermt.gui.views.login import LoginDialog
from metermt.gui.views.message import MessageView
from metermt.gui.views.question import QuestionDialog
from metermt.gui.views.reading import ReadingView
from metermt.gui.views.reports import ExchangedDialog, FoundDialog, NoteDialog
from metermt.gui.views.statusline import StatusLine
from metermt.localserver import LocalServer

_WIDTH, _HEIGHT = 720, 500
_BEAT = 200  # milliseconds: Python handles signals only while its own code runs, so some runs this often
_DIALOGS: Mapping[Dialog, Callable[[tk.Tk, ReportPresenter], FormDialog]] = {
    Dialog.LOGIN: LoginDialog,
    Dialog.FIND: FindDialog,
    Dialog.NOTE: NoteDialog,
    Dialog.FOUND: FoundDialog,
    Dialog.EXCHANGED: ExchangedDialog,
}

_log = logging.getLogger(__name__)


class Window:
    """One reader's window. `run` returns when it was closed.

    `own_server` is stopped then, if it was started. Raises `SettingError` if there is no display.
    """

    def __init__(self, opening: Opening, own_server: LocalServer | None = None) -> None:
        try:
            self.root = tk.Tk(className="MeterMT")
        except tk.TclError as error:
            raise SettingError(f"Cannot open a window: {error}") from error
        self.root.withdraw()
        widest, highest = self.root.maxsize()
        self.root.geometry(f"{min(_WIDTH, widest)}x{min(_HEIGHT, highest)}")
        self.root.report_callback_exception = self.report
        self._own_server = own_server
        self._closed = False
        self._background = Background(self.root)
        self.presenter = ReportPresenter(opening, self._background)
        self.presenter.open()  # first, because it takes place while the rest is made
        self.theme = Theme(self.root)
        self._make_views()
        self.presenter.changed = self._draw
        self.presenter.ended = self.close
        self.root.protocol("WM_DELETE_WINDOW", self.presenter.leave)
        self._draw(self.presenter.state)
        self.root.deiconify()

    def run(self) -> None:
        """Work until the window is closed, by the reader, Ctrl+C or SIGTERM. To be called in the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.root.after(0, self.close))
        self._beat()
        self.root.mainloop()

    def close(self) -> None:
        """Take the window away at once; then log out, and stop the server that was started for it."""
        if self._closed:
            return
        self._closed = True
        for dialog in self._dialogs.values():
            dialog.hide()
        self.root.withdraw()
        self.root.update_idletasks()
        self._background.close(self.presenter.farewell)
        if self._own_server:
            self._own_server.stop()
        self.root.destroy()

    def report(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Log what went wrong in a callback: a fault in this program."""
        _log.error("unexpected", exc_info=(kind, error, trace))

    def _make_views(self) -> None:
        self._shown: object = None
        self._status = StatusLine(self.root)
        self._status.pack(side="bottom", fill="x")
        self.message = MessageView(self.root, self.presenter)
        self.reading = ReadingView(self.root, self.presenter)
        self._dialogs: dict[Dialog | Asking, FormDialog] = {}
        Fitting(self.root, self.theme)
        self.root.bind("<FocusIn>", self._keyboard_came)

    def _draw(self, state: State) -> None:
        self.root.title(state.title)
        shown = (state.screen, state.front, state.job)
        if shown != self._shown:  # what was too high for the screen is gone
            self._shown = shown
            self.theme.restore()
        self._put(self.reading if state.screen is Screen.READING else self.message, state)
        self._status.draw(state)
        for kind, dialog in self._dialogs.items():
            if kind is state.dialog and kind is not state.front:
                dialog.stand_back()
            elif kind is not state.front:
                dialog.hide()
        if state.front:
            dialog = self._dialog(state.front)
            dialog.draw(state)
            dialog.show()

    def _put(self, view: MessageView | ReadingView, state: State) -> None:
        if not view.winfo_manager():
            for other in (self.message, self.reading):
                other.pack_forget()
            view.pack(fill="both", expand=True)
        view.draw(state)

    def _dialog(self, kind: Dialog | Asking) -> FormDialog:
        if kind not in self._dialogs:
            if isinstance(kind, Asking):
                self._dialogs[kind] = QuestionDialog(self.root, self.presenter, kind)
            elif kind is Dialog.ACCOUNT:
                from metermt.gui.views.account import AccountDialog  # noqa: PLC0415 - needed once in a lifetime

                self._dialogs[kind] = AccountDialog(self.root, self.presenter)
            else:
                self._dialogs[kind] = _DIALOGS[kind](self.root, self.presenter)
            Fitting(self._dialogs[kind].window, self.theme)
        return self._dialogs[kind]

    def _keyboard_came(self, event: "tk.Event[tk.Misc]") -> None:
        if event.widget is self.root and self.presenter.state.front:  # somebody clicked on the window behind it
            self._dialog(self.presenter.state.front).take_keyboard()

    def _beat(self) -> None:
        self.root.after(_BEAT, self._beat)
