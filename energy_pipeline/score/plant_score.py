"""Planted faults of a twin plant against the finished tables: found or not, and how far the estimate is off.

Takes the plant's truth (`truth.json`) and the tables of one battery system; knows nothing of how they were made. What a
battery table cannot show (a wrong zone, registers) is listed with `found` null. Next: `statistical.py`.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl

Tables = Mapping[str, pl.DataFrame]
Row = dict[str, Any]
DATED_DAYS = 3
QUALIFIED_SHARE = 0.1
NAMEPLATE_LIMIT = 0.05


def score_plant(truth: Mapping[str, Any], device: str, tables: Tables) -> list[Row]:
    """Return one row per planted fault of the device, per measured total, and one with findings nobody planted.

    Columns: fault, place, found (null where these tables cannot show it), estimate, truth, unit.
    """
    number = list(truth["systems"]).index(device)
    start = date.fromisoformat(truth["plan"]["start"])
    own = [f for f in truth["faults"] if f.get("system", 0) in (None, number)]
    rows = [_score(f, start, tables) for f in own]
    return [*rows, *_totals(truth["systems"][device], tables), _unplanted(own, tables)]


def _row(fault: str, place: str, found: bool | None, estimate: Any, true: Any, unit: str) -> Row:
    return {"fault": fault, "place": place, "found": found, "estimate": estimate, "truth": true, "unit": unit}


def _score(fault: Mapping[str, Any], start: date, tables: Tables) -> Row:
    judge = JUDGES.get(fault["kind"])
    place = f"P{fault['pack']}C{fault['cell']}" if "pack" in fault else "system"
    if judge is None:
        return _row(fault["kind"], place, None, None, None, "")
    found, estimate, true, unit = judge(fault, start, tables)
    return _row(fault["kind"], place, found, estimate, true, unit)


Judged = tuple[bool, Any, Any, str]


def _cell(frame: pl.DataFrame, fault: Mapping[str, Any]) -> Row:
    rows = frame.filter((pl.col("pack") == fault["pack"]) & (pl.col("cell") == fault["cell"])).to_dicts()
    return rows[0] if rows else {}


def _drift(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    del start
    fits = tables["degradation_fits"].filter(
        (pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv")
    )
    row, true = _cell(fits, fault), fault["mv_per_year"]
    wanted = "rising" if true > 0 else "falling"
    return row.get("verdict") == wanted, row.get("slope_per_year"), true, "mV/year"


def _step(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    day = start + timedelta(days=fault["day"])
    scope = "cell" if "cell" in fault else "system"
    rows = tables["regimes"].filter((pl.col("scope") == scope) & (pl.col("kind") != "suspected"))
    if scope == "cell":
        rows = rows.filter((pl.col("pack") == fault["pack"]) & (pl.col("cell") == fault["cell"]))
    near = [r for r in rows.to_dicts() if abs((r["day"] - day).days) <= DATED_DAYS]
    return bool(near), near[0]["step_mv"] if near else None, fault["mv"], "mV"


def _weak(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    del start
    row = _cell(tables["cell_health"], fault)
    return row.get("finding") == "weak_cell", row.get("weakness_rank"), 1, "rank"


def _resistance(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    del start
    row, middle = _cell(tables["cell_health"], fault), tables["cell_health"]["resistance_mohm"].median()
    value = row.get("resistance_mohm")
    ratio = value / middle if value is not None and isinstance(middle, float) else None
    found = row.get("finding") in {"resistance_high", "offset_rising"}
    return found, ratio, 1.0 + fault["percent_per_year"] / 100.0, "× median, truth after one year"


def _self_discharge(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    del start
    row = _cell(tables["cell_health"], fault)
    return row.get("finding") is not None, row.get("offset_slope_per_year"), None, "mV/year"


def _stuck(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    del start
    row = _cell(tables["cell_health"], fault)
    return bool(row.get("stuck")), row.get("stuck_hours"), fault["hours"], "h"


def _days(tables: Tables, first: date, last: date) -> pl.DataFrame:
    """Return the ledger from `first` until before `last`."""
    return tables["sat_daily"].filter((pl.col("day") >= first) & (pl.col("day") < last))


def _partial(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    days = _days(tables, start + timedelta(days=fault["from_day"]), start + timedelta(days=fault["to_day"]))
    share = days["qualified"].mean()
    value = float(share) if isinstance(share, float) else 1.0
    return value <= QUALIFIED_SHARE, value, 0.0, "share of days that count"


def _missing(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    first = start + timedelta(days=fault["from_day"])
    days = _days(tables, first, first + timedelta(days=fault["days"]))
    silent = int((days["reason"] == "no_data").sum())
    return silent == len(days) > 0, silent, len(days), "cell-days without data"


def _sign(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    first = start + timedelta(days=fault["from_day"] + 31)
    rows = tables["charge_cycles"].filter(pl.col("day") >= first)
    sign = rows["file_sign"].drop_nulls().unique().to_list()
    return sign == [-1], sign, [-1], "sign of charge in the file"


def _nameplate(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    del start
    value = tables["capacity"]["q_soc_ah"].drop_nulls().median()
    wrong = isinstance(value, float) and abs(value / fault["nameplate_ah"] - 1.0) > NAMEPLATE_LIMIT
    return wrong, value, fault["nameplate_ah"], "Ah (truth: what the settings say)"


JUDGES: Mapping[str, Callable[[Mapping[str, Any], date, Tables], Judged]] = {
    "drifting_offset": _drift, "sensor_offset_step": _step, "regime_step": _step, "weak_capacity": _weak,
    "rising_resistance": _resistance, "self_discharge": _self_discharge, "stuck_sensor": _stuck,
    "partial_charges": _partial, "missing_days": _missing, "current_sign_flipped": _sign,
    "wrong_nameplate": _nameplate,
}


def _totals(system: Mapping[str, Any], tables: Tables) -> list[Row]:
    """Return cycles and DC round trip against the truth; cycles of days without data cannot be counted."""
    capacity = tables["capacity"].sort("day")
    cycles = capacity["efc_ah"].drop_nulls()
    trip = capacity["round_trip_percent"].drop_nulls().median()
    true = 100.0 * system["dc_out_kwh"] / system["dc_in_kwh"]
    efc = float(cycles[-1]) if len(cycles) else None
    return [
        _row("equivalent_full_cycles", "system", None, efc, system["efc"], "1"),
        _row("round_trip", "system", isinstance(trip, float) and abs(trip - true) <= 1.0, trip, true, "%"),
    ]


def _unplanted(faults: list[Mapping[str, Any]], tables: Tables) -> Row:
    """Return the number of cells with a finding where nothing is planted."""
    planted = {(f["pack"], f["cell"]) for f in faults if "pack" in f}
    found = tables["cell_health"].filter(pl.col("finding").is_not_null()).select("pack", "cell").rows()
    extra = [place for place in found if place not in planted]
    return _row("findings_without_a_fault", ", ".join(f"P{p}C{c}" for p, c in extra), not extra, len(extra), 0, "cells")
