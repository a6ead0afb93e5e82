"""A battery against the meter at its grid connection: the same energy, measured by two devices.

Here: what the battery says it took, at which boundary, and with which sign. Not here: what a difference means, see
`balance_rules.py`. The direction comes from SOC, never from the meter, or a meter wired the wrong way would agree.
"""

import re
from dataclasses import dataclass

import polars as pl

from energy_pipeline.compute import meter_quarters as mq
from energy_pipeline.compute.auxiliary_meters import auxiliary_meters
from energy_pipeline.compute.balance_rules import STEPS_AT_THE_ENDS, day_hours, judge, quantum_kwh
from energy_pipeline.compute.context import DeviceContext

QUARTER_H = 0.25
AC_NAMES = ("active_power", "p", "ap")
INVERTER, BATTERY = "site_meter_and_inverter", "site_meter_and_battery"


@dataclass(frozen=True)
class SiteMeter:
    """The meter at a battery's grid connection and its `resolution_15min` of the month."""

    ctx: DeviceContext
    quarter: pl.DataFrame


@dataclass(frozen=True)
class BatteryEnergy:
    """Energy that a battery took (positive) per quarter hour: `ts`, `kwh`; at which boundary, from which signals."""

    comparison: str
    signals: list[str]
    rows: pl.DataFrame


def compare_with_site_meter(ctx: DeviceContext, quarter: pl.DataFrame, site: SiteMeter | None) -> pl.DataFrame | None:
    """Compare the meter's import − export with the battery, per local day of the battery.

    The AC power of the inverters is the same energy and may be flagged. Whether the auxiliaries hang behind the same
    meter no file says: where their power is measured, the month is compared without and with them, and the closer one
    stands (its signals are named). Power or voltage × current of the battery itself lies behind the inverter: the
    difference holds its losses, is shown and never flagged (reason losses_between).

    Args:
        ctx: the battery.
        quarter: its `resolution_15min` of the month.
        site: its site meter.
    """
    found = [_compare(ctx, quarter, b, site) for b in battery_energies(ctx, quarter)]
    if not found:
        return None
    distances = [(f["a_kwh"] - f["b_kwh"]).abs().sum() if f["a_kwh"].count() else 0.0 for f in found]
    return found[distances.index(min(distances))]


def _compare(ctx: DeviceContext, quarter: pl.DataFrame, battery: BatteryEnergy, site: SiteMeter | None) -> pl.DataFrame:
    sign = charge_sign(ctx, quarter, battery.rows)
    meter = None if site is None else _meter_energy(site)
    rows = battery.rows.rename({"kwh": "kwh_b"})
    reason = None if battery.comparison == INVERTER else "losses_between"
    steps = 0.0
    if site is None or meter is None or meter.is_empty():
        joined = rows.with_columns(pl.lit(None, pl.Float64).alias("kwh"))
        reason = "no_site_meter_data"
    else:
        joined = meter.join(rows, on="ts")
        reason = reason if sign is not None else "sign_unknown"
        registers = [n for q in (*mq.REGISTERS, mq.NET) for n in site.ctx.names(q)]
        steps = STEPS_AT_THE_ENDS * quantum_kwh(site.quarter, registers)
    local = pl.col("ts").dt.convert_time_zone(ctx.zone.key).dt.date()
    known = pl.col("kwh").count() > 0
    days = joined.with_columns(local.alias("day"), (pl.col("kwh_b") * (sign or 1))).group_by("day").agg(
        pl.when(known).then(pl.col("kwh").sum()).alias("a"),
        (pl.col("kwh_b").sum() if sign is not None else pl.lit(None, pl.Float64)).alias("b"),
        pl.when(known).then(pl.col("kwh").abs().sum()).otherwise(pl.col("kwh_b").abs().sum()).alias("size"),
        (pl.len() * QUARTER_H).alias("h"),
    )
    days = days.join(day_hours(ctx, days["day"]), on="day").with_columns(
        pl.lit(steps).alias("resolution"), pl.lit(False).alias("seldom")
    )
    return judge(ctx, days, battery.comparison, ", ".join(battery.signals), reason)


