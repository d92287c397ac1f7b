"""What is read from the wire: all that RPyC writes of plain values, and of any other bytes nothing but `Malformed`."""

import math
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from peers import MEGABYTE
from rpyc.core import brine

from metermt.transport.plainvalues import MAX_DEPTH, MAX_ITEMS, Malformed, PlainReader, is_plain

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**300), 10**300),
    st.integers(-60, 170),
    st.floats(),
    st.text(),
    st.binary(max_size=300),
)
PLAIN = st.recursive(LEAVES, lambda children: st.lists(children, max_size=6).map(tuple), max_leaves=30)
TAGS = sorted(tag[0] for tag in {*brine._load_registry, *brine.IMM_INTS_LOADER})
# Bytes that are more likely to mean something than random ones.
WRITTEN = st.lists(st.one_of(st.sampled_from(TAGS).map(lambda tag: bytes([tag])), st.binary(max_size=4))).map(b"".join)


def read(data):
    reader = PlainReader(data)
    value = reader.value()
    reader.end()
    return value


def depth(value):
    return 1 + max(map(depth, value), default=0) if isinstance(value, tuple) else 0


def same(one, other):
    """Tell whether two values are equal and of the same types all through; a NaN equals itself."""
    if type(one) is not type(other):
        return False
    if type(one) is tuple:
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is float:
        return math.copysign(1, one) == math.copysign(1, other) and (
            one == other or (math.isnan(one) and math.isnan(other))
        )
    return one == other


def nested(levels, value=None):
    for _ in range(levels):
        value = (value,)
    return value


@given(PLAIN.filter(lambda value: depth(value) <= MAX_DEPTH))
@example(10**4299)
@example(-(10**4299))
@example(nested(MAX_DEPTH))
@example(("x" * 255, b"x" * 256, (None,) * 190, "\U0010ffff", "\0"))
@example((-0.0, math.inf, -math.inf, math.nan, 5e-324))
def test_what_rpyc_writes_is_read_as_it_was(value):
    assert is_plain(value)
    assert same(read(brine.dump(value)), value)


@given(st.lists(PLAIN.filter(lambda value: depth(value) <= MAX_DEPTH), max_size=4))
def test_values_are_read_one_after_the_other(values):
    reader = PlainReader(b"".join(map(brine.dump, values)))
    assert all(same(reader.value(), value) for value in values)
    reader.end()


@pytest.mark.parametrize("value", [1j, ..., NotImplemented, slice(1, 2), frozenset([1])], ids=repr)
def test_what_else_rpyc_writes_is_malformed(value):
    assert not is_plain(value)
    for written in (brine.dump(value), brine.dump((1, (value,)))):
        with pytest.raises(Malformed):
            read(written)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 500, MEGABYTE])
def test_what_is_nested_too_deep_is_malformed(levels):
    with pytest.raises(Malformed):
        read(brine.TAG_TUP1 * levels + brine.TAG_NONE)


def assert_plain_or_malformed(data):
    for begin in (lambda reader: None, PlainReader.begin_pair):
        reader = PlainReader(data)
        try:
            begin(reader)
            while True:
                value = reader.value()
                assert is_plain(value)
                assert depth(value) <= MAX_DEPTH
        except Malformed:
            pass


@settings(max_examples=100)
@given(st.one_of(st.binary(), WRITTEN))
@example(b"")
@example(b"\x15\xff\xff\xff\xff")
@example(b"\x0f\xff\xff\xff\xff")
@example(b"\x17\xff\xff\xff\xff1")
@example(b"\x16\x031_0")
@example("\x16\x06\u0661\u0661\u0661".encode())
@example(b"\x08\x0b\xed\xa0")
@example(b"\x08\x5a")
def test_any_bytes_are_plain_values_or_malformed(data):
    assert_plain_or_malformed(data)


@settings(max_examples=75)
@given(PLAIN, st.data())
def test_any_change_of_what_was_written_is_plain_or_malformed(value, data):
    written = bytearray(brine.dump(value))
    for _ in range(data.draw(st.integers(1, 4))):
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    assert_plain_or_malformed(bytes(written[: data.draw(st.integers(0, len(written)))]))


