"""What was changed, removed, swapped or put into the chain is found, and named."""

import hashlib
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from metermt.audit import Person, SealedEntry
from metermt.rules.chain import START, Verification, hash_of, mark_of, marks_of

PEOPLE = [Person(number, mark_of("salt", name), "salt", name) for number, name in enumerate(("adam", "carol"), 1)]
TEXTS = st.text(max_size=5)
IDS = st.sampled_from([None, 1, 2])
ENTRIES = st.tuples(TEXTS, IDS, TEXTS, TEXTS, TEXTS, IDS, TEXTS, TEXTS)


def chain_of(entries):
    marks, last, links = marks_of(PEOPLE), START, []
    for place, (at, who, address, what, about, whom, before, after) in enumerate(entries, 1):
        last = hash_of(last, at, marks[who], address, what, about, marks[whom], before, after)
        links.append(SealedEntry(place, at, who, address, what, about, whom, before, after, last))
    return links


def walked(links, noted=None):
    verification = Verification(noted)
    verification.walk(links, PEOPLE)
    verification.end(PEOPLE, ())
    return verification


@given(st.lists(TEXTS, min_size=8, max_size=8))
def test_the_hash_is_that_of_the_json_that_the_docs_tell(texts):
    text = json.dumps(texts, separators=(",", ":"), ensure_ascii=False)
    assert hash_of(START, *texts) == hashlib.sha256((START + text).encode()).hexdigest()


@given(st.data(), st.lists(ENTRIES, min_size=2, max_size=6))
def test_the_first_entry_that_is_not_as_it_was_is_named(data, entries):
    links = chain_of(entries)
    assert (walked(links).fault, walked(links, links[0].hash).fault) == (None, None)
    at = data.draw(st.integers(0, len(links) - 1))
    link = links[at]
    match data.draw(st.sampled_from(["change", "remove", "swap", "insert"])):
        case "change":
            field = data.draw(st.sampled_from(SealedEntry._fields[1:]))
            there = getattr(link, field)
            new = 3 - (there or 1) if field in ("who", "whom") else f"{there}!"
            links[at] = link._replace(**{field: new})
        case "remove":
            del links[at]
            if at == len(links):
                assert walked(links).fault is None
                assert "No entry has the hash" in walked(links, link.hash).fault
                return
        case "swap":
            other = (at + 1) % len(links)
            links[at], links[other] = links[other]._replace(place=at + 1), link._replace(place=other + 1)
            at = min(at, other)
        case "insert":
            later = [one._replace(place=one.place + 1) for one in links[at:]]
            links[at:] = [link._replace(at="then"), *later]
    assert re.match(rf"Entry {at + 1} ", walked(links).fault)
