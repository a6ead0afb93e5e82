"""`charge_cycles`: segments of charge and discharge of a month, directed by SOC, with energy and conditions.

A segment is a charge when SOC rises in it, whatever the sign of the current; without SOC the voltage decides, and the
column `method` says so. The sign found is stored, contradictions are kept as a finding (METRICS D).
What needs the whole history is in `capacity.py` and `cycle_counts.py`. Next: `sat_voltage.py`.
"""

from dataclasses import dataclass, replace

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
    local_days,
    month_limits,
    over_signals,
    product_integral,
    read_one,
    to_utc,
)
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.segments import Segment, current_states, find_segments
from energy_pipeline.schemas.battery import CHARGE_CYCLES

DEFAULT_HOLD_S = 900.0
LOOK_BACK_US = 48 * 3600 * SECOND_US


@dataclass(frozen=True)
class PackReadings:
    """The signals of the whole battery: SOC [%], current [A, file's sign], voltage [V]; empty where not measured.

    Where a battery reports its power alone, `current` holds that power [kW] and `is_power` is true.
    """

    soc: Series
    current: Series
    voltage: Series
    hold_us: int
    is_power: bool = False


def hold_us(ctx: DeviceContext, signal: str | None) -> int:
    """Return the longest time a reading of `signal` holds [µs], from the signals table."""
    rows = ctx.signals.filter(pl.col("signal") == signal)["max_hold_s"] if signal is not None else pl.Series([])
    return int((rows[0] if len(rows) else DEFAULT_HOLD_S) * SECOND_US)


def read_pack(ctx: DeviceContext, readings: pl.LazyFrame) -> PackReadings:
    """Read SOC, current and voltage of the battery; the mean cell stands in for a missing pack voltage."""
    voltage = ctx.name("system_voltage") or ctx.name("cell_voltage_mean") or ctx.name("cell_voltage_max")
    current, power = ctx.name("system_current"), ctx.name("system_power")
    is_power = current is None and power is not None
    flow = power if is_power else current
    return PackReadings(
        read_one(readings, ctx.name("soc")), read_one(readings, flow), read_one(readings, voltage),
        hold_us(ctx, flow), is_power,
    )


def power_context(ctx: DeviceContext) -> DeviceContext:
    """Express the threshold of rest in kW: the same share of the (assumed) energy per hour."""
    battery = ctx.battery
    floor_kw = battery.min_current_a * battery.nameplate_kwh / battery.nameplate_ah
    update = {"min_current_a": floor_kw, "nameplate_ah": battery.nameplate_kwh}
    return replace(ctx, battery=battery.model_copy(update=update))


def _as_power(frame: pl.DataFrame) -> pl.DataFrame:
    """Name what was integrated from power by its right name; what needs a current stays null."""
    unknown = ("charge_ah", "current_mean_a", "current_end_a", "zero_current_a")
    return frame.with_columns(pl.col("charge_ah").alias("energy_kwh")).with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in unknown
    )


def build_charge_cycles(ctx: DeviceContext, month: str, readings: pl.LazyFrame) -> pl.DataFrame:
    """Build the `charge_cycles` rows of segments that end in the local month.

    `readings` has signal, ts, value from 48 h before the month to 48 h after it. A device with power instead of
    current gets segments with energy and no charge; one with neither gives an empty table: its charges can then only
    be judged by the daily maximum (`sat_voltage.py`).
    """
    pack = read_pack(ctx, readings)
    if pack.is_power:
        ctx = power_context(ctx)
    begin, end = month_limits(month, ctx.zone)
    segments = find_segments(pack.current, ctx.battery, pack.hold_us)
    if not segments:
        return CHARGE_CYCLES.empty()
    directed = _direct(segments, pack, ctx)
    sign = _usual_sign(directed, ctx)
    frame = _describe(directed, pack, ctx, sign)
    inside = (pl.col("end_us") >= begin) & (pl.col("end_us") < end)
    frame = frame.filter(inside)
    if frame.is_empty():
        return CHARGE_CYCLES.empty()
    frame = _add_cells(_as_power(frame) if pack.is_power else frame, ctx, readings)
    day = local_days(frame["end_us"].to_numpy(), ctx.zone)
    return CHARGE_CYCLES.conform(
        frame.with_columns(
            pl.lit(ctx.device).alias("device"), pl.lit(month).alias("month"), day.alias("day"),
            to_utc(frame["start_us"].to_numpy()).alias("start_ts"), to_utc(frame["end_us"].to_numpy()).alias("end_ts"),
            to_utc(frame["active_end_us"].to_numpy()).alias("active_end_ts"),
        ).sort("start_ts")
    )


