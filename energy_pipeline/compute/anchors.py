"""Charge between ends that voltage anchors: the evidence on capacity that does not depend on the BMS (METRICS D).

Full: the highest cell reaches the month's end-of-charge level. Empty: the lowest cell falls to the set voltage. Between
two opposite ends the charge of all segments is summed, corrected by the current that is read at rest.
Next: `capacity.py`, which makes the table.
"""

from itertools import pairwise

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Float
from energy_pipeline.settings import BatterySettings

FULL, EMPTY_END = 1, -1
LOOK_BACK_S = 47 * 3600.0  # `unseen_before_s` knows 48 h; a longer rest without SOC may hide anything


def with_true_charge(charge_cycles: pl.DataFrame) -> pl.DataFrame:
    """Add `true_ah` and `true_kwh`: charge and energy of each segment, corrected by the zero read at rest.

    The zero has the file's sign; it adds to |I| where the segment's own sign in the file is the same. Energy is
    corrected with the mean voltage of the segment. Without a zero read at rest nothing is corrected: the value is
    that of the sensor, and `zero_current_a` is null beside it.
    """
    own = pl.col("file_sign") * pl.when(pl.col("kind") == "charge").then(1).otherwise(-1)
    own = pl.when(pl.col("sign_contradiction").fill_null(value=False)).then(-own).otherwise(own)
    shift = (own * pl.col("zero_current_a") * pl.col("duration_s") / 3600.0).fill_null(0.0)
    volts = pl.col("voltage_mean_v").fill_null(0.0)
    return charge_cycles.sort("start_ts").with_columns(
        (pl.col("charge_ah") - shift).alias("true_ah"),
        (pl.col("energy_kwh") - shift * volts / 1000.0).alias("true_kwh"),
    )


def highest_cell(cycles: pl.DataFrame, sat_voltage: pl.DataFrame) -> pl.DataFrame:
    """Add `top_v`: the highest SAT voltage of the charge over all cells, else the highest cell at the end [V]."""
    top = sat_voltage.group_by("charge_end_ts").agg(pl.col("sat_voltage_v").max().alias("top_v"))
    joined = cycles.join(top, left_on="end_ts", right_on="charge_end_ts", how="left", maintain_order="left")
    return joined.with_columns(pl.col("top_v").fill_null(pl.col("cell_max_end_v")))


