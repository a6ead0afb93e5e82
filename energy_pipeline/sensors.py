"""The one sensor: looks at the folders and the lake, and asks for the runs that are due.

It keeps no cursor: what is due follows from the numbers in the lake (`work.py`), and the run key names the work, so
that the same work is asked for once. Next: `work.py`.
"""

import time
from collections.abc import Sequence

from dagster import (
    AddDynamicPartitionsRequest,
    DagsterRunStatus,
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
from energy_pipeline.partitions import DEVICES
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.work import Work, due_work

INTERVAL_S = 30
ATTEMPTS_TAG = "energy/attempt"
WORK_TAG = "energy/work"
DEVICE_TAG = "energy/device"
MOST_ATTEMPTS = 3
UNFINISHED = [
    DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def work_name(work: Work) -> str:
    """Name of a piece of work: what, for which device and months, up to which load."""
    span = f":{work.months[0]}..{work.months[-1]}" if work.months else ""
    return f"{work.kind}:{work.device}{span}:{work.number}"


def run_tags(work: Work) -> dict[str, str]:
    """Tags of a run that does a piece of work."""
    tags = {WORK_TAG: work_name(work), DEVICE_TAG: work.device or "fleet"}
    if len(work.months) > 1:
        tags[ASSET_PARTITION_RANGE_START_TAG] = f"{work.device}|{work.months[0]}"
        tags[ASSET_PARTITION_RANGE_END_TAG] = f"{work.device}|{work.months[-1]}"
    return tags


def partition_key(work: Work) -> str | None:
    """Partition of a run that does a piece of work; None for a range (its tags say it) and for the fleet."""
    if len(work.months) > 1:
        return None
    return work.partition


def build_sensors(jobs: Sequence[UnresolvedAssetJobDefinition]) -> list[SensorDefinition]:
    """Return the sensor; `jobs` are those it may ask for."""

    @sensor(
        name="new_data", minimum_interval_seconds=INTERVAL_S, default_status=DefaultSensorStatus.RUNNING,
        jobs=list(jobs),
        description="Finds new and changed files and everything behind them that is not up to date.",
    )
    def new_data(context: SensorEvaluationContext, site: SiteResource) -> SensorResult | SkipReason:
        lake, settings = site.lake(), site.settings()
        found = discover(settings)
        for problem in found.problems:
            context.log.warning(problem.message)
        known = set(context.instance.get_dynamic_partitions(DEVICES))
        fresh = sorted(set(found.devices) - known)
        requests, given_up = [], []
        for work in due_work(lake, settings, found.devices, time.time()):
            attempt = _next_attempt(context, work)
            if attempt is None:
                continue
            if attempt > MOST_ATTEMPTS:
                given_up.append(work_name(work))
                continue
            requests.append(
                RunRequest(
                    run_key=f"{JOBS[work.kind]}:{work_name(work)}:{attempt}", job_name=JOBS[work.kind],
                    partition_key=partition_key(work), tags={**run_tags(work), ATTEMPTS_TAG: str(attempt)},
                )
            )
        if given_up:
            context.log.error(
                f"failed {MOST_ATTEMPTS} times and left alone: {', '.join(given_up)}; "
                f"look at the last run, mend the cause, and start the run by hand"
            )
        if not requests and not fresh:
            return SkipReason("nothing is due" if not given_up else f"{len(given_up)} pieces of work keep failing")
        partitions = [AddDynamicPartitionsRequest(DEVICES, fresh)] if fresh else []
        return SensorResult(run_requests=requests, dynamic_partitions_requests=partitions)

    return [new_data]


def _next_attempt(context: SensorEvaluationContext, work: Work) -> int | None:
    """Number of the next attempt at a piece of work; None while one is under way."""
    runs = context.instance.get_runs(RunsFilter(tags={WORK_TAG: work_name(work)}), limit=MOST_ATTEMPTS + 1)
    if any(r.status in UNFINISHED for r in runs):
        return None
    return len(runs) + 1
