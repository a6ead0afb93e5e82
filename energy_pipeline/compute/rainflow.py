"""Rainflow count of SOC: turning points, the four-point method, and the histogram of depth and mean SOC.

Four-point method after Amzallag, Gerey, Robert, Bahuaud 1994 (Int. J. Fatigue 16:287); what never closes is the residue
and counts as half cycles. Works on turning points of the whole history. Next: `cycle_counts.py`.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Float, Int
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.battery_parts import RAINFLOW

DEPTH_STEP, MEAN_STEP = 10.0, 20.0


@dataclass(frozen=True)
class Cycles:
    """Counted cycles: depth and mean in the series' unit, and how many (1 or 0.5)."""

    depth: Float
    mean: Float
    count: Float


def turning_points(value: Float, hysteresis: float) -> Int:
    """Return the indices of the first reading, of every turn of at least `hysteresis`, and of the last extreme.

    Applied to its own output together with the ends of a stretch, it gives the same turns: months can be joined.
    """
    if not len(value):
        return np.empty(0, dtype=np.int64)
    keep = [0]
    low = high = 0
    way = 0
    for k in range(1, len(value)):
        v = value[k]
        high, low = (k if v > value[high] else high), (k if v < value[low] else low)
        if way >= 0 and value[high] - v >= hysteresis:
            keep.append(high)
            way, low = -1, k
            high = k
        elif way <= 0 and v - value[low] >= hysteresis:
            keep.append(low)
            way, high = 1, k
            low = k
    last = high if way > 0 else low if way < 0 else len(value) - 1
    return np.unique(np.array([*keep, last], dtype=np.int64))


def join_points(value: Float, hysteresis: float) -> Int:
    """Return what a month must keep so that months can be joined: turns, extremes before the first, and both ends."""
    turns = turning_points(value, hysteresis)
    if not len(value):
        return turns
    first = int(turns[1]) if len(turns) > 1 else len(value) - 1
    head = [int(np.argmax(value[: first + 1])), int(np.argmin(value[: first + 1]))]
    tail = int(turns[-1])
    ends = [tail + int(np.argmax(value[tail:])), tail + int(np.argmin(value[tail:])), len(value) - 1]
    return np.unique(np.concatenate([turns, head, ends]).astype(np.int64))


def count_rainflow(points: Float) -> Cycles:
    """Count closed cycles of a sequence of turning points by the four-point method, the residue as half cycles."""
    stack: list[float] = []
    depth: list[float] = []
    mean: list[float] = []
    count: list[float] = []
    for value in points:
        stack.append(float(value))
        while len(stack) >= 4:
            outer1, inner, outer2 = (abs(stack[-k] - stack[-k - 1]) for k in (3, 2, 1))
            if inner > outer1 or inner > outer2:
                break
            depth.append(inner)
            mean.append((stack[-2] + stack[-3]) / 2.0)
            count.append(1.0)
            del stack[-3:-1]
    for a, b in pairwise(stack):
        if a != b:
            depth.append(abs(b - a))
            mean.append((a + b) / 2.0)
            count.append(0.5)
    return Cycles(np.array(depth), np.array(mean), np.array(count))


def build_rainflow(ctx: DeviceContext, soc_turning_points: pl.DataFrame) -> pl.DataFrame:
    """Build the histogram of depth × mean SOC over the whole history; empty without SOC."""
    ordered = soc_turning_points.sort("ts")
    value = ordered["soc"].to_numpy()
    turns = value[turning_points(value, ctx.battery.soc_hysteresis)]
    cycles = count_rainflow(turns)
    if not len(cycles.depth):
        return RAINFLOW.empty()
    low = np.maximum(np.ceil(cycles.depth / DEPTH_STEP - 1e-9) - 1, 0) * DEPTH_STEP
    middle = np.minimum(np.floor(cycles.mean / MEAN_STEP) * MEAN_STEP, 100.0 - MEAN_STEP)
    frame = pl.DataFrame({"depth_low": low, "mean_low": middle, "depth": cycles.depth, "n": cycles.count})
    return RAINFLOW.conform(
        frame.group_by("depth_low", "mean_low").agg(
            pl.col("n").sum().alias("cycles"),
            (pl.col("n") * pl.col("depth") / 100.0).sum().alias("equivalent_full_cycles"),
        ).with_columns(
            (pl.col("depth_low") + DEPTH_STEP).alias("depth_high"), (pl.col("mean_low") + MEAN_STEP).alias("mean_high"),
            pl.lit(ctx.device).alias("device"),
        ).sort("depth_low", "mean_low")
    )
