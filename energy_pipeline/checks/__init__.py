"""The checks, each named by the sentence that is true when it is green; thin over `compute/findings.py`.

Their verdicts go to Dagster and, with the failing rows, to the table `check_results`. Next: `checks/battery.py`,
`checks/meters.py`, `checks/schema.py` and `checks/freshness.py`; `checks/common.py`.
"""

from datetime import UTC, datetime, timedelta

import polars as pl
from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetChecksDefinition, asset_check

from energy_pipeline import guards
from energy_pipeline.checks.battery import build_battery_checks
from energy_pipeline.checks.common import judge
from energy_pipeline.checks.freshness import build_freshness_check
from energy_pipeline.checks.meters import build_meter_checks
from energy_pipeline.checks.schema import build_schema_checks
from energy_pipeline.compute import findings, zones
from energy_pipeline.compute.findings import Finding
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.settings import Settings


def build_checks() -> list[AssetChecksDefinition]:
    """Return all checks."""

    @asset_check(
        asset=guards.ACCOUNTS.table, name=guards.ACCOUNTS.check, blocking=guards.ACCOUNTS.blocking,
        description="Nothing is lost and nothing is invented on the way in.",
    )
    def accounts(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake = site.lake()
        return judge(context, site, guards.ACCOUNTS, lambda d, _: _accounts(lake, d))

    @asset_check(
        asset=guards.FILES.table, name=guards.FILES.check, blocking=guards.FILES.blocking,
        description="No file is unreadable or has gone.",
    )
    def files(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake = site.lake()
        return judge(
            context, site, guards.FILES, lambda d, _: findings.unfinished_files(lake.read("source_files", d))
        )

    @asset_check(
        asset=guards.LEVELS_AGREE.table, name=guards.LEVELS_AGREE.check, blocking=guards.LEVELS_AGREE.blocking,
        description="Days say the same as five minutes.",
    )
    def levels_agree(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake = site.lake()
        return judge(context, site, guards.LEVELS_AGREE, lambda d, months: _levels(lake, d, months))

    @asset_check(
        asset=guards.TIMES.table, name=guards.TIMES.check, blocking=guards.TIMES.blocking,
        description="No reading stands outside the years that the settings allow.",
    )
    def times(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake, settings = site.lake(), site.settings()
        return judge(context, site, guards.TIMES, lambda d, _: _times(lake, settings, d))

    @asset_check(
        asset=guards.COVERED.table, name=guards.COVERED.check, blocking=guards.COVERED.blocking,
        description="No measured signal has fallen silent for most of a month.",
    )
    def covered(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake, poor = site.lake(), site.settings().operation.coverage_poor
        return judge(
            context, site, guards.COVERED,
            lambda d, months: findings.poorly_covered(
                lake.read("signals", d), lake.read("resolution_1d", d, months), poor
            ),
        )

    return [
        accounts, times, files, levels_agree, covered, *build_battery_checks(), *build_meter_checks(),
        *build_schema_checks(), build_freshness_check(),
    ]


def _accounts(lake: Lake, device: str) -> Finding:
    accepted = (
        lake.scan("readings", device).group_by("signal").agg(pl.len().cast(pl.Int64).alias("accepted")).collect()
    )
    conflict = pl.col("reason") == "conflict"
    refused = (
        lake.scan("rejected_readings", device)
        .group_by("signal")
        .agg(
            (~conflict).sum().cast(pl.Int64).alias("rejected"), conflict.sum().cast(pl.Int64).alias("conflicts")
        )
        .collect()
    )
    return findings.open_accounts(lake.read("signals", device), accepted, refused)


def _levels(lake: Lake, device: str, months: list[str]) -> Finding:
    parts = [
        findings.coarse_unlike_fine(
            lake.scan("resolution_5min", device, [m]), lake.scan("resolution_1d", device, [m])
        )
        for m in months
    ]
    failed = pl.concat(
        [p.failed.select(pl.lit(m).alias("month"), pl.all()) for m, p in zip(months, parts, strict=True)]
    )
    return Finding(failed, sum(p.checked_rows for p in parts), parts[0].limit, parts[0].advice)


def _times(lake: Lake, settings: Settings, device: str) -> Finding:
    first, _ = zones.month_bounds(settings.zone_of(device), settings.first_month)
    latest = datetime.now(UTC) + timedelta(days=1)
    return findings.times_out_of_range(lake.scan("readings", device), zones.from_us(first), latest)
