"""Tables of commands, on terminals of different widths."""

import os
import sys

import pytest

from metermt.cli.columns import print_columns

ROWS = [
    ("meter", "odd", "most\na day", "reader", "read"),
    ("G72168", "high", "12", "carol", "2026-11-20 10:00 UTC"),
    ("G9", "The gate was locked, and nobody was there", "3", "gwenda", "2026-11-20 10:01 UTC"),
]


@pytest.fixture
def printed(monkeypatch, capsys):
    """Print the rows on a terminal of so many columns, or elsewhere."""

    def printed(columns=None, *, wide=False):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: columns is not None, raising=False)
        monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((columns, 24)))
        print_columns(ROWS, numbers=[2], cut={1: 10}, spare=(4, 3), wide=wide)
        out, err = capsys.readouterr()
        return out.splitlines(), err

    return printed


def test_a_file_has_all_columns_in_full_and_so_has_a_terminal_when_asked(printed):
    lines, left_out = printed()
    assert lines[0].split() == ["most"]
    assert lines[1].split() == ["meter", "odd", "a", "day", "reader", "read"]
    assert "The gate was locked, and nobody was there      3  gwenda  2026-11-20 10:01 UTC" in lines[3]
    assert left_out == ""
    assert printed(40, wide=True) == (lines, "")


def test_a_narrow_terminal_has_what_matters_first(printed):
    lines, left_out = printed(72)
    assert lines[3] == "G9      The gate was locked, and n…      3  gwenda  2026-11-20 10:01 UTC"
    assert (max(map(len, lines)), left_out) == (72, "")
    lines, left_out = printed(40)
    assert lines[3] == "G9      The gate was loc…      3  gwenda"
    assert left_out == "Left out for want of room: read.\n"
    lines, left_out = printed(28)
    assert lines[2] == "G72168  high              12"
    assert left_out == "Left out for want of room: reader, read.\n"


def test_what_cannot_be_done_without_is_printed_all_the_same(printed):
    lines, _ = printed(5)
    assert lines[3] == "G9      The gate …      3"
