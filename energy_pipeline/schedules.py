"""Schedules: nightly maintenance of the lake.

Small files are compacted and files that no version needs are removed; the sweep of files that a killed writer left
happens only while no run is under way. Alerts that the webhook has not taken yet are sent. A further schedule is one
job and one line in `build_schedules`. Next: `resources/lake.py`, `Lake.maintain`.
"""

from dagster import (
    DagsterRunStatus,
    DefaultScheduleStatus,
    OpExecutionContext,
    RunsFilter,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)

from energy_pipeline.alerts import send_pending
from energy_pipeline.resources.site import SiteResource

ACTIVE = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]


@op(description="Compact small files and remove what no version within the retention uses.")
def maintain_lake(context: OpExecutionContext, site: SiteResource) -> None:
    """Compact and vacuum every table; sweep orphans where this is the only run."""
    others = [r for r in context.instance.get_runs(RunsFilter(statuses=ACTIVE)) if r.run_id != context.run_id]
    done = site.lake().maintain(full=not others)
    for name, counts in done.items():
        context.log.info(f"{name}: {counts['compacted']} files compacted, {counts['removed']} removed")
    for line in send_pending(site.lake(), site.settings()):
        context.log.warning(line)


@job(executor_def=in_process_executor, description="Keep the lake small and fast.")
def maintenance_job() -> None:
    """Compact and vacuum the lake."""
    maintain_lake()


def build_schedules() -> list[ScheduleDefinition]:
    """Return the schedules."""
    return [
        ScheduleDefinition(
            name="nightly_maintenance", job=maintenance_job, cron_schedule="30 2 * * *",
            default_status=DefaultScheduleStatus.RUNNING,
            description="Every night at 02:30 UTC: compaction and vacuum with a retention of seven days.",
        )
    ]
