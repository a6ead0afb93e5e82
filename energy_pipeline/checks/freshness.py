"""The check that new readings come: judged behind each load, every six hours, and at the end of `energy-pipeline run`.

Silence brings no load and so no run of its own; that is why the clock asks. Next: `compute/findings.py`, the rule;
`schedules.py`.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import polars as pl
from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetChecksDefinition, AssetCheckSeverity, asset_check

from energy_pipeline.checks.common import judge, store
from energy_pipeline.compute.findings import Finding, overdue_readings
from energy_pipeline.guards import ALL, FRESH
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.settings import Settings


def build_freshness_check() -> AssetChecksDefinition:
    """Return the check."""

    @asset_check(
        asset=FRESH.table, name=FRESH.check, blocking=FRESH.blocking,
        description="Late after operation.fresh_warn_h without a reading, overdue after operation.fresh_fail_h.",
    )
    def fresh(context: AssetCheckExecutionContext, site: SiteResource) -> AssetCheckResult:
        lake, settings = site.lake(), site.settings()
        overdue: list[str] = []

        def find(device: str, _: list[str]) -> Finding:
            finding = silence_of(lake, settings, device, datetime.now(UTC))
            overdue.extend(finding.failed.filter(pl.col("state") == "overdue")["state"])
            return finding

        verdict = judge(context, site, FRESH, find)
        return verdict._replace(severity=AssetCheckSeverity.ERROR if overdue else AssetCheckSeverity.WARN)

    return fresh


def silence_of(lake: Lake, settings: Settings, device: str, now: datetime) -> Finding:
    """Return whether a device's last reading is late."""
    last = lake.scan("signals").group_by("device").agg(pl.col("last_ts").max()).drop_nulls().collect()
    known, operation = dict(last.iter_rows()), settings.operation
    return overdue_readings(
        known.get(device), max(known.values(), default=None), now, (operation.fresh_warn_h, operation.fresh_fail_h),
        operation.archive_days,
    )


def record_silence(lake: Lake, settings: Settings, devices: Iterable[str], now: datetime | None = None) -> list[str]:
    """Store the verdicts that have changed since they were last stored; return a line per device that is late."""
    moment, lines = now or datetime.now(UTC), []
    rows = lake.scan("check_results").filter(pl.col("check") == FRESH.check).select("device", "sample").collect()
    stored = {device: json.loads(sample or "[]") for device, sample in rows.iter_rows()}
    for device in devices:
        load = lake.number("source_files", f"load:{device}")
        finding = silence_of(lake, settings, device, moment)
        if load and stored.get(device) != json.loads(finding.failed.write_json()):
            store(lake, settings, FRESH, device, finding, {ALL: load})
        lines += [
            f"{device}: {state}, the last reading is of {last:%Y-%m-%d %H:%M} UTC; {finding.advice}"
            for last, state in finding.failed.iter_rows()
        ]
    return lines
