"""The tables of a TOML file, looked through key by key; every fault is kept, with where it stands."""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from metermt.errors import LayoutError

T = TypeVar("T")


class Table:
    """One table of a file, `where` for people, its keys taken one by one; what is wrong with them goes to `faults`."""

    def __init__(self, where: str, content: object, faults: list[str]) -> None:
        self.where = where
        self.faults = faults
        self._content: Mapping[str, Any] = {}
        self._taken: set[str] = set()
        self.is_none = not isinstance(content, dict)
        """Whether something else stands there."""
        if isinstance(content, dict):
            self._content = content
        else:
            self.fault(f"is {_shown(content)}, and must be a table")

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def __iter__(self) -> Any:
        return iter(self._content)

    def fault(self, words: str) -> None:
        """Note what is wrong with this table."""
        self.faults.append(f"{self.where}: {words}" if self.where else words)

    def value(self, key: str) -> Any:
        """Take whatever stands under a key, None for nothing."""
        self._taken.add(key)
        return self._content.get(key)

    def table(self, key: str, where: str) -> "Table":
        """Take a table in this one, an empty one if there is none."""
        return Table(where, self.value(key) if key in self else {}, self.faults)

    def text(self, key: str, default: str = "") -> str:
        """Take a text."""
        return self._kind(key, str, "a text in quotes", default)

    def flag(self, key: str, default: bool) -> bool:
        """Take true or false."""
        return self._kind(key, bool, "true or false", default)

    def whole(self, key: str, least: int, most: int) -> int | None:
        """Take a whole number, None for none."""
        found = self.value(key)
        if found is None or (type(found) is int and least <= found <= most):
            return found
        self.fault(f"{key} is {_shown(found)}: use a whole number from {least} to {most}")
        return None

    def choice(self, key: str, options: Collection[str], default: str) -> str:
        """Take one of a few texts."""
        found = self.value(key)
        if found is None:
            return default
        if isinstance(found, str) and found in options:
            return found
        self.fault(f"{key} is {_shown(found)}: use {' or '.join(map(repr, options))}")
        return default

    def character(self, key: str, default: str, bad: str) -> str:
        """Take one printable character (or a tab) that is not among `bad`."""
        found = self.value(key)
        if found is None:
            return default
        if isinstance(found, str) and len(found) == 1 and (found.isprintable() or found == "\t") and found not in bad:
            return found
        self.fault(f"{key} is {_shown(found)}: use one character, none of {bad}")
        return default

    def made(self, key: str, make: Callable[[str], T], default: str) -> T | None:
        """Take what is made of a text, or of the default; None with a fault if that raises a `LayoutError`."""
        try:
            return make(self.text(key, default))
        except LayoutError as error:
            self.fault(f"{key}: {error}")
            return None

    def texts(self, key: str) -> dict[str, str]:
        """Take a table of texts."""
        found = self.value(key)
        if found is None:
            return {}
        if isinstance(found, dict) and all(isinstance(value, str) for value in found.values()):
            return found
        self.fault(f'{key} is {_shown(found)}: use a table of texts in quotes, like {{ A = "1" }}')
        return {}

    def check_no_more(self, known: Collection[str], why: str = "") -> None:
        """Note the keys that nobody has taken; `known` are those that there are here."""
        for key in self._content:
            if key not in self._taken:
                close = get_close_matches(key, known, 1)
                meant = f": is it {close[0]}?" if close else f"{why}: there are {', '.join(known)}"
                self.fault(f"there is no key {_shown(key)} here{meant}")

    def _kind(self, key: str, kind: type[T], words: str, default: T) -> T:
        found = self.value(key)
        if found is None:
            return default
        if isinstance(found, kind):
            return found
        self.fault(f"{key} is {_shown(found)}: use {words}")
        return default


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
