"""Slope per cycle and projections at 5,000 and 10,000 cycles, with prediction intervals and the reach of the data.

The slope per cycle is fitted against measured equivalent full cycles, never annual / 365. There is no projection
without an established trend, and no number where the cycles ahead exceed the set multiple of the cycles seen.
"""

from typing import Any

import numpy as np
from scipy import stats

from energy_pipeline.compute.battery_series import Float
from energy_pipeline.compute.fit_levels import FitSeries
from energy_pipeline.compute.gls import Estimate
from energy_pipeline.compute.verdicts import ESTABLISHED
from energy_pipeline.settings import BatterySettings

TARGETS = (5000, 10000)


def add_projections(
    row: dict[str, Any], s: FitSeries, fitted: tuple[Estimate, Float] | None, efc: Float, battery: BatterySettings
) -> None:
    """Add `slope_per_cycle`, the ratio of extrapolation and, where allowed, level and interval at the targets.

    Ratio = cycles ahead of the last day, over cycles seen between the first and the last day of the series.
    """
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
        half = float(stats.t.ppf(0.975, estimate.df)) * spread
        row[f"projection_{target}"] = value
        row[f"projection_{target}_low"], row[f"projection_{target}_high"] = value - half, value + half
