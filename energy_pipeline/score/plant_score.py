"""Planted faults of a twin plant against the finished tables: found or not, and how far the estimate is off.

Takes the plant's truth (`truth.json`) and the tables of one battery system; knows nothing of how they were made. What a
battery table cannot show (registers) is listed with `found` null. Next: `statistical.py`, `plants.py`.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl

Tables = Mapping[str, pl.DataFrame]
Row = dict[str, Any]
DATED_DAYS = 3
QUALIFIED_SHARE = 0.1
ZONE_ERROR_H = 2.0
LAST_DAYS = 20
DAYS_PER_YEAR = 365.25
EFC_LIMIT, CAPACITY_LIMIT, ROUND_TRIP_LIMIT = 0.01, 0.02, 1.0


def score_plant(
    truth: Mapping[str, Any], device: str, tables: Tables, nameplate_ah: float | None = None
) -> list[Row]:
    """Return one row per planted fault of the device, per measured total, and one with findings nobody planted.

    Columns: fault, place, found (null where these tables cannot show it), estimate, truth, unit. For totals `found`
    says whether the estimate is within the target. `nameplate_ah` is what the settings say, if not the plan's.
    """
    number = list(truth["systems"]).index(device)
    start = date.fromisoformat(truth["plan"]["start"])
    own = [f for f in truth["faults"] if f.get("system", 0) in (None, number)]
    rows = [_score(f, start, tables) for f in own]
    share = truth["plan"].get("nameplate_ah", 1.0) / (nameplate_ah or truth["plan"].get("nameplate_ah", 1.0))
    gaps = any(f["kind"] == "missing_days" for f in own)
    return [
        *rows, *_totals(truth["systems"][device], tables, share, gaps), _unplanted(own, tables),
        _unplanted_resistance(own, tables), _unfounded_evidence(own, tables),
    ]


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
    row = _cell(tables["cell_health"], fault)
    years = tables["sat_daily"]["day"].n_unique() / DAYS_PER_YEAR
    true = fault["percent_per_year"] / (1.0 + fault["percent_per_year"] / 100.0 * years / 2.0)
    rising = (pl.col("pack") == fault["pack"]) & (pl.col("cell") == fault["cell"]) & (pl.col("verdict") == "rising")
    trends = tables["resistance_trends"].filter(rising).sort("slope_se")
    slope = trends["slope_percent_per_year"][0] if len(trends) else None
    found = row.get("finding") == "resistance_high" or len(trends) > 0
    return found, slope, true, "%/year of its median"


def _self_discharge(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    del start
    row = _cell(tables["cell_health"], fault)  # what it loses is missing at the end of each charge: it falls behind
    return row.get("verdict") == "falling", row.get("offset_slope_per_year"), None, "mV/year"


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
    """Found where the evidence says so; the estimate is the measured capacity over the nameplate of the settings."""
    del start, fault
    rows = tables["device_evidence"].filter(pl.col("topic") == "nameplate")
    value = rows["estimate"][0] if len(rows) else None
    return bool((rows["verdict"] == "contradicts").any()), value, None, "measured over nameplate"


def _zone(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    del start
    rows = tables["device_evidence"].filter((pl.col("topic") == "zone") & (pl.col("verdict") == "contradicts"))
    hours = rows["estimate"][0] if len(rows) else None
    return hours is not None and abs(hours - fault["hours"]) <= ZONE_ERROR_H, hours, fault["hours"], "h ahead"


def _sentinel(fault: Mapping[str, Any], start: date, tables: Tables) -> Judged:
    del start
    refused = tables["rejected_readings"].filter(
        (pl.col("signal") == fault["signal"]) & (pl.col("value") == fault["value"])
    )
    return len(refused) == fault["count"], len(refused), fault["count"], "refused rows"


JUDGES: Mapping[str, Callable[[Mapping[str, Any], date, Tables], Judged]] = {
    "drifting_offset": _drift, "sensor_offset_step": _step, "regime_step": _step, "weak_capacity": _weak,
    "rising_resistance": _resistance, "self_discharge": _self_discharge, "stuck_sensor": _stuck,
    "partial_charges": _partial, "missing_days": _missing, "current_sign_flipped": _sign,
    "wrong_nameplate": _nameplate, "zone_wrong_hours": _zone, "sentinel_spikes": _sentinel,
}


def _totals(system: Mapping[str, Any], tables: Tables, share: float, gaps: bool) -> list[Row]:
    """Return cycles, capacity and round trips against the truth and their targets.

    Cycles of days without data cannot be counted: with such a gap they are shown and not judged. Capacity is the charge
    between the ends that are reached, at the end of the plan. Of all windows of a round trip the worst is judged.
    """
    capacity = tables["capacity"].sort("day")
    rows = []
    for name in ("efc_ah", "efc_energy", "efc_soc"):
        known = capacity[name].drop_nulls()
        value = float(known[-1]) if len(known) else None
        rows.append(_total(name, value, system["efc"] * share, EFC_LIMIT, None if gaps else "relative", "1"))
    known = capacity["q_anchor_median_ah"].drop_nulls()
    charges = [c["charge_ah"] for c in system.get("charges", ()) if c["complete"]]
    if charges:
        last = sorted(charges[-LAST_DAYS:])[len(charges[-LAST_DAYS:]) // 2]
        value = float(known[-1]) if len(known) else None
        rows.append(_total("capacity", value, last, CAPACITY_LIMIT, "relative", "Ah"))
    trips = [("round_trip_dc", capacity["round_trip_percent"], "dc_in_kwh", "dc_out_kwh")]
    if "ac_in_kwh" in system:
        trips.append(("round_trip_ac", tables["battery_energy"]["round_trip_ac_percent"], "ac_in_kwh", "ac_out_kwh"))
    energy = tables["battery_energy"]
    if "ac_in_kwh" in system and energy["site_meter"].is_not_null().any():
        trips.append(("round_trip_site", energy["round_trip_site_percent"], "ac_in_kwh", "ac_out_kwh"))
    for name, column, into, out in trips:
        true = 100.0 * system[out] / system[into]
        known = column.drop_nulls().to_list()  # every window is a claim: the worst of them is judged
        value = max(known, key=lambda x: abs(x - true)) if known else None
        rows.append(_total(name, value, true, ROUND_TRIP_LIMIT, "points", "%"))
    return rows


def _total(name: str, value: Any, true: float, limit: float, how: str | None, unit: str) -> Row:
    """Return a measured total; `how` is relative or points, None where it is not judged."""
    near = isinstance(value, float) and abs(value - true) <= (limit * abs(true) if how == "relative" else limit)
    return _row(name, "system", near if how else None, value, true, unit)


def _unplanted(faults: list[Mapping[str, Any]], tables: Tables) -> Row:
    """Return the number of cells with a finding where nothing is planted."""
    planted = {(f["pack"], f["cell"]) for f in faults if "pack" in f}
    found = tables["cell_health"].filter(pl.col("finding").is_not_null()).select("pack", "cell").rows()
    extra = [place for place in found if place not in planted]
    return _row("findings_without_a_fault", ", ".join(f"P{p}C{c}" for p, c in extra), not extra, len(extra), 0, "cells")


def _unplanted_resistance(faults: list[Mapping[str, Any]], tables: Tables) -> Row:
    """Return the number of cells whose resistance is called rising or falling where nothing of the kind is planted."""
    planted = {(f["pack"], f["cell"]) for f in faults if f["kind"] == "rising_resistance"}
    called = tables["resistance_trends"].filter(
        pl.col("cell").is_not_null() & pl.col("verdict").is_in(["rising", "falling"])
    )
    found = called.select("pack", "cell").unique().sort("pack", "cell").rows()
    extra = [place for place in found if place not in planted]
    names = ", ".join(f"P{p}C{c}" for p, c in extra)
    return _row("resistance_trends_without_a_fault", names, not extra, len(extra), 0, "cells")


def _unfounded_evidence(faults: list[Mapping[str, Any]], tables: Tables) -> Row:
    """Return the number of contradictions of sign, clock and nameplate where none is planted."""
    planted = {
        "zone_wrong_hours": "zone", "current_sign_flipped": "current_sign", "wrong_nameplate": "nameplate",
    }
    topics = {planted[f["kind"]] for f in faults if f["kind"] in planted}
    wrong = tables["device_evidence"].filter(
        (pl.col("verdict") == "contradicts") & ~pl.col("topic").is_in(sorted(topics))
    )
    return _row("contradictions_without_a_fault", ", ".join(wrong["topic"].to_list()), wrong.is_empty(), len(wrong), 0,
                "rows")
