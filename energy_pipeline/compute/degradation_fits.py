"""`degradation_fits`: slope, honest interval and verdict of every cell, pack and the system, or why there is none.

Here: which series are fitted, families of tests, and the rows of the table (METRICS G). The mathematics is in `gls.py`
(decides), `robust_fits.py` (shown beside it), `verdicts.py` and `projections.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from energy_pipeline.compute.anchors import with_true_charge
from energy_pipeline.compute.battery_series import Float, Int
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.cycle_counts import count_cycles
from energy_pipeline.compute.day_matrix import DayMatrix, day_matrix
from energy_pipeline.compute.fit_levels import (
    FitSeries,
    cell_steps,
    cut_rows,
    moved_at,
    own_steps,
    series_of,
    system_steps,
    wild_days,
)
from energy_pipeline.compute.fit_rows import Common, common_of, fit_family
from energy_pipeline.compute.sat_voltage import nan_median
from energy_pipeline.schemas.battery import DEGRADATION_FITS

OFFSET, INDEX, CAPACITY_PERCENT = "sat_offset_mv", "sat_index_percent", "capacity_percent"
UNITS = {OFFSET: "mV", INDEX: "%", CAPACITY_PERCENT: "%"}
FEW_CELLS = 0.5


@dataclass(frozen=True)
class Family:
    """Series that are judged together: their common time line [days] and the cycles done by each of its days."""

    t: Float
    days: list[Any]
    efc: Float
    series: list[FitSeries]


def build_degradation_fits(
    ctx: DeviceContext,
    sat_daily: pl.DataFrame,
    regimes: pl.DataFrame,
    capacity: pl.DataFrame,
    charge_cycles: pl.DataFrame,
) -> pl.DataFrame:
    """Build one row per (level, pack, cell, quantity); every cell has two rows, with a verdict or a reason."""
    rows: list[dict[str, Any]] = []
    common: Common | None = None
    for family in _families(ctx, sat_daily, regimes, capacity, charge_cycles):
        shares = family.series[0].quantity == INDEX and family.series[0].grade != "system"
        fitted = fit_family(family.t, family.days, family.efc, family.series, ctx.battery, common if shares else None)
        if family.series[0].quantity == INDEX and not shares:
            common = common_of(fitted[0])
        rows.extend(fitted)
    if not rows:
        return DEGRADATION_FITS.empty()
    if sat_daily["qualified"].any():
        _say_no_baseline(rows)
    schema = {k: v for k, v in DEGRADATION_FITS.polars_schema.items() if k not in {"device", "unit"}}
    frame = pl.DataFrame(rows, schema=schema).with_columns(
        pl.lit(ctx.device).alias("device"), pl.col("quantity").replace_strict(UNITS).alias("unit"),
        pl.col(pl.Float64).fill_nan(None),
    )
    order = pl.col("level").replace_strict({"system": 0, "pack": 1, "cell": 2}, return_dtype=pl.Int8)
    return DEGRADATION_FITS.conform(frame.sort(order, "quantity", "pack", "cell", "signal"))


def _say_no_baseline(rows: list[dict[str, Any]]) -> None:
    """Name the missing baseline where there are qualified days but no index yet."""
    for row in rows:
        if row["quantity"] == INDEX and row["reason"] == "no_data":
            row["reason"] = "no_baseline"


def _families(
    ctx: DeviceContext, sat_daily: pl.DataFrame, regimes: pl.DataFrame, capacity: pl.DataFrame,
    charge_cycles: pl.DataFrame,
) -> list[Family]:
    """Return the families: cells and packs by offset and by index, the system by index and by capacity."""
    if sat_daily.is_empty():
        return _capacity_family(ctx, capacity, charge_cycles)
    out = []
    for quantity in (OFFSET, INDEX):
        matrix = day_matrix(sat_daily, quantity) or _nothing(sat_daily)
        efc = cycles_by_day(capacity, charge_cycles, matrix.days, ctx)
        common = cut_rows(matrix.days, system_steps(regimes)) if matrix.days else np.empty(0, np.int64)
        cells = _cell_series(ctx, matrix, quantity, common, regimes)
        packs = _pack_series(ctx, matrix, quantity, common)
        if quantity == INDEX:  # the system first: cells and packs cannot know their index better than it does
            whole = _middle(matrix.values)
            series = series_of(whole, common, ctx.battery, quantity=quantity, grade="system")
            out.append(Family(matrix.t, matrix.days, efc, [series]))
        out += [Family(matrix.t, matrix.days, efc, s) for s in (cells, packs) if s]
    return out + _capacity_family(ctx, capacity, charge_cycles)


def _nothing(sat_daily: pl.DataFrame) -> DayMatrix:
    """Return a matrix without days, so that every cell still gets its row with the reason."""
    keys = sat_daily.select("signal", "pack", "cell").unique().sort("pack", "cell", "signal")
    empty = np.empty(0)
    return DayMatrix(np.empty((len(keys), 0)), empty, [], keys["pack"].to_list(), keys["cell"].to_list(),
                     keys["signal"].to_list())


def _cell_series(
    ctx: DeviceContext, matrix: DayMatrix, quantity: str, common: Int, regimes: pl.DataFrame
) -> list[FitSeries]:
    out = []
    steps = cell_steps(regimes)
    moved = moved_at(matrix, common, ctx.battery)
    wild = wild_days(matrix.values, ctx.battery, percent=quantity != OFFSET)
    for row, (pack, cell, signal) in enumerate(zip(matrix.packs, matrix.cells, matrix.signals, strict=True)):
        own = quantity == OFFSET and len(matrix.days) > 0
        cuts = own_steps(matrix, common, moved[row], steps.get(signal, [])) if own else common
        y = matrix.values[row]
        out.append(
            series_of(y, cuts, ctx.battery, quantity=quantity, grade="cell", pack=pack, cell=cell, signal=signal,
                      wild=wild[row])
        )
    return out


def _pack_series(ctx: DeviceContext, matrix: DayMatrix, quantity: str, common: Int) -> list[FitSeries]:
    """Return the median of each pack's cells; its offset has a level of its own only where it steps by itself."""
    out = []
    packs = np.array([-1 if p is None else p for p in matrix.packs])
    for pack in sorted(set(packs[packs >= 0].tolist())):
        y = _middle(matrix.values[packs == pack])
        one = DayMatrix(y[None], matrix.t, matrix.days, [pack], [None], [None])
        own = quantity == OFFSET and len(matrix.days) > 0
        cuts = own_steps(one, common, moved_at(one, common, ctx.battery)[0], []) if own else common
        out.append(series_of(y, cuts, ctx.battery, quantity=quantity, grade="pack", pack=pack))
    return out


