"""Slopes by generalised least squares with estimated noise: the interval that decides (METRICS G).

Noise: white plus exponentially correlated, λ·exp(−Δt/τ) + (1−λ)·δ, with a free scale per cell. REML on a fixed grid of
(λ, τ); the weights of the grid by empirical Bayes over the cells of a system; slope and variance averaged over the
grid. Exponential correlation is Markov, so whitening is a Kalman recursion over days, exact for any gaps and linear in
their number. Deterministic. Next: `verdicts.py` for what a slope and its interval mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

# Cells with little slow noise, and with much, need neighbours on the grid: what lies between two points is averaged
# over both, and the worse of them makes the interval. Coarser grids find fewer bad cells (docs/verdicts.md).
TAUS_DAYS = (1.5, 5.0, 12.0, 25.0, 38.0, 55.0, 90.0)
SHARES = (0.07, 0.2, 0.4, 0.55, 0.7, 0.82, 0.94)
EM_STEPS = 100
MIN_DF = 4.0
MIN_CELLS_POOLED = 20
CHUNK = 48
BLOCK = 24
SHARED_FROM = 12


@dataclass(frozen=True)
class NoiseGrid:
    """Points (share of the slow part, its correlation time [d]) at which the noise is tried."""

    lam: Float
    tau: Float

    @classmethod
    def of(cls, taus: Sequence[float], shares: Sequence[float]) -> "NoiseGrid":
        """Make the grid of all pairs, and one point of white noise alone."""
        points = [(0.0, taus[0]), *((s, tau) for tau in taus for s in shares)]
        return cls(np.array([p[0] for p in points]), np.array([p[1] for p in points]))

    def __len__(self) -> int:
        return len(self.lam)


GRID = NoiseGrid.of(TAUS_DAYS, SHARES)


@dataclass(frozen=True)
class Problem:
    """One series: rows of the common time line that it has, its values there and its regressors (rows × columns)."""

    rows: Int
    y: Float
    x: Float


@dataclass(frozen=True)
class GridFit:
    """One series at all grid points: likelihood [G], coefficients [G, p], covariance [G, p, p], variance [G]."""

    loglik: Float
    beta: Float
    cov: Float
    variance: Float
    n: int
    span: float
    grid: NoiseGrid = GRID


@dataclass(frozen=True)
class Estimate:
    """Coefficients averaged over the grid, their covariance (with the spread between grid points) and effective df."""

    beta: Float
    cov: Float
    df: float
    variance: float


@dataclass(frozen=True)
class Sums:
    """Products of whitened columns of b series with m value columns each, under every grid point.

    `xtx` [G, b, p, p], `xty` [G, b, p, m], `yty` [G, b, m], and the log determinant [G, b].
    """

    xtx: Float
    xty: Float
    yty: Float
    logdet: Float


def whitened_sums(t: Float, x: Float, y: Float, mask: NDArray[np.bool_], grid: NoiseGrid = GRID) -> Sums:
    """Whiten columns under every grid point by a Kalman recursion, and sum their products.

    `t` days [n]; regressors `x` [n, b, p] and values `y` [n, b, m] of b series; `mask` [n, b] rows that a series has.
    Whitened rows are kept for a block of days only: all of them would be moved through memory several times.
    """
    n, b, p = x.shape
    m, g = y.shape[2], len(grid)
    z = np.concatenate([x, y], axis=2)
    lam, white = grid.lam[:, None], (1.0 - grid.lam)[:, None]
    decay = np.exp(-np.diff(t, prepend=t[0])[:, None] / grid.tau[None, :])
    full = np.asarray(mask.all(axis=1), dtype=np.bool_)
    mean, e = np.zeros((g, b, p + m)), np.empty((g, b, p + m))
    var = np.repeat(lam, b, axis=1)
    logdet = np.zeros((g, b))
    xtz, yty = np.zeros((g, b, p, p + m)), np.zeros((g, b, m))
    block = np.empty((g, b, BLOCK, p + m))
    for k in range(n):
        a = decay[k][:, None]
        var = a * a * var + lam * (1.0 - a * a)
        mean *= a[:, :, None]
        s = var + white
        np.subtract(z[k][None], mean, out=e)
        gain, log_s, scale = var / s, np.log(s), 1.0 / np.sqrt(s)
        if not full[k]:
            seen = mask[k][None, :]
            gain, log_s, scale = gain * seen, log_s * seen, scale * seen
        var = var * (1.0 - gain)
        logdet += log_s
        place = k % BLOCK
        np.multiply(e, scale[:, :, None], out=block[:, :, place])
        e *= gain[:, :, None]
        mean += e
        if place == BLOCK - 1 or k == n - 1:
            part = block[:, :, : place + 1]
            xtz += part[..., :p].transpose(0, 1, 3, 2) @ part
            yty += np.einsum("gbnm,gbnm->gbm", part[..., p:], part[..., p:])
    return Sums(xtz[..., :p], xtz[..., p:], yty, logdet)


def fit_grid(t: Float, problems: Sequence[Problem], floor: float, grid: NoiseGrid = GRID) -> list[GridFit]:
    """Fit every series at every grid point; series with equal rows and regressors are whitened together.

    `floor` bounds the variance of the noise from below (the quantum's, step² / 12), so that a constant series has no
    certainty beyond its resolution.
    """
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for k, p in enumerate(problems):
        groups.setdefault((p.rows.tobytes(), p.x.tobytes()), []).append(k)
    out: list[GridFit | None] = [None] * len(problems)
    single: list[int] = []
    for members in groups.values():
        if len(members) < SHARED_FROM:
            single.extend(members)
            continue
        for k, fit in zip(members, _fit_shared(t, [problems[k] for k in members], floor, grid), strict=True):
            out[k] = fit
    single.sort(key=lambda k: problems[k].x.shape[1])
    for width in sorted({problems[k].x.shape[1] for k in single}):
        same = [k for k in single if problems[k].x.shape[1] == width]
        for at in range(0, len(same), CHUNK):
            part = same[at : at + CHUNK]
            for k, fit in zip(part, _fit_single(t, [problems[k] for k in part], floor, grid), strict=True):
                out[k] = fit
    return [f for f in out if f is not None]


def _fit_shared(t: Float, members: list[Problem], floor: float, grid: NoiseGrid) -> list[GridFit]:
    first = members[0]
    days = t[first.rows]
    y = np.stack([m.y for m in members], axis=1)[:, None, :]
    sums = whitened_sums(days, first.x[:, None, :], y, np.ones((len(days), 1), dtype=np.bool_), grid)
    return _solve(sums, np.array([len(days)]), np.array([float(days[-1] - days[0])]), floor, grid)


def _fit_single(t: Float, members: list[Problem], floor: float, grid: NoiseGrid) -> list[GridFit]:
    x = np.zeros((len(t), len(members), members[0].x.shape[1]))
    y = np.zeros((len(t), len(members), 1))
    mask = np.zeros((len(t), len(members)), dtype=np.bool_)
    for k, m in enumerate(members):
        x[m.rows, k], y[m.rows, k, 0] = m.x, m.y
        mask[m.rows, k] = True
    span = np.array([float(t[m.rows[-1]] - t[m.rows[0]]) for m in members])
    return _solve(whitened_sums(t, x, y, mask, grid), mask.sum(axis=0), span, floor, grid)


def _solve(sums: Sums, n: Int, span: Float, floor: float, grid: NoiseGrid) -> list[GridFit]:
    """Return the fit of each series (in order: all value columns of the first, of the second, …)."""
    p = sums.xtx.shape[2]
    inverse = np.linalg.inv(sums.xtx)
    beta = inverse @ sums.xty
    free = np.maximum(n - p, 1)[None, :, None]
    explained = (beta * sums.xty).sum(axis=2)
    rss = np.maximum(sums.yty - explained, 1e-12 * np.maximum(sums.yty, 1e-12))
    variance = np.maximum(rss / free, floor)
    _, det = np.linalg.slogdet(sums.xtx)
    loglik = -0.5 * ((sums.logdet + det)[:, :, None] + free * np.log(variance) + rss / variance)
    return [
        GridFit(
            loglik[:, k, c], beta[:, k, :, c], inverse[:, k] * variance[:, k, c, None, None], variance[:, k, c],
            int(n[k]), float(span[k]), grid,
        )
        for k in range(len(n)) for c in range(variance.shape[2])
    ]


def grid_weights(fits: Sequence[GridFit], *, pooled: bool, steps: int = EM_STEPS) -> Float:
    """Return the weight of each grid point per series [series, G].

    Pooled: the mixing distribution over the grid is estimated from all series (empirical Bayes, EM of fixed length);
    else, and below 20 series, it is uniform.
    """
    ll = np.stack([f.loglik for f in fits])
    like = np.exp(ll - ll.max(axis=1, keepdims=True))
    prior = np.full(ll.shape[1], 1.0 / ll.shape[1])
    if pooled and len(fits) >= MIN_CELLS_POOLED:
        for _ in range(steps):
            weight = like * prior
            weight /= weight.sum(axis=1, keepdims=True)
            prior = weight.mean(axis=0)
        prior = prior + 1e-12
    weight = like * prior
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float64)


def average(fit: GridFit, weight: Float) -> Estimate:
    """Average a series over the grid: mean, covariance within plus between grid points, effective df (at least 4)."""
    beta = weight @ fit.beta
    apart = fit.beta - beta
    p = fit.beta.shape[1]
    cov = (weight @ fit.cov.reshape(len(weight), p * p)).reshape(p, p) + (apart * weight[:, None]).T @ apart
    lam, tau = fit.grid.lam, fit.grid.tau
    independent = float(weight @ (fit.n * (1.0 - lam) + lam * fit.span / (2.0 * tau)))
    df = float(np.clip(independent - p, MIN_DF, max(fit.n - p, MIN_DF)))
    return Estimate(beta, cov, df, float(weight @ fit.variance))
