"""Slopes by other methods, shown beside the deciding one: OLS with Newey–West, Theil–Sen, Mann–Kendall, bootstrap.

They never decide; their agreement in sign is one condition of a verdict. All take series that share rows and levels,
as a matrix of series × days, and return one value per series. Slopes are per year. Next: `degradation_fits.py`.

Sources: Newey and West 1987 (Econometrica 55:703); Sen 1968 (J. Am. Stat. Assoc. 63:1379); Hamed and Rao 1998
(J. Hydrology 204:182); Künsch 1989 (Ann. Stat. 17:1217) for the block bootstrap.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from energy_pipeline.compute import student_t
from energy_pipeline.compute.battery_series import Float, Int
from energy_pipeline.compute.sat_voltage import nan_median

WEEK_DAYS = 7.0


@dataclass(frozen=True)
class Comparison:
    """What the comparison methods say about series × 1: slopes and intervals per year, p values, R², RMSE."""

    ols: Float
    r2: Float
    p: Float
    rmse: Float
    newey_west: Float
    sen: Float
    sen_low: Float
    sen_high: Float
    mann_kendall_p: Float
    boot_low: Float
    boot_high: Float


def compare(
    years: Float, level: Int, y: Float, *, samples: int, block_days: int, seed: int, full: bool = True
) -> Comparison:
    """Apply all comparison methods to `y` (series × days) at `years` with level numbers per day.

    Without `full` only what a verdict needs is computed, the slopes of OLS and Theil–Sen (and R², p, RMSE, which cost
    nothing); the rest is NaN.
    """
    x, values = centre(years, level), _centre_all(y, level)
    slope, residual, sxx = _line(x, values)
    r2, p, rmse = ols_figures(x, values, slope, residual, int(level.max()) + 2)
    none = np.full(len(y), np.nan)
    if not full:
        return Comparison(slope, r2, p, rmse, none, sen_slope(years, level, y), none, none, none, none, none)
    nw = newey_west(x, residual, sxx)
    sen, low, high, mk = theil_sen(years, level, y)
    if samples:
        boot = block_bootstrap(years, x, residual, sxx, samples=samples, block_days=block_days, seed=seed)
        boot_low, boot_high = slope - boot[1], slope - boot[0]
    else:
        boot_low = boot_high = none
    return Comparison(slope, r2, p, rmse, nw, sen, low, high, mk, boot_low, boot_high)


def centre(x: Float, level: Int) -> Float:
    """Subtract the mean of each level."""
    return np.asarray(_centre_all(x[None], level)[0], dtype=np.float64)


def _centre_all(y: Float, level: Int) -> Float:
    out = y.astype(np.float64).copy()
    for k in range(int(level.max()) + 1):
        part = level == k
        out[:, part] -= out[:, part].mean(axis=1, keepdims=True)
    return out


def _line(x: Float, values: Float) -> tuple[Float, Float, float]:
    sxx = max(float(x @ x), 1e-300)
    slope = values @ x / sxx
    return slope, values - slope[:, None] * x[None], sxx


def ols_figures(x: Float, values: Float, slope: Float, residual: Float, p: int) -> tuple[Float, Float, Float]:
    """Return R² (NaN for a constant series), the p value against zero, and the RMSE of a fit with `p` coefficients."""
    n = len(x)
    rss, total = (residual**2).sum(axis=1), (values**2).sum(axis=1)
    constant = total <= 1e-12 * n
    r2 = np.where(constant, np.nan, 1.0 - rss / np.where(constant, 1.0, total))
    df = max(n - p, 1)
    se = np.sqrt(rss / df / max(float(x @ x), 1e-300))
    t = np.abs(slope) / np.where(se > 0, se, np.inf)
    t = np.where((se <= 0) & (np.abs(slope) > 0), np.inf, t)
    return r2, np.where(constant, np.nan, 2.0 * student_t.survival(t, df)), np.sqrt(rss / n)


def newey_west(x: Float, residual: Float, sxx: float) -> Float:
    """Return the Newey–West standard error of the slope, lag 4·(n/100)^(2/9), by rows."""
    n = len(x)
    z = residual * x[None]
    lags = min(int(4 * (n / 100) ** (2 / 9)) + 1, n - 1)
    v = (z**2).sum(axis=1)
    for k in range(1, lags + 1):
        v = v + 2.0 * (1.0 - k / (lags + 1)) * (z[:, k:] * z[:, :-k]).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(v, 0.0)) / sxx, dtype=np.float64)


def weekly_medians(years: Float, level: Int, y: Float) -> tuple[Float, Int, Float]:
    """Return time, level and medians (series × weeks) of weeks counted from the first day, split at levels."""
    week = np.floor((years - years[0]) * 365.25 / WEEK_DAYS + 1e-6).astype(np.int64)
    _, first, count = np.unique(week * 1000 + level, return_index=True, return_counts=True)
    width = int(count.max())
    place = first[:, None] + np.arange(width)[None]
    inside = np.arange(width)[None] < count[:, None]
    place = np.minimum(place, len(years) - 1)
    block = np.where(inside[None], y[:, place], np.nan)
    when = nan_median(np.where(inside, years[place], np.nan), axis=1)
    return when, level[first], nan_median(block, axis=2)


def sen_slope(years: Float, level: Int, y: Float) -> Float:
    """Return Sen's slope on weekly medians, pairs within one level only; NaN with fewer than four weeks."""
    when, group, medians = weekly_medians(years, level, y)
    i, j = np.triu_indices(len(when), 1)
    same = group[i] == group[j]
    i, j = i[same], j[same]
    if len(when) < 4 or not len(i):
        return np.full(len(y), np.nan)
    return np.asarray(np.median((medians[:, j] - medians[:, i]) / (when[j] - when[i])[None], axis=1), dtype=np.float64)


