"""Charges and discharges seen from a pack: `/cycles` and `/cycles/3d`.

The packs of a system are in series, so segments are those of the whole system; cell by cell they differ in voltage.
"""

from typing import Annotated

import polars as pl
from fastapi import Query, Request, Response

from viewer.api.cell_points import named_cells, points_json
from viewer.api.cells import time_range
from viewer.api.formats import TIME_FORMAT, Answer, in_zone, rows_answer, spliced, without_nan
from viewer.api.pack_models import Cycles, Cycles3D
from viewer.api.params import DaysQuery, PackPath, SystemPath
from viewer.api.responses import table_responses
from viewer.api.route import table_router
from viewer.api.service import Api, ApiDep, in_days
from viewer.api.table_models import CYCLE_COLUMNS
from viewer.catalog import DeviceInfo

router = table_router("/cell/pack/{s}/{p}/cycles", tag="packs")


@router.get("", response_model=Cycles, responses=table_responses(), summary="Charges and discharges")
def cycles(
    s: SystemPath, p: PackPath, api: ApiDep, request: Request, query: Annotated[DaysQuery, Query()]
) -> Response:
    """Segments that end on the local days asked for, as table `charge_cycles` holds them."""
    device = api.device(s, bess=True)
    api.cells(device.name, p)

    def build() -> Answer:
        rows = api.rows("charge_cycles", device.name, CYCLE_COLUMNS)
        rows = in_zone(in_days(rows, query).sort("start_ts"), device.zone.key)
        meta = {"system": device.name, "pack": p, "scope": "system", "efc": _efc(api, device.name)}
        return rows_answer({**meta, "count": rows.height}, "cycles", rows)

    return api.respond(request, query, ("signals", "charge_cycles", "capacity"), build)


@router.get("/3d", response_model=Cycles3D, responses=table_responses(), summary="Cells × charges")
def cycles_3d(
    s: SystemPath, p: PackPath, api: ApiDep, request: Request, query: Annotated[DaysQuery, Query()]
) -> Response:
    """SAT voltage of each cell of the pack at the end of every charge, partial ones included."""
    device = api.device(s, bess=True)
    api.cells(device.name, p)

    def build() -> Answer:
        frame = _charges(api, device, p, query)
        meta = {
            "system": device.name, "pack": p,
            "time_range": time_range(frame["day"].min(), frame["day"].max(), device.zone),
            "total_cells": frame["key"].n_unique(), "count": frame["cycle"].n_unique(),
        }  # fmt: skip
        columns = ["cycle", "timestamp", "sat_voltage_v"]
        return Answer(
            lambda: spliced(meta, "cycles_3d", points_json(frame, columns)),
            lambda: frame.select(pl.col("key").alias("name"), "pack", "cell", *columns),
            frame.height,
        )

    return api.respond(request, query, ("signals", "sat_voltage"), build)


def _charges(api: Api, device: DeviceInfo, pack: int, query: DaysQuery) -> pl.DataFrame:
    """Return (pack, cell, cycle, timestamp, SAT voltage); charges are numbered over the whole table."""
    rows = api.store.frame(
        "sat_voltage", ["day", "charge_end_ts", "pack", "cell", "sat_voltage_v"], where={"device": device.name}
    )
    numbered = rows.with_columns(pl.col("charge_end_ts").rank("dense").cast(pl.Int64).alias("cycle"))
    own = in_days(numbered, query).filter(pl.col("pack") == pack)
    local = pl.col("charge_end_ts").dt.convert_time_zone(device.zone.key).dt.to_string(TIME_FORMAT)
    return without_nan(named_cells(own.with_columns(local.alias("timestamp")))).sort("pack", "cell", "cycle")


def _efc(api: Api, system: str) -> float | None:
    if not api.store.exists("capacity"):
        return None
    known = api.store.frame("capacity", ["day", "efc_ah"], where={"device": system}).sort("day")["efc_ah"].drop_nulls()
    return float(known[-1]) if len(known) else None
