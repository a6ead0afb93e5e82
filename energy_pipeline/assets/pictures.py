"""What a person sees of a partition in Dagster: a small picture per device and month, or per device, and short tables.

Read from the finished tables after they are written; a few milliseconds each, so that no run waits for its pictures.
Next: `plots.py`, the drawing.
"""

import base64
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
from dagster import AssetExecutionContext, MetadataValue, TableColumn, TableMetadataValue, TableRecord, TableSchema
from numpy.typing import NDArray

from energy_pipeline.compute import zones
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.plots import bars, heat_map
from energy_pipeline.resources.lake import Lake

MOST_PICTURES = 400  # of one run; a backfill of years shows its last months
SHOWN = 50
Float = NDArray[np.float64]
MonthPicture = Callable[[Lake, DeviceContext, str], bytes | None]
DevicePicture = Callable[[Lake, DeviceContext], bytes | None]


def add_month_pictures(
    context: AssetExecutionContext, lake: Lake, name: str, ctx: DeviceContext, months: list[str]
) -> None:
    """Add its own picture to every device × month of a run, where the table has one."""
    draw = MONTH_PICTURES.get(name)
    if draw is None:
        return
    for month in months[-MOST_PICTURES:]:
        picture = draw(lake, ctx, month)
        if picture is not None:
            context.add_asset_metadata({"picture": markdown(picture, name)}, name, f"{ctx.device}|{month}")


def add_device_pictures(context: AssetExecutionContext, lake: Lake, name: str, ctx: DeviceContext) -> None:
    """Add its picture and tables to a device's partition, where the table has any."""
    shown: dict[str, MetadataValue] = {}
    draw = DEVICE_PICTURES.get(name)
    picture = draw(lake, ctx) if draw else None
    if picture is not None:
        shown["picture"] = markdown(picture, name)
    table = DEVICE_TABLES.get(name)
    if table is not None:
        shown |= table(lake, ctx)
    if shown:
        context.add_asset_metadata(shown, name, ctx.device)


def markdown(picture: bytes, name: str) -> MetadataValue:
    """A picture as Markdown that the Dagster UI shows."""
    return MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(picture).decode()})")


def coverage_calendar(lake: Lake, ctx: DeviceContext, month: str) -> bytes | None:
    """Share of each local day that every signal covers."""
    start, end = zones.month_bounds(ctx.zone, month)
    starts = np.append(zones.bucket_starts(ctx.zone, start, end, "1d"), end)
    rows = lake.scan("resolution_1d", ctx.device, [month]).select("signal", pl.col("ts").to_physical(), "covered_s")
    frame = rows.collect()
    if frame.is_empty():
        return None
    signals = sorted(frame["signal"].unique())
    day = np.searchsorted(starts, frame["ts"].to_numpy(), side="right") - 1
    seconds = np.diff(starts) / zones.SECOND
    share = np.full((len(signals), len(seconds)), np.nan)
    share[np.searchsorted(signals, frame["signal"].to_numpy()), day] = frame["covered_s"].to_numpy() / seconds[day]
    days = [str(d + 1) for d in range(len(seconds))]
    return heat_map(
        share, signals, days, f"{ctx.device} {month}: covered share of each day", "", "share", (0.0, 1.0)
    )


def sat_month(lake: Lake, ctx: DeviceContext, month: str) -> bytes | None:
    """SAT voltage of every cell, last charge of each day [V]."""
    rows = lake.read("sat_voltage", ctx.device, [month]).filter(pl.col("sat_voltage_v").is_not_null())
    if rows.is_empty():
        return None
    last = rows.sort("charge_end_ts").group_by("pack", "cell", "day").agg(pl.col("sat_voltage_v").last())
    values, cells, days = _cells_by_day(last, "sat_voltage_v")
    return heat_map(values, cells, [str(d.day) for d in days], f"{ctx.device} {month}: SAT voltage", "V")


def sat_history(lake: Lake, ctx: DeviceContext) -> bytes | None:
    """Offset of every cell's SAT voltage from the system's median over the whole history [mV]."""
    rows = lake.read("sat_daily", ctx.device).filter(pl.col("qualified") & pl.col("sat_offset_mv").is_not_null())
    if rows.is_empty():
        return None
    values, cells, days = _cells_by_day(rows, "sat_offset_mv")
    names = [d.isoformat() for d in days]
    return heat_map(values, cells, names, f"{ctx.device}: SAT voltage, cell minus median", "mV", "difference")


