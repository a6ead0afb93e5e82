"""Slope per cycle and projections at 5,000 and 10,000 cycles, with prediction intervals and the reach of the data.

The slope per cycle is fitted against measured equivalent full cycles, never annual / 365. There is no projection
without an established trend, and no number where the cycles ahead exceed the set multiple of the cycles seen.
"""

from typing import Any

import numpy as np

from energy_pipeline.compute import student_t
from energy_pipeline.compute.battery_series import Float
from energy_pipeline.compute.fit_levels import FitSeries
from energy_pipeline.compute.gls import Estimate
from energy_pipeline.compute.verdicts import ESTABLISHED, FALLING
from energy_pipeline.settings import BatterySettings

TARGETS = (5000, 10000)
CAPACITY_PERCENT = "capacity_percent"
CURVE_POINTS = 2001


def add_projections(
    row: dict[str, Any], s: FitSeries, fitted: tuple[Estimate, Float] | None, efc: Float, battery: BatterySettings
) -> None:
    """Add `slope_per_cycle`, the ratio of extrapolation and, where allowed, level and interval at the targets.

    Ratio = cycles ahead of the last day, over cycles seen between the first and the last day of the series.
    """
    if row["quantity"] == CAPACITY_PERCENT:
        row["end_of_life_reason"] = "no_cycles" if fitted is None else None
    if fitted is None:
        return
    estimate, _ = fitted
    seen = efc[s.rows]
    row["slope_per_cycle"] = float(estimate.beta[-1])
    for target in TARGETS:
        ratio = float((target - seen[-1]) / (seen[-1] - seen[0]))
        row[f"extrapolation_ratio_{target}"] = ratio
        if row["verdict"] not in ESTABLISHED or ratio > battery.projection_max_ratio:
            continue
        at = np.zeros(len(estimate.beta))
        at[s.level[-1]], at[-1] = 1.0, target - seen.mean()
        value = float(at @ estimate.beta)
        spread = float(np.sqrt(at @ estimate.cov @ at + estimate.variance))
        half = float(student_t.quantile(0.975, estimate.df)) * spread
        row[f"projection_{target}"] = value
        row[f"projection_{target}_low"], row[f"projection_{target}_high"] = value - half, value + half
    if row["quantity"] == CAPACITY_PERCENT:
        row.update(end_of_life(row["verdict"], s, estimate, seen, battery))


def end_of_life(
    verdict: str, s: FitSeries, estimate: Estimate, seen: Float, battery: BatterySettings
) -> dict[str, Any]:
    """Return the full cycles at which capacity falls to the set share of its own fitted start, with a 95 % interval.

    From measured capacity alone, never from SAT voltage. Only with an established fall, and only where the cycles ahead
    are at most `projection_max_ratio` times the cycles seen; else the reason. The interval is where the confidence band
    of the line crosses the limit; its upper end is null where the band does not within that reach. Start and limit are
    those of the data: a battery that was old when recording began has less left.
    """
    if verdict != FALLING:
        return {"end_of_life_reason": "no_established_fall"}
    reach = seen[-1] + battery.projection_max_ratio * (seen[-1] - seen[0])
    x = np.linspace(seen[0], reach, CURVE_POINTS)
    at = np.zeros((len(x), len(estimate.beta)))
    at[:, s.level[-1]], at[:, -1] = 1.0, x - seen.mean()
    line = at @ estimate.beta
    half = student_t.quantile(0.975, estimate.df) * np.sqrt(np.einsum("ij,jk,ik->i", at, estimate.cov, at))
    limit = battery.end_of_life_percent / 100.0 * line[0]
    middle, low, high = (_first_below(x, curve, limit) for curve in (line, line - half, line + half))
    if middle is None:
        return {"end_of_life_reason": "outside_data"}
    return {"end_of_life_cycles": middle, "end_of_life_low": low, "end_of_life_high": high}


def _first_below(x: Float, curve: Float, limit: float) -> float | None:
    """Return where a curve first falls to the limit, linear between points; None where it does not."""
    below = np.flatnonzero(curve <= limit)
    if not len(below):
        return None
    k = int(below[0])
    if k == 0:
        return float(x[0])
    share = (curve[k - 1] - limit) / (curve[k - 1] - curve[k])
    return float(x[k - 1] + share * (x[k] - x[k - 1]))
