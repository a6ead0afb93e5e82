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


def whiten(t: Float, z: Float, mask: NDArray[np.bool_], grid: NoiseGrid = GRID) -> tuple[Float, Float]:
    """Whiten columns under every grid point by a Kalman recursion.

    `t` days [n]; `z` [n, b, q] columns of b series; `mask` [n, b] rows that a series has. Returns the whitened columns
    [n, G, b, q] (zero where masked) and the log determinant [G, b].
    """
    n, b, q = z.shape
    g, lam, tau = len(grid), grid.lam, grid.tau
    out = np.empty((n, g, b, q))
    logdet = np.zeros((g, b))
    mean = np.zeros((g, b, q))
    var = np.repeat(lam[:, None], b, axis=1)
    white = (1.0 - lam)[:, None]
    decay = np.exp(-np.diff(t, prepend=t[0])[:, None] / tau[None, :])
    full = np.asarray(mask.all(axis=1), dtype=np.bool_)
    for k in range(n):
        a = decay[k][:, None]
        var = a * a * var + lam[:, None] * (1.0 - a * a)
        mean *= a[:, :, None]
        s = var + white
        e = np.subtract(z[k][None], mean, out=out[k])
        gain = var / s
        log_s = np.log(s)
        scale = 1.0 / np.sqrt(s)
        if not full[k]:
            m = mask[k][None, :]
            gain, log_s, scale = gain * m, log_s * m, scale * m
        mean += gain[:, :, None] * e
        var = var * (1.0 - gain)
        logdet += log_s
        e *= scale[:, :, None]
    return out, logdet


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
    p = first.x.shape[1]
    z = np.concatenate([first.x, np.stack([m.y for m in members], axis=1)], axis=1)[:, None, :]
    days = t[first.rows]
    e, logdet = whiten(days, z, np.ones((len(days), 1), dtype=np.bool_), grid)
    w = np.ascontiguousarray(e[:, :, 0, :].transpose(1, 0, 2))
    x, y = w[:, :, :p], w[:, :, p:]
    xtx, xty, yty = x.transpose(0, 2, 1) @ x, x.transpose(0, 2, 1) @ y, (y * y).sum(axis=1)
    return [
        _solve(xtx, xty[:, :, k], yty[:, k], logdet[:, 0], len(days), float(days[-1] - days[0]), floor, grid)
        for k in range(len(members))
    ]


def _fit_single(t: Float, members: list[Problem], floor: float, grid: NoiseGrid) -> list[GridFit]:
    p = members[0].x.shape[1]
    z = np.zeros((len(t), len(members), p + 1))
    mask = np.zeros((len(t), len(members)), dtype=np.bool_)
    for k, m in enumerate(members):
        z[m.rows, k, :p], z[m.rows, k, p] = m.x, m.y
        mask[m.rows, k] = True
    e, logdet = whiten(t, z, mask, grid)
    w = np.ascontiguousarray(e.transpose(1, 2, 0, 3))
    a = w.transpose(0, 1, 3, 2) @ w
    return [
        _solve(a[:, k, :p, :p], a[:, k, :p, p], a[:, k, p, p], logdet[:, k], len(m.rows),
               float(t[m.rows[-1]] - t[m.rows[0]]), floor, grid)
        for k, m in enumerate(members)
    ]


def _solve(
    xtx: Float, xty: Float, yty: Float, logdet: Float, n: int, span: float, floor: float, grid: NoiseGrid
) -> GridFit:
    p = xtx.shape[1]
    inverse = np.linalg.inv(xtx)
    beta = np.einsum("gij,gj->gi", inverse, xty)
    free = max(n - p, 1)
    rss = np.maximum(yty - np.einsum("gi,gi->g", beta, xty), 1e-12 * np.maximum(yty, 1e-12))
    variance = np.maximum(rss / free, floor)
    _, det = np.linalg.slogdet(xtx)
    loglik = -0.5 * (logdet + det + free * np.log(variance) + rss / variance)
    return GridFit(loglik, beta, inverse * variance[:, None, None], variance, n, span, grid)


def submodel(t: Float, problems: Sequence[Problem], columns: Sequence[Int], floor: float) -> list[GridFit]:
    """Fit with a choice of regressors per series."""
    return fit_grid(t, [Problem(p.rows, p.y, p.x[:, c]) for p, c in zip(problems, columns, strict=True)], floor)


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
    cov = np.einsum("g,gij->ij", weight, fit.cov) + np.einsum("g,gi,gj->ij", weight, apart, apart)
    p = fit.beta.shape[1]
    lam, tau = fit.grid.lam, fit.grid.tau
    independent = float(weight @ (fit.n * (1.0 - lam) + lam * fit.span / (2.0 * tau)))
    df = float(np.clip(independent - p, MIN_DF, max(fit.n - p, MIN_DF)))
    return Estimate(beta, cov, df, float(weight @ fit.variance))
