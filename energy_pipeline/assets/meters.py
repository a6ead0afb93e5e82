"""The assets `meter_daily` and `meter_peaks`: what a meter did on each local day, and a month's largest quarter hours.

Next: `compute/meters.py`, the definitions.
"""

from dagster import AssetsDefinition

from energy_pipeline.assets.common import month_asset
from energy_pipeline.compute.meters import build_meter_daily, build_meter_peaks
from energy_pipeline.partitions import Partitions

GROUP = "meters"


def build_meters(parts: Partitions) -> list[AssetsDefinition]:
    """Return the meter assets."""
    return [
        month_asset(
            parts, "meter_daily", ["resolution_15min", "resolution_1d"], GROUP,
            lambda lake, ctx, month: build_meter_daily(
                ctx, month, lake.read("resolution_15min", ctx.device, [month]),
                lake.read("resolution_1d", ctx.device, [month]),
            ),
        ),
        month_asset(
            parts, "meter_peaks", ["resolution_15min"], GROUP,
            lambda lake, ctx, month: build_meter_peaks(
                ctx, month, lake.read("resolution_15min", ctx.device, [month])
            ),
        ),
    ]
