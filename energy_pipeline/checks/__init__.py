"""The checks, each named by the sentence that is true when it is green; thin over `compute/findings.py`.

Their verdicts go to Dagster and, with the failing rows, to the table `check_results`. Next: `checks/meters.py`,
those of meters; `checks/common.py`.
"""

import polars as pl
from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetChecksDefinition, asset_check

from energy_pipeline import guards
from energy_pipeline.checks.common import judge
from energy_pipeline.checks.meters import build_meter_checks
from energy_pipeline.compute import findings
from energy_pipeline.compute.findings import Finding
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource


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
        asset=guards.SAT_RANGE.table, name=guards.SAT_RANGE.check, blocking=guards.SAT_RANGE.blocking,
        description="No sentinel or spike has become a SAT voltage.",
    )
    def sat_range(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake, settings = site.lake(), site.settings()
        return judge(
            context, site, guards.SAT_RANGE,
            lambda d, months: findings.sat_outside_chemistry(
                lake.read("sat_voltage", d, months), settings.battery_of(d).sat_limits_v
            ),
        )

    @asset_check(
        asset=guards.FITS.table, name=guards.FITS.check, blocking=guards.FITS.blocking,
        description="No cell is passed over in silence.",
    )
    def fits(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake = site.lake()
        return judge(context, site, guards.FITS, lambda d, _: _fits(lake, d))

    return [accounts, files, levels_agree, sat_range, fits, *build_meter_checks()]


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


def _fits(lake: Lake, device: str) -> Finding:
    cells = lake.read("signals", device).filter(
        (pl.col("quantity") == "cell_voltage") & (pl.col("rows_accepted") > 0)
    ).select("pack", "cell")
    return findings.cells_without_fit(cells, lake.read("degradation_fits", device))