def mark_anchors(cycles: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    """Add `anchor`: 1 at a full end, −1 at an empty end, 0 elsewhere.

    The month's end-of-charge level is the 75th percentile of `top_v` over its charges of at least 20 SOC points. No
    full end lies below the voltage of a full charge: a month of partial charges has a level, and no full end.
    """
    # Without SOC a charge cannot be told to be partial; its voltage alone decides then.
    deep = pl.col("delta_soc").is_null() | (pl.col("delta_soc") >= battery.qualified_delta_soc)
    real = (pl.col("kind") == "charge") & deep
    level = pl.col("top_v").filter(real).quantile(0.75, "linear").over("month")
    full = real & (pl.col("top_v") >= level - battery.anchor_full_mv / 1000.0)
    full &= pl.col("top_v") >= battery.voltage("full_median_cell_v")
    empty = (pl.col("kind") == "discharge") & (pl.col("cell_min_end_v") <= battery.voltage("empty_cell_v"))
    return cycles.with_columns(
        pl.when(full).then(FULL).when(empty).then(EMPTY_END).otherwise(0).fill_null(0).alias("anchor")
    )


def anchored_charges(cycles: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    """Return one row per way between opposite anchors.

    Columns: `day` it ends, `kind`, `q_ah`, `hours`, `swing` of SOC, and `zero_known`, whether a zero of the current was
    read at rest for every segment of it.

    A way counts when current covers its segments, nothing moves between them (`_sound`), and it is not too long.
    """
    anchor = cycles["anchor"].to_numpy()
    at = np.flatnonzero(anchor)
    sign = np.where((cycles["kind"] == "charge").to_numpy(), 1.0, -1.0)
    amount = np.nan_to_num(cycles["true_ah"].fill_null(np.nan).to_numpy(), nan=np.nan) * sign
    total = np.concatenate([[0.0], np.cumsum(amount)]) if np.isfinite(amount).all() else None
    rows = []
    for a, b in pairwise(at.tolist()):
        if anchor[a] == anchor[b] or not _sound(cycles[a : b + 1], battery):
            continue
        q = float(total[b + 1] - total[a + 1]) if total is not None else float(amount[a + 1 : b + 1].sum())
        if np.isfinite(q) and q * anchor[b] > 0:
            hours = float(cycles["duration_s"][a + 1 : b + 1].sum()) / 3600.0
            kind = "charge" if anchor[b] == FULL else "discharge"
            soc = (cycles["soc_end"][a], cycles["soc_end"][b])
            swing = abs(soc[1] - soc[0]) if None not in soc else None
            zero = cycles["zero_current_a"][a + 1 : b + 1].null_count() == 0
            rows.append({"day": cycles["day"][b], "kind": kind, "q_ah": abs(q), "hours": hours, "swing": swing,
                         "zero_known": zero})
    kinds = {"day": pl.Date, "kind": pl.String, "q_ah": pl.Float64, "hours": pl.Float64, "swing": pl.Float64,
             "zero_known": pl.Boolean}
    return pl.DataFrame(rows, schema=kinds)


def capacity_of_soc(values: pl.DataFrame, least: int) -> float | None:
    """Return the charge behind 100 points of SOC [Ah], from anchored ways; None below `least` values.

    The anchors need not span the whole scale of SOC (an operator may charge to 97 % only).
    """
    known = values.filter(pl.col("swing") > 0)
    if len(known) < least:
        return None
    return float(np.median((100.0 * known["q_ah"] / known["swing"]).to_numpy()))


def _sound(way: pl.DataFrame, battery: BatterySettings) -> bool:
    """Return whether nothing is missing between the first end of `way` and its last.

    Between two segments SOC must stand still; where it is not known, the current must be seen at rest all the while.
    """
    hours = (way["end_ts"][-1] - way["end_ts"][0]).total_seconds() / 3600.0
    if hours > battery.anchor_max_h or (way["coverage_current"][1:] < battery.anchor_coverage).any():
        return False
    gap = soc_gaps(way)[1:]
    if (gap > battery.anchor_soc_gap).any():
        return False
    blind = ~np.isfinite(gap)
    wait = (way["start_ts"] - way["end_ts"].shift(1)).dt.total_seconds()[1:].to_numpy()
    if (wait[blind] > LOOK_BACK_S).any():
        return False
    unseen = way["unseen_before_s"].fill_null(np.inf).to_numpy()[1:][blind]
    return bool(unseen.sum() <= (1.0 - battery.anchor_coverage) * float(way["duration_s"][1:].sum()))


def soc_gaps(cycles: pl.DataFrame) -> Float:
    """Return how far SOC moved between each segment and the one before it [points]; NaN where it is not known."""
    gap = (cycles["soc_start"] - cycles["soc_end"].shift(1)).abs()
    return gap.cast(pl.Float64).fill_null(np.nan).to_numpy()


def rolling_capacity(values: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    """Return per day: `q_anchor_median_ah` over the last days, its standard error, and the number of values.

    Error: scatter of the median; half the current's quantum over the duration where only one direction is seen (in the
    mean of charge and discharge an error of the zero cancels); and, for the share of the values for which no zero was
    read at rest, the set uncertainty of an unknown zero over the time by which the two directions differ, or over the
    whole duration where only one is seen. The last is common to all values: their number does not make it smaller.
    """
    rows = []
    blind = ~values["zero_known"].to_numpy().astype(bool)
    number = values["day"].cast(pl.Int32).to_numpy()
    q, kind, hours = values["q_ah"].to_numpy(), (values["kind"] == "charge").to_numpy(), values["hours"].to_numpy()
    for day in np.unique(number):
        k = (number > day - battery.capacity_days) & (number <= day)
        if k.sum() < battery.capacity_min_values:
            continue
        up, down = q[k & kind], q[k & ~kind]
        parts = [float(np.median(p)) for p in (up, down) if len(p)]
        unknown = battery.zero_unknown_a * float(blind[k].mean()) * _hours_apart(hours[k], kind[k])
        zero = battery.current_quantum_a / np.sqrt(12.0) * float(np.median(hours[k])) * (len(parts) == 1)
        error = float(np.sqrt(_median_error(up, down) ** 2 + zero**2 + unknown**2))
        rows.append({"number": int(day), "median": float(np.mean(parts)), "error": error, "n": int(k.sum()),
                     "known": 1.0 - float(blind[k].mean())})
    kinds = {"number": pl.Int32, "median": pl.Float64, "error": pl.Float64, "n": pl.Int32, "known": pl.Float64}
    frame = pl.DataFrame(rows, schema=kinds)
    return frame.select(
        pl.col("number").cast(pl.Date).alias("day"), pl.col("median").alias("q_anchor_median_ah"),
        pl.col("error").alias("q_anchor_error_ah"), pl.col("n").alias("q_anchor_values"),
        pl.col("known").alias("q_anchor_zero_known"),
    )


def _hours_apart(hours: Float, is_charge: Float) -> float:
    """Return the hours over which an error of the zero enters the mean of both directions (or the only one)."""
    parts = [float(np.median(hours[k])) for k in (is_charge.astype(bool), ~is_charge.astype(bool)) if k.any()]
    return abs(parts[0] - parts[1]) / 2.0 if len(parts) == 2 else parts[0]


def _median_error(up: Float, down: Float) -> float:
    """Return the standard error of the mean of the two medians: 1.2533 × robust deviation / √n each."""
    variance, parts = 0.0, 0
    for part in (up, down):
        if len(part):
            deviation = 1.4826 * float(np.median(np.abs(part - np.median(part))))
            variance += (1.2533 * deviation) ** 2 / len(part)
            parts += 1
    return float(np.sqrt(variance)) / max(parts, 1)
