"""docs/LAYOUTS.md, followed word for word."""

import re

from servers import ROOT

from metermt.layouts.fields import CODES, FIELDS

PAGE = (ROOT / "docs" / "LAYOUTS.md").read_text(encoding="utf-8")
STEPS = re.compile(r"this as `([\w.]+)`:\n\n```\w+\n(.*?)^```$|^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_is_true_word_for_word(invoke, tmp_path):
    for name, content, session in STEPS.findall(PAGE):
        if name:
            (tmp_path / name).write_text(content, encoding="utf-8")
        for command in re.split(r"^\$ metermt ", session, flags=re.MULTILINE)[1:]:
            follow(invoke, tmp_path, *command.split("\n", 1))


def follow(invoke, folder, line, expected):
    """Type a line, and compare what is shown; `…` stands for the rest of a line."""
    words, _, kept_in = line.partition(" > ")
    done = invoke(*words.split())
    if kept_in:
        (folder / kept_in).write_text(done.stdout, encoding="utf-8")
        return
    shown = done.stderr.partition("Error: ")[0] + done.stdout + "".join(re.findall("Error: .*\n", done.stderr))
    pattern = re.escape(expected).replace("…", ".*")
    assert re.fullmatch(pattern, shown), shown


def test_the_page_names_each_field_and_each_code():
    told = set(re.findall(r"`([\w ]+)`", PAGE))
    codes = {word for span in re.findall(r"`([\w -]+)`", PAGE) for word in span.split()}

    assert {code for known in CODES.values() for code in known} <= codes
    assert {field for fields in FIELDS.values() for field in fields} <= told
