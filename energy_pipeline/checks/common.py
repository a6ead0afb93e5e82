"""From a finding to a verdict: the same words for Dagster, for the table `check_results` and for whoever is alerted.

A verdict is stored with what it covers (`guards.py`), so that a check which never ran is found missing.
Next: `checks/__init__.py`, the checks themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetCheckSeverity, MetadataValue
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError

from energy_pipeline.alerts import announce_checks
from energy_pipeline.compute.findings import Finding
from energy_pipeline.guards import ALL, CLOCK, INGEST, Guard, Verdict, judged_digest, merge_rows, pack, unpack
from energy_pipeline.resources.commits import commit_properties, scan_table
from energy_pipeline.resources.lake import ATTEMPTS, Lake
from energy_pipeline.resources.lake_errors import LakeBusyError
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.schemas.operation import CHECK_RESULTS
from energy_pipeline.settings import Settings
from energy_pipeline.work import device_key, month_key

SHOWN = 20
Find = Callable[[str, list[str]], Finding]


@dataclass(frozen=True)
class Rule:
    """A check, what it is for, and the function that finds the rows that break it.

    `find` is given the lake, the settings, a device and its months (none where the table has no months).
    """

    guard: Guard
    text: str
    find: Callable[[Lake, Settings, str, list[str]], Finding]


def judge(context: AssetCheckExecutionContext, site: SiteResource, guard: Guard, find: Find) -> AssetCheckResult:
    """Run a check over the devices and months of its run, store the verdicts, alert, and return them for Dagster.

    Args:
        context: of the check; a check that is started alone, without a partition, covers the whole lake.
        site: settings and lake.
        guard: the check.
        find: returns the failing rows of a device and its months (none where the table has no months).
    """
    return judge_all(context, site, [(guard, find)])[0]


def judge_all(
    context: AssetCheckExecutionContext, site: SiteResource, checks: Sequence[tuple[Guard, Find]]
) -> list[AssetCheckResult]:
    """Run checks of one stage as `judge` does; a device's verdicts are stored together."""
    lake, settings = site.lake(), site.settings()
    found: dict[Guard, dict[str, Finding]] = {guard: {} for guard, _ in checks}
    for device, months in scopes_of_run(context, lake, checks[0][0]).items():
        judged = []
        for guard, find in checks:
            # What the table was made from is read first: rows that come meanwhile are judged by the next run.
            loads = _loads(lake, settings, guard, device, months)
            if not any(loads.values()):
                continue  # the table has never been made for this device: nothing to judge
            found[guard][device] = _with_month(guard, find(device, months))
            judged.append((guard, found[guard][device], loads))
        if judged:
            store_all(lake, settings, device, judged)
            for line in announce_checks(lake, settings, device):
                context.log.warning(line)
    return [_result(guard, verdict) for guard, verdict in found.items()]


