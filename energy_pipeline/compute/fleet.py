"""`fleet_summary`: one line per device from its finished tables, for the overview.

Nothing is computed anew here that another table holds; a figure without data is null.
Next: `viewer/pages/overview.py`, which shows it.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import polars as pl

from energy_pipeline.compute.alarms import alarm_signals, hours_set
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.operation import FLEET_SUMMARY

WINDOW_DAYS = 30
VERDICTS = {
    "cells_falling": "falling", "cells_rising": "rising", "cells_stable": "stable",
    "cells_no_trend": "no_established_trend", "cells_insufficient": "insufficient_data",
}


def build_fleet_row(ctx: DeviceContext, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Build the line of one device.

    Args:
        ctx: the device and its signals.
        tables: its rows of `resolution_1d`, `meter_daily`, `capacity`, `degradation_fits`, `cell_health`, `regimes`,
            `battery_days`, `alarm_events`, `battery_energy`, `charge_cycles`.
    """
    signals = ctx.signals
    last = signals["last_ts"].max()
    daily = tables["resolution_1d"]
    recent = daily.filter(pl.col("ts") > last - timedelta(days=WINDOW_DAYS)) if last is not None else daily.clear()
    kinds = set(signals["group"].to_list())
    row: dict[str, object] = {
        "device": ctx.device,
        "device_kind": "bess" if kinds & {"cells", "battery"} else "meter" if "meter" in kinds else "other",
        "zone": ctx.zone.key,
        "first_ts": signals["first_ts"].min(),
        "last_ts": last,
        "signals": int((signals["rows_accepted"] > 0).sum()),
        "rows_accepted": int(signals["rows_accepted"].sum()),
        "rows_rejected": int(signals["rows_rejected"].sum() + signals["rows_conflict"].sum()),
        "coverage_30d": _coverage(recent),
        **_meter(ctx, tables["meter_daily"]),
        **_battery(ctx, daily, recent, tables),
    }
    return FLEET_SUMMARY.conform(pl.DataFrame([row], schema=FLEET_SUMMARY.polars_schema))


def _coverage(recent: pl.DataFrame) -> float | None:
    if recent.is_empty():
        return None
    per_signal = recent.group_by("signal").agg(pl.col("covered_s").sum() / (WINDOW_DAYS * 86_400))
    share = per_signal["covered_s"].median()
    return None if share is None else min(1.0, float(share))  # type: ignore[arg-type]


def _meter(ctx: DeviceContext, daily: pl.DataFrame) -> dict[str, object]:
    """Return energy and peak of the days that end with the last reading, which may be held into a day after it."""
    if daily.is_empty():
        return {}
    recent = _recent(ctx, daily)
    return {
        "import_kwh_30d": _sum(recent["import_kwh"]), "export_kwh_30d": _sum(recent["export_kwh"]),
        "peak_kw_30d": recent["peak_kw"].max(),
    }


def _sum(column: pl.Series) -> float | None:
    return None if column.null_count() == len(column) else float(column.sum())


