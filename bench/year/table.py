"""What is told of a year: as plain values for programs, as tables for people."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.year.month import Month, Utility
from bench.year.readers import Word
from bench.year.score import Billed, billed, estimates, kept, mistakes, sums
from bench.year.servers import Servers
from metermt.config import is_url
from metermt.quality import Flag


def outcome(months: Sequence[Month], utility: Utility, servers: Servers, database: str) -> dict[str, Any]:
    """Return all that is told of a year; of the same town and the same seed it is the same."""
    town, office = utility.town, utility.office
    told = billed(months, town)
    found = kept(months, database if is_url(database) else Path(database))
    said = [one for month in months for one in month.said if not one.error]
    true = [one for one in said if one.typed.word is Word.TRUE]
    return {
        "town": {"meters": town.size.meters, "readers": town.size.readers, "months": town.size.months},
        "seed": town.size.seed,
        "database": "PostgreSQL" if is_url(database) else "SQLite",
        "servers": [month.servers for month in months],
        "servers_killed": servers.killed,
        "errors_logged": len(servers.complaints()),
        "readings": found.accepted,
        "refused": dict(sorted(found.refused.items())),
        "lost": found.lost,
        "doubled": found.doubled,
        "billing": {
            "batches": sum(len(month.batches) for month in months),
            "lines": told.lines,
            "corrections": told.corrections,
            "exported_twice": told.twice,
            "never_exported": told.never,
            "wrong_sums": told.wrong_sums,
            "late": sum(Flag.LATE in line.flags for line in told.last.values()),
            "held_back": sum(month.held_back for month in months),
        },
        "mistakes": asdict(mistakes(months, told, town, Word.SLIP)),
        "invented": asdict(mistakes(months, told, town, Word.INVENTED)),
        "inventor": _stood_out(months, utility),
        "true_readings": len(true),
        "true_readings_bothered": sum(one.asked for one in true),
        "rereads": sum(month.rereads for month in months),
        "missing": sum(month.missing for month in months),
        "exchanges": office.done.verdicts["exchange"],
        "office": dict(sorted(office.done.verdicts.items())),
        "office_refused": len(office.done.refused),
        "office_refusals": sorted(set(office.done.refused))[:5],
        "estimates": {name: round(value, 4) for name, value in estimates(told, town).items()},
        "sums": _sums(told, utility),
    }


def _stood_out(months: Sequence[Month], utility: Utility) -> dict[str, Any]:
    """Tell in which cycles the report hinted at who invents readings, and how often at others."""
    inventor = utility.habits.inventor
    named = [month.cycle for month in months if any(hint.username == inventor for hint in month.hints)]
    others = [
        f"{hint.username} in {month.cycle}, {hint.kind}, {hint.score:.1f}"
        for month in months
        for hint in month.hints
        if hint.username != inventor
    ]
    return {"stood_out_in": named, "others_named": others}


def _sums(told: Billed, utility: Utility) -> dict[str, dict[str, float]]:
    return {
        kind: {"billed": float(one.billed), "used": float(one.used), "lines_off_by": float(one.off)}
        for kind, one in sums(told, utility.town).items()
    }


def show(found: dict[str, Any], machine: dict[str, Any], console: Console) -> None:
    """Print it for people."""
    billing, made = found["billing"], found["estimates"]
    town = found["town"]
    two = sum(number > 1 for number in found["servers"])
    table = Table("", "", title=f"{town['months']} months of {town['meters']:,} meters and {town['readers']} readers")
    rows: list[tuple[str, str]] = [
        ("database", f"{found['database']}, two servers in {two} cycles, {found['servers_killed']} killed"),
        ("readings accepted", f"{found['readings']:,}"),
        ("refused to readers", ", ".join(f"{number} {name}" for name, number in found["refused"].items()) or "0"),
        ("refused to the office", f"{found['office_refused']} {found['office_refusals'] or ''}".strip()),
        ("lost", str(found["lost"])),
        ("doubled", str(found["doubled"])),
        ("lines for billing", f"{billing['lines']:,} in {billing['batches']} batches"),
        ("corrections among them", f"{billing['corrections']:,}"),
        ("late readings among them", f"{billing['late']:,}"),
        ("exported twice", str(billing["exported_twice"])),
        ("never exported", str(billing["never_exported"])),
        ("wrong sums", str(billing["wrong_sums"])),
        ("true readings bothered", _share(found["true_readings_bothered"], found["true_readings"])),
        ("second visits", f"{found['rereads']:,}"),
        ("exchanges", f"{found['exchanges']:,}"),
        ("estimates", f"{made['share']:.1%}, off by {made['off']:.1%} of a month's use ({made['bias']:+.1%})"),
        ("who invents stood out", _inventor(found["inventor"])),
        ("the record of who did what", found["record"]["fault"] or f"{found['record']['entries']:,} entries, unbroken"),
        ("errors in the servers' logs", str(found["errors_logged"])),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    became = Table("", "planted", "caught at the meter", "in review", "after billing", "billed")
    for name in ("mistakes", "invented"):
        became.add_row(name, *(f"{number:,}" for number in found[name].values()))
    console.print(became)
    table = Table("kind", "billed", "truly used", "difference", "single lines off by")
    for kind, one in found["sums"].items():
        used = max(one["used"], 1.0)
        shares = (f"{one['billed'] / used - 1:+.4%}", f"{one['lines_off_by'] / used:.2%}")
        table.add_row(kind, f"{one['billed']:,.0f}", f"{one['used']:,.0f}", *shares)
    console.print(table, ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in machine.items()))


def _share(some: int, of: int) -> str:
    return f"{some:,} of {of:,} ({some / max(of, 1):.1%})"


def _inventor(found: dict[str, Any]) -> str:
    others = "; ".join(found["others_named"]) or "nobody"
    return f"in {', '.join(found['stood_out_in']) or 'no cycle'}; others who were named: {others}"
