"""`battery_energy`: a day's energy at the DC terminals, at the inverter and of the auxiliaries, AC round trips, use.

Four boundaries, each named by its column: DC terminals (`capacity.round_trip_percent`), AC at the inverter, AC with
the auxiliaries counted as energy put in, and AC at the site meter. What is not measured is null with its reason;
nothing is derived from an assumed efficiency. Next: `site_trips.py` for the site meter, `auxiliary_meters.py`.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.auxiliary_meters import (
    AuxiliaryMeter,
    auxiliary_meters,
    meter_energies,
    sum_of_meters,
)
from energy_pipeline.compute.battery_series import Float
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.round_trips import numbers, windows
from energy_pipeline.compute.site_balance import SiteMeter
from energy_pipeline.compute.site_trips import add_site_meter
from energy_pipeline.schemas.battery_energy import BATTERY_ENERGY
from energy_pipeline.settings import BatterySettings

WINDOW = {
    "day": pl.Date, "round_trip_ac_percent": pl.Float64, "round_trip_ac_aux_percent": pl.Float64,
    "window_start": pl.Date, "window_efc": pl.Float64,
}


def build_battery_energy(
    ctx: DeviceContext, battery_days: pl.DataFrame, daily: pl.DataFrame, site: SiteMeter | None = None
) -> pl.DataFrame:
    """Build one row per local day with current or SOC.

    Args:
        ctx: the device and its signals.
        battery_days: its days.
        daily: its `resolution_1d` rows (registers and power of the auxiliaries).
        site: the meter at its grid connection with its `resolution_15min`, where one is set.
    """
    if battery_days.is_empty():
        return BATTERY_ENERGY.empty()
    meters = auxiliary_meters(ctx.signals)
    days = battery_days.sort("day").join(_auxiliaries(ctx, daily, meters), on="day", how="left")
    into = pl.coalesce("ac_in_kwh", "energy_in_kwh")
    has_ac = pl.col("hours_ac") > 0
    trips = ac_round_trips(days, ctx.battery)
    days = days.with_columns(
        pl.col("energy_in_kwh").alias("dc_in_kwh"), pl.col("energy_out_kwh").alias("dc_out_kwh"),
        pl.when(into > 0).then(100.0 * pl.col("auxiliary_kwh") / into).alias("auxiliary_share_percent"),
        (pl.col("hours_valid") / pl.col("hours_day")).alias("data_share"),
        pl.when(pl.col("hours_valid") > 0).then(pl.col("hours_available") / pl.col("hours_valid"))
        .alias("availability"),
        pl.when(pl.col("hours_available").is_null()).then(pl.lit("no_alarm_signal"))
        .when(pl.col("hours_valid") <= 0).then(pl.lit("no_data")).alias("availability_reason"),
        _auxiliary_reason(meters).alias("auxiliary_reason"), pl.lit(len(meters), pl.Int32).alias("auxiliary_meters"),
    ).join(trips, on="day", how="left").with_columns(
        pl.when(pl.col("round_trip_ac_percent").is_not_null()).then(pl.lit(None, pl.String))
        .when(~has_ac.fill_null(value=False)).then(pl.lit("no_inverter_power"))
        .when(pl.col("ac_sign").is_null()).then(pl.lit("sign_unknown"))
        .when(pl.col("soc_end").is_null()).then(pl.lit("no_soc"))
        .otherwise(pl.lit("no_closed_window")).alias("ac_reason"),
    )
    days = add_site_meter(ctx, days, site)
    return BATTERY_ENERGY.conform(days.with_columns(pl.lit(ctx.device).alias("device")))


def _auxiliary_reason(meters: list[AuxiliaryMeter]) -> pl.Expr:
    """Why a day has no energy of the auxiliaries: a part of the meters is never shown as the whole."""
    return pl.when(pl.col("auxiliary_kwh").is_null()).then(
        pl.when(pl.col("auxiliary_missing").is_not_null() & pl.lit(len(meters) > 1))
        .then(pl.lit("auxiliary_meter_missing"))
        .otherwise(pl.lit("no_data" if meters else "no_auxiliary_meter"))
    )


def _auxiliaries(ctx: DeviceContext, daily: pl.DataFrame, meters: list[AuxiliaryMeter]) -> pl.DataFrame:
    """Return the energy of all auxiliary meters per local day [kWh]; power counts from `peak_coverage` of a day on."""
    local = pl.col("ts").dt.convert_time_zone(ctx.zone.key).dt.date()
    energies = meter_energies(daily, meters, ctx.meter.peak_coverage * 86_400).with_columns(local.alias("day"))
    return sum_of_meters(energies, meters, "day")


def ac_round_trips(days: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    """Return per day the AC round trip of the shortest window of whole days that ends with it [%].

    Windows as in `round_trips.py`, covered by the inverter's power. What the inverter draws between charges is in it:
    round trip = Σ energy out / Σ energy in, so losses at rest count. With the auxiliaries: Σ out / (Σ in + Σ
    auxiliaries), where every day of the window has them.
    """
    into, out, aux = (numbers(days, c) for c in ("ac_in_kwh", "ac_out_kwh", "auxiliary_kwh"))
    sums = np.cumsum(np.nan_to_num(np.column_stack([into, out, aux])), axis=0)
    missing = np.cumsum(~np.isfinite(aux))
    rows = []
    for window in windows(days, battery, into, out, numbers(days, "hours_ac")):
        energy_in, energy_out, auxiliary = sums[window.last] - sums[window.start]
        complete = missing[window.last] == missing[window.start]
        rows.append({
            "day": days["day"][window.last], "round_trip_ac_percent": _percent(energy_out, energy_in),
            "round_trip_ac_aux_percent": _percent(energy_out, energy_in + auxiliary) if complete else None,
            "window_start": days["day"][window.start + 1], "window_efc": window.cycles,
        })
    return pl.DataFrame(rows, schema=WINDOW)


def _percent(out: Float, into: Float) -> float | None:
    return 100.0 * float(out) / float(into) if into > 0 else None
