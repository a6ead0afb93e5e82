"""Everything that is due, done now in this process: the command `energy-pipeline run`.

It asks `work.py` what is due, executes the same jobs as the sensor would, on the same Dagster instance, and asks
again until nothing is left. A piece of work that fails is reported and not tried again in the same command, but for
files: whether one has to be set aside shows at the third attempt.
Next: `cli.py`, which shows what happens here.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl
from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult

from energy_pipeline.alerts import opened_since, send_pending
from energy_pipeline.checks.freshness import record_silence
from energy_pipeline.jobs import JOBS
from energy_pipeline.loading.attempts import MOST_ATTEMPTS, FilesFailedError
from energy_pipeline.loading.plan import YOUNG_S
from energy_pipeline.orphans import close_orphans, process_tag
from energy_pipeline.partitions import register_devices
from energy_pipeline.progress import listening
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import Discovery, discover
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.sensors import partition_key, run_tags
from energy_pipeline.tries import ATTEMPTS_TAG, attempts_at
from energy_pipeline.work import Work, plan_work

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
COUNTED = (
    "files_read", "bytes_parsed", "rows_read", "rows_accepted", "rows_rejected", "rows_duplicate", "rows_conflict",
)


@dataclass
class RunSummary:
    """What a `run` did."""

    devices: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    months: int = 0
    runs: int = 0
    failures: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cells: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True where nothing failed, and no root or device was left out or held back."""
        return not self.failures and not self.problems


@dataclass(frozen=True)
class Observer:
    """Callbacks of whoever shows a `run`: the start of a piece of work, and progress within it."""

    start: Callable[[Work], None]
    step: Callable[[int, int, str], None]


def run_due(
    definitions: Definitions, site: SiteResource, instance: DagsterInstance, observer: Observer,
    clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep,
) -> RunSummary:
    """Do everything that is due and return what was done.

    Files that changed less than five seconds ago are waited for.
    """
    started, began = time.monotonic(), datetime.now(UTC)
    lake, settings = site.lake(), site.settings()
    summary = RunSummary()
    found = discover(settings)
    summary.problems = [p.message for p in found.problems]
    _wait_for_young(found, clock, sleep)
    found = discover(settings)
    close_orphans(instance)
    register_devices(instance, found.devices)
    tried: Counter[str] = Counter()
    while True:
        due = plan_work(lake, settings, found.devices, clock(), lambda work: tried[work.name] >= MOST_ATTEMPTS)
        if not due.work:
            break
        for work in due.work:
            observer.start(work)
            with listening(observer.step):
                result = _execute(definitions, instance, work)
            summary.runs += 1
            # A file that cannot be read is set aside by its third attempt; anything else that fails is tried once.
            again = not result.success and _error(result, FilesFailedError.__name__) is not None
            tried[work.name] += 1 if again else MOST_ATTEMPTS
            if not again or tried[work.name] >= MOST_ATTEMPTS:
                _note(summary, work, result)
    summary.devices = sorted(found.devices)
    summary.problems.extend([*due.problems, *(hold.text for hold in due.holds)])
    summary.notes.extend(record_silence(lake, settings, lake.devices()))
    summary.notes.extend(f"alert: {text}" for text in opened_since(lake, began))
    summary.notes.extend(send_pending(lake, settings))
    _fits(summary, lake)
    summary.seconds = time.monotonic() - started
    return summary


def _wait_for_young(found: Discovery, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    newest = max((f.mtime_ns for files in found.devices.values() for f in files), default=0) / 1e9
    missing = newest + YOUNG_S - clock()
    if 0 < missing <= YOUNG_S:
        sleep(missing)


def _execute(definitions: Definitions, instance: DagsterInstance, work: Work) -> ExecuteInProcessResult:
    job = definitions.resolve_job_def(JOBS[work.kind])
    return job.execute_in_process(
        instance=instance, partition_key=partition_key(work),
        tags={**run_tags(work), **process_tag(), ATTEMPTS_TAG: str(attempts_at(instance, work) + 1)},
        raise_on_error=False, run_config=QUIET,
    )


def _note(summary: RunSummary, work: Work, result: ExecuteInProcessResult) -> None:
    if not result.success:
        summary.failures.append(f"{work.name}: {_cause(result)}")
    summary.months += len(work.months)
    if work.kind != "ingest":
        return
    for event in result.get_asset_materialization_events():
        if event.asset_key != AssetKey("source_files"):
            continue
        metadata = event.materialization.metadata
        for name in COUNTED:
            summary.counts[name] += int(metadata[name].value)  # type: ignore[arg-type]
        for name in ("problems", "not_recognised"):
            text = str(metadata[name].value)
            if text.startswith("- "):
                summary.notes.extend(line[2:] for line in text.splitlines())


def _error(result: ExecuteInProcessResult, kind: str | None = None) -> str | None:
    """Message of the first error of a run, at its root; `kind`: only where it is of this class."""
    for event in result.all_events:
        error = getattr(event.event_specific_data, "error", None)
        if event.is_step_failure and error is not None:
            while error.cause is not None:
                error = error.cause
            return error.message.strip() if kind in {None, error.cls_name} else None
    return None


def _cause(result: ExecuteInProcessResult) -> str:
    error = _error(result)
    if error is not None:
        return error
    failed = [e for e in result.get_asset_check_evaluations() if not e.passed]
    if failed:
        return "; ".join(f"check {e.check_name} failed on {e.asset_key.to_user_string()}" for e in failed)
    return "the run failed; see its log in the Dagster UI"


def _fits(summary: RunSummary, lake: Lake) -> None:
    fits = (
        lake.scan("degradation_fits")
        .filter((pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv"))
        .group_by("verdict").len().collect()
    )
    summary.verdicts = dict(sorted(fits.iter_rows()))
    summary.cells = sum(summary.verdicts.values())
