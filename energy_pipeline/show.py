"""How the command line shows progress, summaries and status.

On a terminal a live bar with rate and time left; elsewhere one line per piece of work. Next: `cli.py`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import polars as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.table import Table as RichTable

from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import Discovery
from energy_pipeline.runner import Observer, RunSummary
from energy_pipeline.settings import Settings
from energy_pipeline.work import Due, Work

WHAT = {
    "ingest": "reading files", "months": "months", "charges": "charges", "device": "battery tables",
    "fleet": "overview",
}


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=28), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[rate]}"), console=console, transient=True,
    )


class RunDisplay:
    """Shows a `run` while it goes on."""

    def __init__(self, console: Console) -> None:
        """Prepare; nothing is printed yet."""
        self._console = console
        self._live = console.is_terminal
        self._progress = _progress(console)
        self._task: TaskID | None = None
        self._kind = ""

    def __enter__(self) -> "RunDisplay":
        if self._live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._progress.stop()

    @property
    def observer(self) -> Observer:
        """Callbacks for `run_due`."""
        return Observer(self._start, self._step)

    def _start(self, work: Work) -> None:
        span = f" {work.months[0]} … {work.months[-1]}" if work.months else ""
        text = f"{work.device or 'fleet'}: {WHAT[work.kind]}{span}"
        self._kind = work.kind
        if not self._live:
            self._console.print(text, highlight=False)
            return
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(text, total=None, rate="")

    def _step(self, done: int, total: int, what: str) -> None:
        if not self._live or self._task is None:
            return
        task = self._progress.tasks[0]
        rate = ""
        if self._kind == "ingest" and task.elapsed:
            rate = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB · {done / 1e6 / task.elapsed:.0f} MB/s"
        self._progress.update(self._task, completed=done, total=total, rate=rate or what)


@contextmanager
def bar(console: Console, text: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar for one long call; yields the callback (done, total, what)."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=28), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(text, total=None)
        yield lambda done, total, _: progress.update(task, completed=done, total=total)


def print_summary(console: Console, summary: RunSummary) -> None:
    """Print what a `run` did."""
    counts = summary.counts
    if not summary.runs and not summary.problems:
        console.print(f"nothing is due: all {len(summary.devices)} devices are up to date ({summary.seconds:.1f} s)")
        return
    lines = [
        ("devices", f"{len(summary.devices)}"),
        ("files read", f"{counts['files_read']:,} ({counts['bytes_parsed'] / 1e6:,.1f} MB)"),
        ("rows read", f"{counts['rows_read']:,}"),
        ("  accepted", f"{counts['rows_accepted']:,}"),
        ("  rejected", f"{counts['rows_rejected']:,}"),
        ("  duplicates", f"{counts['rows_duplicate']:,}"),
        ("  conflicts", f"{counts['rows_conflict']:,}"),
        ("months computed", f"{summary.months:,}"),
        ("cells", f"{summary.cells:,}"),
        ("fits by verdict", ", ".join(f"{n} {v}" for v, n in summary.verdicts.items()) or "none"),
        ("seconds", f"{summary.seconds:.1f}"),
    ]
    table = RichTable(show_header=False, box=None, pad_edge=False)
    for name, value in lines:
        table.add_row(name, value)
    console.print(table)
    for title, items in (("note", summary.notes), ("problem", summary.problems), ("failed", summary.failures)):
        for item in items[:20]:
            console.print(f"{title}: {item}", highlight=False, markup=False)
        if len(items) > 20:
            console.print(f"{title}: and {len(items) - 20} more")


def print_status(console: Console, lake: Lake, settings: Settings, found: Discovery, due: Due) -> None:
    """Print devices, what is due, failing checks and the size of the lake."""
    behind = {hold.device: "held back" for hold in due.holds}
    behind |= {w.device: f"{WHAT[w.kind]}" + (f" {w.months[0]} … {w.months[-1]}" if w.months else "") for w in due.work}
    table = RichTable(
        *(Column(c, no_wrap=True) for c in ("device", "zone", "files", "readings", "last reading (UTC)", "due")),
        box=None,
    )
    signals = lake.scan("signals").group_by("device").agg(
        pl.col("rows_accepted").sum(), pl.col("last_ts").max()
    ).collect()
    known = {row["device"]: row for row in signals.iter_rows(named=True)}
    for device in sorted({*found.devices, *known}):
        row = known.get(device, {})
        last = row.get("last_ts")
        table.add_row(
            device, settings.zone_of(device).key, str(len(found.devices.get(device, []))),
            f"{row.get('rows_accepted', 0):,}", last.strftime("%Y-%m-%d %H:%M") if last else "–",
            behind.get(device, "up to date"),
        )
    console.print(table)
    if "" in behind:
        console.print("the overview of all devices is due")
    for text in [*due.problems, *(hold.text for hold in due.holds)]:
        console.print(text, highlight=False, markup=False)
    failing = lake.scan("check_results").filter(~pl.col("passed")).collect()
    for row in failing.iter_rows(named=True):
        console.print(f"failing check: {row['device']} {row['check']} ({row['failed_rows']} rows); {row['advice']}",
                      highlight=False, markup=False)
    if failing.is_empty():
        console.print("no check fails")
    for problem in found.problems:
        console.print(f"problem: {problem.message}", highlight=False, markup=False)
    size = sum(lake.size_bytes().values())
    console.print(f"lake {lake.url}: {size / 1e6:,.1f} MB", highlight=False)
