"""Is a cycle on time, and a route of it? Pure functions over counts and days."""

from datetime import date


def is_behind(done: int, total: int, first_day: date | None, due: date | None, today: date) -> bool | None:
    """Tell whether less is done than the days that are gone should have brought; None where no day is set.

    After the day on which it is due whatever is not done is late. Until then it is behind if done / total is less than
    the share of its days, first and last included, that were over when today began. All days count alike.
    """
    if done >= total:
        return False
    if due is None:
        return None
    if today > due:
        return True
    if first_day is None:
        return None
    days, gone = (due - first_day).days + 1, (today - first_day).days
    return done * days < gone * total


def is_late(done: int, total: int, behind: bool | None, whole_is_behind: bool | None) -> bool | None:
    """Tell whether a route is late, which by itself is `behind`, or not; None where that is not known.

    Routes are walked one after the other. So one on which nobody has been yet is no worry while the cycle as a whole is
    on time: a route is late if both are behind.
    """
    if done >= total:
        return False
    return None if behind is None or whole_is_behind is None else behind and whole_is_behind
