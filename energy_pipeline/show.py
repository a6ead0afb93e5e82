"""How the command line shows progress and summaries.

On a terminal a live bar with rate and time left; elsewhere one line per piece of work. Next: `cli.py`;
`show_status.py` for the command `status`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

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
from rich.table import Table as RichTable

from energy_pipeline.runner import Observer, RunSummary
from energy_pipeline.work import Work

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
