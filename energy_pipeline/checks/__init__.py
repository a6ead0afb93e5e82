"""The checks, each named by the sentence that is true when it is green; thin over `compute/findings.py`.

One step of a run judges all checks of a group of tables; their verdicts, with the failing rows, are one commit in
`check_results`. Next: `checks/battery.py`, `checks/meters.py`, `checks/schema.py` and `checks/freshness.py`;
`checks/common.py`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import polars as pl
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    AssetKey,
    multi_asset_check,
)

from energy_pipeline import guards
from energy_pipeline.checks import battery, meters, schema
from energy_pipeline.checks.common import Rule, judge_all
from energy_pipeline.checks.freshness import build_freshness_check
from energy_pipeline.compute import findings, zones
from energy_pipeline.compute.findings import Finding
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.settings import Settings


def _accounts(lake: Lake, _: Settings, device: str, __: list[str]) -> Finding:
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


def _files(lake: Lake, _: Settings, device: str, __: list[str]) -> Finding:
    return findings.unfinished_files(lake.read("source_files", device))


def _covered(lake: Lake, settings: Settings, device: str, months: list[str]) -> Finding:
    days = lake.read("resolution_1d", device, months)
    return findings.poorly_covered(lake.read("signals", device), days, settings.operation.coverage_poor)


def _levels(lake: Lake, _: Settings, device: str, months: list[str]) -> Finding:
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


def _times(lake: Lake, settings: Settings, device: str, _: list[str]) -> Finding:
    first, _ = zones.month_bounds(settings.zone_of(device), settings.first_month)
    latest = datetime.now(UTC) + timedelta(days=1)
    return findings.times_out_of_range(lake.scan("readings", device), zones.from_us(first), latest)


RULES = (
    Rule(guards.ACCOUNTS, "Nothing is lost and nothing is invented on the way in.", _accounts),
    Rule(guards.TIMES, "No reading stands outside the years that the settings allow.", _times),
    Rule(guards.FILES, "No file is unreadable or has gone.", _files),
    Rule(guards.LEVELS_AGREE, "Days say the same as five minutes.", _levels),
    Rule(guards.COVERED, "No measured signal has fallen silent for most of a month.", _covered),
    *battery.RULES, *meters.RULES, *schema.RULES,
)


def build_checks() -> list[AssetChecksDefinition]:
    """Return all checks, one definition per group of tables, and the one that the clock asks for."""
    tables = {group: {g.table for g in own} for group, own in guards.SCHEMAS.items()}
    of_groups = [_build(group, [r for r in RULES if r.guard.table in own]) for group, own in tables.items()]
    return [*of_groups, build_freshness_check()]


def _build(group: str, rules: list[Rule]) -> AssetChecksDefinition:
    @multi_asset_check(
        name=f"checks_of_{group}", can_subset=True,
        specs=[
            AssetCheckSpec(r.guard.check, asset=r.guard.table, blocking=r.guard.blocking, description=r.text)
            for r in rules
        ],
    )
    def checks(context: AssetCheckExecutionContext, site: SiteResource) -> Iterator[AssetCheckResult]:
        lake, settings, chosen = site.lake(), site.settings(), context.selected_asset_check_keys
        own = [r for r in rules if AssetCheckKey(AssetKey(r.guard.table), r.guard.check) in chosen]
        yield from judge_all(context, site, [(r.guard, partial(r.find, lake, settings)) for r in own])

    return checks
