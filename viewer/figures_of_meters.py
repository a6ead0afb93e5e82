"""Figures of a signal and of a meter over a window, from the resolution and meter tables.

Means are weighted by time; median and 95th percentile are those of 5-min means weighted by covered time. Energy comes
from `meter_daily` and counts the local days that the window touches. Used by the pages and by the API.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_pipeline.compute.meter_views import power_frame
from viewer.series import signal_row
from viewer.store import Store

QUARTER_S = 900.0


@dataclass(frozen=True)
class SignalFigures:
    """Statistics of one signal in a window; None where there is no data."""

    mean: float | None
    minimum: float | None
    maximum: float | None
    median: float | None
    p95: float | None
    deviation: float | None
    last: float | None
    covered_s: float
    increase: float | None
    increase_estimated: float | None

    def coverage(self, start: datetime, end: datetime) -> float:
        """Return the covered share of the window."""
        return self.covered_s / max((end - start).total_seconds(), 1.0)


@dataclass(frozen=True)
class MeterFigures:
    """Energy and power of a meter over the local days of a window."""

    days: int
    import_kwh: float | None
    export_kwh: float | None
    net_kwh: float | None
    estimated_kwh: float | None
    peak_kw: float | None
    peak_ts: datetime | None
    base_load_kw: float | None
    hours_of_use_h: float | None
    load_factor: float | None
    power_factor: float | None
    balance_percent: float | None


def signal_figures(store: Store, device: str, signal: str, start: datetime, end: datetime) -> SignalFigures:
    """Return the statistics of a signal between two moments, from 5-min buckets."""
    names = ["ts", "covered_s", "integral", "integral_sq", "min", "max", "last", "increase", "increase_estimated"]
    rows = store.frame("resolution_5min", names, where={"device": device, "signal": signal})
    rows = rows.filter((pl.col("ts") >= start) & (pl.col("ts") < end))
    held = rows.filter((pl.col("covered_s") > 0) & pl.col("integral").is_not_null())
    covered = float(held["covered_s"].sum())
    mean = median = p95 = deviation = None
    if covered > 0:
        mean = float(held["integral"].sum()) / covered
        deviation = float(np.sqrt(max(float(held["integral_sq"].sum()) / covered - mean**2, 0.0)))
        values = (held["integral"] / held["covered_s"]).to_numpy()
        median, p95 = weighted_quantiles(values, held["covered_s"].to_numpy(), (0.5, 0.95))
    last = rows.drop_nulls("last").sort("ts")["last"]
    return SignalFigures(
        mean,
        rows["min"].min(),
        rows["max"].max(),
        median,
        p95,
        deviation,
        last[-1] if len(last) else None,
        float(rows["covered_s"].sum()),
        _sum(rows["increase"]),
        _sum(rows["increase_estimated"]),
    )


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, shares: tuple[float, ...]) -> list[float]:
    """Return quantiles of `values` weighted by `weights`."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return [float(values[order][min(np.searchsorted(reached, s), values.size - 1)]) for s in shares]


def daily_rows(store: Store, device: str, start: datetime, end: datetime, zone: ZoneInfo) -> pl.DataFrame:
    """Return the rows of `meter_daily` whose local day the window touches."""
    first, last = local_days(start, end, zone)
    rows = store.frame("meter_daily", where={"device": device})
    return rows.filter(pl.col("day").is_between(first, last)).sort("day")


