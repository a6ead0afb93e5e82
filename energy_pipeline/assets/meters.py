"""The assets of meters: local days, a month's largest quarter hours, two sources side by side, costs.

Next: `compute/meters.py`, the definitions; `compute/meter_balance.py` and `compute/tariff.py`.
"""

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, asset

from energy_pipeline.assets.common import (
    ONE_RUN,
    OWNERS,
    column_schema,
    describe,
    month_asset,
    replace_months,
    result,
    tags_of,
)
from energy_pipeline.compute.meter_balance import build_meter_balance
from energy_pipeline.compute.meters import build_meter_daily, build_meter_peaks
from energy_pipeline.compute.site_balance import SiteMeter
from energy_pipeline.compute.tariff import build_meter_costs
from energy_pipeline.partitions import Partitions, months_of
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.schemas import TABLES
from energy_pipeline.work import month_key, month_numbers

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
        _balance_asset(parts),
        month_asset(
            parts, "meter_costs", ["resolution_15min", "meter_daily", "meter_peaks"], GROUP,
            lambda lake, ctx, month: build_meter_costs(
                ctx, month, lake.read("resolution_15min", ctx.device, [month]),
                lake.read("meter_daily", ctx.device, [month]), lake.read("meter_peaks", ctx.device, [month]),
            ),
        ),
    ]


def _balance_asset(parts: Partitions) -> AssetsDefinition:
    """Asset of `meter_balance`.

    Rows of a battery and its site meter need both devices. They stand at the battery; whichever of the two is
    computed later makes them, so that the order of devices does not matter.
    """
    name = "meter_balance"

    @asset(
        name=name, deps=["resolution_15min"], group_name=GROUP, partitions_def=parts.device_months,
        backfill_policy=ONE_RUN, description=describe(name), kinds={"polars", "deltalake"}, owners=OWNERS,
        tags=tags_of(name), metadata={"dagster/column_schema": column_schema(name), "grain": TABLES[name].grain},
    )
    def meter_balance(context: AssetExecutionContext, site: SiteResource) -> MaterializeResult:
        lake, rows = site.lake(), {}
        for device, months in months_of(context).items():
            rows |= _replace(site, device, months)
            for battery in [d.name for d in site.settings().device if d.site_meter == device]:
                rows |= _replace(site, battery, _computed(lake, site, battery, months))
        return result(context, name, rows, lake)

    return meter_balance


def _replace(site: SiteResource, device: str, months: list[str]) -> dict[str, int]:
    lake, ctx = site.lake(), site.context(device)
    meter = site.context(ctx.site_meter) if ctx.site_meter else None
    return replace_months(
        lake, site.settings(), "meter_balance", ctx, months,
        lambda _, own, month: build_meter_balance(
            own, month, lake.read("resolution_15min", own.device, [month]),
            SiteMeter(meter, lake.read("resolution_15min", meter.device, [month])) if meter else None,
        ),
    )


def _computed(lake: Lake, site: SiteResource, device: str, months: list[str]) -> list[str]:
    """Months of which a device's own rows are up to date: the others will be made with the device."""
    digest = site.settings().derived_digest(device)
    wanted = month_numbers(lake, device, months)
    keys = {m: month_key(device, m, digest) for m in months}
    done = lake.numbers("meter_balance", keys.values())
    return [m for m in months if wanted[m] and done[keys[m]] == wanted[m]]
