"""`metermt layouts`: what there is, what it looks like, and what is wrong with it."""

import tomllib

import pytest
from billings import CSV, KIND, reading
from servers import ROOT

from metermt.layouts.finding import SHIPPED

GOLDEN = ROOT / "tests" / "golden"


def test_the_layouts_are_listed_with_what_they_are_for(invoke):
    lines = invoke("layouts", "list").stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["name", *SHIPPED]
    assert lines[1] == "csv    A plain CSV: one line for each reading or correction, with all that is known of it"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_layout_that_is_shown_can_be_kept_and_checked(invoke, tmp_path, name):
    shown = invoke("layouts", "show", name)
    (tmp_path / "our.toml").write_text(shown.stdout, encoding="utf-8")

    checked = invoke("layouts", "check", "our.toml", "--to", "sample")

    assert tomllib.loads(shown.stdout)
    assert (checked.returncode, checked.stdout) == (0, "")
    assert checked.stderr == "our.toml has no faults.\nA sample is in sample.\n"
    golden = next(GOLDEN.glob(f"billing.{'txt' if name == 'fixed' else name}"))
    assert name == "xlsx" or (tmp_path / "sample").read_bytes() == golden.read_bytes()


def test_a_check_prints_what_the_layout_makes_of_made_up_lines(invoke):
    checked = invoke("layouts", "check", "fixed")

    assert checked.stdout.encode("cp1252") == (GOLDEN / "billing.txt").read_bytes().replace(b"\r\n", b"\n")


def test_a_check_tells_each_fault_and_ends_as_a_failure(invoke, tmp_path):
    (tmp_path / "our.toml").write_text(
        "names = 1\nquoting = 'no'\n" + CSV.replace("names = false\n", "") + reading(KIND)
    )

    checked = invoke("layouts", "check", "our.toml")

    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr.splitlines() == [
        "quoting is 'no': use 'needed' or 'all' or 'never'",
        "names is 1: use true or false",
        "Error: our.toml has 2 faults",
    ]


def test_a_check_says_what_is_imported_from_where(invoke, tmp_path):
    layout = "[import]\ncolumns = { meter = 'Device', route = 'Tour' }\nfixed = { kind = 'W' }\n"
    (tmp_path / "our.toml").write_text(layout)

    assert invoke("layouts", "check", "our.toml").stdout.splitlines() == [
        "imported  from",
        "meter     column 'Device'",
        "route     column 'Tour'",
        "kind      always 'W'",
    ]


def test_a_layout_that_the_made_up_lines_do_not_fit_may_be_right_all_the_same(invoke, tmp_path):
    (tmp_path / "our.toml").write_text(CSV + reading(KIND, "{ field = 'route', map = { Hill = '1' } }"))

    checked = invoke("layouts", "check", "our.toml")

    assert (checked.returncode, checked.stdout) == (0, "")
    assert "There is no sample of made-up lines: Layout our.toml, reading record of meter E445691" in checked.stderr


def test_a_sample_never_replaces_a_file(invoke, tmp_path):
    (tmp_path / "sample").write_text("mine")

    refused = invoke("layouts", "check", "csv", "--to", "sample")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.endswith("Error: Cannot write sample: File exists\n")
    assert (tmp_path / "sample").read_text() == "mine"