def local_days(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[date, date]:
    """Return first and last local day that a window touches."""
    last = max(end - timedelta(microseconds=1), start)
    return start.astimezone(zone).date(), last.astimezone(zone).date()


def meter_figures(rows: pl.DataFrame) -> MeterFigures:
    """Return the figures of some rows of `meter_daily`."""
    taken, peak = _sum(rows["import_kwh"]), rows["peak_kw"].max()
    peak_row = rows.filter(pl.col("peak_kw") == peak).head(1) if peak is not None else rows.head(0)
    hours = float((rows["day_length_s"] * rows["power_coverage"].fill_null(1.0)).sum()) / 3600
    usable = taken is not None and peak is not None and peak > 0
    return MeterFigures(
        rows.height,
        taken,
        _sum(rows["export_kwh"]),
        _sum(rows["net_kwh"]),
        _sum(rows["estimated_kwh"]),
        peak,
        peak_row["peak_ts"][0] if peak_row.height else None,
        rows["base_load_kw"].median(),
        taken / peak if usable else None,
        taken / peak / hours if usable and hours > 0 else None,
        _weighted(rows, "power_factor_energy", "import_kwh"),
        rows["balance_percent"].median(),
    )


@dataclass(frozen=True)
class LoadHabits:
    """What a meter does at night and how much of the time its power factor is low; medians of the days."""

    night_load_kw: float | None
    power_factor_low_share: float | None


def load_habits(rows: pl.DataFrame) -> LoadHabits:
    """Return night load and share of low power factor of some rows of `meter_daily`."""
    return LoadHabits(rows["night_load_kw"].median(), rows["power_factor_low_share"].median())


def quarter_means(store: Store, device: str, signal: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Return quarter hours (ts, mean, covered_s) of a signal in a window."""
    return quarter_power(store, device, signal, start, end).rename({"power_kw": "mean"})


def quarter_power(store: Store, device: str, signal: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Return quarter hours (ts, covered_s, power_kw) of a power, or of an interval energy as its mean power."""
    names = ["ts", "covered_s", "integral", "increase"]
    rows = store.frame("resolution_15min", names, where={"device": device, "signal": signal})
    rows = rows.filter((pl.col("ts") >= start) & (pl.col("ts") < end))
    if signal_row(store, device, signal)["kind"] == "interval":
        held = rows.filter(pl.col("increase").is_not_null() & (pl.col("covered_s") > 0)).sort("ts")
        return held.select("ts", "covered_s", power_kw=pl.col("increase") * 3600 / pl.col("covered_s"))
    return power_frame(rows).select("ts", "covered_s", "power_kw")


def load_duration(quarters: pl.DataFrame, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return (hours, value): for how many hours the value was at least that high."""
    ordered = quarters.sort("mean", descending=True)
    hours = np.cumsum(ordered["covered_s"].to_numpy()) / 3600
    values = ordered["mean"].to_numpy()
    if values.size > points:
        pick = np.unique(np.linspace(0, values.size - 1, points).astype(int))
        hours, values = hours[pick], values[pick]
    return hours, values


def week_map(quarters: pl.DataFrame, zone: ZoneInfo) -> np.ndarray:
    """Return mean values as weekday × hour (7 × 24) in local time; NaN where there is none."""
    local = pl.col("ts").dt.convert_time_zone(zone.key)
    cells = quarters.group_by(local.dt.weekday().alias("d"), local.dt.hour().alias("h")).agg(
        ((pl.col("mean") * pl.col("covered_s")).sum() / pl.col("covered_s").sum()).alias("v")
    )
    out = np.full((7, 24), np.nan)
    out[cells["d"].to_numpy() - 1, cells["h"].to_numpy()] = cells["v"].to_numpy()
    return out


def window_peaks(store: Store, device: str, start: datetime, end: datetime, count: int = 10) -> pl.DataFrame:
    """Return the largest quarter hours of a window from the monthly tables of peaks."""
    rows = store.frame("meter_peaks", where={"device": device})
    inside = rows.filter((pl.col("ts") >= start) & (pl.col("ts") < end))
    ranked = inside.sort("power_kw", "ts", descending=[True, False]).head(count)
    return ranked.with_columns((pl.int_range(pl.len()) + 1).alias("rank"))


def _sum(values: pl.Series) -> float | None:
    kept = values.drop_nulls()
    return float(kept.sum()) if len(kept) else None


def _weighted(rows: pl.DataFrame, column: str, weight: str) -> float | None:
    held = rows.drop_nulls([column, weight])
    total = float(held[weight].sum()) if held.height else 0.0
    return float((held[column] * held[weight]).sum()) / total if total > 0 else None
