"""A form: labelled fields, each with its fault below it, and a row of buttons."""

import tkinter as tk
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from tkinter import ttk

from metermt.gui.state import ANYWHERE
from metermt.gui.theme import BODY, GAP

_DOT = "•"
_WIDTH = 46  # characters that all fields side by side can show, where there is room

Edit = Callable[[str, str], None]


def on_alt(window: tk.Misc, label: str, underline: int, action: Callable[[], object]) -> None:
    """Let Alt and the underlined letter do something in this window, with and without the Caps Lock."""

    def act(_event: object) -> str:
        action()
        return "break"

    for letter in (label[underline].lower(), label[underline].upper()):
        window.bind(f"<Alt-{letter}>", act)


def make_button(
    parent: tk.Misc, text: str, action: Callable[[], None], *, underline: int = 0, main: bool = False
) -> ttk.Button:
    """Make a button that Enter presses while it has the keyboard, and Alt with the underlined letter at any time."""
    style = "Accent.TButton" if main else "TButton"
    button = ttk.Button(parent, text=text, underline=underline, command=action, style=style)
    button.bind("<Return>", lambda _event: button.invoke())
    on_alt(parent.winfo_toplevel(), text, underline, action)
    return button


class WrappedLabel(ttk.Label):
    """A label that breaks its text into as many lines as its width asks for, and takes no room without a text."""

    def __init__(self, parent: tk.Misc, style: str, *, padding: tuple[int, int] = (0, 0)) -> None:
        super().__init__(parent, style=style, padding=padding, width=1)  # it wants next to nothing, takes what there is
        self._beside = 2 * padding[0]
        self.bind("<Configure>", self._wrap)

    def draw(self, text: str) -> None:
        """Show a text."""
        self.configure(text=text)
        if text:
            self.grid()
        else:
            self.grid_remove()

    def _wrap(self, event: "tk.Event[tk.Misc]") -> None:
        room = event.width - self._beside
        laid_out = room > 1  # before, it would become a tower of single letters
        if laid_out and int(str(self.cget("wraplength")) or 0) != room:
            self.configure(wraplength=room)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """What a field is.

    `name` is that of what is typed into it; with `choices` it offers them, and takes others too. `default` is what
    stands there when nothing was typed: typing replaces it. In a form a `wide` one takes all columns that are left.
    """

    name: str
    label: str
    underline: int = 0
    font: str = BODY
    secret: bool = False
    choices: Sequence[str] = ()
    default: str = ""
    hint: str = ""
    wide: bool = False


