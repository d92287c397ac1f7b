"""Texts that a spreadsheet would take for formulas."""

_BEGINS_A_FORMULA = tuple("=+-@\t\r")


def as_text(text: str) -> str:
    """Return a text with an apostrophe before it if it begins with `= + - @`, a tab or a return.

    A spreadsheet that opens a CSV would take it for a formula and run it, whoever has typed it.
    """
    return f"'{text}" if text.startswith(_BEGINS_A_FORMULA) else text
