"""From a finding to a verdict: the same words for Dagster and for the table `check_results`.

Next: `checks/__init__.py`, the checks themselves.
"""

from datetime import UTC, datetime

import polars as pl
from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetCheckSeverity, MetadataValue
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError

from energy_pipeline.compute.findings import Finding
from energy_pipeline.resources.lake import ATTEMPTS, Lake, LakeBusyError
from energy_pipeline.schemas.operation import CHECK_RESULTS

SHOWN = 20


def months_of_run(context: AssetCheckExecutionContext) -> dict[str, list[str]]:
    """Months per device of the run that a check belongs to."""
    wanted: dict[str, list[str]] = {}
    for key in context.partition_keys:
        device, _, month = str(key).partition("|")
        wanted.setdefault(device, []).append(month)
    return wanted


def settle(
    lake: Lake, table: str, check: str, found: dict[str, Finding], blocking: bool
) -> AssetCheckResult:
    """Store the verdict of a check per device and return it for Dagster."""
    for device, finding in found.items():
        _store(lake, table, check, device, finding, blocking)
    failing = {device: f for device, f in found.items() if not f.passed}
    metadata: dict[str, object] = {
        "checked_rows": sum(f.checked_rows for f in found.values()),
        "failed_rows": sum(len(f.failed) for f in failing.values()),
    }
    if found:
        any_finding = next(iter((failing or found).values()))
        metadata["limit"] = any_finding.limit
        metadata["what_to_do"] = any_finding.advice if failing else "nothing"
    for device, finding in failing.items():
        metadata[f"sample_{device}"] = MetadataValue.md(markdown(finding.failed.head(SHOWN)))
    return AssetCheckResult(
        passed=not failing, severity=AssetCheckSeverity.ERROR if blocking else AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def markdown(frame: pl.DataFrame) -> str:
    """Rows as a Markdown table."""
    head = "| " + " | ".join(frame.columns) + " |\n|" + "---|" * frame.width
    rows = ["| " + " | ".join(str(v) for v in row) + " |" for row in frame.iter_rows()]
    return "\n".join([head, *rows])


def _store(lake: Lake, table: str, check: str, device: str, finding: Finding, blocking: bool) -> None:
    row = pl.DataFrame(
        [
            {
                "device": device, "table": table, "check": check, "passed": finding.passed, "blocking": blocking,
                "failed_rows": len(finding.failed), "checked_rows": finding.checked_rows, "limit": finding.limit,
                "sample": finding.failed.head(SHOWN).write_json(), "advice": finding.advice,
                "checked_ts": datetime.now(UTC),
            }
        ],
        schema=CHECK_RESULTS.polars_schema,
    )
    predicate = f"device = '{device}' AND \"table\" = '{table}' AND \"check\" = '{check}'"
    for _ in range(ATTEMPTS):
        try:
            write_deltalake(
                lake.open(CHECK_RESULTS.name), CHECK_RESULTS.conform(row).to_arrow(), mode="overwrite",
                predicate=predicate,
            )
        except CommitFailedError:
            continue
        return
    msg = f"check_results of {device} was changed by another process {ATTEMPTS} times; run the check again"
    raise LakeBusyError(msg)
