"""The asset `resolution`: 5 min, 15 min, 1 h and 1 d of a device and month, exact at every level.

Next: `meters.py` and `battery.py`, which read these tables.
"""

from collections.abc import Iterator

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, multi_asset

from energy_pipeline.aggregation import aggregate_months
from energy_pipeline.assets.common import ONE_RUN, result, table_spec
from energy_pipeline.assets.pictures import add_month_pictures
from energy_pipeline.partitions import Partitions, months_of
from energy_pipeline.progress import report_progress
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.schemas.resolution import LEVELS, RESOLUTIONS


def build_resolution(parts: Partitions) -> list[AssetsDefinition]:
    """Return the asset of the four resolution tables."""

    @multi_asset(
        name="resolution", partitions_def=parts.device_months, backfill_policy=ONE_RUN,
        specs=[
            table_spec(RESOLUTIONS[level].name, ["readings", "counter_events", "signals"], "resolution")
            for level in LEVELS
        ],
    )
    def resolution(context: AssetExecutionContext, site: SiteResource) -> Iterator[MaterializeResult]:
        lake, settings = site.lake(), site.settings()
        rows: dict[str, dict[str, int]] = {level: {} for level in LEVELS}
        for device, months in months_of(context).items():
            def done(month: str, device: str = device, months: list[str] = months) -> None:
                report_progress(months.index(month) + 1, len(months), f"resolution {device} {month}")

            counts = aggregate_months(lake, settings, device, months, done)
            for month in months:
                for level in LEVELS:
                    rows[level][f"{device}|{month}"] = counts[month][level]
            ctx = site.context(device)
            for level in LEVELS:
                add_month_pictures(context, lake, RESOLUTIONS[level].name, ctx, months)
        for level in LEVELS:
            yield result(context, RESOLUTIONS[level].name, rows[level], lake)

    return [resolution]
