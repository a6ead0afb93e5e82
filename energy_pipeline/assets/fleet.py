"""The asset `fleet_summary`: one line per device, from its finished tables.

Next: `compute/fleet.py`.
"""

import polars as pl
from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, asset

from energy_pipeline.alerts import announce_cells, send_pending
from energy_pipeline.assets.common import OWNERS, column_schema, describe, freshness, result, tags_of
from energy_pipeline.compute.fleet import build_fleet_row
from energy_pipeline.loading.plan import MOVED
from energy_pipeline.resources.commits import Scope
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import OperationSettings
from energy_pipeline.work import FLEET_TABLE, fleet_numbers

READS = (
    "resolution_1d", "meter_daily", "capacity", "degradation_fits", "cell_health", "regimes", "battery_days",
    "alarm_events", "battery_energy", "charge_cycles",
)


def build_fleet(operation: OperationSettings) -> list[AssetsDefinition]:
    """Return the fleet's asset."""

    @asset(
        name=FLEET_TABLE, deps=list(READS), group_name="fleet", description=describe(FLEET_TABLE),
        kinds={"polars", "deltalake"}, owners=OWNERS, tags=tags_of(FLEET_TABLE), freshness_policy=freshness(operation),
        metadata={"dagster/column_schema": column_schema(FLEET_TABLE), "grain": TABLES[FLEET_TABLE].grain},
    )
    def fleet_summary(context: AssetExecutionContext, site: SiteResource) -> MaterializeResult:
        lake, settings = site.lake(), site.settings()
        devices = [d for d in lake.devices() if not _is_empty_shell(lake, d)]
        # A device that is held back, or not done yet, keeps its earlier number: the overview is due again after it.
        numbers = fleet_numbers(lake, settings)
        rows = lake.replace(FLEET_TABLE, Scope(), lambda: _rows(lake, site, devices), numbers)
        context.log.info(f"{rows} devices")
        for line in [*(a for d in devices for a in announce_cells(lake, d)), *send_pending(lake, settings)]:
            context.log.warning(line)
        return result(context, FLEET_TABLE, {"all": rows}, lake)

    return [fleet_summary]


def _is_empty_shell(lake: Lake, device: str) -> bool:
    """True for a device whose files are all another one's by now."""
    return set(lake.read("source_files", device)["status"]) == {MOVED}


def _rows(lake: Lake, site: SiteResource, devices: list[str]) -> pl.DataFrame:
    frames = [
        build_fleet_row(site.context(d), {name: lake.read(name, d) for name in READS}) for d in devices
    ]
    return pl.concat(frames) if frames else TABLES[FLEET_TABLE].empty()
