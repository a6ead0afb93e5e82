"""Packs of a system: level, cells, findings and course of one pack, and all packs side by side.

Medians and grids are those of PackPulse (`viewer/pages/packpulse/data.py`), the rest are rows of tables.
Next: `pack_cycles.py` for charges and discharges.
"""

from typing import Annotated, Any

import numpy as np
import polars as pl
from fastapi import Query, Request, Response

from viewer.api.errors import NoData
from viewer.api.formats import Answer, dump, rows_answer, without_nan
from viewer.api.pack_models import Anomalies, Comparison, Heatmap, PackCells, PackHealth, Timeline
from viewer.api.pack_rows import anomaly_rows, cell_rows, fit_rows, level_rows, regime_rows
from viewer.api.params import DaysQuery, FormatQuery, HeatmapQuery, PackPath, SystemPath
from viewer.api.responses import table_responses
from viewer.api.route import table_router
from viewer.api.service import Api, ApiDep, in_days
from viewer.pages.packpulse.data import QUANTITIES, SatGrid, load_grid, pack_series

TABLES = ("signals", "sat_daily", "cell_health", "degradation_fits", "regimes")

router = table_router(tag="packs")
PACK = "/cell/pack/{s}/{p}"


@router.get(
    "/cell/system/{s}/comparison", response_model=Comparison, responses=table_responses(), summary="Packs side by side"
)
def comparison(s: SystemPath, api: ApiDep, request: Request, query: Annotated[FormatQuery, Query()]) -> Response:
    """SAT voltages, imbalance, findings and trend of every pack."""
    device = api.device(s, bess=True)

    def build() -> Answer:
        rows = level_rows(api, device.name, grid_of(api, device.name))
        return rows_answer({"system": device.name, "count": rows.height}, "packs", rows)

    return api.respond(request, query, TABLES, build)


@router.get(f"{PACK}/health", response_model=PackHealth, responses=table_responses(), summary="State of a pack")
def health(
    s: SystemPath, p: PackPath, api: ApiDep, request: Request, query: Annotated[FormatQuery, Query()]
) -> Response:
    """Level, imbalance and trend of a pack, verdicts of its cells and its fits."""
    device = api.device(s, bess=True)
    api.cells(device.name, p)

    def build() -> Answer:
        rows = level_rows(api, device.name, grid_of(api, device.name)).filter(pl.col("pack") == p)
        fits = fit_rows(api, device.name, "pack", p)
        verdicts = fit_rows(api, device.name, "cell", p, ("quantity", "verdict"))
        counted = verdicts.filter(pl.col("quantity") == "sat_offset_mv")["verdict"].value_counts(sort=True)
        meta = {"system": device.name, **(rows.row(0, named=True) if rows.height else {})}
        meta["verdicts"] = dict(sorted(counted.iter_rows()))
        return Answer(lambda: dump({**meta, "fits": fits.to_dicts()}), lambda: rows, rows.height)

    return api.respond(request, query, TABLES, build)


@router.get(f"{PACK}/cells", response_model=PackCells, responses=table_responses(), summary="Cells of a pack")
def cells(
    s: SystemPath, p: PackPath, api: ApiDep, request: Request, query: Annotated[FormatQuery, Query()]
) -> Response:
    """What table `cell_health` holds of each cell, with its SAT voltage and SAT index."""
    device = api.device(s, bess=True)
    api.cells(device.name, p)

    def build() -> Answer:
        rows = cell_rows(api, device, p, grid_of(api, device.name))
        return rows_answer({"system": device.name, "pack": p, "count": rows.height}, "cells", rows)

    return api.respond(request, query, TABLES, build)


