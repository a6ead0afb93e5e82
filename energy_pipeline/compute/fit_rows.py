"""From a family of series to rows of `degradation_fits`: fit, compare, decide, project.

One family is judged together (Benjamini–Hochberg needs all its p values). Next: `gls.py`, `verdicts.py`,
`projections.py`.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from energy_pipeline.compute import student_t
from energy_pipeline.compute.battery_series import Float
from energy_pipeline.compute.fit_levels import DAYS_PER_YEAR, FitSeries, problem_of, regressors
from energy_pipeline.compute.gls import Estimate, Problem, average, fit_grid, grid_weights
from energy_pipeline.compute.projections import add_projections
from energy_pipeline.compute.robust_fits import compare
from energy_pipeline.compute.verdicts import (
    ESTABLISHED,
    INSUFFICIENT,
    annual_word,
    cycle_word,
    decide,
    linearity_word,
    p_beyond,
    smallest_detectable,
)
from energy_pipeline.settings import BatterySettings

Row = dict[str, Any]
Common = tuple[float, float]
DAYS_PER_MONTH = 30.4375


def fit_family(
    t: Float, days: Sequence[date], efc: Float, series: Sequence[FitSeries], battery: BatterySettings,
    common: Common | None = None,
) -> list[Row]:
    """Return one row per series of a family (same quantity and grade).

    `common` is standard error and df of the slope of a mode that all series share (the system's index): their own
    slopes cannot be known better than it, and all of them would err together.
    """
    rows = [_start(s, t, days, battery) for s in series]
    fitted = [k for k, s in enumerate(series) if _can_fit(s, t, battery)]
    if not fitted:
        return rows
    chosen = [series[k] for k in fitted]
    floor = _floor(chosen[0].quantity, battery)
    fits = fit_grid(t, [problem_of(s, t) for s in chosen], floor)
    weights = grid_weights(fits, pooled=chosen[0].grade == "cell")
    main = [_widen(average(f, w), common) for f, w in zip(fits, weights, strict=True)]
    _add_slopes([rows[k] for k in fitted], chosen, main, t)
    if battery.comparisons:
        _add_quadratic([rows[k] for k in fitted], chosen, weights, t, floor)
    _add_comparisons([rows[k] for k in fitted], chosen, t, battery)
    _add_verdicts([rows[k] for k in fitted], battery, _delta(chosen[0].quantity, battery))
    by_cycle = _fit_cycles(chosen, weights, t, efc, floor)
    for k, s, estimate in zip(fitted, chosen, by_cycle, strict=True):
        add_projections(rows[k], s, estimate, efc, battery)
        _add_words(rows[k], battery)
    return rows


def common_of(row: Row) -> Common | None:
    """Return standard error and df of a fitted row, None where it has no slope."""
    return (row["slope_se"], row["slope_df"]) if row.get("slope_se") is not None else None


def _widen(e: Estimate, common: Common | None) -> Estimate:
    """Raise the slope's standard error to that of the common mode, with the smaller df."""
    if common is None or common[0] ** 2 <= e.cov[-1, -1]:
        return e
    cov = e.cov.copy()
    cov[-1, -1] = common[0] ** 2
    return Estimate(e.beta, cov, min(e.df, common[1]), e.variance)


def _start(s: FitSeries, t: Float, days: Sequence[date], battery: BatterySettings) -> Row:
    n = len(s.rows)
    span = int(t[s.rows[-1]] - t[s.rows[0]]) + 1 if n else 0
    missing = max(battery.verdict_min_days - n, battery.verdict_min_span_days - span, 0)
    reason = None
    if n == 0:
        reason = "no_capacity" if s.quantity == "capacity_percent" else "no_data"
    elif n < battery.verdict_min_days:
        reason = "few_days"
    elif span < battery.verdict_min_span_days:
        reason = "short_span"
    return {
        "level": s.grade, "pack": s.pack, "cell": s.cell, "signal": s.signal, "quantity": s.quantity, "n_days": n,
        "span_days": span,
        "days_left_out": s.left_out,
        "first_day": days[s.rows[0]] if n else None, "last_day": days[s.rows[-1]] if n else None,
        "intercepts": s.levels if n else None, "verdict": INSUFFICIENT, "preliminary": False, "reason": reason,
        "days_missing": missing,
        "naive_per_year": abs(float(s.y[0] - s.y[-1])) / (span - 1) * 365.0 if span > 1 else None,
    }


def _can_fit(s: FitSeries, t: Float, battery: BatterySettings) -> bool:
    n = len(s.rows)
    return n >= battery.slope_min_days and t[s.rows[-1]] - t[s.rows[0]] + 1 >= battery.slope_min_span_days


def _floor(quantity: str, battery: BatterySettings) -> float:
    """Return the smallest variance that the resolution of the cell voltages allows, in the quantity's unit squared."""
    step = battery.voltage_quantum_mv
    if quantity == "sat_offset_mv":
        return step**2 / 12.0
    if quantity == "sat_index_percent":
        return (0.1 * step / battery.voltage("full_median_cell_v")) ** 2 / 12.0
    return 1e-12


def _delta(quantity: str, battery: BatterySettings) -> float:
    return {
        "sat_offset_mv": battery.delta_offset_mv_per_year,
        "sat_index_percent": battery.delta_index_percent_per_year,
        "capacity_percent": battery.delta_capacity_percent_per_year,
    }[quantity]


def _add_slopes(rows: list[Row], series: list[FitSeries], main: list[Estimate], t: Float) -> None:
    width = student_t.quantile(0.975, np.array([e.df for e in main]))
    for row, s, e, t95 in zip(rows, series, main, width.tolist(), strict=True):
        slope, se = float(e.beta[-1]), float(np.sqrt(e.cov[-1, -1]))
        half = t95 * se
        years = t[s.rows] / DAYS_PER_YEAR
        row.update(
            slope_per_year=slope, slope_low=slope - half, slope_high=slope + half, slope_se=se, slope_df=e.df,
            slope_per_month=slope * DAYS_PER_MONTH / DAYS_PER_YEAR,
            level_first=float(e.beta[s.level[0]] + slope * (years[0] - years.mean())),
            level_last=float(e.beta[s.level[-1]] + slope * (years[-1] - years.mean())),
        )


def _add_quadratic(rows: list[Row], series: list[FitSeries], weights: Float, t: Float, floor: float) -> None:
    """Add the p value of a quadratic term under the same noise: small means that a line is not enough."""
    problems = []
    for s in series:
        years = t[s.rows] / DAYS_PER_YEAR
        x = years - years.mean()
        problems.append(Problem(s.rows, s.y, np.column_stack([regressors(s, years), x * x - (x * x).mean()])))
    for row, fit, w in zip(rows, fit_grid(t, problems, floor), weights, strict=True):
        e = average(fit, w)
        bend = abs(e.beta[-1]) / max(np.sqrt(e.cov[-1, -1]), 1e-300)
        row["quadratic_p"] = float(2.0 * student_t.survival(bend, e.df))


def _add_comparisons(rows: list[Row], series: list[FitSeries], t: Float, battery: BatterySettings) -> None:
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for k, s in enumerate(series):
        groups.setdefault((s.rows.tobytes(), s.level.tobytes()), []).append(k)
    for members in groups.values():
        s = series[members[0]]
        c = compare(
            t[s.rows] / DAYS_PER_YEAR, s.level, np.stack([series[k].y for k in members]),
            samples=battery.bootstrap_samples, block_days=battery.bootstrap_block_days, seed=battery.bootstrap_seed,
            full=battery.comparisons,
        )
        for at, k in enumerate(members):
            rows[k].update(
                comparison_reason=None if battery.comparisons else "left_out",
                ols_slope_per_year=float(c.ols[at]), ols_r2=float(c.r2[at]), ols_p=float(c.p[at]),
                ols_rmse=float(c.rmse[at]), newey_west_se=float(c.newey_west[at]),
                theil_sen_slope_per_year=float(c.sen[at]), theil_sen_low=float(c.sen_low[at]),
                theil_sen_high=float(c.sen_high[at]), mann_kendall_p=float(c.mann_kendall_p[at]),
                bootstrap_low=float(c.boot_low[at]), bootstrap_high=float(c.boot_high[at]),
            )


def _add_verdicts(rows: list[Row], battery: BatterySettings, delta: float) -> None:
    """Decide over all series of the family that have enough days; the others stay `insufficient_data`."""
    for row in rows:
        row["preliminary"] = row["reason"] is not None
    ready = [r for r in rows if r["reason"] is None]
    if not ready:
        return
    slope, se, df, ols, sen = (
        np.array([r[c] for r in ready], dtype=np.float64)
        for c in ("slope_per_year", "slope_se", "slope_df", "ols_slope_per_year", "theil_sen_slope_per_year")
    )
    p = p_beyond(slope, se, df, delta)
    words = decide(slope, se, df, p, delta, battery.false_discovery_rate, (ols, sen))
    smallest = smallest_detectable(se, df, delta, len(ready))
    for row, word, one_p, least in zip(ready, words, p, smallest, strict=True):
        row.update(verdict=word, p_value=float(one_p), minimum_detectable_slope=float(least))


def _fit_cycles(
    series: list[FitSeries], weights: Float, t: Float, efc: Float, floor: float
) -> list[tuple[Estimate, Float] | None]:
    """Fit against measured equivalent full cycles; None where they are not measured or do not grow."""
    good = [bool(np.isfinite(efc[s.rows]).all() and np.ptp(efc[s.rows]) > 1.0) for s in series]
    problems = [Problem(s.rows, s.y, regressors(s, efc[s.rows])) for s, g in zip(series, good, strict=True) if g]
    fits = iter(fit_grid(t, problems, floor))
    return [(average(next(fits), w), efc) if g else None for g, w in zip(good, weights, strict=True)]


def _add_words(row: Row, battery: BatterySettings) -> None:
    """Add the quality words, on established trends only."""
    if row["verdict"] not in ESTABLISHED:
        return
    percent = row["quantity"] != "sat_offset_mv"
    row["quality_linearity"] = linearity_word(row["ols_r2"], battery.quality_r2)
    limits = battery.quality_annual_percent if percent else battery.quality_annual_mv
    row["quality_annual"] = annual_word(row["slope_per_year"], limits)
    if percent and row.get("slope_per_cycle") is not None:
        row["quality_cycle"] = cycle_word(row["slope_per_cycle"], battery.quality_cycle_percent)
