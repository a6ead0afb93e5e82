"""Checks of the battery tables; thin over `compute/findings.py`. Next: `checks/common.py`."""

import polars as pl
from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetChecksDefinition, asset_check

from energy_pipeline import guards
from energy_pipeline.checks.common import judge
from energy_pipeline.compute import findings
from energy_pipeline.compute.findings import Finding
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource


def build_battery_checks() -> list[AssetChecksDefinition]:
    """Return the checks of charges, fits, capacity and evidence."""

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

    @asset_check(
        asset=guards.CYCLES.table, name=guards.CYCLES.check, blocking=guards.CYCLES.blocking,
        description="Cycles counted by charge, by energy and by SOC are the same cycles.",
    )
    def cycles(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake, settings = site.lake(), site.settings()
        return judge(
            context, site, guards.CYCLES,
            lambda d, _: findings.cycle_counts_that_disagree(
                lake.read("capacity", d), settings.battery_of(d).efc_difference_percent
            ),
        )

    @asset_check(
        asset=guards.HEALTH.table, name=guards.HEALTH.check, blocking=guards.HEALTH.blocking,
        description="The state of health that the battery reports moves as a state of health does.",
    )
    def health(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake = site.lake()
        return judge(
            context, site, guards.HEALTH, lambda d, _: findings.implausible_health(lake.read("capacity", d))
        )

    @asset_check(
        asset=guards.EVIDENCE.table, name=guards.EVIDENCE.check, blocking=guards.EVIDENCE.blocking,
        description="The clock and the sign of the current are what the settings say, as far as data can tell.",
    )
    def evidence(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake = site.lake()
        return judge(
            context, site, guards.EVIDENCE,
            lambda d, _: findings.contradicted_settings(lake.read("device_evidence", d)),
        )

    return [sat_range, fits, cycles, health, evidence]


def _fits(lake: Lake, device: str) -> Finding:
    cells = lake.read("signals", device).filter(
        (pl.col("quantity") == "cell_voltage") & (pl.col("rows_accepted") > 0)
    ).select("pack", "cell")
    return findings.cells_without_fit(cells, lake.read("degradation_fits", device))
