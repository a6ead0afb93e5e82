"""Does the measured capacity belong to the nameplate of the settings? One row of `device_evidence`.

The nameplate is an assumption that stands behind full cycles and health. Between voltage-anchored ends more charge than
it names is a contradiction; less may be an end that lies within the cell, so that a contradiction also needs the charge
per 100 points of SOC. Old or falsely named: the data cannot tell, and the sentence says so. Next: `anchors.py`.
"""

from typing import Any

import numpy as np
import polars as pl

from energy_pipeline.compute.anchors import anchored_charges, highest_cell, mark_anchors, with_true_charge
from energy_pipeline.compute.battery_series import Float
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.battery import CAPACITY, SAT_VOLTAGE

APART = 0.05
Row = dict[str, Any]


def nameplate(
    ctx: DeviceContext, charge_cycles: pl.DataFrame, sat_voltage: pl.DataFrame | None, capacity: pl.DataFrame | None
) -> Row:
    """Return measured capacity over the nameplate [1], from the anchored charges of the first days.

    `estimate` is the median charge per 100 points of SOC (without SOC: between the anchors) over nameplate × the BMS's
    health of these days, its interval from the scatter. `contradicts` where it, and the charge between the anchors
    alone, lie below 0.95; or where it lies above 1.05 and the charge between the anchors above 1; or that above 1.05.
    """
    battery = ctx.battery
    row: Row = {"topic": "nameplate", "method": "anchors", "verdict": "cannot_tell", "n": 0, "unit": "1",
                "declared": f"{battery.nameplate_ah:g} Ah"}
    if charge_cycles["charge_ah"].is_null().all():
        return row | {"reason": "no_current"}
    sat = SAT_VOLTAGE.empty() if sat_voltage is None else sat_voltage
    cycles = mark_anchors(highest_cell(with_true_charge(charge_cycles), sat), battery)
    values = _first(anchored_charges(cycles, battery), battery.first_capacity_days)
    if len(values) < battery.capacity_min_values:
        return row | {"reason": "few_anchored", "n": len(values)}
    expected = battery.nameplate_ah * _health(capacity, battery.first_capacity_days) / 100.0
    between = _interval(values["q_ah"].to_numpy() / expected)
    with_soc = values.filter(pl.col("swing") > 0)
    known = len(with_soc) >= battery.capacity_min_values
    full = 100.0 * with_soc["q_ah"].to_numpy() / with_soc["swing"].to_numpy() if known else values["q_ah"].to_numpy()
    middle, low, high = _interval(full / expected)
    too_low = known and high < 1.0 - APART and between[2] < 1.0 - APART
    too_high = between[1] > 1.0 + APART or (known and low > 1.0 + APART and between[1] > 1.0)
    return row | {
        "method": "anchors" if known else "anchors_only", "verdict": "contradicts" if too_low or too_high else "fits",
        "found": f"{float(np.median(full)):.0f} Ah", "estimate": middle, "low": low, "high": high, "n": len(values),
        "reason": "less_than_nameplate" if too_low else None,
    }


def _first(values: pl.DataFrame, days: int) -> pl.DataFrame:
    return values.filter(pl.col("day") < pl.col("day").min() + pl.duration(days=days))


def _health(capacity: pl.DataFrame | None, days: int) -> float:
    """Return the BMS's state of health of the first days [%]; 100 where it gives none that can be."""
    known = (CAPACITY.empty() if capacity is None else capacity).filter(pl.col("soh_bms_percent").is_between(1, 100))
    first = _first(known, days)["soh_bms_percent"].median()
    return float(first) if isinstance(first, float) else 100.0


def _interval(value: Float) -> tuple[float, float, float]:
    """Return the median with its 95 % interval from the scatter."""
    middle = float(np.median(value))
    half = 1.96 * 1.2533 * 1.4826 * float(np.median(np.abs(value - middle))) / np.sqrt(len(value))
    return middle, middle - half, middle + half
