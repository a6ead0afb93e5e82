"""The check of every table's schema: columns, types, nulls, bounds and keys of the rows that are stored.

Rows are validated before they are written; this looks at what lies there, also when it came by another way, and only at
the months or the device of the run. Next: `guards.py`, the tables; `compute/findings.py`, the rule.
"""

from functools import partial

from energy_pipeline.checks.common import Rule
from energy_pipeline.compute.findings import Finding, rows_unlike_schema
from energy_pipeline.guards import ALL, SCHEMAS, Guard, verdicts
from energy_pipeline.resources.lake import Lake
from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings
from energy_pipeline.work import month_numbers


def _rows(guard: Guard, lake: Lake, _: Settings, device: str, months: list[str]) -> Finding:
    table = TABLES[guard.table]
    chosen = months if guard.by_month else None
    if guard.table == "readings":
        chosen = _changed_months(lake, guard, device)
    return rows_unlike_schema(lake.scan(guard.table, device, chosen), table)


def _changed_months(lake: Lake, guard: Guard, device: str) -> list[str] | None:
    """Months of `readings` that were written since the check was last green; None for all, as where nothing was."""
    said = verdicts(lake, device).get(guard.key, {}).get(ALL)
    if said is None or said.failed or said.load >= lake.number("source_files", f"load:{device}"):
        return None
    numbers = month_numbers(lake, device, lake.months(device))
    return [month for month, number in numbers.items() if number > said.load]


RULES = tuple(
    Rule(guard, "Rows are stored as described.", partial(_rows, guard)) for group in SCHEMAS.values() for guard in group
)
