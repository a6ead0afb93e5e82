"""How the report of `energy-pipeline doctor` looks in a terminal.

Facts with their evidence, a table of columns, what one signal says of another, what is left out and why, and the block
to paste. Nothing is judged here. Next: `compute/doctor/judge.py`.
"""

from collections.abc import Callable

from rich.console import Console

from energy_pipeline.compute.doctor.columns import ColumnReport
from energy_pipeline.compute.doctor.judge import GroupReport
from energy_pipeline.doctor import MAX_FILES, Report
from energy_pipeline.doctor_files import EDGE
from energy_pipeline.signals import describe_signal

SHOWN = 12


def print_report(console: Console, report: Report) -> None:
    """Print everything that was found."""
    say = _sayer(console)
    files = sum(len(g.files) for g in report.groups) + len(report.unreadable)
    say(f"{report.root}: {files} files in {len(report.groups)} groups, {len(report.unreadable)} unreadable, "
        f"{len(report.ignored)} ignored")
    say(f"read: at most the first and last {EDGE / 2**20:.0f} MB of a file with small blocks between, and {MAX_FILES} "
        "files of a group")
    for number, group in enumerate(report.groups, 1):
        say("")
        _print_group(console, number, group)
    if report.unreadable:
        say("\nCannot be read")
        _list(console, [f"{path}: {why}" for path, why in report.unreadable])
    if report.ignored:
        say("\nIgnored: no table by their name (allowed: .csv, .txt, .tsv, .gz, .zip, .parquet)")
        _list(console, report.ignored)
    blocks = [g for g in report.groups if g.block]
    if blocks:
        say(f'\nPaste what stands below "settings" into energy.toml, with roots = ["{report.root}"] above it.')


def _sayer(console: Console) -> Callable[[str], None]:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)
    return say


def _list(console: Console, lines: list[str]) -> None:
    for line in lines[:SHOWN]:
        _sayer(console)(f"  {line}")
    if len(lines) > SHOWN:
        _sayer(console)(f"  and {len(lines) - SHOWN} more")


def _print_group(console: Console, number: int, group: GroupReport) -> None:
    say = _sayer(console)
    say(f"Group {number}  {group.title}" + (f", {group.read} of them read" if group.read < len(group.files) else ""))
    names = [f.rsplit("/", 1)[-1] for f in group.files]
    say("  files     " + ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else ""))
    for name, fact in group.facts:
        say(f"  {name:<9} {fact}")
    for problem in group.problems:
        say(f"  PROBLEM   {problem}")
    if group.columns:
        say("")
        for line in _column_lines(group.columns):
            say(line)
        say("")
    for line in [*_extremes(group.columns), *group.relations]:
        say(f"  {line}")
    if group.ignored:
        say("  left out  " + "; ".join(f"{name!r} ({why})" for name, why in group.ignored))
    unknown = [c.family.title for c in group.columns if c.stats is not None and not _known(c)]
    if unknown:
        say(f"  unknown   {', '.join(unknown)}: taken in as gauges under their own names")
    if group.plan is None and not group.problems:
        say("  settings  none needed: these files are read as they are")
    if group.block:
        say("  settings" + (f"  ({group.tried})" if group.tried else "  (to correct what the default assumes)"))
        say("\n" + group.block)


def _extremes(columns: list[ColumnReport]) -> list[str]:
    lines = []
    for column in columns:
        where = column.family.title
        lines += [f"likely `no value`: {s.value:g} in {where}: {s.evidence}" for s in column.sentinels]
        if column.single:
            seen = ", ".join(f"{v:g}" for v in column.single)
            lines.append(f"far away, once each: {seen} in {where}: not proposed as `no value`")
    return lines


def _known(column: ColumnReport) -> bool:
    return column.meaning.known and describe_signal(column.meaning.signal.replace("{", "").replace("}", "")).recognised


def _column_lines(columns: list[ColumnReport]) -> list[str]:
    """One line per family, padded by hand: a table that wraps cannot be read in a log."""
    rows = [("column", "signal", "lowest … median … highest", "looks like")]
    for c in columns:
        if c.stats is None:
            rows.append((c.family.title, "–", "empty", ""))
            continue
        kind = c.kind if c.kind == "gauge" else f"{c.kind} ({c.kind_why})"
        missing = f"; {c.stats.empty:,} empty" if c.stats.empty else ""
        spread = f"{c.stats.low:.6g} … {c.stats.median:.6g} … {c.stats.high:.6g}"
        rows.append((c.family.title, c.meaning.signal, spread, "; ".join([kind, c.meaning.why, *c.notes]) + missing))
    widths = [max(len(r[i]) for r in rows) for i in range(3)]
    return ["  " + "  ".join([*(cell.ljust(w) for cell, w in zip(r, widths, strict=False)), r[3]]) for r in rows]