def _battery(
    ctx: DeviceContext, daily: pl.DataFrame, recent: pl.DataFrame, tables: Mapping[str, pl.DataFrame]
) -> dict[str, object]:
    cells = ctx.signals.filter(pl.col("quantity") == "cell_voltage")
    if cells.is_empty() and not ctx.names("soc"):
        return {}
    fits = tables["degradation_fits"].filter((pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv"))
    capacity = tables["capacity"].sort("day")
    health, regimes = tables["cell_health"], tables["regimes"]
    hot = recent.filter(pl.col("signal").is_in(ctx.names("cell_temperature")))["max"].max()
    return {
        "packs": cells["pack"].n_unique() if cells.height else None,
        "cells": cells.height,
        "soc_percent": _last(daily, ctx.names("soc")),
        "soh_bms_percent": _last(daily, ctx.names("soh")),
        "capacity_percent": _latest(capacity, "soh_nameplate_percent"),
        "efc": _latest(capacity, "efc_ah"),
        **{name: int((fits["verdict"] == verdict).sum()) for name, verdict in VERDICTS.items()},
        "cells_with_finding": int(health["finding"].is_not_null().sum()),
        "regimes": int((regimes["kind"] == "operating_regime").sum()),
        "temperature_max_30d_c": hot,
        "alarm_hours_30d": _alarm_hours(ctx, tables["alarm_events"]),
        "availability_30d": _availability(ctx, tables["battery_days"]),
        "alarms_open": int(tables["alarm_events"]["ongoing"].sum()) if alarm_signals(ctx) else None,
        **_energy(ctx, tables["battery_energy"]),
        **_held(ctx, tables["charge_cycles"], _last(daily, ctx.names("soc"))),
    }


def _first_day(ctx: DeviceContext) -> date:
    """Return the first local day of the window that ends with the device's last reading."""
    return _last_day(ctx) - timedelta(days=WINDOW_DAYS - 1)


def _last_day(ctx: DeviceContext) -> date:
    last: datetime = ctx.signals["last_ts"].max()  # type: ignore[assignment]
    return last.astimezone(ctx.zone).date()


def _recent(ctx: DeviceContext, days: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the days of that window."""
    return days.filter(pl.col("day").is_between(_first_day(ctx), _last_day(ctx)))


def _energy(ctx: DeviceContext, days: pl.DataFrame) -> dict[str, object]:
    """Return what went in and out in the last days: at the DC terminals, else at the inverter."""
    if days.is_empty():
        return {}
    recent = _recent(ctx, days)
    for boundary in ("dc", "ac"):
        into, out = recent[f"{boundary}_in_kwh"], recent[f"{boundary}_out_kwh"]
        if into.null_count() < len(into) or out.null_count() < len(out):
            return {"charged_kwh_30d": _sum(into), "discharged_kwh_30d": _sum(out), "energy_boundary": boundary}
    return {}


def _held(ctx: DeviceContext, cycles: pl.DataFrame, soc: float | None) -> dict[str, object]:
    """Return the DC energy of a full discharge, from recent deep ones, and what is left of it at `soc`."""
    battery = ctx.battery
    deep = cycles.filter(
        (pl.col("kind") == "discharge") & (pl.col("day") >= _first_day(ctx))
        & (pl.col("delta_soc") >= battery.capacity_soc_points)
        & (pl.min_horizontal("coverage_current", "coverage_voltage") >= battery.anchor_coverage)
    ) if len(cycles) else cycles
    whole = (100.0 * deep["energy_kwh"] / deep["delta_soc"]).drop_nulls().median()
    if whole is None:
        return {}
    return {"energy_full_kwh": whole, "energy_held_kwh": None if soc is None else whole * soc / 100.0}


def _availability(ctx: DeviceContext, days: pl.DataFrame) -> float | None:
    """Return time with data and without an alarm over time with data in the last days; None without alarm signals."""
    recent = _recent(ctx, days.drop_nulls("hours_available"))
    hours = float(recent["hours_valid"].sum())
    return float(recent["hours_available"].sum()) / hours if hours > 0 else None


def _last(daily: pl.DataFrame, names: list[str]) -> float | None:
    rows = daily.filter(pl.col("signal").is_in(names) & pl.col("last").is_not_null()).sort("ts")
    return None if rows.is_empty() else float(rows["last"][-1])


def _latest(frame: pl.DataFrame, column: str) -> float | None:
    known = frame[column].drop_nulls()
    return None if known.is_empty() else float(known[-1])


def _alarm_hours(ctx: DeviceContext, events: pl.DataFrame) -> float | None:
    """Return how long a flag or an error code was set in the last days [h]; None where none of them has a reading."""
    end: datetime | None = ctx.signals["last_ts"].max()  # type: ignore[assignment]
    known = ctx.signals.filter(pl.col("signal").is_in(alarm_signals(ctx)))["last_ts"].max()
    if end is None or known is None:
        return None
    start = end - timedelta(days=WINDOW_DAYS)
    return hours_set(events, start, end) if known > start else None  # type: ignore[operator]
