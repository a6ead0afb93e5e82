"""The run queue of this project: it names the device of every run, also of those that a person starts in the UI.

`dagster.yaml` allows one run per value of the tag `energy/device`. The sensor and `run` set it; a run that is launched
from an asset's page carries only its partition, and this queue reads the device from there. Next: `partitions.py`.
"""

from collections.abc import Mapping

from dagster import DagsterRun, SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from energy_pipeline.partitions import DEVICE_TAG


def device_of_tags(tags: Mapping[str, str]) -> str | None:
    """Return the device that a run's partition tags name; None for the fleet, and for a range over several devices."""
    key = tags.get(PARTITION_NAME_TAG)
    if key:
        return key.partition("|")[0]
    first, last = (tags.get(t, "").partition("|")[0]
                   for t in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG))
    return first if first and first == last else None


class DeviceRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, with the tag `energy/device` on every run over one device."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Tag the run and put it into the queue."""
        run = context.dagster_run
        device = None if DEVICE_TAG in run.tags else device_of_tags(run.tags)
        if device:
            self._instance.add_run_tags(run.run_id, {DEVICE_TAG: device})
        return super().submit_run(context)
