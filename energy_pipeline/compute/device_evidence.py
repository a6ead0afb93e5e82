"""`device_evidence`: what the data say about sign, clock and nameplate, beside what is set.

The zone of a naive clock cannot be measured from one battery alone; two things betray it: the outside temperature is
highest in the afternoon of the place, and a schedule in summer time jumps on nights of change against a clock without.
Nothing is corrected here: the settings decide (`battery.current_sign`, `device.zone`, `battery.nameplate_ah`). Words:
`verdict_texts.py`. Next: `nameplate_evidence.py`; `doctor/clock.py`, which judges the nights of change in files.
"""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_pipeline.compute import zones
from energy_pipeline.compute.battery_series import Float, Int
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.nameplate_evidence import nameplate
from energy_pipeline.schemas.battery_energy import DEVICE_EVIDENCE

FITS, CONTRADICTS, CANNOT = "fits", "contradicts", "cannot_tell"
HOUR_US = 3_600_000_000
LARGE_SHARE = 0.95
JUMP_H = 0.5
CANDIDATES = ("Europe/Berlin", "Europe/London", "America/New_York", "Australia/Sydney")
Row = dict[str, Any]


def build_device_evidence(
    ctx: DeviceContext, charge_cycles: pl.DataFrame, battery_days: pl.DataFrame,
    sat_voltage: pl.DataFrame | None = None, capacity: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Build the rows of evidence of a battery: signs of current and inverter power, zone by two methods, nameplate."""
    if charge_cycles.is_empty() and battery_days.is_empty():
        return DEVICE_EVIDENCE.empty()
    rows = [
        current_sign(ctx, charge_cycles), power_sign(ctx, battery_days), zone_by_temperature(ctx, battery_days),
        zone_by_schedule(ctx, charge_cycles), nameplate(ctx, charge_cycles, sat_voltage, capacity),
    ]
    schema = {k: v for k, v in DEVICE_EVIDENCE.polars_schema.items() if k != "device"}
    return DEVICE_EVIDENCE.conform(
        pl.DataFrame(rows, schema=schema).with_columns(
            pl.lit(ctx.device).alias("device"), pl.col(pl.Float64).fill_nan(None)
        )
    )


def _row(topic: str, method: str, verdict: str, **more: Any) -> Row:
    return {"topic": topic, "method": method, "verdict": verdict, "n": 0, **more}


def current_sign(ctx: DeviceContext, charge_cycles: pl.DataFrame) -> Row:
    """Tell the sign of charging in the file: the share of the time of segments in which SOC rises with the current.

    `estimate` is that share for the sign found [1]. `contradicts` where the settings say the other sign, or where less
    than 0.95 of the time agrees with one sign (the sign changed, or SOC and current do not belong together).
    """
    own = pl.when(pl.col("kind") == "charge").then(1).otherwise(-1)
    turned = pl.col("sign_contradiction").fill_null(value=False)
    known = charge_cycles.filter((pl.col("method") == "soc") & pl.col("file_sign").is_not_null()).with_columns(
        pl.when(turned).then(-pl.col("file_sign")).otherwise(pl.col("file_sign")).alias("sign"), own.alias("way")
    )
    if known.is_empty():
        reason = "no_current" if ctx.name("system_current") is None else "no_soc"
        return _row("current_sign", "soc", CANNOT, declared=_sign_text(ctx.battery.current_sign), reason=reason)
    time = known["duration_s"].to_numpy()
    plus = float(time[known["sign"].to_numpy() > 0].sum() / time.sum())
    sign, share = (1, plus) if plus >= 0.5 else (-1, 1.0 - plus)
    declared = ctx.battery.current_sign
    wrong = (declared is not None and declared != sign) or share < LARGE_SHARE
    return _row(
        "current_sign", "soc", CONTRADICTS if wrong else FITS, declared=_sign_text(declared), found=_sign_text(sign),
        estimate=share, unit="1", n=len(known), reason="sign_changes" if share < LARGE_SHARE else None,
    )


def _sign_text(sign: int | None) -> str | None:
    return None if sign is None else f"{sign:+d}"


def power_sign(ctx: DeviceContext, battery_days: pl.DataFrame) -> Row:
    """Tell the sign of charging in the inverter's power, by the product with the current; the share of days [1]."""
    signs = battery_days["ac_sign"].drop_nulls()
    if signs.is_empty():
        reason = "no_soc" if ctx.names("pcs_power") else "no_inverter_power"
        return _row("power_sign", "current", CANNOT, reason=reason)
    plus = float((signs > 0).mean())  # type: ignore[arg-type]
    sign, share = (1, plus) if plus >= 0.5 else (-1, 1.0 - plus)
    return _row("power_sign", "current", FITS if share == 1.0 else CONTRADICTS, found=_sign_text(sign), estimate=share,
                unit="1", n=len(signs), reason=None if share == 1.0 else "sign_changes")


def zone_by_temperature(ctx: DeviceContext, battery_days: pl.DataFrame) -> Row:
    """Tell by how many hours the clock is ahead of the place, from the hour at which days are warmest.

    The hour is that of the first daily harmonic of the outside temperature, on the place's own clock (`zone` of the
    site). `estimate` is the distance of its circular mean over days from the middle of `outside_warmest_h` [h], its
    interval that of the mean of weeks, for neighbouring days share their weather. Days with a small swing do not count.
    `contradicts` where the whole interval lies outside those hours.
    """
    base: Row = {"declared": ctx.zone.key, "unit": "h"}
    if ctx.name("outside_temperature") is None:
        return _row("zone", "outside_temperature", CANNOT, reason="no_outside_temperature", **base)
    days = battery_days.filter(pl.col("outside_swing_k") >= ctx.battery.outside_min_swing_k).sort("day")
    if len(days) < ctx.battery.evidence_min_days:
        return _row("zone", "outside_temperature", CANNOT, reason="few_days", **base | {"n": len(days)})
    place = ctx.place or ctx.zone
    hours = np.array([
        (h + _offset_h(place, d)) % 24.0 for d, h in days.select("day", "outside_warmest_h").iter_rows()
    ])
    week = days["day"].dt.truncate("1w").to_physical().to_numpy()
    middle, error = circular_mean(hours, week)
    low, high = ctx.battery.outside_warmest_h
    off = (middle - (low + high) / 2.0 + 12.0) % 24.0 - 12.0
    reach = (high - low) / 2.0
    wrong = abs(off) - 1.96 * error > reach
    return _row(
        "zone", "outside_temperature", CONTRADICTS if wrong else FITS, found=f"{middle:.1f} h", estimate=off,
        low=off - 1.96 * error, high=off + 1.96 * error, **base | {"n": len(days)},
    )


def _offset_h(zone: ZoneInfo, day: date) -> float:
    return zones.offset_at(zone, zones.day_start(zone, day) + 12 * HOUR_US) / HOUR_US


def circular_mean(hours: Float, group: Int) -> tuple[float, float]:
    """Return the circular mean of hours of the day [h] and its standard error from the means of groups [h]."""
    angle = hours * 2.0 * np.pi / 24.0
    middle = float(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()) * 24.0 / (2.0 * np.pi)) % 24.0
    apart = (hours - middle + 12.0) % 24.0 - 12.0
    _, place, count = np.unique(group, return_inverse=True, return_counts=True)
    means = np.bincount(place, apart) / count
    return middle, float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else float("inf")