def energy_bars(lake: Lake, ctx: DeviceContext, month: str) -> bytes | None:
    """Energy drawn and fed back per local day [kWh]."""
    rows = lake.read("meter_daily", ctx.device, [month]).sort("day")
    series = {
        words: rows[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
        for column, words in (("import_kwh", "drawn"), ("export_kwh", "fed back")) if rows[column].count()
    }
    if not series:
        return None
    days = [str(d.day) for d in rows["day"].to_list()]
    return bars(series, days, f"{ctx.device} {month}: energy per day", "kWh")


def readings_calendar(lake: Lake, ctx: DeviceContext) -> bytes | None:
    """Readings per month of all years, from the table's log alone."""
    counts = lake.rows_per_month("readings", ctx.device)
    if not counts:
        return None
    years = list(range(int(min(counts)[:4]), int(max(counts)[:4]) + 1))
    values = np.full((len(years), 12), np.nan)
    for month, rows in counts.items():
        values[int(month[:4]) - years[0], int(month[5:]) - 1] = rows
    months = [f"{m:02d}" for m in range(1, 13)]
    return heat_map(values, [str(y) for y in years], months, f"{ctx.device}: readings per month", "readings")


def _cells_by_day(rows: pl.DataFrame, column: str) -> tuple[Float, list[str], list[date]]:
    """Matrix of cells × all days from the first to the last; days without a value are NaN."""
    cells = rows.select("pack", "cell").unique().sort("pack", "cell")
    names = [f"P{p}C{c}" for p, c in cells.iter_rows()]
    place = {key: i for i, key in enumerate(cells.iter_rows())}
    first, last = min(rows["day"]), max(rows["day"])
    values = np.full((len(names), (last - first).days + 1), np.nan)
    for pack, cell, day, value in rows.select("pack", "cell", "day", column).iter_rows():
        values[place[pack, cell], (day - first).days] = value
    return values, names, [first + timedelta(days=i) for i in range(values.shape[1])]


def files_and_signals(lake: Lake, ctx: DeviceContext) -> dict[str, MetadataValue]:
    """What of a device's files was not read, and which signals the dictionary does not know."""
    files = lake.read("source_files", ctx.device).unique("path").sort("path")
    states = files.group_by("status").len().sort("status").rename({"len": "files"})
    unread = files.filter(pl.col("status") != "read").select("path", "status", "reason")
    unknown = ctx.signals.filter(~pl.col("recognised")).select("signal", "rows_accepted", "first_ts", "last_ts")
    return {
        "files_by_status": table(states),
        "files_not_read": table(unread) if len(unread) else MetadataValue.text("every file was read"),
        "signals_not_recognised": (
            table(unknown) if len(unknown) else MetadataValue.text("every signal was recognised")
        ),
    }


def fits_by_verdict(lake: Lake, ctx: DeviceContext) -> dict[str, MetadataValue]:
    """Number of fits per level, quantity and verdict."""
    fits = lake.scan("degradation_fits", ctx.device).group_by("level", "quantity", "verdict").len().collect()
    return {"fits": table(fits.sort("level", "quantity", "verdict"))} if len(fits) else {}


def cells_with_findings(lake: Lake, ctx: DeviceContext) -> dict[str, MetadataValue]:
    """Cells that stand out, the weakest first."""
    cells = lake.read("cell_health", ctx.device).filter(pl.col("finding").is_not_null()).sort("weakness_rank")
    shown = cells.select(
        "pack", "cell", "finding", pl.col("offset_charge_end_mv", "offset_slope_per_year").round(2), "verdict"
    )
    return {"cells_with_findings": table(shown) if len(shown) else MetadataValue.text("no cell stands out")}


def table(frame: pl.DataFrame) -> TableMetadataValue:
    """The first rows of a frame as a table for the UI."""
    numeric = {c: "float" if d.is_float() else "int" if d.is_integer() else "string" for c, d in frame.schema.items()}
    records = [
        TableRecord({c: _plain(v) for c, v in row.items()}) for row in frame.head(SHOWN).iter_rows(named=True)
    ]
    return MetadataValue.table(records, schema=TableSchema([TableColumn(c, kind) for c, kind in numeric.items()]))


def _plain(value: object) -> str | int | float:
    return value if isinstance(value, (int, float)) else "–" if value is None else str(value)


MONTH_PICTURES: dict[str, MonthPicture] = {
    "resolution_1d": coverage_calendar, "sat_voltage": sat_month, "meter_daily": energy_bars,
}
DEVICE_PICTURES: dict[str, DevicePicture] = {"readings": readings_calendar, "sat_daily": sat_history}
DEVICE_TABLES: dict[str, Callable[[Lake, DeviceContext], dict[str, MetadataValue]]] = {
    "source_files": files_and_signals, "degradation_fits": fits_by_verdict, "cell_health": cells_with_findings,
}