def _meter_energy(site: SiteMeter) -> pl.DataFrame:
    """Import − export of the meter per quarter hour that is measured, by registers, else by power."""
    need = site.ctx.meter.peak_coverage
    total = pl.sum_horizontal("import_kwh", "export_kwh")
    register = mq.register_energy(site.ctx, site.quarter).filter(
        (pl.col("covered_s") >= need * mq.QUARTER_S) & (pl.col("estimated_kwh") <= (1 - need) * total + 1e-9)
    ).drop_nulls("net_kwh")
    power = mq.sum_power(site.quarter, site.ctx.names(mq.POWER[0])).filter(pl.col("covered_s") >= need * mq.QUARTER_S)
    rows = [
        register.select("ts", pl.col("net_kwh").alias("kwh")),
        power.select("ts", (pl.col("mean_kw") * QUARTER_H).alias("kwh")),
    ]
    return pl.concat(rows).unique("ts", keep="first", maintain_order=True).sort("ts")


def battery_energies(ctx: DeviceContext, quarter: pl.DataFrame) -> list[BatteryEnergy]:
    """What the battery took per measured quarter hour, in the sign of its signals.

    One reading of its files, or two where nobody knows whether the auxiliaries belong to it; none without power.
    """
    inverters, powers = ac_power_names(ctx), [m.power for m in auxiliary_meters(ctx.signals)]
    auxiliaries = [p for p in powers if p is not None]
    if inverters:
        inverter = BatteryEnergy(INVERTER, inverters, _power(ctx, quarter, inverters))
        if not auxiliaries or len(auxiliaries) < len(powers):  # a part of the auxiliaries is not the auxiliaries
            return [inverter]
        # Auxiliaries always draw: in the inverter's sign they count against its direction or with it.
        sign = charge_sign(ctx, quarter, inverter.rows) or 1
        drawn = _power(ctx, quarter, auxiliaries).select("ts", (pl.col("kwh") * sign).alias("kwh_aux"))
        both = inverter.rows.join(drawn, on="ts").select("ts", pl.col("kwh") + pl.col("kwh_aux"))
        return [inverter, BatteryEnergy(INVERTER, [*inverters, *auxiliaries], both)]
    power = ctx.names("system_power")
    if power:
        return [BatteryEnergy(BATTERY, power, _power(ctx, quarter, power))]
    voltage, current = ctx.name("system_voltage"), ctx.name("system_current")
    if voltage is None or current is None:
        return []
    means = [
        mq.sum_power(quarter, [n]).filter(pl.col("covered_s") >= ctx.meter.peak_coverage * mq.QUARTER_S)
        for n in (voltage, current)
    ]
    rows = means[0].join(means[1], on="ts", suffix="_c")
    kwh = pl.col("mean_kw") * pl.col("mean_kw_c") / 1000 * QUARTER_H
    return [BatteryEnergy(BATTERY, [voltage, current], rows.select("ts", kwh.alias("kwh")))]


def ac_power_names(ctx: DeviceContext) -> list[str]:
    """One AC power per inverter: active power before others; powers of the DC side are none."""
    found: dict[str, str] = {}
    for wanted in reversed(AC_NAMES):
        for name in ctx.names("pcs_power"):
            match = re.fullmatch(rf"(pcs\d+)_{wanted}", name)
            if match:
                found[match[1]] = name
    return sorted(found.values())


def _power(ctx: DeviceContext, quarter: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    rows = mq.sum_power(quarter, names).filter(pl.col("covered_s") >= ctx.meter.peak_coverage * mq.QUARTER_S)
    return rows.select("ts", (pl.col("mean_kw") * QUARTER_H).alias("kwh"))


def charge_sign(ctx: DeviceContext, quarter: pl.DataFrame, energy: pl.DataFrame) -> int | None:
    """+1 where charging is positive in the battery's own signals, from the settings or from SOC; None if unknown.

    SOC moves with the energy of the quarter hours: the sign is that of the sum of their products.
    """
    if ctx.battery.current_sign is not None:
        return ctx.battery.current_sign
    soc = ctx.name("soc")
    if soc is None:
        return None
    rows = quarter.filter((pl.col("signal") == soc) & (pl.col("n") > 0)).sort("ts")
    change = rows.select("ts", (pl.col("last") - pl.col("last").shift(1)).alias("change")).drop_nulls()
    total = energy.join(change, on="ts").select((pl.col("kwh") * pl.col("change")).sum()).item()
    return None if not total else (1 if total > 0 else -1)
