"""Whether a cycle is there, and whether its name is like those of the others. Pure functions over names."""

import re
from collections.abc import Collection, Mapping
from datetime import date

from metermt.errors import RouteError
from metermt.rules.answers import shown

_SHOWN = 12  # cycles that an error names: a year


def check_there_is(cycle: str, cycles: Collection[str]) -> None:
    """Raise `RouteError`, which names the cycles that there are, the last ones if there are many."""
    if cycle not in cycles:
        raise RouteError(there_is_no(cycle, cycles))


def check_is_open(cycle: str, cycles: Mapping[str, bool], so: str = ", and stays what it was") -> None:
    """Raise `RouteError` unless there is such a cycle, and it is open; `so` ends the words about one that is closed.

    `cycles` are all there are, and whether they are open.
    """
    check_there_is(cycle, cycles)
    if not cycles[cycle]:
        raise RouteError(f"Cycle {cycle} is closed{so}")


def there_is_no(cycle: str, cycles: Collection[str]) -> str:
    """Say that there is no such cycle, and which ones there are, the last ones if there are many."""
    if not cycles:
        return f"There is no cycle {shown(cycle)}, and no other: import a route file first"
    there_are = f"the last of {len(cycles)} are" if len(cycles) > _SHOWN else "there are" if len(cycles) > 1 else "only"
    return f"There is no cycle {shown(cycle)}: {there_are} {_names(cycles)}"


def none_is_open(closed: Collection[str]) -> str:
    """Say that no cycle is open, and which ones are closed."""
    if not closed:
        return "There is no cycle yet: import a route file first"
    which = f"{len(closed)} are closed, the last of them" if len(closed) > _SHOWN else "closed are"
    return f"No cycle is open; {which} {_names(closed)}"


def first_day_of(cycle: str) -> date | None:
    """Return the first day of a cycle that is named after its month, as `2026-11`; None for any other name."""
    month = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", cycle)
    return date(int(month[1]), int(month[2]), 1) if month and int(month[1]) else None


def is_unlike(cycle: str, others: Collection[str]) -> bool:
    """Tell whether a name is made unlike all the others, as `11-2026` is beside `2026-11`."""
    return bool(others) and _shape(cycle) not in map(_shape, others)


def _names(cycles: Collection[str]) -> str:
    return ", ".join(sorted(cycles)[-_SHOWN:])


def _shape(name: str) -> str:
    return re.sub("[A-Za-z]", "a", re.sub("[0-9]", "0", name))
