"""Names and errors from the other side cannot command a terminal or forge a line."""

import pytest
from conftest import LINE_BREAKERS

from metermt.cli.columns import print_columns
from metermt.errors import InvalidReading
from metermt.printable import has_control_characters, printable
from metermt.registry import RegistryServer
from metermt.wire import error_of


@pytest.mark.parametrize("character", [*LINE_BREAKERS, "\u202e", "\u2066"])
def test_what_breaks_a_line_or_turns_it_is_shown_as_an_escape(character):
    shown = printable(f"a{character}b")

    assert shown.startswith("a\\")
    assert shown.endswith("b")
    assert not has_control_characters(shown)
    shown.encode()


@pytest.mark.parametrize("text", ["", "Größe 3", "الشارع", "日本", "a\u00a0b", "fami\u200dly", "\U0001f415"])
def test_what_people_write_stays_as_it_is(text):
    assert printable(text) == text


def test_a_long_text_is_cut():
    assert printable("x" * 2000) == "x" * 1000 + "…"


def test_errors_of_a_server_are_shown_without_control_characters():
    error = error_of("invalid-reading", "\x1b]0;owned\x07 no")

    assert type(error) is InvalidReading
    assert str(error) == r"\x1b]0;owned\x07 no"


def test_names_in_a_registry_are_shown_without_control_characters(invoke, capsys):
    with RegistryServer(port=0) as registry:
        registry.table.register("\x1b[2JNORTH", "127.0.0.1\r", 1)
        shown = invoke("services", "--registry", f"localhost:{registry.port}").stdout

    assert r"\x1b[2JNORTH  127.0.0.1\r  1" in shown
    print_columns([("name",), ("a\nb",)])
    assert capsys.readouterr().out == "name\na\\nb\n"
