"""Which route a reader walks next. Pure functions over names and counts."""

from collections.abc import Collection, Mapping, Sequence

from metermt.model import Assignment, Walk


def next_walk(
    username: str,
    assignments: Sequence[Assignment],
    left: Mapping[str, int],
    others: Sequence[Walk],
    tried: Collection[str] = (),
) -> Walk | None:
    """Return where a reader goes on, None if there is nothing for them.

    `left` says how many jobs can be handed out on each route, in the order of the routes; `others` are the walks of
    other readers. Whoever is given routes by the office walks these, and no others. Anybody else gets the first route
    that is given to nobody and that nobody walks; else they join the one with most left for each who walks it, from the
    end where fewer have begun. Routes that were `tried` in vain are left out.
    """
    there = [route for route, jobs in left.items() if jobs > 0 and route not in tried]
    own = {one.route: one.reverse for one in assignments if one.username == username}
    if own:
        first = next((route for route in there if route in own), None)
        return None if first is None else Walk(first, own[first], assigned=True)
    given = {one.route for one in assignments}
    there = [route for route in there if route not in given]
    if not there:
        return None
    walkers: dict[str, list[bool]] = {route: [] for route in there}  # whether each goes backwards
    for walk in others:
        if walk.route in walkers:
            walkers[walk.route].append(walk.reverse)
    free = next((route for route in there if not walkers[route]), None)
    if free is not None:
        return Walk(free)
    joined = max(there, key=lambda route: left[route] / len(walkers[route]))
    backwards = sum(walkers[joined])
    return Walk(joined, reverse=2 * backwards < len(walkers[joined]))
