"""The tables."""

from typing import Any

from rich.console import Console
from rich.table import Table

from bench.systems import System
from bench.targets import Results, Verdict


def show(results: Results, compared: list[System], verdicts: list[Verdict], console: Console) -> None:
    """Print the machine, all that was measured, and what became of the targets."""
    console.print(" · ".join(f"{name} {value}" for name, value in results["machine"].items()))
    console.print(_rounds(results["rows"], {system.name: system.about for system in compared}))
    console.print(_growth(results["growth"]))
    console.print(_others(results))
    console.print(_verdicts(verdicts))


def _rounds(rows: list[dict[str, Any]], about: dict[str, str]) -> Table:
    table = Table(title="Rounds: get a job, submit a reading, get the status", title_justify="left")
    for column in ("system", "clients"):
        table.add_column(column)
    for column in ("rounds/s", "min", "max", "ratio", "p50 ms", "p99 ms", "max ms", "server MB", "server CPU ms"):
        table.add_column(column, justify="right")
    clients = None
    for row in rows:
        if clients not in (None, row["clients"]):
            table.add_section()
        clients = row["clients"]
        table.add_row(
            f"{row['system']}",
            str(clients),
            *(f"{row[field]:,.0f}" for field in ("rounds_per_s", "rounds_per_s_min", "rounds_per_s_max")),
            f"{row['ratio']:.2f}",
            *(f"{row[field]:.2f}" for field in ("p50_ms", "p99_ms", "max_ms")),
            f"{row['server_rss_mb']:.0f}",
            f"{row['server_cpu_ms']:.3f}",
        )
    table.caption = "\n".join(f"{name}: {words}" for name, words in about.items())
    table.caption_justify = "left"
    return table


def _growth(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="One call with one client, by readings stored: median ms (ratio to none)", title_justify="left")
    table.add_column("system")
    for column in ("stored", "status", "job", "submission"):
        table.add_column(column, justify="right")
    for row in rows:
        costs = (f"{row[f'{kind}_ms']:.3f} ({row[f'{kind}_ratio']:.2f})" for kind in ("status", "job", "submission"))
        table.add_row(row["system"], f"{row['stored']:,}", *costs)
    return table


def _others(results: Results) -> Table:
    table = Table(title="MeterMT: the rest", title_justify="left")
    table.add_column("what")
    table.add_column("figure")
    bulk, start, idle, console = results["bulk"], results["start"], results["idle"], results["console"]
    submission, imported, export = bulk["submission"], bulk["import"], bulk["export"]
    table.add_row(f"bulk submission of {submission['readings']:,}", _rates(submission, "readings"))
    table.add_row(
        f"import of {imported['meters']:,}",
        f"{_rates(imported, 'meters')}; bare executemany {imported['bare_per_s']:,}, "
        f"so {imported['times_bare']} times its time",
    )
    table.add_row(f"export of {export['readings']:,}", _rates(export, "readings"))
    table.add_row("start with no meters", f"{start['empty_s']} s, {start['empty_rss_mb']} MB")
    table.add_row(f"start with {start['meters']:,}", f"{start['full_s']} s, {start['full_rss_mb']} MB")
    table.add_row(f"{idle['connections']:,} idle connections", f"{idle['kb_each']} kB each")
    if console:
        table.add_row("console until it asks", f"{console['s']} s ({console['s_min']} to {console['s_max']})")
    if window := results["window"]:
        table.add_row("window until it asks", f"{window['s']} s; with a server to start {window['with_server_s']} s")
    company = results["company"]
    for name, words in (
        ("bulks", "a client that sends bulks of 20"),
        ("writer", "a program that writes 100 times a second"),
    ):
        beside = company[name]
        table.add_row(
            f"{company['readers']} readers beside {words}",
            f"{beside['rounds_per_s']:,} rounds/s, {beside['share']:.0%} of {company['alone']['rounds_per_s']:,} "
            f"alone; {beside['threads']} threads at most",
        )
    for step, cost in company["leases"].items():
        table.add_row(
            f"{step}, with half of the jobs leased ahead",
            f"{cost['with_ms']} ms (without {cost['without_ms']} ms)",
        )
    logins = results["logins"]
    alone, meanwhile = (
        {name: f"{value:.1f}" for name, value in logins[part].items()} for part in ("alone", "meanwhile")
    )
    table.add_row(
        f"8 readers while {logins['logins']} log in",
        f"p50 {meanwhile['p50_ms']} ms, p99 {meanwhile['p99_ms']} ms, longest {meanwhile['max_ms']} ms "
        f"(alone {alone['p50_ms']}, {alone['p99_ms']}, {alone['max_ms']}); the logins took {logins['s']} s",
    )
    return table


def _rates(summary: dict[str, Any], what: str) -> str:
    return f"{summary['per_s']:,} {what}/s ({summary['per_s_min']:,} to {summary['per_s_max']:,})"


def _verdicts(verdicts: list[Verdict]) -> Table:
    table = Table(title="Targets", title_justify="left")
    for column in ("target", "bound", "figure", ""):
        table.add_column(column)
    for target, figure, word in ((verdict.target, verdict.figure, verdict.word) for verdict in verdicts):
        shown = "-" if figure is None else f"{figure:,.2f}" if figure < 1000 else f"{figure:,.0f}"
        table.add_row(target.words, target.bound, shown, word)
    return table
