"""Resistance proxy: voltage change over current change within 90 s of a step, and its weekly medians (METRICS D).

`resistance_steps` (month) keeps single steps with their delay; `resistance` (device) the medians per week and SOC bin.
It is a proxy: ohmic and fast polarisation together; compare only within a bin, with temperature and delay beside it.
Next: `cell_health.py`, which ranks cells by it; `resistance_trends.py`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import (
    SECOND_US,
    Bool,
    Float,
    Int,
    Series,
    local_days,
    month_limits,
    over_signals,
    read_groups,
    to_utc,
)
from energy_pipeline.compute.charge_cycles import hold_us, read_pack
from energy_pipeline.compute.charge_signs import charge_signs
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.sat_voltage import nan_median
from energy_pipeline.schemas.battery_parts import RESISTANCE, RESISTANCE_STEPS
from energy_pipeline.settings import BatterySettings

LOW, MIDDLE, HIGH, UNKNOWN = "low", "middle", "high", "unknown"


@dataclass(frozen=True)
class Steps:
    """Steps of the current: readings before and after [µs], current before [A, charging positive], start from rest."""

    before: Int
    after: Int
    current: Float
    from_rest: Bool
    size: Float


def build_resistance_steps(
    ctx: DeviceContext, month: str, readings: pl.LazyFrame, charge_cycles: pl.DataFrame
) -> pl.DataFrame:
    """Build one row per step and signal (system voltage and cells) that has a voltage before and within 90 s after it.

    The sign of the current is that of the nearest segment in `charge_cycles` (or of the settings); without it there is
    no row.
    """
    pack = read_pack(ctx, readings)
    sign = charge_signs(ctx, charge_cycles, pack.current.ts)
    if not sign.any() or pack.is_power or len(pack.current) < 3:
        return RESISTANCE_STEPS.empty()
    current = Series(pack.current.ts, sign * pack.current.value)
    steps = find_steps(current, ctx.battery, month_limits(month, ctx.zone))
    if not len(steps.after):
        return RESISTANCE_STEPS.empty()
    parts = []
    names = [n for n in (ctx.name("system_voltage"),) if n] + ctx.names("cell_voltage")
    for name, series in read_groups(readings, names):
        parts.append(_of_signal(name, series, current, steps, ctx.battery, hold_us(ctx, name)))
    return _finish(pl.concat(parts), steps, pack.soc, ctx, month, readings) if parts else RESISTANCE_STEPS.empty()


def find_steps(current: Series, battery: BatterySettings, limits: tuple[int, int]) -> Steps:
    """Find steps between neighbouring readings, at most the set number per day, those from rest and the largest first.

    Before a step the current must be steady over two readings; both readings lie within the delay of each other.
    """
    ts, v = current.ts, current.value
    near = int(battery.resistance_delay_s * SECOND_US)
    jump = np.diff(v)
    steady = np.abs(np.diff(v, prepend=v[0]))[:-1] <= battery.resistance_steady_c * battery.nameplate_ah
    big = (np.abs(jump) >= battery.resistance_step_c * battery.nameplate_ah) & steady & (np.diff(ts) <= near)
    k = np.flatnonzero(big & (ts[1:] >= limits[0]) & (ts[1:] < limits[1]))
    moving = np.flatnonzero(np.abs(v) > max(battery.min_current_a, battery.min_current_c * battery.nameplate_ah))
    last = np.searchsorted(moving, k, side="right") - 1
    since = np.where(last >= 0, ts[k] - ts[moving[np.maximum(last, 0)]] if len(moving) else 0, near * 10**6)
    rested = since >= battery.rest_s * SECOND_US
    day = ts[k + 1] // (24 * 3600 * SECOND_US)
    order = np.lexsort((-np.abs(jump[k]), ~rested, day))
    place = np.arange(len(k)) - np.searchsorted(day[order], day[order])
    keep = np.sort(order[place < battery.resistance_steps_per_day])
    k, rested = k[keep], rested[keep]
    return Steps(ts[k], ts[k + 1], v[k], rested, jump[k])


def _of_signal(
    name: str, series: Series, current: Series, steps: Steps, battery: BatterySettings, hold: int
) -> pl.DataFrame:
    """Return the steps that this signal saw: last voltage before the step, first one after it within the delay."""
    n = len(series)
    a = np.searchsorted(series.ts, steps.before, side="right") - 1
    b = np.minimum(np.searchsorted(series.ts, steps.after, side="left"), n - 1)
    t0, t1 = series.ts[np.maximum(a, 0)], series.ts[b]
    delay = (t1 - steps.after) / SECOND_US
    old = np.where(steps.from_rest, hold, int(battery.resistance_delay_s * SECOND_US))
    good = (a >= 0) & (steps.before - t0 <= old) & (delay >= 0) & (delay <= battery.resistance_delay_s)
    change = current.held(t1, hold) - steps.current
    good &= np.abs(np.nan_to_num(change)) >= battery.resistance_step_c * battery.nameplate_ah
    good &= np.sign(np.nan_to_num(change)) == np.sign(steps.size)
    slope = _own_slope(series, a, steps, battery)
    before = series.value[np.maximum(a, 0)] + slope * (steps.before - t0)
    volt = 1000.0 * (series.value[b] - before)
    k = np.flatnonzero(good)
    return pl.DataFrame(
        {
            "signal": [name] * len(k), "step": k, "delta_i_a": change[k], "delta_v_mv": volt[k],
            "r_0_90s_mohm": volt[k] / change[k], "delay_s": delay[k],
            "run_mv": 1000.0 * (slope * (t1 - t0))[k],
        },
        schema_overrides={"signal": pl.String},
    )


def _own_slope(series: Series, a: Int, steps: Steps, battery: BatterySettings) -> Float:
    """Return how fast the voltage moved by itself before each step [V/µs], under a steady current.

    That of the last two readings; nothing from rest, or where they lie too far apart.
    """
    k, j = np.maximum(a, 0), np.maximum(a - 1, 0)
    apart = series.ts[k] - series.ts[j]
    near = (apart > 0) & (apart <= battery.resistance_delay_s * SECOND_US) & ~steps.from_rest
    return np.where(near, (series.value[k] - series.value[j]) / np.maximum(apart, 1), 0.0)


def _in_command(frame: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    """Return the rows of steps that the current made, not the run of the voltage by itself.

    Near the ends of the curve the voltage of LFP moves by millivolts within the seconds between two readings, faster
    and faster, so that what a step added cannot be told from it. A step is judged by the median of all cells (the
    system's voltage by itself): one cell's millivolt of resolution decides nothing, and no cell is chosen by its value.
    """
    kind = (pl.col("step"), pl.col("cell").is_not_null())
    run, change = (pl.col(c).abs().median().over(*kind) for c in ("run_mv", "delta_v_mv"))
    return frame.filter(run <= battery.resistance_run_share * change).drop("run_mv")


def _finish(
    frame: pl.DataFrame, steps: Steps, soc: Series, ctx: DeviceContext, month: str, readings: pl.LazyFrame
) -> pl.DataFrame:
    hold = hold_us(ctx, ctx.name("soc"))
    level = soc.held(steps.before, hold)
    low, high = ctx.battery.soc_bins
    names = np.where(level < low, LOW, np.where(level > high, HIGH, MIDDLE))
    warm = ctx.names("cell_temperature")[:8] or ctx.names("cell_temperature_extreme")[:1]
    heat = over_signals(readings, warm, lambda s: s.held(steps.after, hold), len(steps.after))
    mean = nan_median(heat, axis=0) if len(warm) else np.full(len(level), np.nan)
    about = pl.DataFrame(
        {
            "step": np.arange(len(level)), "step_ts": to_utc(steps.after), "day": local_days(steps.after, ctx.zone),
            "soc": level, "soc_bin": names, "temperature_c": mean, "from_rest": steps.from_rest,
        }
    ).with_columns(
        pl.col("soc", "temperature_c").fill_nan(None),
        pl.when(pl.col("soc").is_not_nan()).then("soc_bin").alias("soc_bin"),
    )
    placed = frame.join(ctx.signals.select("signal", "pack", "cell"), on="signal", how="left")
    joined = _in_command(placed, ctx.battery).join(about, on="step", how="left")
    return RESISTANCE_STEPS.conform(
        joined.with_columns(pl.lit(ctx.device).alias("device"), pl.lit(month).alias("month")).sort("step_ts", "signal")
    )


def build_resistance(ctx: DeviceContext, resistance_steps: pl.DataFrame) -> pl.DataFrame:
    """Build weekly medians per signal and SOC bin with at least the set number of steps, with the median's error.

    Where a week has enough starts from rest they alone count: other steps carry the polarisation of what came before.
    """
    if resistance_steps.is_empty():
        return RESISTANCE.empty()
    group = ["signal", "soc_bin", pl.col("day").dt.truncate("1w")]
    enough = pl.col("from_rest").sum().over(group) >= ctx.battery.resistance_min_steps
    resistance_steps = resistance_steps.filter(pl.col("from_rest") | ~enough)
    r = pl.col("r_0_90s_mohm")
    mad = (r - r.median()).abs().median()
    weeks = resistance_steps.with_columns(
        pl.col("soc_bin").fill_null(UNKNOWN), pl.col("day").dt.truncate("1w").alias("week_start")
    ).group_by("signal", "pack", "cell", "soc_bin", "week_start").agg(
        pl.len().alias("steps"), r.median(), (1.2533 * 1.4826 * mad / pl.len().sqrt()).alias("r_error_mohm"),
        pl.col("delay_s", "temperature_c", "soc").median(), pl.col("delta_i_a").abs().median(),
    )
    kept = weeks.filter(pl.col("steps") >= ctx.battery.resistance_min_steps)
    order = ["signal", "soc_bin", "week_start"]
    return RESISTANCE.conform(kept.with_columns(pl.lit(ctx.device).alias("device")).sort(order))


