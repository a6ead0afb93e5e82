"""After how many days a planted fault is found: the tables are computed again from what was known on each day.

Every two weeks the month tables are cut, the pipeline's own functions make the device tables from the rest, and the
same judges look at them. Next: `plant_score.py`, the judges.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl

from energy_pipeline.compute.alarms import build_alarm_events
from energy_pipeline.compute.battery_energy import build_battery_energy
from energy_pipeline.compute.capacity import build_capacity
from energy_pipeline.compute.cell_health import build_cell_health
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.degradation_fits import build_degradation_fits
from energy_pipeline.compute.device_evidence import build_device_evidence
from energy_pipeline.compute.regimes import build_regimes
from energy_pipeline.compute.resistance import build_resistance
from energy_pipeline.compute.resistance_trends import build_resistance_trends
from energy_pipeline.score.plant_score import score_plant

EVERY_DAYS = 14
UNDATED = ("sentinel_spikes",)  # refused while reading, whenever they come
BY_DAY = ("charge_cycles", "sat_voltage", "cell_ends", "resistance_steps", "battery_days", "sat_daily")
Tables = Mapping[str, pl.DataFrame]


def detection_days(
    ctx: DeviceContext, truth: Mapping[str, Any], device: str, tables: Tables, every: int = EVERY_DAYS
) -> dict[tuple[str, str], int]:
    """Return the days from the start of each fault to the first look (every `every` days) from which on it is found.

    Keys are fault and place as in `score_plant`; faults that are not found on the last day have no entry. The figure is
    rounded up to the next look; what the method needs at least (28 days after a step of operation, 120 days over half a
    year for a verdict) is in it.
    """
    start = date.fromisoformat(truth["plan"]["start"])
    begins = _begins(truth, device)
    found: dict[tuple[str, str], int] = {}
    lengths = [*range(every, int(truth["plan"]["days"]), every), int(truth["plan"]["days"])]
    for length in lengths:
        known = tables_until(ctx, tables, start + timedelta(days=length))
        seen = {(r["fault"], r["place"]) for r in score_plant(truth, device, known) if r["found"]}
        for key in list(found):
            if key not in seen:
                del found[key]
        for key in seen & begins.keys():
            if length > begins[key]:
                found.setdefault(key, length - begins[key])
    return found


def _begins(truth: Mapping[str, Any], device: str) -> dict[tuple[str, str], int]:
    """Return the day on which each fault begins."""
    number = list(truth["systems"]).index(device)
    out = {}
    for x in truth["faults"]:
        if x["kind"] not in UNDATED and x.get("system", 0) in (None, number):
            place = f"P{x['pack']}C{x['cell']}" if "pack" in x else "system"
            out[(x["kind"], place)] = int(x.get("day", x.get("from_day", x.get("start_day", 0))))
    return out


def tables_until(ctx: DeviceContext, tables: Tables, day: date) -> dict[str, pl.DataFrame]:
    """Return the tables as they would be with data until before `day`."""
    known = dict(tables) | {name: tables[name].filter(pl.col("day") < day) for name in BY_DAY}
    month = f"{day:%Y-%m}"
    months = tables["cell_months"]
    known["cell_months"] = months.filter(
        (pl.col("month") < month) | (pl.col("stuck_end_ts").dt.date() < day)
    )
    known["soc_turning_points"] = tables["soc_turning_points"].filter(pl.col("ts").dt.date() < day)
    known["alarm_spans"] = tables["alarm_spans"].filter(pl.col("end_ts").dt.date() < day)
    daily = known["resolution_1d"] = tables["resolution_1d"].filter(pl.col("ts").dt.date() < day)
    cycles = known["charge_cycles"]
    regimes = known["regimes"] = build_regimes(ctx, known["sat_daily"])
    known["capacity"] = build_capacity(
        ctx, cycles, known["sat_voltage"], daily, known["battery_days"], known["soc_turning_points"]
    )
    fits = known["degradation_fits"] = build_degradation_fits(
        ctx, known["sat_daily"], regimes, known["capacity"], cycles
    )
    known["cell_health"] = build_cell_health(
        ctx, known["sat_daily"], cycles, known["cell_ends"], fits, daily, known["resistance_steps"],
        known["cell_months"],
    )
    known["resistance"] = build_resistance(ctx, known["resistance_steps"])
    known["resistance_trends"] = build_resistance_trends(ctx, known["resistance"])
    known["battery_energy"] = build_battery_energy(ctx, known["battery_days"], daily)
    known["alarm_events"] = build_alarm_events(ctx, known["alarm_spans"])
    known["device_evidence"] = build_device_evidence(
        ctx, cycles, known["battery_days"], known["sat_voltage"], known["capacity"]
    )
    return known
