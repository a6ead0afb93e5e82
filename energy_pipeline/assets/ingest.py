"""The asset `ingest`: a device's files become readings, quarantine, register events and a ledger.

All five tables are written by one load (`loading/load.py`), in an order that survives a crash anywhere.
Next: `resolution.py`.
"""

from collections.abc import Iterator

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, MetadataValue, multi_asset

from energy_pipeline.assets.common import ONE_RUN, freshness, result, table_spec
from energy_pipeline.assets.pictures import add_device_pictures
from energy_pipeline.loading.load import LoadReport, load_device
from energy_pipeline.loading.owners import owners_of
from energy_pipeline.partitions import Partitions, devices_of
from energy_pipeline.progress import report_progress
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.settings import OperationSettings
from energy_pipeline.tries import ATTEMPTS_TAG
from energy_pipeline.work import INGEST_TABLES

SHOWN = 50


def build_ingest(parts: Partitions, operation: OperationSettings) -> list[AssetsDefinition]:
    """Return the ingest asset."""
    fresh = {"readings": freshness(operation)}

    @multi_asset(
        name="ingest", partitions_def=parts.devices, backfill_policy=ONE_RUN,
        specs=[
            table_spec(name, [], "ingest", ("polars", "deltalake", "csv"), fresh.get(name)) for name in INGEST_TABLES
        ],
    )
    def ingest(context: AssetExecutionContext, site: SiteResource) -> Iterator[MaterializeResult]:
        lake, settings = site.lake(), site.settings()
        found = discover(settings)
        owners, reports = owners_of(lake, found.devices), []
        for device in devices_of(context):
            report = load_device(
                lake, settings, device, found.devices.get(device, []), progress=report_progress,
                careful=int(context.run.tags.get(ATTEMPTS_TAG, "1")) > 1, owners=owners,
            )
            reports.append(report)
            context.log.info(
                f"{device}: load {report.load}, {report.files} files, {report.bytes_parsed:,} bytes, "
                f"{report.rows['read']:,} rows read, months due: {', '.join(report.months_due) or 'none'}"
            )
        extra = _metadata(reports)
        for name in INGEST_TABLES:
            rows = {r.device: lake.scan(name, r.device).count().collect().item(0, 0) for r in reports}
            for report in reports:
                add_device_pictures(context, lake, name, site.context(report.device))
            yield result(context, name, rows, lake, extra)

    return [ingest]


def _metadata(reports: list[LoadReport]) -> dict[str, object]:
    counted = ("read", "accepted", "rejected", "duplicate", "conflict")
    total = {name: sum(r.rows[name] for r in reports) for name in counted}
    unrecognised = sorted({s for r in reports for s in r.unrecognised})
    problems = [p for r in reports for p in r.problems]
    months = [f"{r.device}|{m}" for r in reports for m in r.months_due]
    return {
        "files_read": sum(r.files for r in reports),
        "bytes_parsed": sum(r.bytes_parsed for r in reports),
        **{f"rows_{name}": count for name, count in total.items()},
        "months_due": MetadataValue.md("\n".join(f"- {m}" for m in months) or "none"),
        "not_recognised": MetadataValue.md(
            "\n".join(f"- `{s}`: taken in as a gauge" for s in unrecognised[:SHOWN]) or "every signal was recognised"
        ),
        "problems": MetadataValue.md("\n".join(f"- {p}" for p in problems[:SHOWN]) or "none"),
    }