class Field:
    """A label, an entry or a combobox below it, and below that what is wrong with what was typed."""

    def __init__(self, parent: tk.Misc, spec: FieldSpec, edit: Edit, *, ground: str = "") -> None:
        self.name = spec.name
        self.label = ttk.Label(parent, text=spec.label, underline=spec.underline, style=f"{ground}TLabel")
        self._text = tk.StringVar(parent)
        self._text.trace_add("write", lambda *_: edit(spec.name, self._text.get()))
        self.entry = ttk.Combobox(parent, values=list(spec.choices)) if spec.choices else ttk.Entry(parent)
        self.entry.configure(font=spec.font, textvariable=self._text)
        # When letters change, ttk measures a field anew, but not the text in it: only when it is given a font again.
        self.entry.bind("<Configure>", lambda _event: self.entry.configure(font=spec.font))
        self.entry.bind("<FocusOut>", lambda _event: self.entry.selection_clear())
        self.entry.bind("<Control-a>", self._select_all)  # on X11 Tk goes to the beginning, as Emacs does
        if spec.secret:
            self.entry.configure(show=_DOT)
        self._default = spec.default
        if spec.default:
            for event in ("<ButtonRelease-1>", "<Key>", "<<Paste>>"):  # a selected text is replaced by what comes next
                self.entry.bind(event, self._select_default, add="+")
        self.fault = WrappedLabel(parent, f"Fault.{ground}TLabel")
        self._hint = spec.hint
        self._styles = {False: f"Muted.{ground}TLabel", True: f"Fault.{ground}TLabel"}
        on_alt(parent.winfo_toplevel(), spec.label, spec.underline, self.focus)

    def place(self, *, row: int, column: int = 0, span: int = 1, padx: tuple[int, int] = (0, 0)) -> None:
        """Put the three below each other."""
        self.label.grid(row=row, column=column, columnspan=span, sticky="w", padx=padx)
        self.entry.grid(
            row=row + 1, column=column, columnspan=span, sticky="nsew", padx=padx, pady=(GAP // 2, GAP // 2)
        )
        self.fault.grid(row=row + 2, column=column, columnspan=span, sticky="new", padx=padx)
        self.fault.draw(self._hint)

    def focus(self) -> None:
        """Give it the keyboard; what stands there is selected, so that typing replaces it."""
        self.entry.focus_set()
        self._select_all()

    def _select_all(self, _event: "tk.Event[tk.Misc] | None" = None) -> str:
        self.entry.selection_range(0, "end")
        self.entry.icursor("end")
        return "break"

    def _select_default(self, _event: "tk.Event[tk.Misc]") -> None:
        if self._text.get() == self._default:
            self.entry.selection_range(0, "end")

    def draw(self, text: str, fault: str, *, locked: bool) -> None:
        """Show what was typed and what is wrong with it."""
        if self._text.get() != text:
            self._text.set(text)
        self.fault.configure(style=self._styles[bool(fault)])
        self.fault.draw(fault or self._hint)
        # The theme's pictures of a fault, and of a field under the mouse, would hide that it is locked.
        self.entry.state(
            ["disabled", "!invalid", "!hover"] if locked else ["!disabled", "invalid" if fault else "!invalid"]
        )


def share_room(left: Field, right: Field) -> None:
    """Let the words below a field go on below the one beside it, where there are none."""
    if left.fault.winfo_manager():
        left.fault.grid(columnspan=1 if right.fault.winfo_manager() else 2)


class Form(ttk.Frame):
    """Fields in one column or more, what is wrong with the whole, and a row of buttons."""

    def __init__(self, parent: tk.Misc, edit: Edit, *, columns: int = 1) -> None:
        super().__init__(parent)
        self._columns = columns
        self._edit = edit
        self.fields: dict[str, Field] = {}
        self._neighbours: list[tuple[Field, Field]] = []
        self._trouble = WrappedLabel(self, "Fault.TLabel")
        self._trouble.grid(row=98, column=0, columnspan=columns, sticky="ew", pady=(GAP, 0))
        self._buttons = ttk.Frame(self)
        self._buttons.grid(row=99, column=0, columnspan=columns, sticky="e", pady=(2 * GAP, 0))
        self.columnconfigure(tuple(range(columns)), weight=1, uniform="fields")

    def add_field(self, spec: FieldSpec) -> None:
        """Add a field to the right of the others, or below them where there is no more room."""
        row, column = divmod(len(self.fields), self._columns)
        field = Field(self, spec, self._edit)
        span = self._columns - column if spec.wide else 1
        field.entry.configure(width=span * _WIDTH // self._columns)
        if column:
            self._neighbours.append((list(self.fields.values())[-1], field))
        self.fields[spec.name] = field
        gap_right = GAP if column + span < self._columns else 0
        field.place(row=4 * row, column=column, span=span, padx=(GAP if column else 0, gap_right))
        self.rowconfigure(4 * row + 3, minsize=GAP)

    def add_button(
        self, text: str, action: Callable[[], None], *, underline: int = 0, main: bool = False
    ) -> ttk.Button:
        """Add a button to the right of the others."""
        button = make_button(self._buttons, text, action, underline=underline, main=main)
        button.pack(side="left", padx=(GAP, 0))
        return button

    def draw(self, typed: object, faults: Mapping[str, str], *, locked: bool) -> None:
        """Show what was typed into the fields, and what is wrong."""
        for name, field in self.fields.items():
            field.draw(getattr(typed, name), faults.get(name, ""), locked=locked)
        for left, right in self._neighbours:
            share_room(left, right)
        self._trouble.draw(faults.get(ANYWHERE, ""))
