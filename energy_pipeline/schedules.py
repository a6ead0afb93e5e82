"""Schedules: nightly maintenance of the lake, weekly reports, and whether new readings come.

Small files are compacted and files that no version needs are removed; the sweep of files that a killed writer left
happens only while no run is under way. Alerts that the webhook has not taken yet are sent. A further schedule is one
job and one line in `build_schedules`. Next: `resources/lake.py`, `Lake.maintain`; `viewer/report/pack.py`.
"""

from pathlib import Path

from dagster import (
    Backoff,
    DagsterRunStatus,
    DefaultScheduleStatus,
    Failure,
    OpExecutionContext,
    RetryPolicy,
    RunsFilter,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)
from dagster._core.storage.tags import MAX_RETRIES_TAG, RETRY_ON_ASSET_OR_OP_FAILURE_TAG

from energy_pipeline.alerts import send_pending
from energy_pipeline.jobs import build_freshness_job
from energy_pipeline.resources.site import SiteResource

ACTIVE = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]
# No sensor asks for these two jobs again, as it does for all others (`dagster.yaml` has no retries for those).
# Maintenance that fails is repeated in its run after one and after two more minutes, and started anew where its process
# was killed. Reports are started anew once: those of the devices that go well cost minutes.
PAUSES = RetryPolicy(max_retries=2, delay=60, backoff=Backoff.EXPONENTIAL)
WHERE_KILLED = {MAX_RETRIES_TAG: "2", RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "false"}
ONCE_MORE = {MAX_RETRIES_TAG: "1"}


@op(description="Compact small files and remove what no version within the retention uses.", retry_policy=PAUSES)
def maintain_lake(context: OpExecutionContext, site: SiteResource) -> None:
    """Compact and vacuum every table; sweep orphans where this is the only run."""
    others = [r for r in context.instance.get_runs(RunsFilter(statuses=ACTIVE)) if r.run_id != context.run_id]
    done = site.lake().maintain(full=not others)
    for name, counts in done.items():
        context.log.info(f"{name}: {counts['compacted']} files compacted, {counts['removed']} removed")
        if counts["busy"]:
            context.log.warning(f"{name}: not compacted, a load changed it meanwhile; the next maintenance does")
    for line in send_pending(site.lake(), site.settings()):
        context.log.warning(line)


@job(executor_def=in_process_executor, description="Keep the lake small and fast.", tags=WHERE_KILLED)
def maintenance_job() -> None:
    """Compact and vacuum the lake."""
    maintain_lake()


@op(description="Write the report of every device: an HTML page, and the tables behind it as CSV.")
def write_reports(context: OpExecutionContext, site: SiteResource) -> None:
    """Write one pack per device; a device whose report fails is named, and does not keep the others from theirs."""
    from viewer.report.pack import make_pack, write_pack
    from viewer.report.snapshot import Snapshot, SnapshotGone
    from viewer.store import TableBroken

    settings = site.settings()
    if not settings.operation.reports:
        context.log.info("no reports: operation.reports is empty")
        return
    out, failed = Path(settings.operation.reports), []
    for device in Snapshot(settings).devices():
        try:
            folder = write_pack(make_pack(settings, device, lang=settings.operation.report_language), out)
        except (SnapshotGone, TableBroken, OSError) as error:
            failed.append(f"{device}: {error}")
            continue
        context.log.info(f"{device}: {folder / 'report.html'}")
    if failed:
        raise Failure(f"{len(failed)} reports could not be written: {'; '.join(failed)}")


@job(executor_def=in_process_executor, description="The evidence pack of every device, as it stands.", tags=ONCE_MORE)
def report_job() -> None:
    """Write all reports."""
    write_reports()


def build_schedules() -> list[ScheduleDefinition]:
    """Return the schedules."""
    return [
        ScheduleDefinition(
            name="nightly_maintenance", job=maintenance_job, cron_schedule="30 2 * * *",
            default_status=DefaultScheduleStatus.RUNNING,
            description="Every night at 02:30 UTC: compaction and vacuum with a retention of seven days.",
        ),
        ScheduleDefinition(
            name="weekly_report", job=report_job, cron_schedule="0 5 * * 1",
            default_status=DefaultScheduleStatus.RUNNING,
            description="Every Monday at 05:00 UTC: a report of every device below operation.reports.",
        ),
        ScheduleDefinition(
            name="freshness", job=build_freshness_job(), cron_schedule="45 */6 * * *",
            default_status=DefaultScheduleStatus.RUNNING,
            description="Every six hours: whether every device still brings new readings.",
        ),
    ]
