"""`battery_days` and `soc_turning_points`: what went in and out on each local day, and where SOC turned.

All current counts here, whether in a kept segment or not, so that cycles are counted in full. The zero that the sensor
reads at rest is taken off. Next: `cycle_counts.py` and `rainflow.py`, which add up the whole history.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.alarms import alarm_signals
from energy_pipeline.compute.battery_series import (
    SECOND_US,
    Float,
    HeldIntegral,
    Int,
    Series,
    covered,
    day_limits,
    local_days,
    month_limits,
    product_integral,
    read_groups,
    read_one,
    to_utc,
)
from energy_pipeline.compute.charge_cycles import PackReadings, hold_us, power_context, read_pack
from energy_pipeline.compute.charge_signs import charge_signs
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.day_sides import ac_columns, covered_spans, outside_columns, overlap_hours
from energy_pipeline.compute.rainflow import join_points
from energy_pipeline.compute.segments import current_states
from energy_pipeline.schemas.battery_parts import BATTERY_DAYS, SOC_TURNING_POINTS

HOURS = 3600.0


def build_soc_turning_points(ctx: DeviceContext, month: str, readings: pl.LazyFrame) -> pl.DataFrame:
    """Build the turning points of SOC in the local month, with what is needed to join months exactly."""
    soc = read_one(readings, ctx.name("soc"))
    begin, end = month_limits(month, ctx.zone)
    part = soc.between(begin, end - 1)
    if not len(part):
        return SOC_TURNING_POINTS.empty()
    keep = join_points(part.value, ctx.battery.soc_hysteresis)
    return SOC_TURNING_POINTS.conform(
        pl.DataFrame({"ts": to_utc(part.ts[keep]), "soc": part.value[keep]}).with_columns(
            pl.lit(ctx.device).alias("device"), pl.lit(month).alias("month")
        )
    )


def build_battery_days(
    ctx: DeviceContext, month: str, readings: pl.LazyFrame, charge_cycles: pl.DataFrame
) -> pl.DataFrame:
    """Build one row per local day of the month with current or SOC.

    The direction of the current is the sign of the nearest segment in `charge_cycles` (or that of the settings); on a
    day without one, or with flow between two segments that differ, charge and energy stay null.
    """
    pack = read_pack(ctx, readings)
    if not len(pack.current) and not len(pack.soc):
        return BATTERY_DAYS.empty()
    begin, end = month_limits(month, ctx.zone)
    days = local_days(np.arange(begin, end, 6 * 3600 * SECOND_US), ctx.zone).unique().sort().to_list()
    limits = np.array([day_limits(d, ctx.zone) for d in days], dtype=np.int64)
    a, b = limits[:, 0], limits[:, 1]
    faults = _fault_spans(ctx, readings)
    valid = _valid_spans(ctx, pack, readings)
    frame = pl.DataFrame({"day": days, "hours_day": (b - a) / SECOND_US / HOURS}).with_columns(
        pl.Series("hours_current", covered(pack.current, pack.hold_us).over(a, b) / HOURS),
        pl.Series("hours_soc", covered(pack.soc, pack.hold_us).over(a, b) / HOURS),
        pl.Series("hours_cells", _first_cell(ctx, readings, a, b)),
        pl.Series("hours_fault", _hours(faults, a, b)),
        pl.Series("hours_valid", _hours(valid, a, b)),
        pl.Series("hours_available", _available(valid, faults, a, b)),
        pl.Series("soc_end", pack.soc.held(b, pack.hold_us)),
        *_flows(ctx, pack, a, b, charge_cycles),
        *ac_columns(ctx, readings, pack, _charging(ctx, pack, charge_cycles), a, b),
        *outside_columns(ctx, readings, a, b),
        pl.lit(ctx.device).alias("device"), pl.lit(month).alias("month"),
    )
    seen = _readings(pack.current, a, b) + _readings(pack.soc, a, b) > 0
    return BATTERY_DAYS.conform(frame.filter(pl.Series(seen)).with_columns(pl.col(pl.Float64).fill_nan(None)))


def _readings(series: Series, a: Int, b: Int) -> Int:
    """Return the number of readings per day; a reading held over midnight makes no day of its own."""
    return np.asarray(np.searchsorted(series.ts, b) - np.searchsorted(series.ts, a), dtype=np.int64)


def _flows(ctx: DeviceContext, pack: PackReadings, a: Int, b: Int, charge_cycles: pl.DataFrame) -> list[pl.Series]:
    """Return what flowed; a battery that gives power instead of current has energy and no charge."""
    flow = _flow(
        power_context(ctx) if pack.is_power else ctx, pack.current, pack.voltage, pack.hold_us, a, b, charge_cycles
    )
    if not pack.is_power:
        return flow
    named = {s.name: s for s in flow}
    none = pl.Series([None] * len(a), dtype=pl.Float64)
    return [
        none.alias("charge_in_ah"), none.alias("charge_out_ah"), named["charge_in_ah"].alias("energy_in_kwh"),
        named["charge_out_ah"].alias("energy_out_kwh"), none.alias("voltage_mean_v"), none.alias("rest_current_a"),
        named["hours_active"],
    ]


def _flow(
    ctx: DeviceContext, current: Series, voltage: Series, hold: int, a: Int, b: Int, charge_cycles: pl.DataFrame
) -> list[pl.Series]:
    """Return charge, energy, mean voltage, zero and active hours per day."""
    names = ("charge_in_ah", "charge_out_ah", "energy_in_kwh", "energy_out_kwh", "voltage_mean_v", "rest_current_a",
             "hours_active")
    if not len(current):
        return [pl.Series(n, [None] * len(a), dtype=pl.Float64) for n in names]
    state = current_states(current, ctx.battery)
    active, rest = (state != 0).astype(np.float64), (state == 0).astype(np.float64)
    time_rest = HeldIntegral.of(current, hold, rest).over(a, b)
    zero = HeldIntegral.of(current, hold, rest * current.value).over(a, b) / np.maximum(time_rest, 1e-9)
    zero = np.where(time_rest > HOURS, zero, np.nan)
    days = np.clip(np.searchsorted(a, current.ts, side="right") - 1, 0, len(a) - 1)
    sign = charge_signs(ctx, charge_cycles, current.ts)
    zero_time = HeldIntegral.of(current, hold, rest * sign * current.value).over(a, b)
    shift = np.where(time_rest > HOURS, zero_time / np.maximum(time_rest, 1e-9), 0.0)  # charging positive, as `into`
    into = (sign * current.value - shift[days]) * active
    out: list[Float] = [
        HeldIntegral.of(current, hold, np.maximum(way * into, 0.0)).over(a, b) / HOURS for way in (1, -1)
    ]
    power = ctx.name("system_voltage") is not None
    for way in (1, -1):
        part = Series(current.ts, np.maximum(way * into, 0.0))
        watt = product_integral(part, voltage, hold).over(a, b) / 3.6e6
        out.append(watt if power else np.full(len(a), np.nan))
    hours = HeldIntegral.of(current, hold, active).over(a, b) / HOURS
    volts = product_integral(Series(current.ts, active), voltage, hold).over(a, b) / HOURS
    out += [np.where((hours > 0) & power, volts / np.maximum(hours, 1e-9), np.nan), zero, hours]
    seen = covered(current, hold).over(a, b) > 0
    blind = HeldIntegral.of(current, hold, active * (sign == 0)).over(a, b) > 0  # flow of unknown direction
    known = [seen & ~blind & bool(sign.any())] * 4 + [seen] * 3
    return [pl.Series(n, np.where(k, v, np.nan)) for n, v, k in zip(names, out, known, strict=True)]


def _first_cell(ctx: DeviceContext, readings: pl.LazyFrame, a: Int, b: Int) -> Float:
    name = ctx.name("cell_voltage")
    return covered(read_one(readings, name), hold_us(ctx, name)).over(a, b) / HOURS


def _charging(ctx: DeviceContext, pack: PackReadings, charge_cycles: pl.DataFrame) -> Series:
    """Return the current (or power), charging positive, 0 at rest and where the sign is not known."""
    own = power_context(ctx) if pack.is_power else ctx
    active = current_states(pack.current, own.battery) != 0
    return Series(pack.current.ts, charge_signs(ctx, charge_cycles, pack.current.ts) * active * pack.current.value)


def _valid_spans(ctx: DeviceContext, pack: PackReadings, readings: pl.LazyFrame) -> Int:
    """Return the spans in which current (or power), SOC and the first cell have data, as far as they are measured."""
    cell = ctx.name("cell_voltage")
    parts = [(pack.current, pack.hold_us), (pack.soc, hold_us(ctx, ctx.name("soc")))]
    parts.append((read_one(readings, cell), hold_us(ctx, cell)))
    found = [covered_spans(series, hold) for series, hold in parts if len(series)]
    spans = found[0]
    for other in found[1:]:
        spans = intersect_spans(spans, other)
    return spans


def _hours(spans: Int | None, a: Int, b: Int) -> Float:
    return np.full(len(a), np.nan) if spans is None else overlap_hours(spans, a, b)


def _available(valid: Int, faults: Int | None, a: Int, b: Int) -> Float:
    """Return the hours with data and without a fault; NaN where no flag says whether there is one."""
    if faults is None:
        return np.full(len(a), np.nan)
    return overlap_hours(valid, a, b) - overlap_hours(intersect_spans(valid, faults), a, b)


def _fault_spans(ctx: DeviceContext, readings: pl.LazyFrame) -> Int | None:
    """Return the spans in which any alarm flag or error code is set; None where there is no such signal."""
    spans = []
    for name, series in read_groups(readings, alarm_signals(ctx)):
        hold = hold_us(ctx, name)
        on = np.flatnonzero(series.value != 0)
        following = np.append(series.ts[1:], series.ts[-1] + hold)
        spans.append(np.column_stack([series.ts[on], np.minimum(following, series.ts + hold)[on]]))
    return merge_spans(np.concatenate(spans)) if spans else None


def intersect_spans(first: Int, second: Int) -> Int:
    """Return what two lists of ordered, separate spans have in common."""
    if not len(first) or not len(second):
        return np.empty((0, 2), dtype=np.int64)
    low = np.searchsorted(second[:, 1], first[:, 0], side="right")
    high = np.searchsorted(second[:, 0], first[:, 1], side="left")
    count = np.maximum(high - low, 0)
    row = np.repeat(np.arange(len(first)), count)
    other = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + low[row]
    return np.column_stack([
        np.maximum(first[row, 0], second[other, 0]), np.minimum(first[row, 1], second[other, 1])
    ])


def merge_spans(spans: Int) -> Int:
    """Return overlapping spans (rows of start, end) merged, in order of time."""
    if not len(spans):
        return np.empty((0, 2), dtype=np.int64)
    ordered = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(ordered[:, 1])
    fresh = np.append(True, ordered[1:, 0] > reach[:-1])
    start = np.flatnonzero(fresh)
    return np.column_stack([ordered[start, 0], reach[np.append(start[1:], len(ordered)) - 1]])
