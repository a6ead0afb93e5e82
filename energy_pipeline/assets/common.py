"""What all assets share: their specification from the table's schema, and replacing a month or a device's rows.

No step of the computation is here. Next: `ingest.py`, the first asset.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from types import ModuleType

import polars as pl
from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    TableColumn,
    TableColumnConstraints,
    TableSchema,
    asset,
)

from energy_pipeline.assets.lineage import column_lineage
from energy_pipeline.assets.pictures import add_device_pictures, add_month_pictures
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.partitions import Partitions, devices_of, months_of
from energy_pipeline.progress import report_progress
from energy_pipeline.resources.commits import Scope
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.schemas import TABLES, battery, ingest, meters
from energy_pipeline.settings import OperationSettings, Settings
from energy_pipeline.work import device_numbers, month_key, month_numbers

OWNERS = ["team:data-platform"]
ONE_RUN = BackfillPolicy.single_run()
MonthBuild = Callable[[Lake, DeviceContext, str], pl.DataFrame]
DeviceBuild = Callable[[Lake, DeviceContext], pl.DataFrame]


def table_spec(
    name: str, deps: Iterable[str], group: str, kinds: Iterable[str] = ("polars", "deltalake"),
    fresh: FreshnessPolicy | None = None,
) -> AssetSpec:
    """Asset specification of a table: description, columns with units, group and kinds, all from its schema."""
    table = TABLES[name]
    return AssetSpec(
        name, freshness_policy=fresh, deps=list(deps), group_name=group, kinds=set(kinds), owners=OWNERS,
        tags=tags_of(name), description=describe(name),
        metadata={"dagster/column_schema": column_schema(name), "grain": table.grain, "key": ", ".join(table.key)},
    )


def freshness(operation: OperationSettings) -> FreshnessPolicy:
    """How long no new data may come before the table is shown as late or overdue.

    On `readings` and `fleet_summary` alone, the two ends of the way: where nothing new comes, nothing else is made, and
    every table in between would only repeat it.
    """
    return FreshnessPolicy.time_window(
        fail_window=timedelta(hours=operation.fresh_fail_h), warn_window=timedelta(hours=operation.fresh_warn_h)
    )


def tags_of(name: str) -> dict[str, str]:
    """Tags of a table, to select assets by: whose it is, what a partition of it is, and how its rows come about.

    `domain` battery, meter or common; `grain` device, device-month or fleet; `source` files (written by a load) or
    tables (made from other tables, and so made again without the files).
    """
    table = TABLES[name]
    domain = "battery" if name in _names(battery) else "meter" if name in _names(meters) else "common"
    grain = "device-month" if table.partition_by == ("device", "month") else "-".join(table.partition_by) or "fleet"
    loaded = name in _names(ingest)
    return {
        "domain": domain, "grain": "device" if loaded else grain, "source": "files" if loaded else "tables",
    }


def _names(module: ModuleType) -> set[str]:
    return {table.name for table in module.TABLES}


def describe(name: str) -> str:
    """Description of a table for the asset's page."""
    table = TABLES[name]
    return f"{table.description}\n\nHolds {table.grain}."


def column_schema(name: str) -> TableSchema:
    """Columns of a table with type, meaning and unit."""
    return TableSchema(
        columns=[
            TableColumn(
                c.name, str(c.dtype), description=c.description + (f" [{c.unit}]" if c.unit else ""),
                constraints=TableColumnConstraints(nullable=c.nullable),
            )
            for c in TABLES[name].columns
        ]
    )


