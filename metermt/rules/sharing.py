"""How those who wait for the same thing take turns, so that who asks most does not get most."""

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class FairQueue(Generic[T]):
    """Those who wait, and who of them is next.

    Each has come in the name of something, level by level: of a kind, say, and of an address. The kinds take turns,
    and in each of them the addresses. Of one address the oldest is next, but the newest once more than `long` wait
    there: who has waited for so long may have given up. When `most` wait, and one more comes, somebody has to go: the
    oldest of where most of them wait.
    """

    def __init__(self, most: int, long: int) -> None:
        self._most, self._long = most, long
        self._first: _Share[T] = _Share()
        self._paths: dict[T, tuple[Hashable, ...]] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def came(self, who: T, *names: Hashable) -> T | None:
        """Take note of somebody who waits; return who has to go for that, if anybody. Give all as many names.

        Whoever waits already keeps their place.
        """
        if who in self._paths:
            return None
        self._paths[who] = names
        share = self._first
        for name in names:
            share.count += 1
            share = share.parts.setdefault(name, _Share())
        share.count += 1
        share.waiting[who] = None
        if len(self._paths) <= self._most:
            return None
        share = self._first
        while share.parts:
            share = max(share.parts.values(), key=lambda part: part.count)
        left_out = next(iter(share.waiting))
        self.went(left_out)
        return left_out

    def went(self, who: T) -> None:
        """Forget somebody who does not wait any more, or has not waited at all."""
        names = self._paths.pop(who, None)
        if names is not None:
            self._first.remove(who, names)

    def next(self) -> T | None:
        """Return who is next, and does not wait any more; None if nobody waits."""
        if not self._paths:
            return None
        share = self._first
        while share.parts:
            name = next(iter(share.parts))
            share.parts[name] = part = share.parts.pop(name)  # its turn comes after that of all others
            share = part
        who = next(reversed(share.waiting) if len(share.waiting) > self._long else iter(share.waiting))
        self.went(who)
        return who


class _Share(Generic[T]):
    """Those who wait in one name: in parts, in the order of their turns, or one by one, oldest first."""

    def __init__(self) -> None:
        self.count = 0
        self.parts: dict[Hashable, _Share[T]] = {}
        self.waiting: dict[T, None] = {}

    def remove(self, who: T, names: tuple[Hashable, ...]) -> None:
        self.count -= 1
        if not names:
            del self.waiting[who]
            return
        part = self.parts[names[0]]
        part.remove(who, names[1:])
        if not part.count:
            del self.parts[names[0]]
