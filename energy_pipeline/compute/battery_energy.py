"""`battery_energy`: a day's energy at the DC terminals, at the inverter and of the auxiliaries, AC round trips, use.

Three boundaries, each named by its column: DC terminals (`capacity.round_trip_percent`), AC at the inverter, and AC
with the auxiliaries counted as energy put in. What is not measured is null with its reason; nothing is derived from
an assumed efficiency. Next: `auxiliary_fit.py`, which asks what the auxiliaries depend on.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Float, Int
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.battery_energy import BATTERY_ENERGY
from energy_pipeline.settings import BatterySettings

KWH = 3600.0
WINDOW = {
    "day": pl.Date, "round_trip_ac_percent": pl.Float64, "round_trip_ac_aux_percent": pl.Float64,
    "window_start": pl.Date, "window_efc": pl.Float64,
}


def build_battery_energy(ctx: DeviceContext, battery_days: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    """Build one row per local day with current or SOC.

    Args:
        ctx: the device and its signals.
        battery_days: its days.
        daily: its `resolution_1d` rows (registers and power of the auxiliaries).
    """
    if battery_days.is_empty():
        return BATTERY_ENERGY.empty()
    days = battery_days.sort("day").join(_auxiliaries(ctx, daily), on="day", how="left")
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
        _auxiliary_reason(ctx).alias("auxiliary_reason"),
    ).join(trips, on="day", how="left").with_columns(
        pl.when(pl.col("round_trip_ac_percent").is_not_null()).then(pl.lit(None, pl.String))
        .when(~has_ac.fill_null(value=False)).then(pl.lit("no_inverter_power"))
        .when(pl.col("ac_sign").is_null()).then(pl.lit("sign_unknown"))
        .when(pl.col("soc_end").is_null()).then(pl.lit("no_soc"))
        .otherwise(pl.lit("no_closed_window")).alias("ac_reason"),
    )
    return BATTERY_ENERGY.conform(days.with_columns(pl.lit(ctx.device).alias("device")))


def _auxiliary_reason(ctx: DeviceContext) -> pl.Expr:
    has = bool(ctx.names("auxiliary_energy") or ctx.names("auxiliary_power"))
    return pl.when(pl.col("auxiliary_kwh").is_null()).then(pl.lit("no_data" if has else "no_auxiliary_meter"))


def _auxiliaries(ctx: DeviceContext, daily: pl.DataFrame) -> pl.DataFrame:
    """Return the energy of the auxiliaries per local day [kWh]: of one register, else the integral of the power.

    Registers of the same meter (net, import) hold the same energy: import is preferred, they are never added up. Power
    counts from the coverage of a quarter hour on.
    """
    local = pl.col("ts").dt.convert_time_zone(ctx.zone.key).dt.date().alias("day")
    registers = ctx.names("auxiliary_energy")
    chosen = next((n for n in registers if "pos" in n), next(iter(registers), ""))
    register = daily.filter((pl.col("signal") == chosen) & pl.col("increase").is_not_null()).select(
        local, pl.col("increase").alias("auxiliary_kwh"), pl.lit("register").alias("auxiliary_source")
    )
    power = daily.filter(
        pl.col("signal").is_in(ctx.names("auxiliary_power")[:1])
        & (pl.col("covered_s") >= ctx.meter.peak_coverage * 86_400)
    ).select(local, (pl.col("integral") / KWH).alias("auxiliary_kwh"), pl.lit("power").alias("auxiliary_source"))
    return pl.concat([register, power]).unique("day", keep="first", maintain_order=True)


def ac_round_trips(days: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    """Return per day the AC round trip of the shortest window of whole days that ends with it [%].

    A window runs from the end of one local day to the end of a later one at equal SOC (within `round_trip_soc`), holds
    at least `round_trip_efc` full cycles, has no day missing, and the inverter's power covers each of its days. What
    the inverter draws between charges is in it: round trip = Σ energy out / Σ energy in, so losses at rest count. With
    the auxiliaries: Σ out / (Σ in + Σ auxiliaries), where every day of the window has them.
    """
    soc = _numbers(days, "soc_end")
    number = days["day"].cast(pl.Int32).to_numpy()
    into, out, aux = (_numbers(days, c) for c in ("ac_in_kwh", "ac_out_kwh", "auxiliary_kwh"))
    good = (
        np.isfinite(into) & np.isfinite(out)
        & (_numbers(days, "hours_ac") >= battery.round_trip_coverage * _numbers(days, "hours_day"))
    )
    cycle = _cycles(days, into, out, battery)
    run = _runs(number, good)
    sums = np.cumsum(np.nan_to_num(np.column_stack([into, out, aux, cycle])), axis=0)
    missing = np.cumsum(~np.isfinite(aux))
    rows = []
    for k in range(1, len(days)):
        start = _start(soc, sums[:, 3], run, k, battery)
        if start is None:
            continue
        energy_in, energy_out, auxiliary, cycles = sums[k] - sums[start]
        complete = missing[k] == missing[start]
        rows.append({
            "day": days["day"][k], "round_trip_ac_percent": 100.0 * energy_out / energy_in,
            "round_trip_ac_aux_percent": 100.0 * energy_out / (energy_in + auxiliary) if complete else None,
            "window_start": days["day"][start + 1], "window_efc": cycles,
        })
    return pl.DataFrame(rows, schema=WINDOW)


def _numbers(days: pl.DataFrame, name: str) -> Float:
    return days[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _cycles(days: pl.DataFrame, into: Float, out: Float, battery: BatterySettings) -> Float:
    """Return the full cycles of each day: by charge, else by DC energy, else by AC energy against the nameplate."""
    charge = (_numbers(days, "charge_in_ah") + _numbers(days, "charge_out_ah")) / (2.0 * battery.nameplate_ah)
    direct = _numbers(days, "energy_in_kwh") + _numbers(days, "energy_out_kwh")
    energy = np.where(np.isfinite(direct), direct, into + out) / (2.0 * battery.nameplate_kwh)
    return np.where(np.isfinite(charge), charge, energy)


def _runs(number: Int, good: np.ndarray) -> Int:
    """Return the first day index of the run of neighbouring, covered days that each day belongs to.

    The start day of a window only lends its last moment: it need not be covered itself, but must be the day before.
    """
    start = np.zeros(len(number), dtype=np.int64)
    for k in range(1, len(number)):
        joined = good[k] and number[k] - number[k - 1] == 1
        start[k] = start[k - 1] if joined else k
    return start


def _start(soc: Float, cycle: Float, run: Int, k: int, battery: BatterySettings) -> int | None:
    first = int(run[k])
    if first >= k or not np.isfinite(soc[k]):
        return None
    closes = np.abs(soc[first:k] - soc[k]) <= battery.round_trip_soc
    found = np.flatnonzero(closes & (cycle[k] - cycle[first:k] >= battery.round_trip_efc))
    return first + int(found[-1]) if len(found) else None
