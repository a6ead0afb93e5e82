"""`auxiliary_fit`: what the auxiliaries' energy of a day depends on: heat, cold, throughput, and what is left.

A change-point model (slopes above and below one base temperature, as for the weather dependence of buildings), fitted
with Huber weights; errors by Newey and West. A factor that hardly varied, or that others explain, has a reason instead
of a number. Next: `sat_explained.py`, whose robust regression this uses.
"""

from typing import Any

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Float
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.sat_explained import fit_robust, inflation
from energy_pipeline.schemas.battery_energy import AUXILIARY_FIT
from energy_pipeline.settings import BatterySettings

BASE, WARM, COLD, THROUGHPUT = "base", "warm", "cold", "throughput"
UNITS = {BASE: "kWh/day", WARM: "kWh/day/K", COLD: "kWh/day/K", THROUGHPUT: "kWh/kWh"}


def build_auxiliary_fit(ctx: DeviceContext, battery_energy: pl.DataFrame) -> pl.DataFrame:
    """Build one row per factor, or reasons; empty for a device without days.

    Auxiliaries [kWh/day] = base + warm · max(T − Tb, 0) + cold · max(Tb − T, 0) + throughput · (DC energy in + out),
    T the day's mean outside temperature, Tb `auxiliary_base_c`. Valid within the temperatures that were seen. The base
    is the energy of a day at Tb without throughput, and has an interval as the others do.
    """
    if battery_energy.is_empty():
        return AUXILIARY_FIT.empty()
    reason = _missing(ctx, battery_energy)
    days = battery_energy.drop_nulls(["auxiliary_kwh", "outside_mean_c"]).sort("day")
    if reason is None and len(days) < ctx.battery.auxiliary_min_days:
        reason = "few_days"
    if reason is not None:
        return _table([{"factor": f, "reason": reason, "n_days": len(days)} for f in UNITS], ctx)
    values, reasons = _factors(days, ctx.battery)
    x = np.column_stack(list(values.values())) if values else np.empty((len(days), 0))
    y = days["auxiliary_kwh"].to_numpy()
    model = fit_robust(y, x, np.zeros(len(days), dtype=np.int64))
    rows: list[dict[str, Any]] = []
    for factor in UNITS:
        row: dict[str, Any] = {"factor": factor, "n_days": len(days), "r2": model.r2, "reason": reasons.get(factor)}
        if factor == BASE or factor in values:
            k = 0 if factor == BASE else 1 + list(values).index(factor)
            size, se = float(model.beta[k]), float(np.sqrt(model.cov[k, k]))
            row |= {"coefficient": size, "coefficient_se": se, "coefficient_low": size - 1.96 * se,
                    "coefficient_high": size + 1.96 * se}
        rows.append(row)
    return _table(rows, ctx)


def _missing(ctx: DeviceContext, days: pl.DataFrame) -> str | None:
    if days["auxiliary_kwh"].count() == 0:
        return "no_auxiliary_meter"
    return "no_outside_temperature" if ctx.name("outside_temperature") is None else None


def _factors(days: pl.DataFrame, battery: BatterySettings) -> tuple[dict[str, Float], dict[str, str]]:
    """Return the regressors that vary by themselves, and the reasons against the others."""
    warmth = days["outside_mean_c"].to_numpy() - battery.auxiliary_base_c
    moved = (days["dc_in_kwh"] + days["dc_out_kwh"]).cast(pl.Float64).fill_null(np.nan).to_numpy()
    spread_k, spread_efc = battery.auxiliary_min_spread
    candidates = {
        WARM: (np.maximum(warmth, 0.0), spread_k), COLD: (np.maximum(-warmth, 0.0), spread_k),
        THROUGHPUT: (moved, spread_efc * 2.0 * battery.nameplate_kwh),
    }
    values: dict[str, Float] = {}
    reasons: dict[str, str] = {}
    for name, (value, least) in candidates.items():
        if not np.isfinite(value).all():
            reasons[name] = "not_measured"
        elif np.quantile(value, 0.9) - np.quantile(value, 0.1) < least:
            reasons[name] = "does_not_vary"
        else:
            values[name] = value
    for name in list(values):
        others = [v - v.mean() for o, v in values.items() if o != name]
        own = values[name] - values[name].mean()
        if others and inflation(own, np.column_stack(others)) > battery.explained_max_vif:
            reasons[name] = "not_separable"
            del values[name]
    return values, reasons


def _table(rows: list[dict[str, Any]], ctx: DeviceContext) -> pl.DataFrame:
    schema = {k: v for k, v in AUXILIARY_FIT.polars_schema.items() if k not in {"device", "unit"}}
    return AUXILIARY_FIT.conform(
        pl.DataFrame(rows, schema=schema).with_columns(
            pl.lit(ctx.device).alias("device"), pl.col("factor").replace_strict(UNITS).alias("unit"),
            pl.lit(ctx.name("outside_temperature"), pl.String).alias("temperature_signal"),
            pl.lit(ctx.battery.auxiliary_base_c).alias("base_temperature_c"),
        )
    )
