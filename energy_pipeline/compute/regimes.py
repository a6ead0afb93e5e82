"""`regimes`: dated steps of the SAT level, common to the system (operation) or of one cell (a finding).

Changes common to all cells come from the operator's set point, not from ageing; trends are fitted with a level of
their own on both sides (METRICS F). Steps of a single cell's offset speak of its sensor, its balancer or a repair.
Next: `fit_levels.py`, which turns steps into levels of the fits.
"""

from datetime import date, timedelta

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Bool, Float
from energy_pipeline.compute.change_points import Change, LineCost, find_changes
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.day_matrix import DayMatrix, day_matrix
from energy_pipeline.compute.sat_voltage import nan_median
from energy_pipeline.schemas.battery import REGIMES
from energy_pipeline.settings import BatterySettings

SCREEN = 0.6
OPERATING, SUSPECTED, CELL_STEP = "operating_regime", "suspected", "cell_step"


def build_regimes(ctx: DeviceContext, sat_daily: pl.DataFrame) -> pl.DataFrame:
    """Build the dated steps of a device: of the system median of SAT, and of single cells' offsets.

    A system step is an operating regime from the set size on, where both sides are long enough and the set share of
    cells moved with it; else it is `suspected`, and no trend is cut there. Empty below twice the minimum length.
    """
    level = day_matrix(sat_daily, "sat_voltage_v")
    if level is None:
        return REGIMES.empty()
    rows = _system_rows(ctx, level) + _cell_rows(ctx, sat_daily)
    if not rows:
        return REGIMES.empty()
    frame = pl.DataFrame(rows, schema={k: v for k, v in REGIMES.polars_schema.items() if k != "device"})
    frame = frame.with_columns(pl.lit(ctx.device).alias("device"))
    return REGIMES.conform(frame.sort("scope", "pack", "cell", "signal", "day"))


def _system_rows(ctx: DeviceContext, level: DayMatrix) -> list[dict[str, object]]:
    battery = ctx.battery
    values = 1000.0 * level.values
    middle = nan_median(values, axis=0)
    rows = np.flatnonzero(np.isfinite(middle))
    t = level.t[rows]
    floor = battery.voltage_quantum_mv**2 / 12.0
    changes = find_changes(
        t, middle[rows], minimum=battery.regime_min_days, penalty=battery.regime_penalty, floor=floor
    )
    out = []
    for change in changes:
        share = _moved_share(values[:, rows], change, battery)
        long_enough = min(change.length_before, change.length_after) >= battery.regime_min_days
        big = abs(change.step) >= battery.regime_min_step_mv
        kind = OPERATING if big and long_enough and share >= battery.regime_moved_share else SUSPECTED
        out.append(_row("system", None, change, level, rows, share, kind))
    return out


def _row(
    scope: str, row: int | None, change: Change, matrix: DayMatrix, rows: np.ndarray, share: float | None, kind: str
) -> dict[str, object]:
    def day(k: int) -> date:
        return matrix.days[int(rows[k])]

    early = day(max(change.low - 1, 0)) + timedelta(days=1)  # the step may lie in the gap before that day
    last_old = day(change.index - 1)
    missing = (day(change.index) - last_old).days
    middle = last_old + timedelta(days=1 + missing // 2)  # all days after the last old one fit alike: least error
    pack, cell, signal = (None if row is None else x[row] for x in (matrix.packs, matrix.cells, matrix.signals))
    return {
        "scope": scope, "pack": pack, "cell": cell, "signal": signal, "day": middle, "day_low": early,
        "day_high": day(change.high), "step_mv": change.step, "moved_share": share, "kind": kind,
    }


def _moved_share(values: Float, change: Change, battery: BatterySettings) -> float:
    """Return the share of cells whose own level moved the same way by at least half of the step."""
    k, width = change.index, battery.regime_min_days
    before = nan_median(values[:, max(0, k - min(width, change.length_before)) : k], axis=1)
    after = nan_median(values[:, k : k + min(width, change.length_after)], axis=1)
    own = (after - before)[np.isfinite(after - before)]
    return float(np.mean(own * np.sign(change.step) >= abs(change.step) / 2)) if len(own) else 0.0


def _cell_rows(ctx: DeviceContext, sat_daily: pl.DataFrame) -> list[dict[str, object]]:
    """Search steps of single cells' offsets, only in cells where neighbouring windows differ by the set amount."""
    offset = day_matrix(sat_daily, "sat_offset_mv")
    if offset is None:
        return []
    battery = ctx.battery
    floor = battery.voltage_quantum_mv**2 / 12.0
    out, lines = [], dict[bytes, LineCost]()
    for row in np.flatnonzero(_worth_a_search(offset.values, battery)):
        rows = np.flatnonzero(np.isfinite(offset.values[row]))
        t, y = offset.t[rows], offset.values[row, rows]
        line = lines[rows.tobytes()] if rows.tobytes() in lines else LineCost(t)
        lines = {rows.tobytes(): line}
        changes = find_changes(
            t, y, minimum=battery.regime_min_days, penalty=battery.regime_penalty, floor=floor, line=line
        )
        large = [c for c in changes if abs(c.step) >= battery.cell_finding_mv]
        out += [_row("cell", int(row), c, offset, rows, None, CELL_STEP) for c in large]
    return out


def _worth_a_search(values: Float, battery: BatterySettings) -> Bool:
    """Return which rows have neighbouring windows (14 days each) whose means differ by 0.6 of a finding or more."""
    width = 14
    if values.shape[1] < 2 * width:
        return np.zeros(len(values), dtype=np.bool_)
    known = np.isfinite(values)
    total = np.cumsum(np.pad(np.where(known, values, 0.0), ((0, 0), (1, 0))), axis=1)
    count = np.cumsum(np.pad(known.astype(float), ((0, 0), (1, 0))), axis=1)
    mean = (total[:, width:] - total[:, :-width]) / np.maximum(count[:, width:] - count[:, :-width], 1)
    full = (count[:, width:] - count[:, :-width]) >= width // 3
    difference = np.where(full[:, width:] & full[:, :-width], mean[:, width:] - mean[:, :-width], 0.0)
    return np.asarray(np.abs(difference).max(axis=1) >= SCREEN * battery.cell_finding_mv, dtype=np.bool_)
