"""What one signal says of another: the sign of a current by SOC, net or sum among registers, an offset, a power's unit.

All compare series of one device on their own times. A relation is reported only where it leaves hardly a doubt; the
measure stands in the evidence. Next: `names.py`, which turns names and these findings into signals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy_pipeline.compute.doctor.clock import Guess
from energy_pipeline.compute.zones import HOUR, MINUTE

Int = NDArray[np.int64]
Float = NDArray[np.float64]
GRID = 5 * MINUTE
WINDOW = 6  # steps of the grid over which SOC must move
MIN_POINTS = 20
CLEAR = 0.4  # |correlation| from which a sign is named


@dataclass(frozen=True)
class Series:
    """One signal of a device: times [µs] in order without repeats, values finite."""

    name: str
    time: Int
    value: Float


def make_series(name: str, times: Int, values: Float, sentinels: tuple[float, ...] = ()) -> Series:
    """Order a signal by time, one row per time, without empty values and sentinels."""
    good = np.isfinite(values) & ~np.isin(values, sentinels)
    time, first = np.unique(times[good], return_index=True)
    return Series(name, time, values[good][first])


def find_sign(flow: Series, soc: Series) -> Guess:
    """Tell whether a positive current or power charges, by the change of SOC over half an hour at the same time.

    Returns:
        value "charge" or "discharge" (what positive means), None where SOC does not tell.
    """
    start = max(flow.time[0], soc.time[0]) if len(flow.time) and len(soc.time) else 0
    end = min(flow.time[-1], soc.time[-1]) if len(flow.time) and len(soc.time) else 0
    if end - start < 10 * GRID:
        return Guess(None, f"cannot be told: {flow.name} and {soc.name} have no time in common")
    edges = np.unique(np.concatenate([soc.time, flow.time]) // GRID) * GRID
    edges = edges[(edges >= start) & (edges + WINDOW * GRID <= end)]
    middle = _means(flow, edges, WINDOW * GRID)
    rise = np.interp(edges + WINDOW * GRID, soc.time, soc.value) - np.interp(edges, soc.time, soc.value)
    dense = _counts(soc, edges) > 0
    good = np.isfinite(middle) & (np.abs(rise) > 0) & dense
    if good.sum() < MIN_POINTS or np.ptp(middle[good]) == 0 or np.ptp(rise[good]) == 0:
        return Guess(None, f"cannot be told: {soc.name} moves in only {int(good.sum())} half hours with {flow.name}")
    r = float(np.corrcoef(middle[good], rise[good])[0, 1])
    if abs(r) < CLEAR:
        return Guess(None, f"cannot be told: correlation of {flow.name} with the rise of {soc.name} is {r:+.2f}")
    what = "charge" if r > 0 else "discharge"
    return Guess(what, f"{flow.name} > 0 is {what}: correlation with the rise of {soc.name} {r:+.2f} in "
                       f"{int(good.sum())} half hours")


def _counts(series: Series, edges: Int) -> Int:
    return np.searchsorted(series.time, edges + WINDOW * GRID) - np.searchsorted(series.time, edges)


def _means(series: Series, edges: Int, length: int) -> Float:
    total = np.concatenate([[0.0], np.cumsum(series.value)])
    left, right = np.searchsorted(series.time, edges), np.searchsorted(series.time, edges + length)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(right > left, (total[right] - total[left]) / (right - left), np.nan)


def find_net(com: Series, one: Series, other: Series) -> Guess:
    """Tell whether a register is the sum or the difference of two others, by the increases over common hours.

    Returns:
        value "sum" or "net"; None where neither fits, or both do because the smaller register hardly moves.
    """
    start = max(s.time[0] for s in (com, one, other))
    end = min(s.time[-1] for s in (com, one, other))
    if end - start < 10 * HOUR:
        return Guess(None, f"cannot be told: {com.name}, {one.name} and {other.name} have less than 10 h in common")
    grid = np.arange(start, end, HOUR)
    c, a, b = (np.interp(grid, s.time, s.value) for s in (com, one, other))
    c, a, b = c - c[0], a - a[0], b - b[0]
    errors = {"sum": float(np.abs(c - (a + b)).max()), "net": float(np.abs(c - (a - b)).max())}
    best = min(errors, key=lambda k: errors[k])
    other_way = errors["net" if best == "sum" else "sum"]
    scale = float(max(np.ptp(a), np.ptp(b)))
    if scale <= 0 or errors[best] > 0.02 * scale or other_way < 3 * errors[best] + 1e-9:
        return Guess(None, f"cannot be told whether {com.name} is the sum or the difference of {one.name} and "
                           f"{other.name}: off by {errors['sum']:.4g} and {errors['net']:.4g}")
    sign = "+" if best == "sum" else "−"
    return Guess(best, f"{com.name} = {one.name} {sign} {other.name}: increases agree within {errors[best]:.3g} "
                       f"of {scale:.5g} (the other way {other_way:.4g} off)")


def find_offset(family: list[Series], known: Series) -> Guess:
    """Tell whether the highest of a family lies a constant away from the signal that should be its highest.

    Returns:
        value: the offset to add to the family, as text; None where they agree or nothing is constant.
    """
    grid = known.time[:: max(1, len(known.time) // 2000)]
    at = [np.interp(grid, s.time, s.value) for s in family if len(s.time)]
    if not at or len(grid) < MIN_POINTS:
        return Guess(None, "too few common rows")
    away = np.max(at, axis=0) - np.interp(grid, known.time, known.value)
    shift, spread = float(np.median(away)), float(np.percentile(away, 90) - np.percentile(away, 10))
    if abs(shift) < 5 or spread > 0.2 * abs(shift):
        return Guess(None, f"the highest lies {shift:+.3g} from {known.name}")
    return Guess(f"{-round(shift):g}", f"the highest lies {shift:+.4g} above {known.name} (80 % within {spread:.2g})")


def find_power_unit(power: Series, register_in: Series, register_out: Series | None) -> Guess:
    """Tell W from kW, and which way is import, by the power's integral against registers in kWh.

    Returns:
        value: the factor to kW with the sign of import, as text.
    """
    parts = [power, register_in] + ([register_out] if register_out else [])
    start, end = max(s.time[0] for s in parts), min(s.time[-1] for s in parts)
    inside = (power.time >= start) & (power.time <= end)
    time, value = power.time[inside], power.value[inside]
    if len(time) < 100:
        return Guess(None, "too few common rows")
    step = np.diff(time) / HOUR
    keep = step < 0.25
    energy = np.concatenate([[0.0], np.cumsum(np.where(keep, value[:-1] * step, 0.0))])
    net = np.interp(time, register_in.time, register_in.value)
    if register_out is not None:
        net = net - np.interp(time, register_out.time, register_out.value)
    net, energy = np.diff(net)[keep], np.diff(energy)[keep]
    # By the hour at least: registers step rarely.
    block = np.cumsum(step[keep]) // 2
    groups = np.unique(block, return_inverse=True)[1]
    x, y = np.bincount(groups, energy), np.bincount(groups, net)
    if len(x) < MIN_POINTS or not (x @ x):
        return Guess(None, "too few common hours")
    factor, r = float(x @ y / (x @ x)), float(np.corrcoef(x, y)[0, 1])
    for scale in (1.0, 0.001):
        if abs(abs(factor) / scale - 1) < 0.15 and abs(r) > 0.9:
            against = f"{register_in.name}" + (f" − {register_out.name}" if register_out else "")
            return Guess(f"{np.sign(factor) * scale:g}", f"the integral of {power.name} × {np.sign(factor) * scale:g} "
                         f"follows {against} (slope {factor:.3g}, correlation {r:+.3f})")
    return Guess(None, f"the integral of {power.name} does not follow the registers (slope {factor:.3g}, {r:+.2f})")
