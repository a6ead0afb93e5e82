"""Cells of a system: `/cell/system/{s}/degradation-3d`, `real-sat-voltage`, `raw-voltage-plot`.

The shape of `degradation-3d` is that of the older tool; `form=matrix` says the same in a third of the bytes.
Next: `cell_points.py` for the values, `packs.py` for packs.
"""

from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import polars as pl
from fastapi import Query, Request, Response

from viewer.api import cell_points
from viewer.api.formats import Answer, dump, spliced, without_nan
from viewer.api.models import Degradation3D, DegradationMatrix, RawVoltage, RealSatVoltage, SatMatrix
from viewer.api.params import CellPointsQuery, CellVoltageQuery, SystemPath
from viewer.api.responses import table_responses
from viewer.api.route import table_router
from viewer.api.series import LEVELS, one_series
from viewer.api.service import Api, ApiDep
from viewer.catalog import DeviceInfo
from viewer.figures_of_meters import signal_figures
from viewer.wallclock import day_start

UNITS = {"health_percentage": "%", "sat_voltage_v": "V"}
VOLTAGE_DAYS = 7

router = table_router("/cell/system/{s}", tag="cells")


@router.get(
    "/degradation-3d",
    response_model=Degradation3D | DegradationMatrix,
    responses=table_responses(),
    summary="SAT index of every cell over time",
)
def degradation_3d(
    s: SystemPath, api: ApiDep, request: Request, query: Annotated[CellPointsQuery, Query()]
) -> Response:
    """SAT voltage in percent of the cell's own first 30 qualified days; null on days and charges that do not qualify.

    CSV and Arrow: one row per cell and time, with `form=matrix` one row per time and one column per cell.
    """
    return _points(api, request, s, query, "degradation_3d", "health_percentage")


@router.get(
    "/real-sat-voltage",
    response_model=RealSatVoltage | SatMatrix,
    responses=table_responses(),
    summary="SAT voltage of every cell over time",
)
def real_sat_voltage(
    s: SystemPath, api: ApiDep, request: Request, query: Annotated[CellPointsQuery, Query()]
) -> Response:
    """Highest supported reading of each cell at the end of the charge that stands for the day."""
    return _points(api, request, s, query, "sat_voltage", "sat_voltage_v")


@router.get(
    "/raw-voltage-plot", response_model=RawVoltage, responses=table_responses(), summary="Voltage of one cell"
)
def raw_voltage_plot(
    s: SystemPath, api: ApiDep, request: Request, query: Annotated[CellVoltageQuery, Query()]
) -> Response:
    """Single readings in windows of up to 26 hours, else buckets, with statistics of the window."""
    device = api.device(s, bess=True)
    signal = api.cells(device.name, query.pack, query.cell)["signal"][0]
    start, end = api.window(device, query)
    if query.start is None:
        start = max(start, end - timedelta(days=VOLTAGE_DAYS))

    def build() -> Answer:
        found = one_series(api, device, signal, start, end, query.max_points, None)
        figures = asdict(signal_figures(api.store, device.name, signal, start, end))
        kept = {k: v for k, v in figures.items() if not k.startswith("increase")}
        return found.answer(pack=query.pack, cell=query.cell, statistics=kept)

    return api.respond(request, query, ("signals", "readings", *LEVELS), build)


def _points(api: Api, request: Request, s: str, query: CellPointsQuery, key: str, value: str) -> Response:
    device = api.device(s, bess=True)
    api.cells(device.name, query.pack)

    def build() -> Answer:
        frame = _frame(api, device, query, value)
        first = frame["timestamp"].min()
        span = time_range(first and date.fromisoformat(first[:10]), frame["day"].max(), device.zone)
        head = {
            "system": device.name, "time_resolution": query.time_resolution, "unit": UNITS[value], "time_range": span,
            "total_cells": frame["key"].n_unique(),
        }  # fmt: skip
        if query.form == "matrix":
            return Answer(lambda: _matrix_json(head, frame, value), lambda: _matrix(frame, value), frame.height)
        return Answer(
            lambda: spliced(head, key, cell_points.points_json(frame, ["timestamp", value])),
            lambda: frame.select(pl.col("key").alias("name"), "pack", "cell", "timestamp", value),
            frame.height,
        )

    return api.respond(request, query, ("signals", "sat_daily", "sat_voltage"), build)


def _frame(api: Api, device: DeviceInfo, query: CellPointsQuery, value: str) -> pl.DataFrame:
    if query.time_resolution == "1h":
        battery = api.settings.battery_of(device.name)
        frame = cell_points.charge_points(api.store, device.name, value, query, battery, device.zone)
    elif query.time_resolution == "1w":
        frame = cell_points.weekly_points(api.store, device.name, value, query)
    else:
        frame = cell_points.daily_points(api.store, device.name, value, query)
    if query.pack is not None:
        frame = frame.filter(pl.col("pack") == query.pack)
    return without_nan(cell_points.named_cells(frame))


def _matrix(frame: pl.DataFrame, value: str) -> pl.DataFrame:
    return cell_points.wide(frame, value) if frame.height else pl.DataFrame(schema={"timestamp": pl.String})


def _matrix_json(head: dict[str, Any], frame: pl.DataFrame, value: str) -> bytes:
    table = _matrix(frame, value)
    names = table.columns[1:]
    values = [table[n].to_list() for n in names]
    return dump({**head, "cells": names, "timestamps": table["timestamp"].to_list(), value: values})


def time_range(first: date | None, last: date | None, zone: ZoneInfo) -> dict[str, datetime | None]:
    """Return the span of whole local days, to the last second of the last one."""
    if first is None or last is None:
        return {"start": None, "end": None}
    return {
        "start": day_start(first, zone).astimezone(zone),
        "end": datetime.combine(last, time(23, 59, 59), tzinfo=zone),
    }
