"""What contradicts itself in `capacity`: counts of cycles that differ, and a state of health that cannot be true.

Pure columns over the daily table, each a code or a number with its reason; limits are settings.
Next: `capacity.py`, which adds them; `verdict_texts.py` for the words.
"""

import numpy as np
import polars as pl

from energy_pipeline.settings import BatterySettings

COUNTS = ("efc_ah", "efc_energy", "efc_soc")
OUT_OF_RANGE, JUMP, FLAT, DIFFERS = "out_of_range", "jump", "flat", "differs"
FULL_HEALTH = 100.0
NEAR_DAYS = 7


def cycle_difference(battery: BatterySettings) -> list[pl.Expr]:
    """Return difference of the counts of cycles [%], whether it is too large, and why there is none.

    100 · (largest − smallest) / mean of the counts that exist, at least two, from the set number of full cycles on.
    """
    known = pl.sum_horizontal(pl.col(c).is_not_null() for c in COUNTS)
    mean = pl.mean_horizontal(*COUNTS)
    reason = pl.when(known < 2).then(pl.lit("one_count")).when(mean < battery.efc_compare_from).then(
        pl.lit("few_cycles")
    )
    value = 100.0 * (pl.max_horizontal(*COUNTS) - pl.min_horizontal(*COUNTS)) / mean
    difference = pl.when(reason.is_null()).then(value)
    return [
        difference.alias("efc_difference_percent"),
        (difference > battery.efc_difference_percent).alias("efc_flagged"), reason.alias("efc_reason"),
    ]


def health_findings(frame: pl.DataFrame, battery: BatterySettings) -> pl.Series:
    """Return what is wrong with the BMS's state of health, per row of `capacity` in order of days; null if nothing.

    - out_of_range: not above 0 or above 100 %.
    - jump: differs from the value before, at most 7 days earlier, by more than the set points per day.
    - differs: against its own first days it has lost (or gained) another amount than the measured capacity against its
      own, by the set points and by twice the error of the measurement.
    - flat: has not changed for the set days, in which at least the set number of full cycles was made.
    """
    days = frame["day"].cast(pl.Int32).to_numpy()
    soh = frame["soh_bms_percent"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    out = np.full(len(days), None, dtype=object)
    at = np.flatnonzero(np.isfinite(soh))
    if not len(at):
        return pl.Series("soh_bms_finding", out.tolist(), dtype=pl.String)
    value, when = soh[at], days[at]
    found = np.full(len(at), None, dtype=object)
    cycles = frame["efc_ah"].fill_null(frame["efc_energy"]).cast(pl.Float64).fill_null(np.nan).to_numpy()[at]
    found[_flat(value, when, cycles, battery)] = FLAT
    first = float(np.median(value[when < when[0] + battery.first_capacity_days]))
    own = frame["soh_first_percent"].cast(pl.Float64).fill_null(np.nan).to_numpy()[at]
    error = frame["q_anchor_error_ah"].cast(pl.Float64).fill_null(np.nan).to_numpy()[at]
    median = frame["q_anchor_median_ah"].cast(pl.Float64).fill_null(np.nan).to_numpy()[at]
    apart = np.abs(FULL_HEALTH * value / max(first, 1e-9) - own)
    limit = np.maximum(battery.soh_difference_points, 2.0 * own * error / median)
    found[np.nan_to_num(apart - limit, nan=-1.0) > 0] = DIFFERS
    apart_days = np.diff(when, prepend=when[0])
    step = np.abs(np.diff(value, prepend=value[0]))
    near = (apart_days >= 1) & (apart_days <= NEAR_DAYS)
    found[near & (step > battery.soh_jump_points * np.maximum(apart_days, 1))] = JUMP
    found[(value <= 0.0) | (value > FULL_HEALTH)] = OUT_OF_RANGE
    out[at] = found
    return pl.Series("soh_bms_finding", out.tolist(), dtype=pl.String)


def _flat(value: np.ndarray, when: np.ndarray, cycles: np.ndarray, battery: BatterySettings) -> np.ndarray:
    """Return the days at which the value has stood still for long enough while the battery was used."""
    change = np.diff(value, prepend=value[0]) != 0
    start = np.maximum.accumulate(np.where(change, np.arange(len(value)), 0))
    used = np.nan_to_num(cycles - cycles[start], nan=0.0) >= battery.soh_flat_efc
    return np.asarray((when - when[start] >= battery.soh_flat_days) & used)
