"""Equivalent full cycles in three ways, and the DC round trip over windows that close at equal SOC (METRICS D).

The three counts are kept beside each other; they differ where the current sensor, the voltage or the BMS's SOC is
wrong. Boundary of the round trip: DC terminals of the battery. Next: `capacity.py`, `rainflow.py`.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.anchors import soc_gaps
from energy_pipeline.compute.battery_series import Bool, Float
from energy_pipeline.compute.rainflow import turning_points
from energy_pipeline.settings import BatterySettings


def throughput(cycles: pl.DataFrame, battery_days: pl.DataFrame | None) -> pl.DataFrame:
    """Return charge [Ah] and energy [kWh] moved per local day; from all current where `battery_days` is given."""
    if battery_days is not None and not battery_days.is_empty():
        return battery_days.select(
            "day", (pl.col("charge_in_ah") + pl.col("charge_out_ah")).alias("ah"),
            (pl.col("energy_in_kwh") + pl.col("energy_out_kwh")).alias("kwh"),
            (pl.col("voltage_mean_v") * pl.col("hours_active")).alias("volt_h"),
            pl.when(pl.col("voltage_mean_v").is_not_null()).then("hours_active").alias("hours"),
        ).sort("day")
    return cycles.group_by("day").agg(
        _sum("true_ah").alias("ah"), _sum("true_kwh").alias("kwh"),
        (pl.col("voltage_mean_v") * pl.col("duration_s") / 3600.0).sum().alias("volt_h"),
        (pl.col("duration_s").filter(pl.col("voltage_mean_v").is_not_null()) / 3600.0).sum().alias("hours"),
    ).sort("day")


def _sum(name: str) -> pl.Expr:
    """Return the sum, null where no value is known."""
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum())


def count_cycles(
    cycles: pl.DataFrame, battery_days: pl.DataFrame | None, points: pl.DataFrame | None, battery: BatterySettings,
    capacity_ah: float | None, zone: str,
) -> pl.DataFrame:
    """Return per day the cycles so far: `efc_ah`, `efc_energy`, `efc_soc`; null where the signal is missing.

    By energy: energy / (2 · nameplate · mean voltage while current flows), without a voltage by the nameplate energy.
    By SOC: Σ|ΔSOC| / 200 % × measured capacity per 100 points of SOC / nameplate; without a measured capacity there is
    no such count.
    """
    flow = throughput(cycles, battery_days)
    nameplate = battery.nameplate_ah
    hours = float(flow["hours"].sum() or 0.0)
    volts = float(flow["volt_h"].sum() or 0.0) / hours if hours > 0 else None
    full_kwh = nameplate * volts / 1000.0 if volts else battery.nameplate_kwh
    by_energy = pl.col("kwh").cum_sum() / (2.0 * full_kwh)
    by_charge = pl.col("ah").cum_sum() / (2.0 * nameplate)
    flow = flow.select("day", by_charge.alias("efc_ah"), by_energy.alias("efc_energy"))
    swing = soc_swings(cycles, points, battery.soc_hysteresis, zone)
    share = capacity_ah / nameplate if capacity_ah else None
    scaled = pl.col("swing").cum_sum() / 200.0 * share if share else pl.lit(None, pl.Float64)
    swing = swing.sort("day").select("day", scaled.alias("efc_soc"))
    return flow.join(swing, on="day", how="full", coalesce=True).sort("day").with_columns(
        pl.col("efc_ah", "efc_energy", "efc_soc").forward_fill()
    )


def soc_swings(cycles: pl.DataFrame, points: pl.DataFrame | None, hysteresis: float, zone: str) -> pl.DataFrame:
    """Return Σ|ΔSOC| per local day [points], from turning points where given, else from segments."""
    if points is None or points.is_empty():
        return cycles.group_by("day").agg(pl.col("delta_soc").sum().alias("swing"))
    ordered = points.sort("ts")
    keep = turning_points(ordered["soc"].to_numpy(), hysteresis)
    turns = ordered[keep]
    return (
        turns.select(
            pl.col("ts").dt.convert_time_zone(zone).dt.date().alias("day"), pl.col("soc").diff().abs().alias("swing")
        ).drop_nulls().group_by("day").agg(pl.col("swing").sum())
    )


def round_trips(cycles: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    """Return per day with segments the round trip of the latest window that closes on it, by energy and by charge [%].

    A window runs from the end of one segment to the end of a later one at equal SOC (within the set points) and holds
    at least the set number of equivalent full cycles; the shortest such window is taken. Nothing may be missing in it:
    current and voltage cover each of its segments, and SOC goes on where the segment before left it. What flows in a
    gap is in neither sum, so that a window over one would be wrong by all of it; `round_trip_reason` says `gap` then.
    Where only power is measured, cycles are counted by energy against the (assumed) nameplate.
    """
    rows = cycles.sort("start_ts")
    soc, n = _numbers(rows, "soc_end"), len(rows)
    into = (rows["kind"] == "charge").to_numpy()
    ah, kwh = _numbers(rows, "true_ah"), _numbers(rows, "true_kwh")
    by_power = bool(np.isnan(ah).all())
    moved = kwh if by_power else ah
    good = _whole(rows, moved, kwh, battery, by_power=by_power)
    moved, kwh = np.nan_to_num(moved), np.nan_to_num(kwh)
    sums = np.zeros((n + 1, 4))
    sums[1:] = np.cumsum(np.column_stack([moved * into, moved * ~into, kwh * into, kwh * ~into]), axis=0)
    full = battery.nameplate_kwh if by_power else battery.nameplate_ah
    cycle = sums[:, :2].sum(axis=1) / (2.0 * full)
    first = np.maximum.accumulate(np.where(good, 0, np.arange(n)))
    out = []
    for k in range(n):
        start = _window_start(soc, cycle, int(first[k]), k, battery)
        row = {"day": rows["day"][k], "round_trip_percent": None, "coulombic_percent": None, "round_trip_reason": None}
        if start is None:
            over_gap = _window_start(soc, cycle, 0, k, battery) is not None
            row["round_trip_reason"] = _reason(kwh_known=bool(rows["true_kwh"].is_not_null().any()), soc=soc,
                                               over_gap=over_gap)
        else:
            part: Float = sums[k + 1] - sums[start + 1]
            row["round_trip_percent"] = 100.0 * float(part[3] / part[2])
            row["coulombic_percent"] = None if by_power else 100.0 * float(part[1] / part[0])
        out.append(row)
    schema = {"day": pl.Date, "round_trip_percent": pl.Float64, "coulombic_percent": pl.Float64,
              "round_trip_reason": pl.String}
    frame = pl.DataFrame(out, schema=schema).with_columns(pl.col("round_trip_percent").is_not_null().alias("known"))
    return frame.sort("day", "known", maintain_order=True).unique("day", keep="last", maintain_order=True).drop("known")


def _numbers(rows: pl.DataFrame, name: str) -> Float:
    return rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _whole(rows: pl.DataFrame, moved: Float, kwh: Float, battery: BatterySettings, *, by_power: bool) -> Bool:
    """Return which segments are whole and go on where the one before ended."""
    least = battery.round_trip_coverage
    good = np.isfinite(moved) & np.isfinite(kwh) & (_numbers(rows, "coverage_current") >= least)
    if not by_power:
        good &= _numbers(rows, "coverage_voltage") >= least
    with np.errstate(invalid="ignore"):
        return np.asarray(good & (soc_gaps(rows) <= battery.anchor_soc_gap), dtype=np.bool_)


def _reason(*, kwh_known: bool, soc: Float, over_gap: bool) -> str:
    if not kwh_known:
        return "no_energy"
    if not np.isfinite(soc).any():
        return "no_soc"
    return "gap" if over_gap else "few_cycles"


def _window_start(soc: Float, cycle: Float, first: int, k: int, battery: BatterySettings) -> int | None:
    """Return the latest segment from `first` on whose end has the SOC of segment k's end, enough cycles before it."""
    if not np.isfinite(soc[k]):
        return None
    closes = np.abs(soc[first:k] - soc[k]) <= battery.round_trip_soc
    good = np.flatnonzero(closes & (cycle[k + 1] - cycle[first + 1 : k + 1] >= battery.round_trip_efc))
    return first + int(good[-1]) if len(good) else None
