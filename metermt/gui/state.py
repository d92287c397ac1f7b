"""What the window shows at one moment: a snapshot that the presenter makes and the views draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType

from metermt.fieldnotes import Reason
from metermt.gui.questions import Asking, Question
from metermt.gui.typed import Typed
from metermt.model import Job, Status
from metermt.progress import RouteCounts
from metermt.rules.choices import chosen
from metermt.rules.reasons import FIRST
from metermt.stops import Found

ANYWHERE = ""
"""Where a fault stands that no single field has caused."""
METER = "meter"
"""Where a fault stands that concerns the meter itself."""

NOTHING: Mapping[str, str] = MappingProxyType({})


class Screen(Enum):
    """What fills the window."""

    WELCOME = auto()
    READING = auto()
    DONE = auto()


class Dialog(Enum):
    """What stands in front of it."""

    LOGIN = auto()
    ACCOUNT = auto()
    FIND = auto()
    NOTE = auto()
    FOUND = auto()
    EXCHANGED = auto()


@dataclass(frozen=True, slots=True)
class State:
    """All that can be seen, apart from fonts and colours."""

    screen: Screen = Screen.WELCOME
    dialog: Dialog | None = None
    question: Question | None = None
    """It stands before everything else."""
    typed: Typed = field(default_factory=Typed)
    full_name: str = ""
    username: str = ""
    """Who has logged in last."""
    job: Job | None = None
    status: Status | None = None
    counts: RouteCounts | None = None
    """How far the route is that the reader walks; None if it is none."""
    reasons: Sequence[Reason] = FIRST
    """Those to choose from, in order: their numbers are their places, from 1."""
    aside: str = ""
    """Why there is another job than the one that was handed out; empty if it is that one."""
    found: Found = field(default_factory=lambda: Found([]))
    """What was looked for."""
    found_title: str = ""
    """What these are."""
    end: str = ""
    """Why there is no meter to read, as the server tells people."""
    notice: str = ""
    """Good news."""
    hint: str = ""
    """A word to whoever stands before the dialog."""
    faults: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """Bad news, by the name of the field that has caused it, `ANYWHERE` or `METER`."""
    can_retry: bool = False
    doing: str = ""
    """What is being waited for; empty when nothing is."""
    keys_refused: bool = False
    """Keys were pressed while the fields took nothing. What follows may be the rest of a number, and is not taken."""
    slow: bool = False
    """It takes so long that the reader wants to be told."""
    focus: str = ""
    """The field that has the keyboard since turn `focus_turn`."""
    focus_turn: int = 0

    @property
    def title(self) -> str:
        """The title of the window."""
        return f"Meter — {self.full_name}" if self.full_name else "Meter"

    @property
    def ending(self) -> tuple[str, str]:
        """Why there is no job: as a heading, and what comes below it."""
        why, _, tally = self.end.partition("\n")
        heading, _, rest = why.partition(": ")
        return heading.rstrip("."), "\n".join(filter(None, (rest[:1].upper() + rest[1:], tally)))

    @property
    def front(self) -> Dialog | Asking | None:
        """What stands in front of the window, and must be answered first."""
        return self.question.asking if self.question else self.dialog

    @property
    def is_locked(self) -> bool:
        """The fields for the reading and the reason take nothing."""
        return bool(self.doing) or self.keys_refused

    @property
    def can_submit(self) -> bool:
        """There is a reading or a real reason."""
        return self.screen is Screen.READING and not self.is_locked and self.typed.answer is not None

    @property
    def can_log_in(self) -> bool:
        """Both fields are filled."""
        return not self.doing and bool(self.typed.username.strip() and self.typed.password)

    @property
    def can_create(self) -> bool:
        """All four fields are filled, and well."""
        typed = self.typed
        filled = typed.username and typed.full_name.strip() and typed.password and typed.password == typed.again
        return not self.doing and bool(filled) and not typed.account_faults

    @property
    def reason_meant(self) -> str:
        """What a reason that is being typed means, before it is sent.

        Empty where something is wrong with it, or with the reading unless it says more than what was typed: there is
        little room.
        """
        if "reason" in self.faults:
            return ""
        typed, leaves_room = self.typed.own_reason, "reading" in self.faults
        if not typed:
            return "" if leaves_room else "Number, first letters, or your own words"
        found = chosen(typed, [reason.text for reason in self.reasons])
        if len(found) > 1:
            return f"{', '.join(found)}?"
        for reason in self.reasons:
            if [reason.text] == found:
                meant = reason.text if reason.allows_reading else f"{reason.text}, without a reading"
                return "" if leaves_room and meant == typed else meant
        return f"The numbers are 1 to {len(self.reasons)}" if typed.isdecimal() else "In your own words"

    @property
    def waiting(self) -> str:
        """What to say of a call that is under way."""
        return "Waiting for the server…" if self.slow else ""
