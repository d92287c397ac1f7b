"""What is known of the places of results, as far as it is needed."""

from collections.abc import Mapping, Sequence

from metermt.decisions import Result
from metermt.rules.consumption import Chain, Told
from metermt.rules.spans import is_enough, span_of
from metermt.store.base import Tx


def chains_of(tx: Tx, results: Sequence[Result], told: Mapping[int, Told] | None = None) -> dict[int, Chain]:
    """Return of results, by the job's id, what was before them, as far as the rules of consumption need it.

    With what billing was `told`, by the job's id, also what came after that. A place has as many links as it was read
    for jobs, and the last one tells nearly always: so all of them are looked up for few.
    """
    span, was = span_of(results, to_the_end=told is not None), told or {}
    chains = tx.billing.chains([result.id for result in results], span)
    short = [result.id for result in results if not is_enough(result, chains[result.id], was.get(result.id))]
    return chains | (tx.billing.chains(short) if short else {})
