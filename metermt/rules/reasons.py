"""Which reasons there are, and which of them an answer gives. Pure functions over the office's list."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from msgspec import structs

from metermt.errors import InvalidReason, ReasonError
from metermt.fieldnotes import Reason
from metermt.model import Answer
from metermt.rules.answers import quoted, shown
from metermt.rules.choices import chosen

_SHOWN = 40  # codes that an error names

FIRST = (
    Reason("no-access", "No access", wants_reread=True, allows_reading=False),
    Reason("locked-gate", "Locked gate", wants_reread=True, allows_reading=False),
    Reason("dog", "Dog", wants_reread=True),
    Reason("refused-entry", "Refused entry", allows_reading=False),
    Reason("not-found", "Not found", allows_reading=False),
    Reason("damaged", "Damaged"),
    Reason("display-faulty", "Display faulty"),
    Reason("overgrown", "Overgrown", wants_reread=True),
    Reason("unsafe", "Unsafe", wants_reread=True),
    Reason("vacant", "Vacant"),
    Reason("wrong-route", "Wrong route"),
    Reason("tampered", "Tampered"),
    Reason("key-required", "Key required", wants_reread=True, allows_reading=False),
)
"""The list as long as the office has not changed it."""


def in_use(said: Iterable[Reason]) -> list[Reason]:
    """Return the reasons that readers may give, in order: their numbers are their places, from 1.

    `said` is what the office has changed of the first list, and added to it, in the order of its first word on each.
    """
    reasons = {reason.code: reason for reason in FIRST} | {reason.code: reason for reason in said}
    return [reason for reason in reasons.values() if not reason.retired]


def meant(typed: str, texts: Sequence[str]) -> str:
    """Return the text of these that somebody means who types a number or first letters, or else what was typed.

    That is a reason in their own words then. Raises `InvalidReason` for a number that no text has, and for letters that
    several begin with.
    """
    found = chosen(typed, texts)
    if len(found) > 1:
        raise InvalidReason(f"{quoted(typed)} may be {' or '.join(map(quoted, found))}: type more of it, or its number")
    if not found and texts and typed.isdecimal():
        raise InvalidReason(f"There is no reason {quoted(typed)}: use 1 to {len(texts)}")
    return found[0] if found else typed


def by_name(reasons: Iterable[Reason]) -> dict[str, Reason]:
    """Return reasons by their codes, and by their texts in small letters."""
    names: dict[str, Reason] = {}
    for reason in reasons:
        names[reason.code] = names[reason.text.casefold()] = reason
    return names


def coded(answer: Answer, names: Mapping[str, Reason]) -> Answer:
    """Return an answer with the code of its reason, and with a text, as far as the reason is on the list.

    `names` are the reasons in use, `by_name`. Raises `InvalidReason` if there is no such code, or there is a reading
    and the reason forbids one.
    """
    reason = names.get(answer.code or answer.reason.casefold())
    if answer.code and (reason is None or reason.code != answer.code):
        raise InvalidReason(f"Unknown reason {shown(answer.code)}: {_there_are(names)}")
    if reason is None:
        return answer
    if answer.value is not None and not reason.allows_reading:
        raise InvalidReason(
            f"The reason {quoted(reason.text)} says that meter {answer.meter} was not read, and there is a reading,"
            f" {answer.value}: send one of the two"
        )
    return structs.replace(answer, code=reason.code, reason=answer.reason or reason.text)


def check_new(new: Reason, names: Mapping[str, Reason]) -> None:
    """Raise `ReasonError` if the code or the text of a reason is one of those in use, which are told `by_name`."""
    for name in (new.code, new.text.casefold()):
        if there := names.get(name):
            raise ReasonError(
                f"There is a reason {there.code}, {quoted(there.text)}, already: choose another code and text,"
                f" or retire it first (metermt reasons retire {there.code})"
            )


def retired(code: str, names: Mapping[str, Reason]) -> Reason:
    """Return a reason in use as one that is not any more. Raises `ReasonError` if there is none of that code."""
    reason = names.get(code)
    if reason is None or reason.code != code:
        raise ReasonError(f"There is no reason {shown(code)} in use: {_there_are(names)}")
    return replace(reason, retired=True)


def _there_are(names: Mapping[str, Reason]) -> str:
    codes = list({reason.code: None for reason in names.values()})
    if not codes:
        return "there are none"
    more = f" and {len(codes) - _SHOWN} more" if len(codes) > _SHOWN else ""
    return f"there are {', '.join(codes[:_SHOWN])}{more}"
