"""Partitions: devices, and device × month.

Devices are dynamic: `energy-pipeline devices`, `run` and the sensor register them before a run is created (inside a
run it is too late). Months are those of the settings' calendar from `first_month` on; each device cuts its data at its
own local month borders. Next: `jobs.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dagster import (
    AssetExecutionContext,
    DagsterInstance,
    DagsterRunStatus,
    DynamicPartitionsDefinition,
    MonthlyPartitionsDefinition,
    MultiPartitionKey,
    MultiPartitionsDefinition,
)

DEVICES = "devices"
DEVICE_TAG = "energy/device"  # on every run; one run per device at a time (`coordinator.py`, `dagster.yaml`)
UNFINISHED = [
    DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
EMPTY_RANGE = (
    "this run names no partition: an empty or reversed range; "
    "give --partition 'm1|2024-03', or --partition-range 'm1|2024-03...m1|2024-06' with the earlier month first"
)


class EmptyRangeError(ValueError):
    """A run was started for a range of partitions that holds none."""


@dataclass(frozen=True)
class Partitions:
    """The partition definitions that all assets share."""

    devices: DynamicPartitionsDefinition
    device_months: MultiPartitionsDefinition


def build_partitions(first_month: str, zone: str) -> Partitions:
    """Return the partitions of a site whose calendar begins with `first_month`."""
    devices = DynamicPartitionsDefinition(name=DEVICES)
    months = MonthlyPartitionsDefinition(start_date=first_month, fmt="%Y-%m", timezone=zone, end_offset=1)
    return Partitions(devices, MultiPartitionsDefinition({"device": devices, "month": months}))


def register_devices(instance: DagsterInstance, names: Iterable[str]) -> list[str]:
    """Register devices that are not registered yet; return their names."""
    known = set(instance.get_dynamic_partitions(DEVICES))
    fresh = sorted(set(names) - known)
    if fresh:
        instance.add_dynamic_partitions(DEVICES, fresh)
    return fresh


def devices_of(context: AssetExecutionContext) -> list[str]:
    """Return the devices of a run over device partitions."""
    keys = list(context.partition_keys)
    if not keys:
        raise EmptyRangeError(EMPTY_RANGE)
    return keys


def months_of(context: AssetExecutionContext) -> dict[str, list[str]]:
    """Return the months per device of a run over device × month partitions, in order."""
    wanted: dict[str, list[str]] = {}
    for key in context.partition_keys:
        dimensions = key.keys_by_dimension if isinstance(key, MultiPartitionKey) else None
        if dimensions is None:
            device, _, month = key.partition("|")
        else:
            device, month = dimensions["device"], dimensions["month"]
        wanted.setdefault(device, []).append(month)
    if not wanted:
        raise EmptyRangeError(EMPTY_RANGE)
    return {device: sorted(months) for device, months in sorted(wanted.items())}
