"""The one sensor: looks at the folders and the lake, and asks for the runs that are due.

It keeps no cursor: what is due follows from the numbers in the lake (`work.py`). A device with a run under way is left
alone; the run key names the work, so that the same work is asked for once. Why one sensor, and not one per table or
declarative automation: docs/operation.md. Next: `work.py`.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from dagster import (
    AddDynamicPartitionsRequest,
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from energy_pipeline.jobs import JOBS
from energy_pipeline.orphans import close_orphans
from energy_pipeline.partitions import DEVICE_TAG, DEVICES, UNFINISHED
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.work import Due, Work, plan_work

ATTEMPTS_TAG = "energy/attempt"
WORK_TAG = "energy/work"
FLEET = "fleet"
MOST_ATTEMPTS = 3


def run_tags(work: Work) -> dict[str, str]:
    """Tags of a run that does a piece of work."""
    tags = {WORK_TAG: work.name, DEVICE_TAG: work.device or FLEET}
    if len(work.months) > 1:
        tags[ASSET_PARTITION_RANGE_START_TAG] = f"{work.device}|{work.months[0]}"
        tags[ASSET_PARTITION_RANGE_END_TAG] = f"{work.device}|{work.months[-1]}"
    return tags


def partition_key(work: Work) -> str | None:
    """Partition of a run that does a piece of work; None for a range (its tags say it) and for the fleet."""
    if len(work.months) > 1:
        return None
    return work.partition


def build_sensors(jobs: Sequence[UnresolvedAssetJobDefinition], interval_s: int) -> list[SensorDefinition]:
    """Return the sensor; `jobs` are those it may ask for, `interval_s` the shortest time between two looks [s]."""

    @sensor(
        name="new_data", minimum_interval_seconds=interval_s, default_status=DefaultSensorStatus.RUNNING,
        jobs=list(jobs),
        description="Finds new and changed files and everything behind them that is not up to date.",
    )
    def new_data(context: SensorEvaluationContext, site: SiteResource) -> SensorResult | SkipReason:
        lake, settings = site.lake(), site.settings()
        away = lake_problem(settings.lake, context.instance)
        if away is not None:
            return SkipReason(away)
        found = discover(settings)
        for problem in found.problems:
            context.log.warning(problem.message)
        known = set(context.instance.get_dynamic_partitions(DEVICES))
        fresh = sorted(set(found.devices) - known)
        close_orphans(context.instance)
        attempts = _Attempts(context.instance)
        due = plan_work(lake, settings, found.devices, time.time(), attempts.left_alone)
        for text in [*due.problems, *(hold.text for hold in due.holds)]:
            context.log.warning(text)
        if attempts.given_up:
            context.log.error(
                f"failed {MOST_ATTEMPTS} times and left alone: {', '.join(sorted(attempts.given_up))}; "
                f"look at the last run, mend the cause, and start the run by hand"
            )
        requests = [_request(work, attempts.next(work)) for work in due.work if attempts.is_free(work)]
        if not requests and not fresh:
            return SkipReason(_why_nothing(due, attempts))
        partitions = [AddDynamicPartitionsRequest(DEVICES, fresh)] if fresh else []
        return SensorResult(run_requests=requests, dynamic_partitions_requests=partitions)

    return [new_data]


def lake_problem(url: str, instance: DagsterInstance) -> str | None:
    """Why the lake cannot be looked into now; None where it can. A lake in an object store answers for itself.

    A missing folder is a new lake only where Dagster has never written to one: else a disk is not mounted, and all
    would be read again into the empty place. Without the sensor, `energy-pipeline run` does begin a new lake.
    """
    folder = Path(url)
    if "://" in url or folder.is_dir():
        return None
    if folder.exists() or folder.is_symlink():
        return f"the lake {url} cannot be reached: it is no folder; nothing is asked for until it is back"
    if instance.get_latest_materialization_event(AssetKey("readings")) is None:
        return None
    return (
        f"the lake {url} is gone; nothing is asked for until it is back "
        f"(to begin a new one, run `energy-pipeline run` once)"
    )


class _Attempts:
    """What the instance's runs say: which devices are busy, and how often a piece of work has been tried."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._instance = instance
        unfinished = instance.get_runs(RunsFilter(statuses=UNFINISHED))
        self._busy = {run.tags[DEVICE_TAG] for run in unfinished if DEVICE_TAG in run.tags}
        self.given_up: set[str] = set()

    def is_free(self, work: Work) -> bool:
        return (work.device or FLEET) not in self._busy

    def left_alone(self, work: Work) -> bool:
        runs = self._runs(work)
        if len(runs) < MOST_ATTEMPTS or any(run.status in UNFINISHED for run in runs):
            return False  # the last attempt may still be under way
        self.given_up.add(work.name)
        return True

    def next(self, work: Work) -> int:
        return len(self._runs(work)) + 1

    def _runs(self, work: Work) -> Sequence[DagsterRun]:
        return self._instance.get_runs(RunsFilter(tags={WORK_TAG: work.name}), limit=MOST_ATTEMPTS)


def _request(work: Work, attempt: int) -> RunRequest:
    return RunRequest(
        run_key=f"{JOBS[work.kind]}:{work.name}:{attempt}", job_name=JOBS[work.kind],
        partition_key=partition_key(work), tags={**run_tags(work), ATTEMPTS_TAG: str(attempt)},
    )


def _why_nothing(due: Due, attempts: _Attempts) -> str:
    """Why a tick asks for nothing, in the words that the tick's row shows."""
    reasons = [hold.text for hold in due.holds[:3]]
    if len(due.holds) > 3:
        reasons.append(f"and {len(due.holds) - 3} more are held back")
    if attempts.given_up:
        reasons.append(f"{len(attempts.given_up)} pieces of work keep failing")
    if due.work:
        reasons.append(f"{len(due.work)} pieces of work wait for runs under way")
    return "; ".join(reasons) or "nothing is due"