def _middle(values: Float) -> Float:
    """Return the median over cells per day where at least half of the cells have a value."""
    if not values.size:
        return np.empty(values.shape[1])
    enough = np.isfinite(values).mean(axis=0) >= FEW_CELLS
    return np.where(enough, nan_median(values, axis=0), np.nan)


def _capacity_family(ctx: DeviceContext, capacity: pl.DataFrame, charge_cycles: pl.DataFrame) -> list[Family]:
    """Return the system's capacity by voltage anchors in percent of nameplate; it has no regimes."""
    rows = capacity.drop_nulls("q_anchor_ah").sort("day")
    if rows.is_empty():
        if capacity.is_empty() and charge_cycles.is_empty():
            return []
        none = np.empty(0, np.int64)
        empty = FitSeries(none, np.empty(0), none, None, None, CAPACITY_PERCENT, "system")
        return [Family(np.empty(0), [], np.empty(0), [empty])]
    days = rows["day"].to_list()
    number = rows["day"].cast(pl.Int32).to_numpy().astype(np.float64)
    y = 100.0 * rows["q_anchor_ah"].to_numpy() / ctx.battery.nameplate_ah
    none = np.empty(0, np.int64)
    series = series_of(y, none, ctx.battery, quantity=CAPACITY_PERCENT, grade="system")
    return [Family(number - number[0], days, cycles_by_day(capacity, charge_cycles, days, ctx), [series])]


def cycles_by_day(
    capacity: pl.DataFrame, charge_cycles: pl.DataFrame, days: Sequence[Any], ctx: DeviceContext
) -> Float:
    """Return the measured equivalent full cycles done by the end of each day; NaN where charge is not measured.

    They are `capacity.efc_ah`; where that table is not there, the same count from the segments.
    """
    known = capacity.drop_nulls("efc_ah").sort("day")
    if known.is_empty() and not charge_cycles.is_empty():
        segments = with_true_charge(charge_cycles)
        known = count_cycles(segments, None, None, ctx.battery, None, ctx.zone.key).drop_nulls("efc_ah")
    if known.is_empty() or not len(days):
        return np.full(len(days), np.nan)
    total = np.concatenate([[0.0], known["efc_ah"].to_numpy()])
    have = known["day"].to_numpy().astype("datetime64[D]")
    done = np.searchsorted(have, np.array(days, dtype="datetime64[D]"), side="right")
    return np.asarray(total[done], dtype=np.float64)
