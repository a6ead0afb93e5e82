"""The jobs, one per step of the way: a device's files, its months, a battery's charges and own tables, the fleet.

Runs execute in one process: the multiprocess default costs about two seconds of CPU per step.
Next: `sensors.py`, which asks for these jobs when something is due.
"""

from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    define_asset_job,
    in_process_executor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from energy_pipeline.guards import FRESH

JOBS = {
    "ingest": "ingest_job", "months": "months_job", "charges": "charges_job", "device": "device_job",
    "fleet": "fleet_job",
}
DESCRIPTIONS = {
    "ingest": "Read what is new in a device's files.",
    "months": "Recompute the months of a device that a load has changed.",
    "charges": "Recompute the charges of a battery system in the months that a load has changed.",
    "device": "Recompute what needs a battery system's whole history.",
    "fleet": "Recompute the overview of all devices.",
}


def build_jobs(groups: dict[str, list[AssetsDefinition]]) -> list[UnresolvedAssetJobDefinition]:
    """Return one job per kind of work, over the assets of that kind and their checks."""
    return [
        define_asset_job(
            JOBS[kind], selection=AssetSelection.assets(*assets), executor_def=in_process_executor,
            description=DESCRIPTIONS[kind],
        )
        for kind, assets in groups.items()
    ]


def build_freshness_job() -> UnresolvedAssetJobDefinition:
    """Return the job that asks, for all devices, whether new readings come."""
    key = AssetCheckKey(AssetKey(FRESH.table), FRESH.check)
    return define_asset_job(
        "freshness_job", selection=AssetSelection.checks(key), executor_def=in_process_executor,
        description="Judge whether new readings come; silence asks for no run by itself.",
    )