def _edge(soc: Series, at: Int, hold: int) -> Float:
    """Return SOC at instants: the held reading, else the first one within `hold` after it."""
    value = soc.held(at, hold)
    if not len(soc):
        return value
    k = np.minimum(np.searchsorted(soc.ts, at), len(soc) - 1)
    later = np.where((soc.ts[k] >= at) & (soc.ts[k] - at <= hold), soc.value[k], np.nan)
    return np.where(np.isnan(value), later, value)


def _direct(segments: list[Segment], pack: PackReadings, ctx: DeviceContext) -> pl.DataFrame:
    """Decide charge or discharge of each segment: by SOC, else by voltage, else by a sign that the settings give."""
    start = np.array([s.start for s in segments])
    end = np.array([s.end for s in segments])
    active = np.array([s.active_end for s in segments])
    soc0, soc1 = _edge(pack.soc, start, pack.hold_us), pack.soc.held(end, pack.hold_us)
    minute = 60 * SECOND_US
    rise = pack.voltage.held(active, pack.hold_us) - pack.voltage.held(start + minute, pack.hold_us)
    sign = np.array([s.direction for s in segments])
    by_sign = sign * (ctx.battery.current_sign or 0)
    delta = soc1 - soc0
    with_soc, with_voltage = np.isfinite(delta), np.isfinite(rise) & (rise != 0)
    way = np.where(with_soc, np.sign(delta), np.where(with_voltage, np.sign(rise), by_sign))
    frame = pl.DataFrame(
        {
            "start_us": start, "end_us": end, "active_end_us": active, "raw_sign": sign,
            "cut": [s.cut for s in segments], "way": way.astype(np.int64), "soc_start": soc0, "soc_end": soc1,
            "delta_soc": np.abs(delta),
            "method": np.where(with_soc, "soc", np.where(with_voltage, "voltage", "current")),
        }
    ).with_columns(pl.col("soc_start", "soc_end", "delta_soc").fill_nan(None))
    # A piece of a cut segment may be small: the whole is not.
    enough = pl.col("cut") | pl.col("delta_soc").is_null() | (pl.col("delta_soc") >= ctx.battery.segment_min_soc)
    return frame.filter(enough & (pl.col("way") != 0))


def _usual_sign(directed: pl.DataFrame, ctx: DeviceContext) -> int | None:
    """Return +1 where charging is positive in the file, by the time of most segments; settings overrule."""
    if ctx.battery.current_sign is not None:
        return ctx.battery.current_sign
    found = directed.filter(pl.col("method") == "soc")
    if found.is_empty():
        return None
    weight = (found["raw_sign"] * found["way"] * (found["end_us"] - found["start_us"])).sum()
    return None if weight == 0 else (1 if weight > 0 else -1)


def _describe(frame: pl.DataFrame, pack: PackReadings, ctx: DeviceContext, sign: int | None) -> pl.DataFrame:
    """Add charge, energy, means, coverage and the zero of the current."""
    start, end = frame["start_us"].to_numpy(), frame["end_us"].to_numpy()
    active = frame["active_end_us"].to_numpy()
    length = (end - start) / SECOND_US
    hold = pack.hold_us
    size = Series(pack.current.ts, np.abs(pack.current.value))
    ampere_s = HeldIntegral.of(size, hold).over(start, end)
    time_i, time_v = covered(pack.current, hold), covered(pack.voltage, hold)
    volt_s = HeldIntegral.of(pack.voltage, hold).over(start, end)
    watt_s = product_integral(size, pack.voltage, hold).over(start, end)
    late = active - int(ctx.battery.end_current_s * SECOND_US)
    held_i, held_v = time_i.over(start, end), time_v.over(start, end)
    late_i = time_i.over(late, active)
    is_pack = ctx.name("system_voltage") is not None
    return frame.with_columns(
        pl.Series("duration_s", length),
        pl.Series("charge_ah", _where(held_i > 0, ampere_s / 3600.0)),
        pl.Series("energy_kwh", _where((held_i > 0) & (held_v > 0) & is_pack, watt_s / 3.6e6)),
        pl.Series("voltage_mean_v", _where((held_v > 0) & is_pack, volt_s / np.maximum(held_v, 1e-9))),
        pl.Series("current_mean_a", _where(held_i > 0, ampere_s / np.maximum(held_i, 1e-9))),
        pl.Series(
            "current_end_a",
            _where(late_i > 0, HeldIntegral.of(size, hold).over(late, active) / np.maximum(late_i, 1e-9)),
        ),
        pl.Series("zero_current_a", _zero(pack.current, ctx, hold, start, end)),
        pl.Series("coverage_voltage", held_v / length if is_pack else np.zeros(len(length))),
        pl.Series("coverage_current", held_i / length),
        pl.Series("coverage_soc", covered(pack.soc, hold).over(start, end) / length),
        pl.Series("unseen_before_s", _unseen(pack.current, ctx, hold, start, end)),
        pl.when(pl.col("way") > 0).then(pl.lit("charge")).otherwise(pl.lit("discharge")).alias("kind"),
        pl.lit(sign, dtype=pl.Int8).alias("file_sign"),
        (pl.col("raw_sign") * pl.col("way") != pl.lit(sign)).alias("sign_contradiction"),
    )