@given(PLAIN.filter(lambda value: depth(value) <= MAX_DEPTH), st.binary(min_size=1))
def test_bytes_that_are_left_are_malformed(value, rest):
    with pytest.raises(Malformed):
        read(brine.dump(value) + rest)


def test_what_is_known_already_can_be_passed_over():
    reader = PlainReader(brine.dump("known") + brine.dump(5) + brine.dump("last"))

    assert reader.peek(3) == brine.dump("known")[:3]
    assert reader.peek(1000).endswith(brine.dump("last"))
    assert reader.ends_with(brine.dump("last"))
    assert not reader.ends_with(brine.dump(5))
    reader.skip(len(brine.dump("known")))
    assert reader.value() == 5
    reader.skip(len(brine.dump("last")))
    reader.end()


def test_who_passes_over_more_than_there_is_finds_nothing():
    reader = PlainReader(b"\x50")
    reader.skip(1000)

    assert reader.peek(5) == b""
    with pytest.raises(Malformed):
        reader.value()
    with pytest.raises(Malformed):
        reader.end()


@pytest.mark.parametrize("levels", [1000, MEGABYTE])
def test_a_text_of_a_text_is_malformed(levels):
    with pytest.raises(Malformed):
        read(brine.TAG_UNICODE * levels)


def of_many(item, size):
    """Write a tuple of one item again and again, of about this size."""
    return brine.TAG_TUP_L4 + brine.I4.pack(size // len(item)) + item * (size // len(item))


MANY = {
    "None": brine.dump(None),
    "small numbers": brine.dump(7),
    "numbers": brine.dump(12345),
    "long numbers": brine.dump(10**4299),
    "numbers with points": brine.dump(0.1),
    "texts": brine.dump("x"),
    "long texts": brine.dump("x" * 1000),
    "wide texts": brine.dump("x" * 1000 + "\U0001f600"),
    "bytes": brine.dump(b"xy"),
    "pairs": brine.dump((None, None)),
    "nested tuples": brine.dump(nested(MAX_DEPTH - 1)),
    "empty tuples": b"\x14\x00",
}


@pytest.mark.parametrize("item", MANY.values(), ids=MANY)
def test_the_time_to_read_grows_with_the_size_and_no_faster(item):
    def seconds(size):
        data, best = of_many(item, size), math.inf
        for _ in range(3):
            before = time.thread_time()
            with suppress(Malformed):  # some are more items than a message may have
                read(data)
            best = min(best, time.thread_time() - before)
        return best

    # Ten times as much may take thirty times as long: a hundred would be the square.
    assert seconds(300_000) < 30 * max(seconds(30_000), 0.0005)


def most_memory(data):
    tracemalloc.start()
    try:
        with suppress(Malformed):
            read(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("item", MANY.values(), ids=MANY)
def test_a_megabyte_of_anything_takes_a_few_in_memory(item):
    """A tuple in a tuple is one byte on the wire and 48 in memory, hence the bound on items."""
    assert most_memory(of_many(item, MEGABYTE)) < 6 * MEGABYTE


def test_a_message_has_a_bounded_number_of_items():
    assert read(brine.dump((None,) * MAX_ITEMS)) == (None,) * MAX_ITEMS
    with pytest.raises(Malformed):
        read(brine.dump((None,) * (MAX_ITEMS + 1)))


@pytest.mark.parametrize("tag", [b"\x0f", b"\x15", b"\x17", b"\x08\x0f"], ids=["bytes", "tuple", "number", "text"])
def test_what_is_announced_and_does_not_come_takes_no_memory(tag):
    assert most_memory(tag + b"\xff\xff\xff\xff" + b"\x50" * 1000) < 50_000


def test_an_announced_tuple_inside_another_takes_no_memory_either():
    assert most_memory((b"\x15\x00\x01\x00\x00" * 20 + b"\x50" * 200) * 10) < 200_000
