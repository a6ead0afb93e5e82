"""The one sensor: looks at the folders and the lake, and asks for the runs that are due.

It keeps no cursor: what is due follows from the numbers in the lake (`work.py`). A device with a run under way is left
alone; the run key names the work, so that the same work is asked for once. Why one sensor, and not one per table or
declarative automation: docs/operation.md. Next: `work.py`; `tries.py`, when failed work is asked for again.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from dagster import (
    AddDynamicPartitionsRequest,
    AssetKey,
    DagsterInstance,
    DefaultSensorStatus,
    RunRequest,
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
from deltalake.exceptions import DeltaError

from energy_pipeline.alerts import Found, announce_runs
from energy_pipeline.jobs import JOBS
from energy_pipeline.orphans import close_orphans
from energy_pipeline.partitions import DEVICE_TAG, DEVICES
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.lake_errors import LakeBusyError, LakeError
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.tries import ATTEMPTS_TAG, WHAT_TO_DO, WORK_TAG, Tries, as_finding, owner
from energy_pipeline.work import Due, Work, plan_work

NAMED = 3  # reasons that a tick's row gives in full


def run_tags(work: Work) -> dict[str, str]:
    """Tags of a run that does a piece of work."""
    tags = {WORK_TAG: work.name, DEVICE_TAG: owner(work)}
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
        away = lake_problem(lake, context.instance)
        if away is not None:
            return SkipReason(away)
        found = discover(settings)
        for problem in found.problems:
            context.log.warning(problem.message)
        known = set(context.instance.get_dynamic_partitions(DEVICES))
        fresh = sorted(set(found.devices) - known)
        close_orphans(context.instance)
        tries = Tries(context.instance, settings.operation.retry_pause_s, time.time())
        due = plan_work(lake, settings, found.devices, time.time(), tries.left_alone)
        for text in [*due.problems, *(hold.text for hold in due.holds), *_announce(context, site, tries)]:
            context.log.warning(text)
        requests = [_request(work, tries.of(work).attempts + 1) for work in due.work if tries.is_free(work)]
        if not requests and not fresh:
            return SkipReason(_why_nothing(due, tries))
        partitions = [AddDynamicPartitionsRequest(DEVICES, fresh)] if fresh else []
        return SensorResult(run_requests=requests, dynamic_partitions_requests=partitions)

    return [new_data]


def lake_problem(lake: Lake, instance: DagsterInstance) -> str | None:
    """Why the lake cannot be looked into now; None where it can.

    A missing folder is a new lake only where Dagster has never written to one: else a disk is not mounted, and all
    would be read again into the empty place. Without the sensor, `energy-pipeline run` does begin a new lake.
    """
    url, folder = lake.url, Path(lake.url)
    if "://" in url:
        return _store_problem(lake)
    if folder.is_dir():
        return None
    if folder.exists() or folder.is_symlink():
        return f"the lake {url} cannot be reached: it is no folder; nothing is asked for until it is back"
    if instance.get_latest_materialization_event(AssetKey("readings")) is None:
        return None
    return (
        f"the lake {url} is gone; nothing is asked for until it is back "
        f"(to begin a new one, run `energy-pipeline run` once)"
    )


def _store_problem(lake: Lake) -> str | None:
    """Why an object store does not answer; asked of the one table that every device has."""
    try:
        lake.latest("source_files")
    except (DeltaError, OSError) as error:
        return f"the lake {lake.url} cannot be reached ({error}); nothing is asked for until it is back"
    return None


def _announce(context: SensorEvaluationContext, site: SiteResource, tries: Tries) -> list[str]:
    """Announce work that was given up since the last look, once; return the lines, and that of what is given up now."""
    found: dict[str, list[Found]] = {}
    for tried in tries.given_up:
        found.setdefault(owner(tried.work), []).append(as_finding(context.instance, tried))
    lines = [f"{len(tries.given_up)} pieces of work are given up (`energy-pipeline status`)"] if found else []
    try:
        return [*announce_runs(site.lake(), site.settings(), found), *lines]
    except (LakeError, LakeBusyError) as error:
        # Where not even this can be written, it is tried again at the next look; until then the words stand here.
        return [*(f.text for own in found.values() for f in own), str(error)]


def _request(work: Work, attempt: int) -> RunRequest:
    return RunRequest(
        run_key=f"{JOBS[work.kind]}:{work.name}:{attempt}", job_name=JOBS[work.kind],
        partition_key=partition_key(work), tags={**run_tags(work), ATTEMPTS_TAG: str(attempt)},
    )


def _why_nothing(due: Due, tries: Tries) -> str:
    """Why a tick asks for nothing, in the words that the tick's row shows."""
    reasons = [hold.text for hold in due.holds[:NAMED]]
    if len(due.holds) > NAMED:
        reasons.append(f"and {len(due.holds) - NAMED} more are held back")
    if tries.given_up:
        reasons.append(f"{len(tries.given_up)} pieces of work were given up: {WHAT_TO_DO}")
    waiting = tries.waiting
    if waiting:
        at = datetime.fromtimestamp(min(waiting.values()), UTC).strftime("%H:%M")
        reasons.append(f"{len(waiting)} pieces of work have failed and are tried again, the first at {at} UTC")
    if due.work:
        reasons.append(f"{len(due.work)} pieces of work wait for runs under way")
    return "; ".join(reasons) or "nothing is due"