def result(
    context: AssetExecutionContext, name: str, rows: Mapping[str, int], lake: Lake,
    extra: Mapping[str, object] | None = None,
) -> MaterializeResult:
    """Materialisation of a table: its rows (each partition shows its own), and the version that holds them.

    Args:
        context: of the run.
        name: the table.
        rows: rows per partition; -1 where newer rows were found and kept.
        lake: where the table is.
        extra: further metadata, the same for every partition of the run.
    """
    metadata: dict[str, object] = {
        "table_version": lake.open(name).version(), "location": MetadataValue.path(lake.path(name)), **(extra or {}),
    }
    if len(rows) > 1:
        own = set(context.partition_keys)
        for key, count in rows.items():
            if key in own and count >= 0:
                context.add_asset_metadata({"dagster/row_count": count}, name, key)
        metadata["rows_in_this_run"] = sum(c for c in rows.values() if c > 0)
    else:
        metadata["dagster/row_count"] = sum(c for c in rows.values() if c > 0)
    lineage = column_lineage(name)
    if lineage is not None:
        metadata["dagster/column_lineage"] = lineage
    return MaterializeResult(asset_key=name, metadata=metadata)


def replace_months(
    lake: Lake, settings: Settings, name: str, ctx: DeviceContext, months: list[str], build: MonthBuild
) -> dict[str, int]:
    """Compute months of a device and replace them in a table; return the rows per partition."""
    digest = settings.derived_digest(ctx.device)
    wanted = month_numbers(lake, ctx.device, months)
    numbers = {m: (month_key(ctx.device, m, digest), wanted[m]) for m in months}

    def done(month: str) -> None:
        report_progress(months.index(month) + 1, len(months), f"{name} {ctx.device} {month}")

    rows = lake.replace_months(name, ctx.device, lambda month: build(lake, ctx, month), numbers, done)
    return {f"{ctx.device}|{month}": count for month, count in rows.items()}


def replace_device(lake: Lake, settings: Settings, name: str, ctx: DeviceContext, build: DeviceBuild) -> int:
    """Compute a device's rows of a table and replace them; return their number."""
    numbers = device_numbers(lake, settings, ctx.device)
    return lake.replace(name, Scope(ctx.device), lambda: build(lake, ctx), numbers)


def month_asset(
    parts: Partitions, name: str, deps: Iterable[str], group: str, build: MonthBuild
) -> AssetsDefinition:
    """Asset of a device × month table that `build` computes month by month."""

    @asset(
        name=name, deps=list(deps), group_name=group, partitions_def=parts.device_months, backfill_policy=ONE_RUN,
        description=describe(name), kinds={"polars", "deltalake"}, owners=OWNERS, tags=tags_of(name),
        metadata={"dagster/column_schema": column_schema(name), "grain": TABLES[name].grain},
    )
    def month_table(context: AssetExecutionContext, site: SiteResource) -> MaterializeResult:
        lake, settings = site.lake(), site.settings()
        rows: dict[str, int] = {}
        for device, months in months_of(context).items():
            ctx = site.context(device)
            rows |= replace_months(lake, settings, name, ctx, months, build)
            add_month_pictures(context, lake, name, ctx, months)
        return result(context, name, rows, lake)

    return month_table


def device_asset(
    parts: Partitions, name: str, deps: Iterable[str], group: str, build: DeviceBuild
) -> AssetsDefinition:
    """Asset of a device table that `build` computes from the device's whole history."""

    @asset(
        name=name, deps=list(deps), group_name=group, partitions_def=parts.devices, backfill_policy=ONE_RUN,
        description=describe(name), kinds={"polars", "deltalake"}, owners=OWNERS, tags=tags_of(name),
        metadata={"dagster/column_schema": column_schema(name), "grain": TABLES[name].grain},
    )
    def device_table(context: AssetExecutionContext, site: SiteResource) -> MaterializeResult:
        lake, settings = site.lake(), site.settings()
        rows = {}
        devices = devices_of(context)
        for i, device in enumerate(devices):
            ctx = site.context(device)
            rows[device] = replace_device(lake, settings, name, ctx, build)
            add_device_pictures(context, lake, name, ctx)
            report_progress(i + 1, len(devices), f"{name} {device}")
        return result(context, name, rows, lake)

    return device_table
