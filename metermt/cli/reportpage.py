"""A report as one page of HTML that needs nothing else, and can be printed on A4."""

from collections.abc import Iterable, Sequence
from html import escape

from metermt.cli import reportwords as words
from metermt.cli.reportcharts import Part, Row, bars, longest
from metermt.printable import counted, printable
from metermt.report import Report

_ROWS = 12  # of a chart, which no page ends within: with more of them pages would have gaps
_NOW, _THEN = "#2b6cb0", "#a0aec0"
_STYLE = """
@page { size: A4; margin: 15mm }
body { font: 13px/1.45 sans-serif; color: #222; background: #fff; max-width: 700px; margin: 1.5em auto; padding: 0 8px }
h1 { font-size: 20px; margin: 0 } h2 { font-size: 15px; margin: 1.6em 0 .4em; break-after: avoid }
p, ul { margin: .4em 0 } svg { display: block; max-width: 100%; height: auto; break-inside: avoid; margin: .4em 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 12px }
th, td { padding: 2px 5px; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top }
th { font-weight: 600; border-color: #888 } th.text, td.text { text-align: left; overflow-wrap: anywhere }
tr { break-inside: avoid } thead { display: table-header-group }
.key { break-after: avoid }
.key span { display: inline-block; margin-right: 1.2em } .key i { display: inline-block; width: 10px; height: 10px;
margin-right: 4px; border: 1px solid #888 } .small { color: #555; font-size: 12px }
@media print { body { margin: 0; padding: 0; max-width: none; -webkit-print-color-adjust: exact;
print-color-adjust: exact } }
"""


def page_of(report: Report) -> str:
    """Return the whole page. Whatever came from elsewhere is a text in it, and nothing else."""
    title = f"Report of cycle {_safe(report.cycle)}"
    parts = [
        f"<h1>{title}</h1><p>{_safe(words.heading(report))}</p>",
        _shares(report),
        _worth_a_look(report),
        _readers(report),
        _routes(report),
        _estimated(report),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body>\n{chr(10).join(filter(None, parts))}\n</body></html>\n"
    )


def _shares(report: Report) -> str:
    found, total = words.shares(report), report.shares.total
    rows = [(name, str(number), words.percent(number, total)) for name, number in found.items()]
    parts = [Row(name, [[Part(name, number, words.COLOURS[name])]], [str(number)]) for name, number in found.items()]
    chart = _charts("What counts", parts)
    return f"<h2>{counted(total, 'job')}</h2>{chart}{_table(('result', 'jobs', 'share'), rows, texts=(0,))}"


def _worth_a_look(report: Report) -> str:
    lines = words.worth_a_look(report)
    if not lines:
        return "<h2>Worth a look</h2><p>Nothing stands out.</p>"
    caution = f'<p class="small">{_safe(words.NO_ACCUSATION)}</p>' if report.hints else ""
    return f"<h2>Worth a look</h2>{_list(lines)}{caution}"


def _readers(report: Report) -> str:
    if not report.readers:
        return ""
    rows = [
        Row(
            one.username,
            [[Part("read", one.readings, _NOW), Part("not read", sum(one.reasons.values()), _THEN)]],
            [f"{one.readings} + {sum(one.reasons.values())}"],
        )
        for one in report.readers
    ]
    headings = [heading.replace("\n", " ") for heading in words.READERS]
    table = _table(headings, [words.reader_row(one) for one in report.readers], texts=(0,))
    more = "".join(f'<p class="small">{_safe(line)}</p>' for line in words.details(report))
    return f"<h2>Readers</h2>{_key(('read', _NOW), ('not read', _THEN))}{_charts('Readers', rows)}{table}{more}"


def _routes(report: Report) -> str:
    if not report.routes:
        return ""
    rows = []
    for one in report.routes:
        both = [(report.cycle, one.use, _NOW)]
        if one.last_year is not None:
            both.append((report.last_year or "", one.last_year, _THEN))
        name = f"{one.route or '(none)'} {one.kind}".strip()
        rows.append(
            Row(
                _shown(name),
                [[Part(_shown(cycle), use, colour)] for cycle, use, colour in both],
                [f"{use:,.0f}" for _, use, _ in both],
            )
        )
    keys = [(report.cycle, _NOW), *([(report.last_year, _THEN)] if report.last_year else [])]
    beside = "" if report.last_year else '<p class="small">There is no such cycle of the year before.</p>'
    table = _table(words.ROUTES, words.route_rows(report), texts=(0, 1))
    return f"<h2>Use by route</h2>{_key(*keys)}{_charts('Use by route', rows)}{beside}{table}"


def _estimated(report: Report) -> str:
    if not report.estimated_twice:
        return ""
    rest = report.estimated_twice_in_all - len(report.estimated_twice)
    more = f"<p>And {rest} more.</p>" if rest else ""
    return f"<h2>Estimated twice running</h2>{_list(words.estimated_twice(report))}{more}"


def _charts(title: str, rows: Sequence[Row]) -> str:
    """Return as many charts, of one scale, as it takes for each to fit on a page."""
    safe = [row._replace(name=_shown(row.name)) for row in rows]
    most = longest(safe)
    return "".join(bars(title, safe[place : place + _ROWS], most) for place in range(0, len(safe), _ROWS))


def _key(*names: tuple[str, str]) -> str:
    shown = (f'<span><i style="background:{colour}"></i>{_safe(name)}</span>' for name, colour in names)
    return f'<p class="key">{"".join(shown)}</p>'


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], texts: Sequence[int]) -> str:
    def cells(tag: str, fields: Sequence[str]) -> str:
        kinds = (' class="text"' if place in texts else "" for place in range(len(fields)))
        return "".join(f"<{tag}{kind}>{_safe(field)}</{tag}>" for kind, field in zip(kinds, fields, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', headings)}</tr></thead><tbody>{body}</tbody></table>"


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_safe(line)}</li>' for line in lines)}</ul>"


def _shown(text: str) -> str:
    return printable(text)


def _safe(text: str) -> str:
    return escape(printable(text))
