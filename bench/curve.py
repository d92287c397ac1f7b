"""The curve of what is asked about over the sensitivity, and of ours beside the other rules, as an SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from xml.sax.saxutils import escape

from bench.scoring import Shares

_INK, _GREY, _LINE = "#222222", "#666666", "#dddddd"
_CAUGHT, _MATERIAL, _BOTHERED = "#1f5fa8", "#0f8a6d", "#c2510a"
_WIDTH, _HEIGHT = 980, 500


@dataclass(frozen=True)
class _Panel:
    """A rectangle in which points are drawn; both scales run between two numbers, that of x by the logarithm."""

    left: float
    top: float
    width: float
    height: float
    xs: tuple[float, float]
    ys: tuple[float, float]

    def x(self, value: float) -> float:
        """Return where a value is drawn; at the edge if it lies beyond."""
        low, high = self.xs
        return self.left + self.width * log10(min(max(value, low), high) / low) / log10(high / low)

    def y(self, value: float) -> float:
        """Return where a value is drawn; at the edge if it lies beyond."""
        low, high = self.ys
        return self.top + self.height * (1 - (min(max(value, low), high) - low) / (high - low))

    def axes(self, title: str, x_title: str, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> list[str]:
        bottom, right = self.top + self.height, self.left + self.width
        parts = [_text(self.left, self.top - 14, title, weight="bold")]
        for tick in y_ticks:
            y = self.y(tick)
            parts += [
                _stroke([(self.left, y), (right, y)], _LINE, 1),
                _text(self.left - 8, y + 4, f"{tick:g} %", "end", _GREY),
            ]
        for tick in x_ticks:
            x = self.x(tick)
            parts += [_stroke([(x, bottom), (x, bottom + 5)], _GREY, 1)]
            if x_title:
                unit = " %" if "%" in x_title else ""
                parts.append(_text(x, bottom + 19, f"{tick:g}{unit}", "middle", _GREY))
        parts.append(_stroke([(self.left, bottom), (right, bottom)], _GREY, 1))
        if x_title:
            parts.append(_text(self.left + self.width / 2, bottom + 40, x_title.replace(" (%)", ""), "middle"))
        return parts

    def line(self, points: Sequence[tuple[float, float]], colour: str) -> str:
        """Draw a line through those points that lie within both scales."""
        inside = [
            (self.x(x), self.y(y)) for x, y in points if self.xs[0] <= x <= self.xs[1] and self.ys[0] <= y <= self.ys[1]
        ]
        return _stroke(inside, colour, 2.5)

    def label(
        self, x: float, y: float, words: str, colour: str, shift: tuple[float, float], anchor: str = "start"
    ) -> str:
        return _text(self.x(x) + shift[0], self.y(y) + shift[1], words, anchor, colour)

    def dot(self, x: float, y: float, colour: str) -> str:
        at = f'cx="{self.x(x):.1f}" cy="{self.y(y):.1f}"'
        return f'<circle {at} r="4.5" fill="{colour}" stroke="white" stroke-width="1.5"/>'


def draw(settings: Sequence[float], curve: Sequence[Shares], rules: dict[str, Shares], shipped: float) -> str:
    """Return the drawing: on the left both shares over the setting, on the right one over the other, with the rules."""
    at = min(range(len(settings)), key=lambda one: abs(log10(settings[one] / shipped)))
    percent = [Shares(100 * one.bothered, 100 * one.caught, 100 * one.caught_material) for one in curve]
    lowest = min(100 * one.caught for one in (curve[at], *rules.values()))
    caught = range(min(85, 5 * int(lowest / 5)), 101, 5)
    parts = [*_over_the_setting(settings, percent, at, caught), *_against_the_rules(percent, rules, at, caught)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="13">\n'
        "<title>True readings asked about and planted mistakes caught, over the sensitivity</title>\n"
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _over_the_setting(settings: Sequence[float], curve: Sequence[Shares], at: int, ticks: range) -> list[str]:
    xs, set_at = (0.03, 33), (0.03, 0.1, 0.3, 1, 3, 10, 30)
    upper = _Panel(70, 50, 370, 180, xs, (ticks[0], 100))
    lower = _Panel(70, 285, 370, 150, xs, (0, 40))
    caught = [(x, one.caught) for x, one in zip(settings, curve, strict=True)]
    material = [(x, one.caught_material) for x, one in zip(settings, curve, strict=True)]
    bothered = [(x, one.bothered) for x, one in zip(settings, curve, strict=True)]
    parts = upper.axes("Mistakes caught", "", set_at, ticks)
    parts += lower.axes("True readings asked about", "sensitivity (shipped: 1)", set_at, (0, 10, 20, 30, 40))
    for panel in (upper, lower):
        x = panel.x(settings[at])
        parts.append(_stroke([(x, panel.top), (x, panel.top + panel.height)], _GREY, 1, dashes="3 4"))
    parts += [upper.line(caught, _CAUGHT), upper.line(material, _MATERIAL), lower.line(bothered, _BOTHERED)]
    here = curve[at]
    for panel, value, colour in (
        (upper, here.caught, _CAUGHT),
        (upper, here.caught_material, _MATERIAL),
        (lower, here.bothered, _BOTHERED),
    ):
        parts.append(panel.dot(settings[at], value, colour))
    parts.append(upper.label(settings[at], here.caught, f"all, {here.caught:.1f} %", _CAUGHT, (10, 18)))
    parts.append(
        upper.label(
            settings[at], here.caught_material, f"material, {here.caught_material:.1f} %", _MATERIAL, (-10, -10), "end"
        )
    )
    parts.append(lower.label(settings[at], here.bothered, f"{here.bothered:.1f} %", _BOTHERED, (-8, -10), "end"))
    return parts


def _against_the_rules(curve: Sequence[Shares], rules: dict[str, Shares], at: int, ticks: range) -> list[str]:
    panel = _Panel(560, 50, 390, 385, (1, 100), (ticks[0], 100))
    parts = panel.axes(
        "Mistakes caught, by what it costs", "true readings asked about (%)", (1, 2, 5, 10, 20, 50, 100), ticks
    )
    parts.append(panel.line([(max(one.bothered, 1), one.caught) for one in curve], _CAUGHT))
    here = curve[at]
    parts.append(panel.dot(here.bothered, here.caught, _CAUGHT))
    parts.append(panel.label(here.bothered, here.caught, "MeterMT, as shipped", _CAUGHT, (10, 22)))
    others = [(name, shares) for name, shares in rules.items() if name in _WORDS]
    for name, shares in others:
        x, y = 100 * shares.bothered, 100 * shares.caught
        words, shift, anchor = _WORDS[name]
        parts += [panel.dot(x, y, _BOTHERED), panel.label(x, y, words, _BOTHERED, shift, anchor)]
    return parts


_WORDS: dict[str, tuple[str, tuple[float, float], str]] = {
    "previous-use": ("previous use", (10, 4), "start"),
    "average-of-twelve": ("average of twelve", (8, 16), "start"),
    "expected-use": ("expected use", (10, 4), "start"),
    "same-month-last-year": ("same month last year", (0, 20), "middle"),
}


def _stroke(points: Sequence[tuple[float, float]], colour: str, width: float, dashes: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dashed}/>'


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = _INK, weight: str = "normal") -> str:
    look = f'text-anchor="{anchor}" fill="{colour}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(words)}</text>'