def zone_by_schedule(ctx: DeviceContext, charge_cycles: pl.DataFrame) -> Row:
    """Tell whether the first charge of the day jumps on nights of change against the device's clock.

    Per night of change of the place, or of the usual families of zones (`found` is the one with the largest jump):
    median clock hour of the first start of a charge over `schedule_days` after it minus before it. `estimate` is the
    mean jump, counted in the direction of the clock's change [h]: 0 where the schedule follows the device's clock, -1
    where it follows summer time and the clock does not, +1 where the clock does and the schedule does not.
    """
    base: Row = {"declared": ctx.zone.key, "unit": "h"}
    first = charge_cycles.filter(pl.col("kind") == "charge").group_by("day").agg(pl.col("start_ts").min()).sort("day")
    if first.is_empty():
        return _row("zone", "schedule", CANNOT, reason="no_charge", **base)
    best: Row | None = None
    for name in dict.fromkeys([ctx.place.key if ctx.place else ctx.zone.key, *CANDIDATES]):
        jumps = _jumps(ctx, first, ZoneInfo(name))
        if len(jumps) and (best is None or abs(np.mean(jumps)) > abs(best["estimate"])):
            best = {"found": name, "estimate": float(np.mean(jumps)), "n": len(jumps)}
    if best is None:
        return _row("zone", "schedule", CANNOT, reason="no_night_of_change", **base)
    jump = best["estimate"]
    if abs(jump) < JUMP_H:  # a steady schedule on a steady clock, or both in summer time
        return _row("zone", "schedule", FITS, **base | best)
    follows = "schedule_in_summer_time" if jump < 0 else "clock_in_summer_time"
    # A clock without summer time may stand at a place that has it: only a clock that claims to have it is contradicted.
    wrong = jump < 0 and _has_summer_time(ctx.zone, first["day"][0], first["day"][-1])
    return _row("zone", "schedule", CONTRADICTS if wrong else FITS, reason=follows, **base | best)


def _noon(day: date) -> int:
    return zones.day_start(ZoneInfo("UTC"), day) + 12 * HOUR_US


def _has_summer_time(zone: ZoneInfo, first: date, last: date) -> bool:
    return bool(zones.transitions(zone, _noon(first), _noon(last)))


def _jumps(ctx: DeviceContext, first: pl.DataFrame, zone: ZoneInfo) -> list[float]:
    """Return the jump of the clock hour of first charges at each night of change of `zone`, in its direction [h]."""
    clock = first["start_ts"].dt.convert_time_zone(ctx.zone.key)
    hour = (clock.dt.hour() + clock.dt.minute() / 60.0 + clock.dt.second() / 3600.0).to_numpy()
    days = first["day"].to_list()
    out = []
    for change in zones.transitions(zone, _noon(days[0]), _noon(days[-1])):
        night = zones.from_us(change.at).date()
        reach = timedelta(days=ctx.battery.schedule_days)
        before = [h for h, d in zip(hour, days, strict=True) if night - reach <= d < night]
        after = [h for h, d in zip(hour, days, strict=True) if night < d <= night + reach]
        if min(len(before), len(after)) >= ctx.battery.schedule_min_days:
            direction = 1.0 if change.after > change.before else -1.0
            out.append(direction * float(np.median(after) - np.median(before)))
    return out
