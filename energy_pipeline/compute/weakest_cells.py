"""Rank of the weakest cell from three signs, with the interval that noise leaves for the rank.

Signs: offset at the end of discharge (low is weak), resistance (high is weak), and the size of the trend of the offset
at the end of charge: a cell that loses capacity or gains resistance runs ahead of the others, one that discharges
itself falls behind, and both are weak. The trend itself keeps its sign everywhere else. Next: `cell_health.py`.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Float

EITHER_WAY = 0.0
SIGNS = (("offset_discharge_end_mv", "discharge_se", -1.0), ("resistance_mohm", "resistance_se", 1.0),
         ("offset_slope_per_year", "slope_se", EITHER_WAY))


def robust_score(value: Float) -> tuple[Float, float]:
    """Return (value − median) / (1.4826 · MAD), and that scale; NaN where the scale is zero or fewer than 5 values."""
    known = value[np.isfinite(value)]
    if len(known) < 5:
        return np.full(len(value), np.nan), np.nan
    scale = 1.4826 * float(np.median(np.abs(known - np.median(known))))
    if scale <= 0:
        return np.full(len(value), np.nan), np.nan
    return (value - np.median(known)) / scale, scale


def rank_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `weakness_score`, `weakness_rank` (1 = weakest) and the ranks that 95 % noise allows.

    `frame` has one row per cell with the columns of `SIGNS`; a missing sign is left out of the mean.
    """
    scores, errors = [], []
    for name, error, way in SIGNS:
        value, scale = robust_score(_numbers(frame, name))
        scores.append(np.abs(value) if way == EITHER_WAY else way * value)
        errors.append(np.nan_to_num(_numbers(frame, error), nan=0.0) / (scale if np.isfinite(scale) else 1.0))
    table, noise = np.stack(scores), np.stack(errors)
    known = np.isfinite(table)
    count = np.maximum(known.sum(axis=0), 1)
    score = np.where(known.any(axis=0), np.where(known, table, 0.0).sum(axis=0) / count, np.nan)
    se = np.sqrt(np.where(known, noise**2, 0.0).sum(axis=0)) / count
    return frame.with_columns(_ranks(score, se))


def _numbers(frame: pl.DataFrame, name: str) -> Float:
    return frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float64)


def _ranks(score: Float, se: Float) -> list[pl.Series]:
    known = np.isfinite(score)
    apart = 1.959964 * np.sqrt(se[:, None] ** 2 + se[None, :] ** 2)
    with np.errstate(invalid="ignore"):
        difference = score[None, :] - score[:, None]
        weaker = (difference > 0).sum(axis=1) + 1
        surely_weaker = (difference > apart).sum(axis=1) + 1
        surely_stronger = (-difference > apart).sum(axis=1)
    worst = known.sum() - surely_stronger
    out = {"weakness_rank": weaker, "weakness_rank_low": surely_weaker, "weakness_rank_high": worst}
    ranks = [
        pl.Series(name, [int(v) if k else None for v, k in zip(x, known, strict=True)], pl.Int32)
        for name, x in out.items()
    ]
    return [pl.Series("weakness_score", score).fill_nan(None), *ranks]
