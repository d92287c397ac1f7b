"""Layouts are found by name, if they came with MeterMT, or by their file."""

from importlib import resources
from pathlib import Path

from metermt.errors import LayoutError
from metermt.layouts.layout import Layout
from metermt.layouts.reading import read_layout

SHIPPED = ("csv", "fixed", "xlsx", "json")
"""The layouts that come with MeterMT, by name."""
_MOST = 1_000_000  # bytes of a layout: more is something else


def layout_text(name: str) -> str:
    """Return the TOML of a layout, by its name or its path. Raises `LayoutError`."""
    if name in SHIPPED:
        return resources.files(__package__).joinpath("shipped", f"{name}.toml").read_text(encoding="utf-8")
    try:
        with Path(name).open("rb") as file:
            text = file.read(_MOST + 1)
        if len(text) > _MOST:
            raise LayoutError(f"{name} is too large for a layout")
        return text.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise LayoutError(
            f"There is no layout {name!r}: name one of {', '.join(SHIPPED)}, or a file like ./{name}"
        ) from error
    except OSError as error:
        raise LayoutError(f"Cannot read {name}: {error.strerror}") from error
    except ValueError as error:
        raise LayoutError(f"{name} is no layout: it is not UTF-8") from error


def find_layout(name: str) -> Layout:
    """Return the layout of this name, or in this file. Raises `LayoutError` if there is none, or it has faults."""
    return checked_layout(name, layout_text(name))


def checked_layout(name: str, text: str) -> Layout:
    """Return the layout that a TOML text describes, such as one that was kept. Raises `LayoutError` for its faults."""
    layout, faults = read_layout(name, text)
    if layout is None:
        others = f" (and {len(faults) - 1} more: metermt layouts check {name})" if len(faults) > 1 else ""
        raise LayoutError(f"Layout {name}: {faults[0]}{others}")
    return layout
