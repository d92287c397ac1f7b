"""Which of some texts somebody means who types a number or first letters. Pure functions over texts."""

from collections.abc import Sequence


def chosen(typed: str, texts: Sequence[str]) -> list[str]:
    """Return those of these texts that are meant: by its place from 1, or by first letters, whatever the case.

    A text that is typed in full is meant alone, also where another one begins with it. There may be none, or several.
    """
    if typed.isdecimal():
        return [text for place, text in enumerate(texts, 1) if str(place) == typed.lstrip("0")]
    begun = typed.casefold()
    if not begun:
        return []
    meant = [text for text in texts if text.casefold().startswith(begun)]
    return [text for text in meant if text.casefold() == begun] or meant
