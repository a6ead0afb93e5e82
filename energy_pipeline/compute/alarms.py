"""`alarm_spans` (month) and `alarm_events` (device): from when to when a flag or an error code was set.

A reading holds to the next one, at most `max_hold_s`; a gap ends an event with `no_data`, for nobody knows when it was
cleared. A change from one code to another ends one event and begins the next. Months are cut at their borders and
joined again by the device's table. Next: `battery_days.py`, which counts the hours.
"""

from datetime import datetime

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Series, local_days, month_limits, read_groups, to_utc
from energy_pipeline.compute.charge_cycles import hold_us
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.battery_energy import ALARM_EVENTS, ALARM_SPANS

QUANTITIES = ("alarm_flag", "error_code")
CLEARED, CHANGED, NO_DATA, MONTH_END = "cleared", "changed", "no_data", "month_end"


def alarm_signals(ctx: DeviceContext) -> list[str]:
    """Return the names of the flags and error codes of a device."""
    return [n for q in QUANTITIES for n in ctx.names(q)]


def build_alarm_spans(ctx: DeviceContext, month: str, readings: pl.LazyFrame) -> pl.DataFrame:
    """Build one row per run of equal non-zero values in the local month; a run is cut where the month ends.

    `readings` has signal, ts, value from 48 h before the month to 48 h after it.
    """
    begin, end = month_limits(month, ctx.zone)
    names = alarm_signals(ctx)
    parts = [_spans(n, series, hold_us(ctx, n), begin, end) for n, series in read_groups(readings, names)]
    frames = [p for p in parts if len(p)]
    if not frames:
        return ALARM_SPANS.empty()
    return ALARM_SPANS.conform(
        pl.concat(frames).with_columns(pl.lit(ctx.device).alias("device"), pl.lit(month).alias("month"))
        .sort("start_ts", "signal")
    )


def _spans(name: str, series: Series, hold: int, begin: int, end: int) -> pl.DataFrame:
    """Return the runs of one signal that reach into [begin, end), cut there."""
    ts, value = series.ts, series.value
    gap = np.diff(ts) > hold
    border = np.flatnonzero((np.diff(value) != 0) | gap)
    first, last = np.append(0, border + 1), np.append(border, len(ts) - 1)
    follows = np.append(ts[1:], ts[-1] + hold)
    silent = np.append(gap, True)[last]
    until = np.where(silent, ts[last] + hold, follows[last])
    after = np.append(value[1:], 0.0)[last]
    why = np.where(silent, NO_DATA, np.where(after == 0, CLEARED, CHANGED))
    why = np.where(until > end, MONTH_END, why)
    keep = (value[first] != 0) & (ts[first] < end) & (until > begin)
    inside = np.searchsorted(ts, [begin, end])
    count = np.clip(last + 1, *inside) - np.clip(first, *inside)
    return pl.DataFrame(
        {
            "signal": [name] * int(keep.sum()), "value": value[first][keep],
            "start_ts": to_utc(np.maximum(ts[first], begin)[keep]), "end_ts": to_utc(np.minimum(until, end)[keep]),
            "readings": count[keep], "ended_by": why[keep],
        },
        schema_overrides={"signal": pl.String, "ended_by": pl.String},
    )


def build_alarm_events(ctx: DeviceContext, alarm_spans: pl.DataFrame) -> pl.DataFrame:
    """Build one row per event over the whole history; runs that meet at the end of a month are one event.

    Valid as far as the flags are sampled: an alarm shorter than the distance of two readings is not seen.
    """
    if alarm_spans.is_empty():
        return ALARM_EVENTS.empty()
    rows = alarm_spans.sort("signal", "start_ts")
    fresh = (
        (pl.col("signal") != pl.col("signal").shift(1)) | (pl.col("value") != pl.col("value").shift(1))
        | (pl.col("ended_by").shift(1) != MONTH_END) | (pl.col("start_ts") != pl.col("end_ts").shift(1))
    )
    events = rows.with_columns(fresh.fill_null(value=True).cum_sum().alias("event")).group_by("signal", "event").agg(
        pl.col("value").first(), pl.col("start_ts").first(), pl.col("end_ts").last(), pl.col("readings").sum(),
        pl.col("ended_by").last(),
    )
    events = events.join(ctx.signals.select("signal", "quantity", "last_ts"), on="signal", how="left").with_columns(
        # The month after the last one holds no readings: what is left of the hold is not a day's matter.
        pl.when(pl.col("ended_by") == MONTH_END).then(pl.lit(NO_DATA)).otherwise("ended_by").alias("ended_by"),
        (pl.col("end_ts") - pl.col("start_ts")).dt.total_microseconds().truediv(1e6).alias("duration_s"),
        (pl.col("end_ts") > pl.col("last_ts")).fill_null(value=False).alias("ongoing"),
        pl.lit(ctx.device).alias("device"),
    )
    day = local_days(events["start_ts"].dt.timestamp("us").to_numpy(), ctx.zone)
    return ALARM_EVENTS.conform(events.with_columns(day.alias("day")).sort("start_ts", "signal"))


def hours_set(events: pl.DataFrame, start: datetime, end: datetime) -> float:
    """Return how long at least one event (`start_ts`, `end_ts`) stood within [start, end) [h]; overlaps count once."""
    inside = events.filter((pl.col("end_ts") > start) & (pl.col("start_ts") < end)).sort("start_ts")
    begin = inside["start_ts"].clip(start, None).dt.timestamp("us").to_numpy()
    stop = inside["end_ts"].clip(None, end).dt.timestamp("us").to_numpy()
    reached = np.maximum.accumulate(stop) if len(stop) else stop
    fresh = np.maximum(begin, np.concatenate(([np.iinfo(np.int64).min], reached[:-1]))) if len(begin) else begin
    return float(np.maximum(stop - fresh, 0).sum()) / 3.6e9
