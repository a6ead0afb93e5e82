"""`sat_explained`: what moved the common SAT level: end current, temperature, SOC at the end, set point, remainder.

A robust regression (Huber weights) of the daily system median on the conditions of the charge, with a level per regime
for the set point; errors allow for autocorrelation (Newey–West). A factor that hardly varied, or that others explain,
gets a reason instead of a number: the data cannot tell its share. Next: `schemas/battery_parts.py`, `SAT_EXPLAINED`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Float, Int
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.fit_levels import cut_rows, levels_of, system_steps
from energy_pipeline.schemas.battery_parts import SAT_EXPLAINED

FACTORS = (("current", "A", "current_end_a"), ("temperature", "°C", "temperature_end_c"), ("soc", "%", "soc_end"))
HUBER = 1.345
STEPS = 30


@dataclass(frozen=True)
class Model:
    """Coefficients and covariance of the levels (first) and the kept factors (last), and the explained variance."""

    beta: Float
    cov: Float
    levels: int
    r2: float


def build_sat_explained(ctx: DeviceContext, sat_daily: pl.DataFrame, regimes: pl.DataFrame) -> pl.DataFrame:
    """Build one row per factor, the set point, the remainder and the total, or reasons."""
    days = _common_days(sat_daily)
    if len(days) < ctx.battery.explained_min_days:
        reason = [{"factor": f, "unit": u, "n_days": len(days), "reason": "few_days"} for f, u, _ in FACTORS]
        return _table(reason, ctx) if len(days) else SAT_EXPLAINED.empty()
    listed = days["day"].to_list()
    _, level = levels_of(np.arange(len(days)), cut_rows(listed, system_steps(regimes)), 1)
    y = 1000.0 * days["sat"].to_numpy()
    kept, reasons = _usable(days, level, ctx)
    x = np.column_stack([days[c].to_numpy() for f, _, c in FACTORS if f in kept]) if kept else np.empty((len(y), 0))
    model = fit_robust(y, x, level)
    return _table(_rows(days, y, level, model, kept, reasons, ctx), ctx)


def _common_days(sat_daily: pl.DataFrame) -> pl.DataFrame:
    """Return the median SAT voltage and the conditions per qualified day."""
    return sat_daily.filter(pl.col("qualified") & pl.col("sat_voltage_v").is_not_null()).group_by("day").agg(
        pl.col("sat_voltage_v").median().alias("sat"), pl.col("current_end_a", "temperature_end_c", "soc_end").median()
    ).sort("day")


def _usable(days: pl.DataFrame, level: Int, ctx: DeviceContext) -> tuple[list[str], dict[str, str]]:
    """Return the factors that vary enough by themselves, and the reasons against the others."""
    least = np.array(ctx.battery.explained_min_spread) * np.array([ctx.battery.nameplate_ah, 1.0, 1.0])
    reasons: dict[str, str] = {}
    values: dict[str, Float] = {}
    for (name, _, column), spread in zip(FACTORS, least, strict=True):
        if days[column].null_count():
            reasons[name] = "not_measured"
            continue
        v = _within(days[column].to_numpy().astype(np.float64), level)
        if np.quantile(v, 0.9) - np.quantile(v, 0.1) < spread:
            reasons[name] = "does_not_vary"
        else:
            values[name] = v
    for name in list(values):
        others = [values[o] for o in values if o != name]
        if others and inflation(values[name], np.column_stack(others)) > ctx.battery.explained_max_vif:
            reasons[name] = "not_separable"
            del values[name]
    return list(values), reasons


def _within(x: Float, level: Int) -> Float:
    mean = np.bincount(level, x) / np.maximum(np.bincount(level), 1)
    return x - mean[level]


def inflation(v: Float, others: Float) -> float:
    """Return the variance inflation factor of `v` given the others."""
    fitted = others @ np.linalg.lstsq(others, v, rcond=None)[0]
    return float((v @ v) / max(float(((v - fitted) ** 2).sum()), 1e-12))


def fit_robust(y: Float, x: Float, level: Int) -> Model:
    """Fit levels and factors with Huber weights (k = 1.345, MAD scale), Newey–West covariance of the result."""
    indicator = (level[:, None] == np.arange(int(level.max()) + 1)[None]).astype(np.float64)
    design = np.column_stack([indicator, x])
    weight = np.ones(len(y))
    beta = np.zeros(design.shape[1])
    for _ in range(STEPS):
        root = np.sqrt(weight)
        beta = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        residual = y - design @ beta
        scale = max(1.4826 * float(np.median(np.abs(residual - np.median(residual)))), 1e-9)
        weight = np.minimum(1.0, HUBER * scale / np.maximum(np.abs(residual), 1e-12))
    score = design * (weight * (y - design @ beta))[:, None]
    lags = min(int(4 * (len(y) / 100) ** (2 / 9)) + 1, len(y) - 1)
    meat = score.T @ score
    for k in range(1, lags + 1):
        part = score[k:].T @ score[:-k]
        meat += (1.0 - k / (lags + 1)) * (part + part.T)
    bread = np.linalg.pinv(design.T @ (design * weight[:, None]))
    total = float(((y - y.mean()) ** 2).sum())
    r2 = 1.0 - float(((y - design @ beta) ** 2).sum()) / total if total > 0 else np.nan
    return Model(beta, bread @ meat @ bread, indicator.shape[1], r2)


def _rows(
    days: pl.DataFrame, y: Float, level: Int, model: Model, kept: list[str], reasons: dict[str, str], ctx: DeviceContext
) -> list[dict[str, object]]:
    n, early, late = len(y), slice(0, ctx.battery.baseline_days), slice(-ctx.battery.recent_days, None)
    base = {"n_days": n, "r2": model.r2}
    rows: list[dict[str, object]] = []
    shares = 0.0
    for name, unit, column in FACTORS:
        row: dict[str, object] = {"factor": name, "unit": unit, "reason": reasons.get(name), **base}
        if name in kept:
            k = model.levels + kept.index(name)
            v = days[column].to_numpy()
            before, after = float(np.median(v[early])), float(np.median(v[late]))
            share, half = model.beta[k] * (after - before), 1.96 * np.sqrt(model.cov[k, k]) * abs(after - before)
            shares += share
            row |= {
                "coefficient_mv": model.beta[k], "coefficient_se": np.sqrt(model.cov[k, k]), "baseline_value": before,
                "today_value": after, "share_mv": share, "share_low_mv": share - half, "share_high_mv": share + half,
            }
        rows.append(row)
    first, last = _usual_level(level[early]), _usual_level(level[late])
    step = float(model.beta[last] - model.beta[first])
    at = np.zeros(len(model.beta))
    at[last] += 1.0
    at[first] -= 1.0
    half = 1.96 * float(np.sqrt(max(float(at @ model.cov @ at), 0.0)))
    total = float(np.median(y[late]) - np.median(y[early]))
    rows.append({"factor": "regime", "unit": "mV", "share_mv": step, "share_low_mv": step - half,
                 "share_high_mv": step + half, **base})
    rows.append({"factor": "remainder", "unit": "mV", "share_mv": total - shares - step, **base})
    rows.append({"factor": "total", "unit": "mV", "share_mv": total, "baseline_value": float(np.median(y[early])),
                 "today_value": float(np.median(y[late])), **base})
    return rows


def _usual_level(level: Int) -> int:
    """Return the level of most of the days."""
    return int(np.argmax(np.bincount(level)))


def _table(rows: list[dict[str, object]], ctx: DeviceContext) -> pl.DataFrame:
    schema = {k: v for k, v in SAT_EXPLAINED.polars_schema.items() if k != "device"}
    return SAT_EXPLAINED.conform(pl.DataFrame(rows, schema=schema).with_columns(pl.lit(ctx.device).alias("device")))
