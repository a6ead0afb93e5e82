"""The command `status`: devices and what is due of each, work given up, the last runs, failing checks, the lake's size.

Tables and Dagster's own history are read; no server has to run. Next: `work.py`, `tries.py`, `cli.py`.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
from dagster import DagsterInstance, DagsterRunStatus, RunRecord
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column
from rich.table import Table as RichTable

from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import Discovery
from energy_pipeline.settings import Settings
from energy_pipeline.show import WHAT
from energy_pipeline.tries import MOST_ATTEMPTS, Tries, as_finding, cause_of
from energy_pipeline.work import Due, Work, months_behind, plan_work

LAST_RUNS = 8
WIDEST = 2000  # characters
COLUMNS = ("device", "zone", "files", "readings", "last reading (UTC)", "months behind", "due")
FAILED = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class Status:
    """What is due, as the sensor sees it, and what Dagster remembers (None where it has no history here)."""

    due: Due
    tries: Tries | None
    instance: DagsterInstance | None


def read_status(lake: Lake, settings: Settings, found: Discovery, instance: DagsterInstance | None) -> Status:
    """Ask what is due, and how often each piece of it was tried."""
    now_s = time.time()
    tries = None if instance is None else Tries(instance, settings.operation.retry_pause_s, now_s)
    gave_up = (lambda work: tries.of(work).gave_up) if tries else (lambda _: False)
    return Status(plan_work(lake, settings, found.devices, now_s, gave_up), tries, instance)


def print_status(console: Console, lake: Lake, settings: Settings, found: Discovery, status: Status) -> None:
    """Print devices, what is due or given up, the last runs, failing checks and the size of the lake."""
    _print_whole(console, _devices(lake, settings, found, status))
    lines = ["the overview of all devices is due"] if any(not w.device for w in status.due.work) else []
    lines += [*status.due.problems, *(hold.text for hold in status.due.holds)]
    if status.tries is not None and status.instance is not None:
        lines += [as_finding(status.instance, tried).text for tried in status.tries.given_up]
    failing = lake.scan("check_results").filter(~pl.col("passed")).sort("device", "table", "check").collect()
    lines += [
        f"failing check: {row['device']} {row['table']} {row['check']} ({row['failed_rows']} rows); {row['advice']}"
        for row in failing.iter_rows(named=True)
    ] or ["no check fails"]
    lines += [f"problem: {problem.message}" for problem in found.problems]
    for line in lines:
        console.print(line, highlight=False, markup=False)
    _print_runs(console, status.instance)
    size = sum(lake.size_bytes().values())
    console.print(f"lake {lake.url}: {size / 1e6:,.1f} MB", highlight=False)


def _print_whole(console: Console, table: RichTable) -> None:
    """Print a table at its full width: a terminal that is narrower breaks lines, and no cell is cut off."""
    width = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
    wide = Console(file=console.file, width=width, force_terminal=console.is_terminal)
    wide.print(table, highlight=False)


def _devices(lake: Lake, settings: Settings, found: Discovery, status: Status) -> RichTable:
    table = RichTable(*(Column(c, no_wrap=True) for c in COLUMNS), box=None)
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
            str(len(months_behind(lake, settings, device))), _due_of(device, status),
        )
    return table


def _due_of(device: str, status: Status) -> str:
    """Everything that is due of a device, in words; what has failed says so."""
    words = ["held back"] if any(h.device == device for h in status.due.holds) else []
    work = [w for w in status.due.work if w.device == device]
    for kind in dict.fromkeys(w.kind for w in work):
        spans = ", ".join(_span(w) for w in work if w.kind == kind and w.months)
        words.append(f"{WHAT[kind]} {spans}".rstrip())
    if status.tries is not None:
        words += [_failed(t.attempts, status.tries.waiting.get(w.name)) for w in work
                  if (t := status.tries.of(w)).attempts and not t.under_way]
        words += ["gave up" for t in status.tries.given_up if t.work.device == device][:1]
    return "; ".join(dict.fromkeys(words)) or "up to date"


def _span(work: Work) -> str:
    return " … ".join(sorted({work.months[0], work.months[-1]}))


def _failed(attempts: int, again_s: float | None) -> str:
    when = "" if again_s is None else f", again at {datetime.fromtimestamp(again_s, UTC):%H:%M} UTC"
    return f"tried {attempts} of {MOST_ATTEMPTS} times{when}"


def _print_runs(console: Console, instance: DagsterInstance | None) -> None:
    """The last runs, the newest first; a failed one with its cause."""
    records = [] if instance is None else instance.get_run_records(limit=LAST_RUNS)
    if instance is None or not records:
        where = "DAGSTER_HOME names no folder" if instance is None else "this DAGSTER_HOME has none yet"
        console.print(f"last runs: none known; {where}", highlight=False)
        return
    table = RichTable(
        *(Column(c, no_wrap=True) for c in ("last runs (UTC)", "job", "what", "state", "seconds")), Column("cause"),
        box=None,
    )
    for record in records:
        run = record.dagster_run
        cause = cause_of(instance, run.run_id) if run.status in FAILED else ""
        table.add_row(
            f"{record.create_timestamp:%Y-%m-%d %H:%M:%S}", run.job_name, _what(run.tags), run.status.value.lower(),
            _seconds(record), escape(cause),
        )
    _print_whole(console, table)


def _what(tags: dict[str, str]) -> str:
    """Device and months of a run, from its partitions."""
    first, last = tags.get(ASSET_PARTITION_RANGE_START_TAG), tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first and last:
        return f"{first} … {last.rpartition('|')[2]}"
    return tags.get(PARTITION_NAME_TAG, "–")


def _seconds(record: RunRecord) -> str:
    if record.start_time is None or record.end_time is None:
        return "–"
    return f"{record.end_time - record.start_time:.1f}"
