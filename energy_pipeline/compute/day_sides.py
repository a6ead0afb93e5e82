"""What a day says besides the battery's DC side: energy at the inverter, and the outside temperature with its rhythm.

Columns of `battery_days`; the integrals are over held readings. The inverter's sign comes from the DC current, whose
own sign comes from SOC. Next: `battery_days.py`, which puts them together; `battery_energy.py` for what they mean.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import (
    EMPTY,
    SECOND_US,
    Float,
    HeldIntegral,
    Int,
    Series,
    covered,
    merged,
    product_integral,
    read_groups,
    read_one,
)
from energy_pipeline.compute.charge_cycles import PackReadings, hold_us
from energy_pipeline.compute.charge_signs import daily_signs
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.site_balance import ac_power_names

HOURS = 3600.0
STEP_US = 900 * SECOND_US
DAY_US = 86_400 * SECOND_US
HARMONIC_COVERAGE = 0.9


def covered_spans(series: Series, hold: int) -> Int:
    """Return the spans in which readings hold, merged: rows of start, end [µs]."""
    if not len(series):
        return np.empty((0, 2), dtype=np.int64)
    border = np.flatnonzero(np.diff(series.ts) > hold)
    start = series.ts[np.append(0, border + 1)]
    return np.column_stack([start, series.ts[np.append(border, len(series) - 1)] + hold])


def overlap_hours(spans: Int, a: Int, b: Int) -> Float:
    """Return the hours of ordered, separate spans inside each [a, b)."""
    if not len(spans):
        return np.zeros(len(a))
    total = np.concatenate([[0], np.cumsum(spans[:, 1] - spans[:, 0])])

    def until(t: Int) -> Int:
        k = np.searchsorted(spans[:, 0], t, side="right") - 1
        safe = np.maximum(k, 0)
        return np.where(k >= 0, total[safe] + np.minimum(t, spans[safe, 1]) - spans[safe, 0], 0)

    return np.asarray((until(b) - until(a)) / SECOND_US / HOURS, dtype=np.float64)


def ac_columns(
    ctx: DeviceContext, readings: pl.LazyFrame, pack: PackReadings, charging: Series, a: Int, b: Int
) -> list[pl.Series]:
    """Return AC energy in and out [kWh], hours covered and the sign of charging per day; NaN and null if not known.

    `charging` is the battery's current, charging positive. The inverter's sign is found day by day, for it may change
    in a month; a day on which it does both has no energy. With several inverters their powers add up where all of them
    have data.
    """
    power, hold = _sum_power(ctx, readings)
    names = ("ac_in_kwh", "ac_out_kwh", "hours_ac")
    if not len(power):
        none = [pl.Series(n, np.full(len(a), np.nan)) for n in names]
        return [*none, pl.Series("ac_sign", [None] * len(a), dtype=pl.Int8)]
    longest = max(hold, pack.hold_us)
    product = product_integral(power, charging, longest).over(a, b)
    size = product_integral(
        Series(power.ts, np.abs(power.value)), Series(charging.ts, np.abs(charging.value)), longest
    ).over(a, b)
    own = daily_signs(product, size)
    hours = covered(power, hold).over(a, b) / HOURS
    parts = [HeldIntegral.of(power, hold, np.maximum(way * power.value, 0.0)).over(a, b) / HOURS for way in (1, -1)]
    flow = [np.where(own > 0, parts[k], parts[1 - k]) for k in (0, 1)]
    known = (hours > 0) & (own != 0)
    return [
        *(pl.Series(n, np.where(known, v, np.nan)) for n, v in zip(names[:2], flow, strict=True)),
        pl.Series(names[2], hours),
        pl.Series("ac_sign", [int(s) if k else None for s, k in zip(own, known, strict=True)], dtype=pl.Int8),
    ]


def _sum_power(ctx: DeviceContext, readings: pl.LazyFrame) -> tuple[Series, int]:
    """Return the AC power of all inverters together [kW, file's sign] and how long a reading holds [µs]."""
    names = ac_power_names(ctx)
    parts = dict(read_groups(readings, names))
    hold = hold_us(ctx, names[0]) if names else 1
    if len(parts) != len(names) or not names:
        return EMPTY, hold
    if len(names) == 1:
        return parts[names[0]], hold
    grid = merged([p.ts for p in parts.values()])
    total = np.sum([p.held(grid, hold) for p in parts.values()], axis=0)
    good = np.isfinite(total)
    return Series(grid[good], total[good]), hold


def outside_columns(ctx: DeviceContext, readings: pl.LazyFrame, a: Int, b: Int) -> list[pl.Series]:
    """Return the mean outside temperature [°C], half its daily swing [K] and the UTC hour at which it is highest.

    Swing and hour are those of the first harmonic over 24 h, fitted beside a mean and a slope (weather) to values every
    15 min; NaN where less than 0.9 of the day has data.
    """
    name = ctx.name("outside_temperature")
    series = read_one(readings, name)
    out = np.full((3, len(a)), np.nan)
    if len(series):
        hold = hold_us(ctx, name)
        time = covered(series, hold).over(a, b)
        total = HeldIntegral.of(series, hold).over(a, b)
        out[0] = np.where(time > 0, total / np.maximum(time, 1e-9), np.nan)
        for k in range(len(a)):
            out[1:, k] = _harmonic(series, hold, int(a[k]), int(b[k]))
    names = ("outside_mean_c", "outside_swing_k", "outside_warmest_h")
    return [pl.Series(n, v) for n, v in zip(names, out, strict=True)]


def _harmonic(series: Series, hold: int, start: int, end: int) -> tuple[float, float]:
    """Return amplitude [K] and UTC hour of the maximum of the daily harmonic; NaN with too little data."""
    at = np.arange(start, end, STEP_US)
    value = series.held(at, hold)
    good = np.isfinite(value)
    if good.mean() < HARMONIC_COVERAGE:
        return np.nan, np.nan
    phase = 2.0 * np.pi * (at % DAY_US) / DAY_US
    x = np.column_stack([np.ones(len(at)), (at - start) / DAY_US, np.cos(phase), np.sin(phase)])
    beta = np.linalg.lstsq(x[good], value[good], rcond=None)[0]
    hour = (np.arctan2(beta[3], beta[2]) * 24.0 / (2.0 * np.pi)) % 24.0
    return float(np.hypot(beta[2], beta[3])), float(hour)