@router.get(f"{PACK}/anomalies", response_model=Anomalies, responses=table_responses(), summary="What stands out")
def anomalies(
    s: SystemPath, p: PackPath, api: ApiDep, request: Request, query: Annotated[FormatQuery, Query()]
) -> Response:
    """Present findings of the cells and dated steps of single cells; empty where nothing stands out."""
    device = api.device(s, bess=True)
    api.cells(device.name, p)

    def build() -> Answer:
        rows = anomaly_rows(api, device.name, p)
        return rows_answer({"system": device.name, "pack": p, "count": rows.height}, "anomalies", rows)

    return api.respond(request, query, TABLES, build)


@router.get(f"{PACK}/heatmap", response_model=Heatmap, responses=table_responses(), summary="Cells × days")
def heatmap(
    s: SystemPath, p: PackPath, api: ApiDep, request: Request, query: Annotated[HeatmapQuery, Query()]
) -> Response:
    """One value per cell and local day, every cell and every day. CSV and Arrow: one row per day."""
    device = api.device(s, bess=True)
    api.cells(device.name, p)

    def build() -> Answer:
        grid = _cut(grid_of(api, device.name), p, query)
        values = grid.values(query.quantity)
        meta = {
            "system": device.name, "pack": p, "quantity": query.quantity, "unit": QUANTITIES[query.quantity][1],
            "cells": grid.names, "days": grid.days,
        }  # fmt: skip
        days = pl.DataFrame({"day": pl.Series(grid.days, dtype=pl.Date)})
        table = without_nan(days.with_columns(pl.Series(n, values[i]) for i, n in enumerate(grid.names)))
        fields = {"values": values.tolist(), "qualified": grid.qualified.tolist()}
        return Answer(lambda: dump({**meta, **fields}), lambda: table, values.size)

    return api.respond(request, query, TABLES, build)


@router.get(
    f"{PACK}/degradation-timeline", response_model=Timeline, responses=table_responses(), summary="A pack over time"
)
def degradation_timeline(
    s: SystemPath, p: PackPath, api: ApiDep, request: Request, query: Annotated[DaysQuery, Query()]
) -> Response:
    """Medians over the pack's cells per local day, null on days that do not qualify; its fits; steps of the system."""
    device = api.device(s, bess=True)
    api.cells(device.name, p)

    def build() -> Answer:
        rows = in_days(_timeline(grid_of(api, device.name), p), query)
        fits, regimes = fit_rows(api, device.name, "pack", p), regime_rows(api, device.name)
        meta = {
            "system": device.name, "pack": p, "count": rows.height, "fits": fits.to_dicts(),
            "regimes": regimes.to_dicts(),
        }  # fmt: skip
        return rows_answer(meta, "timeline", rows)

    return api.respond(request, query, TABLES, build)


def grid_of(api: Api, system: str) -> SatGrid:
    """Return cells × days of a system.

    Raises:
        NoData: the table holds no SAT voltages of the system.
    """
    grid = load_grid(api.store, system)
    if grid is None:
        raise NoData(f"{system} has no SAT voltages in table sat_daily")
    return grid


def _timeline(grid: SatGrid, pack: int) -> pl.DataFrame:
    own = [i for i, p in enumerate(grid.packs) if p == pack]
    shown = np.where(grid.qualified[own], grid.sat[own], np.nan)
    series: dict[str, Any] = {"day": pl.Series(grid.days, dtype=pl.Date)}
    for name, quantity in (("health_percentage", "index"), ("sat_voltage_v", "sat"), ("sat_offset_mv", "offset")):
        series[name] = pack_series(grid, quantity)[pack]
    series["cells"] = np.isfinite(shown).sum(axis=0)
    return without_nan(pl.DataFrame(series))


def _cut(grid: SatGrid, pack: int, query: DaysQuery) -> SatGrid:
    """Return one pack and the days asked for; `NoData` where none of them is in the table."""
    first, last = query.start or grid.days[0], query.end or grid.days[-1]
    if last < grid.days[0] or first > grid.days[-1]:
        raise NoData(f"no days between {first} and {last}; there are {grid.days[0]} to {grid.days[-1]}")
    return grid.cut(max(first, grid.days[0]), min(last, grid.days[-1]), pack)
