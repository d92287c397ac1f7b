"""Route files of any content at all: they give jobs that can be read, or errors of ours."""

import re

import pytest
from conftest import CYCLE
from hypothesis import given
from hypothesis import strategies as st
from readers import as_office
from routefiles import only, read, table

from metermt.calls import routes
from metermt.calls.desk import Desk
from metermt.errors import RouteError
from metermt.files.routes import OPTIONAL, REQUIRED, BadRow
from metermt.model import KINDS, Job
from metermt.store.sqlite.store import SqliteStore

HEADERS = (
    st.permutations(REQUIRED + OPTIONAL)
    .map(lambda columns: columns[: len(columns) // 2])
    .map(lambda columns: list(dict.fromkeys([*REQUIRED, *columns])))
)
FIELDS = st.one_of(
    st.sampled_from(
        ["", "G1", "w2", "E3", "North", "5", "0", "12", "2026-10-31", "4711", " ", "ß", "\u0131", "\0", '"', "''"]
    ),
    st.text(max_size=12),
    st.integers(-5, 10**20).map(str),
    st.dates().map(str),
)
PRINTED = re.compile(r"[^\0-\x1f\x7f\u2028\u2029]*")


def assert_could_be_read(job):
    """Check what a reader, a terminal and a database rely on, in other words than the package does."""
    assert re.fullmatch(r"[A-Z0-9][A-Z0-9./-]{0,31}", job.meter.number)
    assert job.meter.kind in ("", "E", "G", "W")
    assert job.meter.dials is None or 1 <= job.meter.dials <= 12
    assert job.cycle == CYCLE
    assert job.route
    assert job.route == job.route.strip()
    assert 0 <= job.sequence < 10**9
    assert job.previous is None or 0 <= job.previous < 10 ** (job.meter.dials or 12)
    for text in (job.route, job.meter.address, job.meter.instructions):
        text.encode()
        assert PRINTED.fullmatch(text)
        assert len(text) <= 200


@pytest.fixture(scope="module")
def any_store(tmp_path_factory):
    """A store for jobs of any sort."""
    with SqliteStore(tmp_path_factory.mktemp("any") / "metermt.db") as store:
        yield store


@pytest.fixture(scope="module")
def any_path(tmp_path_factory):
    """A place for a file of any sort."""
    return tmp_path_factory.mktemp("any") / "any.csv"


def check_any_file(content, path, store):
    path.write_bytes(content)
    try:
        rows = read(path)
    except RouteError:
        return
    jobs = [row for row in rows if isinstance(row, Job)]
    for job in jobs:
        assert_could_be_read(job)
    assert len({job.meter.number for job in jobs}) == len(jobs)
    count = as_office(Desk(store), routes.import_jobs, routes.Import(CYCLE, jobs))
    assert count.added + count.changed + count.unchanged == len(jobs)
    lines = len(re.split(rb"\r\n|\r|\n", content))
    assert all(1 < row.line <= lines and row.reason for row in rows if isinstance(row, BadRow))


@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_refused_with_an_error_of_ours(content, any_path, any_store):
    check_any_file(content, any_path, any_store)


@given(
    header=HEADERS,
    rows=st.lists(st.lists(FIELDS, min_size=1, max_size=9), max_size=8),
    delimiter=st.sampled_from(",;"),
    tail=st.binary(max_size=30),
)
def test_any_rows_give_jobs_that_can_be_read_or_reasons_why_not(header, rows, delimiter, tail, any_path, any_store):
    text = table(header, *rows, delimiter=delimiter).encode("utf-8", "surrogatepass")

    check_any_file(text + tail, any_path, any_store)


@given(kind=st.sampled_from(list(KINDS)), number=st.from_regex(r"[A-Z0-9][A-Z0-9./-]{0,31}", fullmatch=True))
def test_every_meter_number_of_the_rules_can_be_imported(kind, number, any_path):
    any_path.write_text(table(("meter", "route", "kind"), (number, "North", kind)), encoding="utf-8")

    assert only(any_path).meter.number == number