def theil_sen(years: Float, level: Int, y: Float) -> tuple[Float, Float, Float, Float]:
    """Return Sen's slope on weekly medians with its 95 % interval, and the Hamed–Rao Mann–Kendall p value.

    Only pairs within one level count. NaN where there are fewer than four weeks.
    """
    when, group, medians = weekly_medians(years, level, y)
    i, j = np.triu_indices(len(when), 1)
    same = group[i] == group[j]
    i, j = i[same], j[same]
    none = np.full(len(y), np.nan)
    if len(when) < 4 or not len(i):
        return none, none, none, none
    rise = medians[:, j] - medians[:, i]
    slopes = np.sort(rise / (when[j] - when[i])[None], axis=1)
    sen = np.median(slopes, axis=1)
    score = np.sign(rise).sum(axis=1)
    size = np.bincount(group)
    plain = float((size * (size - 1) * (2 * size + 5)).sum()) / 18.0
    variance = plain * hamed_rao_factor(when, group, medians, sen)
    z = np.where(variance > 0, (score - np.sign(score)) / np.sqrt(np.maximum(variance, 1e-12)), 0.0)
    reach = 1.959964 * np.sqrt(np.maximum(variance, 0.0))
    last = slopes.shape[1] - 1
    low = np.clip(np.floor((slopes.shape[1] - reach) / 2), 0, last).astype(np.int64)
    high = np.clip(np.ceil((slopes.shape[1] + reach) / 2), 0, last).astype(np.int64)
    row = np.arange(len(y))
    return sen, slopes[row, low], slopes[row, high], 2.0 * scipy.special.ndtr(-np.abs(z))


def hamed_rao_factor(when: Float, group: Int, medians: Float, sen: Float) -> Float:
    """Return by how much autocorrelation widens the variance of Mann–Kendall's score (Hamed and Rao 1998).

    Rank autocorrelations of the detrended weeks up to a quarter of their number, those significant at 5 % only.
    """
    n = len(when)
    flat = medians - sen[:, None] * when[None]
    for k in range(int(group.max()) + 1):
        part = group == k
        if part.any():
            flat[:, part] -= np.median(flat[:, part], axis=1, keepdims=True)
    rank = np.argsort(np.argsort(flat, axis=1, kind="stable"), axis=1, kind="stable").astype(np.float64)
    rank -= rank.mean(axis=1, keepdims=True)
    power = (rank**2).sum(axis=1)
    total = np.zeros(len(medians))
    for lag in range(1, max(n // 4, 1) + 1):
        rho = (rank[:, lag:] * rank[:, :-lag]).sum(axis=1) / np.maximum(power, 1e-12)
        significant = np.abs(rho) > 1.959964 / np.sqrt(n)
        total += np.where(significant, (n - lag) * (n - lag - 1.0) * (n - lag - 2.0) * rho, 0.0)
    return np.maximum(1.0 + 2.0 * total / max(n * (n - 1.0) * (n - 2.0), 1.0), 0.05)


def block_bootstrap(
    years: Float, x: Float, residual: Float, sxx: float, *, samples: int, block_days: int, seed: int
) -> Float:
    """Return the 2.5 % and 97.5 % points of the slope's error, from moving blocks of residuals; seeded."""
    n = len(x)
    span = (years[-1] - years[0]) * 365.25 + 1.0
    length = int(np.clip(round(block_days * n / span), 1, n))
    rng = np.random.default_rng(seed)
    start = rng.integers(0, n - length + 1, (samples, -(-n // length)))
    rows = (start[:, :, None] + np.arange(length)).reshape(samples, -1)[:, :n]
    flat = rows + n * np.arange(samples)[:, None]
    weight = np.bincount(flat.ravel(), np.tile(x / sxx, samples), minlength=n * samples).reshape(samples, n)
    error = (residual - residual.mean(axis=1, keepdims=True)) @ weight.T
    return np.asarray(np.quantile(error, [0.025, 0.975], axis=1), dtype=np.float64)
