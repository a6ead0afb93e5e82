"""The checks, each named by the sentence that is true when it is green; thin over `compute/findings.py`.

Their verdicts go to Dagster and, with the failing rows, to the table `check_results`. Next: `checks/meters.py`,
those of meters; `checks/common.py`.
"""

import polars as pl
from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetChecksDefinition, asset_check

from energy_pipeline.checks.common import months_of_run, settle
from energy_pipeline.checks.meters import build_meter_checks
from energy_pipeline.compute import findings
from energy_pipeline.compute.findings import Finding
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource


def build_checks() -> list[AssetChecksDefinition]:
    """Return all checks."""

    @asset_check(asset="readings", blocking=True, description="Nothing is lost and nothing is invented on the way in.")
    def rows_read_are_accepted_rejected_duplicate_or_conflict(
        context: AssetCheckExecutionContext, site: SiteResource
    ) -> AssetCheckResult:
        lake = site.lake()
        found = {d: _accounts(lake, d) for d in months_of_run(context)}
        return settle(lake, "readings", "rows_read_are_accepted_rejected_duplicate_or_conflict", found, True)

    @asset_check(asset="source_files", description="No file is unreadable or has gone.")
    def every_file_could_be_read(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake = site.lake()
        found = {d: findings.unfinished_files(lake.read("source_files", d)) for d in months_of_run(context)}
        return settle(lake, "source_files", "every_file_could_be_read", found, False)

    @asset_check(asset="resolution_1d", blocking=True, description="Days say the same as five minutes.")
    def days_equal_five_minutes(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake = site.lake()
        found = {d: _levels(lake, d, months) for d, months in months_of_run(context).items()}
        return settle(lake, "resolution_1d", "days_equal_five_minutes", found, True)

    @asset_check(asset="sat_voltage", description="No sentinel or spike has become a SAT voltage.")
    def sat_voltages_lie_within_the_chemistry(
        context: AssetCheckExecutionContext, site: SiteResource
    ) -> AssetCheckResult:
        lake, settings = site.lake(), site.settings()
        found = {
            d: findings.sat_outside_chemistry(
                lake.read("sat_voltage", d, months), settings.battery_of(d).sat_limits_v
            )
            for d, months in months_of_run(context).items()
        }
        return settle(lake, "sat_voltage", "sat_voltages_lie_within_the_chemistry", found, False)

    @asset_check(asset="degradation_fits", description="No cell is passed over in silence.")
    def every_cell_has_a_fit_or_a_reason(
        context: AssetCheckExecutionContext, site: SiteResource
    ) -> AssetCheckResult:
        lake = site.lake()
        found = {d: _fits(lake, d) for d in months_of_run(context)}
        return settle(lake, "degradation_fits", "every_cell_has_a_fit_or_a_reason", found, False)

    return [
        rows_read_are_accepted_rejected_duplicate_or_conflict, every_file_could_be_read, days_equal_five_minutes,
        sat_voltages_lie_within_the_chemistry, every_cell_has_a_fit_or_a_reason, *build_meter_checks(),
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
    failed = pl.concat([p.failed for p in parts])
    return Finding(failed, sum(p.checked_rows for p in parts), parts[0].limit, parts[0].advice)


def _fits(lake: Lake, device: str) -> Finding:
    cells = lake.read("signals", device).filter(
        (pl.col("quantity") == "cell_voltage") & (pl.col("rows_accepted") > 0)
    ).select("pack", "cell")
    return findings.cells_without_fit(cells, lake.read("degradation_fits", device))