def _unseen(current: Series, ctx: DeviceContext, hold: int, start: Int, end: Int) -> Float:
    """Return the time since the end of the segment before (at most 48 h) that is not known to be rest [s].

    Without SOC nothing else tells whether charge moved between two segments: in a gap, or in a run too short to keep.
    """
    before = np.append(start[:1] - LOOK_BACK_US, np.maximum(end[:-1], start[1:] - LOOK_BACK_US))
    at_rest = (current_states(current, ctx.battery) == 0).astype(np.float64)
    rested = HeldIntegral.of(current, hold, at_rest).over(before, start)
    return np.asarray(np.maximum((start - before) / SECOND_US - rested, 0.0), dtype=np.float64)


def _where(good: np.ndarray, value: Float) -> Float:
    return np.where(good, value, np.nan)


def _zero(current: Series, ctx: DeviceContext, hold: int, start: Int, end: Int) -> Float:
    """Return the mean current at rest within the set time around each segment [A, file's sign].

    Only rest that lasts counts; moments between two readings of flow are ramps.
    """
    state = current_states(current, ctx.battery)
    border = np.flatnonzero(np.diff(state) != 0) + 1
    first, last = np.append(0, border), np.append(border, len(state)) - 1
    length = current.ts[np.minimum(last + 1, len(state) - 1)] - current.ts[first]
    long_rest = (state[first] == 0) & (length >= ctx.battery.rest_s * SECOND_US)
    at_rest = np.repeat(long_rest, last - first + 1).astype(np.float64)
    near = int(ctx.battery.zero_within_s * SECOND_US)
    time = HeldIntegral.of(current, hold, at_rest).over(start - near, end + near)
    amount = HeldIntegral.of(current, hold, at_rest * current.value).over(start - near, end + near)
    return np.where(time > 0, amount / np.maximum(time, 1e-9), np.nan)


def _add_cells(frame: pl.DataFrame, ctx: DeviceContext, readings: pl.LazyFrame) -> pl.DataFrame:
    """Add the highest and lowest cell and the mean temperature at the end, from cell signals where they exist."""
    at = frame["active_end_us"].to_numpy()

    def ends(names: list[str]) -> Float:
        if not names:
            return np.full((1, len(at)), np.nan)
        hold = hold_us(ctx, names[0])
        return over_signals(readings, names, lambda s: s.held(at, hold), len(at))

    low_limit, high_limit = ctx.battery.sat_limits_v
    cells = ctx.names("cell_voltage")
    high = ends(cells or ctx.names("cell_voltage_max")[:1])
    low = high if cells else ends(ctx.names("cell_voltage_min")[:1])
    heat = ends(ctx.names("cell_temperature") or _mean_temperature(ctx))
    return frame.with_columns(
        pl.Series("cell_max_end_v", _nan_reduce(np.fmax, np.where(high <= high_limit, high, np.nan))),
        pl.Series("cell_min_end_v", _nan_reduce(np.fmin, np.where(low >= min(low_limit, 1.5), low, np.nan))),
        pl.Series("temperature_end_c", _nan_mean(heat)),
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def _mean_temperature(ctx: DeviceContext) -> list[str]:
    names = ctx.names("cell_temperature_extreme")
    return [n for n in names if "ave" in n][:1] or names[:1]


def _nan_reduce(reduce: np.ufunc, matrix: Float) -> Float:
    return np.asarray(reduce.reduce(matrix, axis=0), dtype=np.float64)


def _nan_mean(matrix: Float) -> Float:
    count = np.isfinite(matrix).sum(axis=0)
    return np.where(count > 0, np.nansum(matrix, axis=0) / np.maximum(count, 1), np.nan)


__all__ = ["EMPTY", "PackReadings", "build_charge_cycles", "hold_us", "power_context", "read_pack"]
