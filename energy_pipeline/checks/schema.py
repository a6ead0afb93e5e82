"""The check of every table's schema: columns, types, nulls and bounds of the rows that are stored.

Rows are validated before they are written; this looks at what lies there, also when it came by another way. One step of
a run looks at all tables of a group, and only at the months or the device of the run. Next: `guards.py`, the groups;
`compute/findings.py`, the rule.
"""

from collections.abc import Iterator

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    AssetKey,
    multi_asset_check,
)

from energy_pipeline.checks.common import Find, judge_all
from energy_pipeline.compute.findings import Finding, rows_unlike_schema
from energy_pipeline.guards import ALL, SCHEMAS, Guard, verdicts
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.schemas import TABLES
from energy_pipeline.work import month_numbers


def build_schema_checks() -> list[AssetChecksDefinition]:
    """Return one definition per group of tables."""
    return [_build(group, guards) for group, guards in SCHEMAS.items()]


def _build(group: str, guards: tuple[Guard, ...]) -> AssetChecksDefinition:
    @multi_asset_check(
        name=f"schema_of_{group}", can_subset=True,
        specs=[
            AssetCheckSpec(g.check, asset=g.table, blocking=g.blocking, description="Rows are stored as described.")
            for g in guards
        ],
    )
    def schemas(context: AssetCheckExecutionContext, site: SiteResource) -> Iterator[AssetCheckResult]:
        lake, chosen = site.lake(), context.selected_asset_check_keys
        own = [g for g in guards if AssetCheckKey(AssetKey(g.table), g.check) in chosen]
        yield from judge_all(context, site, [(g, _finder(lake, g)) for g in own])

    return schemas


def _finder(lake: Lake, guard: Guard) -> Find:
    def find(device: str, months: list[str]) -> Finding:
        table = TABLES[guard.table]
        chosen = months if guard.by_month else None
        if guard.table == "readings":
            chosen = _changed_months(lake, guard, device)
        return rows_unlike_schema(lake.scan(guard.table, device, chosen), table)

    return find


def _changed_months(lake: Lake, guard: Guard, device: str) -> list[str] | None:
    """Months of `readings` that were written since the check was last green; None for all, as where nothing was."""
    said = verdicts(lake, device).get(guard.key, {}).get(ALL)
    if said is None or said.failed or said.load >= lake.number("source_files", f"load:{device}"):
        return None
    numbers = month_numbers(lake, device, lake.months(device))
    return [month for month, number in numbers.items() if number > said.load]