def scopes_of_run(context: AssetCheckExecutionContext, lake: Lake, guard: Guard) -> dict[str, list[str]]:
    """Months per device that a check has to look at."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return {d: lake.months(d, guard.table) if guard.by_month else [] for d in lake.devices()}
    wanted: dict[str, list[str]] = {}
    for key in context.partition_keys:
        device, _, month = str(key).partition("|")
        wanted.setdefault(device, []).extend([month] if month else [])
    return wanted


def _with_month(guard: Guard, finding: Finding) -> Finding:
    """Name the month of every failing row where only its day is known."""
    failed = finding.failed
    if not guard.by_month or "month" in failed.columns or "day" not in failed.columns:
        return finding
    return replace(finding, failed=failed.with_columns(pl.col("day").dt.strftime("%Y-%m").alias("month")))


def _loads(lake: Lake, settings: Settings, guard: Guard, device: str, months: list[str]) -> dict[str, int]:
    """Load that the table of a check was made from, per month."""
    digest = settings.derived_digest(device)
    if guard.by_month:
        keys = {m: month_key(device, m, digest) for m in months}
    else:
        keys = {ALL: f"load:{device}" if guard.stage in {INGEST, CLOCK} else device_key(device, digest)}
    numbers = lake.numbers("source_files" if guard.stage in {INGEST, CLOCK} else guard.table, keys.values())
    return {scope: numbers[key] for scope, key in keys.items()}


def store(
    lake: Lake, settings: Settings, guard: Guard, device: str, finding: Finding, loads: dict[str, int]
) -> None:
    """Replace the verdict of a check on a device; months that this run did not look at keep theirs."""
    store_all(lake, settings, device, [(guard, finding, loads)])


def store_all(
    lake: Lake, settings: Settings, device: str, judged: Sequence[tuple[Guard, Finding, dict[str, int]]]
) -> None:
    """Replace the verdicts of several checks on a device, as one commit.

    Raises:
        LakeBusyError: another process changed the device's verdicts several times meanwhile.
    """
    own = " OR ".join(f"(\"table\" = '{g.table}' AND \"check\" = '{g.check}')" for g, _, _ in judged)
    for _ in range(ATTEMPTS):
        handle = lake.open(CHECK_RESULTS.name)
        earlier = {(row["table"], row["check"]): row for row in scan_table(handle, device, None).collect().to_dicts()}
        rows = pl.concat(
            _row(earlier.get(g.key), g, device, finding,
                 _verdicts(g, finding, loads, judged_digest(settings, device, g.stage)))
            for g, finding, loads in judged
        )
        try:
            write_deltalake(
                handle, CHECK_RESULTS.conform(rows).to_arrow(), mode="overwrite",
                predicate=f"device = '{device}' AND ({own})", commit_properties=commit_properties({}, None),
            )
        except CommitFailedError:
            continue
        return
    msg = f"check_results of {device} was changed by another process {ATTEMPTS} times; run the check again"
    raise LakeBusyError(msg)


def _verdicts(guard: Guard, finding: Finding, loads: dict[str, int], digest: str) -> dict[str, Verdict]:
    """Failing rows per month where they name it; else a failing row counts against all that was looked at."""
    failed = finding.failed
    if guard.by_month and "month" in failed.columns:
        counts = dict(failed.group_by("month").len().iter_rows())
        return {scope: Verdict(load, digest, counts.get(scope, 0)) for scope, load in loads.items()}
    return {scope: Verdict(load, digest, len(failed)) for scope, load in loads.items()}


def _row(
    earlier: dict[str, Any] | None, guard: Guard, device: str, finding: Finding, fresh: dict[str, Verdict]
) -> pl.DataFrame:
    known = unpack(earlier["covers"]) if earlier and guard.by_month else {}
    others = {scope: v for scope, v in known.items() if scope not in fresh}
    still_red = {scope for scope, v in others.items() if v.failed}
    failed_rows = len(finding.failed) + sum(others[s].failed for s in still_red)
    return pl.DataFrame(
        [
            {
                "device": device, "table": guard.table, "check": guard.check, "passed": failed_rows == 0,
                "blocking": guard.blocking, "failed_rows": failed_rows, "checked_rows": finding.checked_rows,
                "limit": finding.limit, "advice": finding.advice, "checked_ts": datetime.now(UTC),
                "sample": merge_rows(finding.failed, earlier["sample"] if earlier else None, still_red, SHOWN),
                "covers": pack({**others, **fresh}),
            }
        ],
        schema=CHECK_RESULTS.polars_schema,
    )


def _result(guard: Guard, found: dict[str, Finding]) -> AssetCheckResult:
    failing = {device: f for device, f in found.items() if not f.passed}
    metadata: dict[str, object] = {
        "checked_rows": sum(f.checked_rows for f in found.values()),
        "failed_rows": sum(len(f.failed) for f in failing.values()),
    }
    if found:
        any_finding = next(iter((failing or found).values()))
        metadata["limit"] = any_finding.limit
        metadata["what_to_do"] = any_finding.advice if failing else "nothing"
    for device, finding in found.items():
        if finding.figures is not None and not finding.figures.is_empty():
            metadata[f"figures_{device}"] = MetadataValue.md(markdown(finding.figures))
    for device, finding in failing.items():
        metadata[f"sample_{device}"] = MetadataValue.md(markdown(finding.failed.head(SHOWN)))
    return AssetCheckResult(
        asset_key=guard.table, check_name=guard.check, passed=not failing, metadata=metadata,
        severity=AssetCheckSeverity.ERROR if guard.blocking else AssetCheckSeverity.WARN,
    )


def markdown(frame: pl.DataFrame) -> str:
    """Rows as a Markdown table."""
    head = "| " + " | ".join(frame.columns) + " |\n|" + "---|" * frame.width
    rows = ["| " + " | ".join(str(v) for v in row) + " |" for row in frame.iter_rows()]
    return "\n".join([head, *rows])
