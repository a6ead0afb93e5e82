"""What can be wrong with the energy of a meter: pure functions that return the rows that break a rule.

Conservation of registers, registers that stand still, sources that disagree, decisions without an event. Each belongs
to one check in `checks/meters.py`. Next: `findings.py` for the other tables, `meter_balance.py` for the comparisons.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from energy_pipeline.compute.findings import Finding
from energy_pipeline.compute.meter_balance import STANDS_STILL
from energy_pipeline.compute.registers import STEP_KWH, correct_register
from energy_pipeline.schemas.resolution import LEVELS

# R is rounded to 1e-4 kWh at either border of a span: half a step each, and float noise of large registers.
ROUNDING_KWH = 1.01 * STEP_KWH


def register_differences(
    readings: pl.DataFrame, events: pl.DataFrame, kinds: Mapping[str, str], spans: Mapping[str, tuple[int, int]]
) -> pl.DataFrame:
    """R(end) − R(start) of every corrected register and month, straight from its readings.

    Computed apart from `registers.register_energy`, without rounding and without buckets, so that it can judge it.

    Args:
        readings: signal, ts, value of the registers: the months, and a reading that counts on either side of them.
        events: the device's `counter_events`.
        kinds: signal → counter or net_counter; only the first is corrected by events.
        spans: month → its borders [µs].

    Returns:
        One row per signal and month: `register_kwh`, null where the register has no line in the month [kWh].
    """
    rows = []
    for signal, kind in sorted(kinds.items()):
        own = readings.filter(pl.col("signal") == signal).select(pl.col("ts").to_physical(), "value").sort("ts")
        ruled = events.filter((pl.col("signal") == signal) & (kind == "counter"))
        ts, value, shift = correct_register(own["ts"].to_numpy(), own["value"].to_numpy(), ruled)
        for month, (start, end) in sorted(spans.items()):
            inside = len(ts) > 1 and max(start, int(ts[0])) < min(end, int(ts[-1]))
            at = np.interp(np.array([start, end], float), ts, value + shift * STEP_KWH) if inside else None
            rows.append((signal, month, None if at is None else float(at[1] - at[0])))
    return pl.DataFrame(
        rows, schema={"signal": pl.String, "month": pl.String, "register_kwh": pl.Float64}, orient="row"
    )


def compare_with_registers(sums: pl.DataFrame, differences: pl.DataFrame) -> pl.DataFrame:
    """Set the sums of `increase` beside the registers, per signal, month and level.

    Args:
        sums: signal, month, level, `increase_kwh`.
        differences: of `register_differences`.

    Returns:
        `signal`, `month`, `level`, `increase_kwh`, `register_kwh`, `difference_kwh`, and `five_min_kwh`.
    """
    wanted = differences.join(pl.DataFrame({"level": LEVELS}), how="cross")
    joined = wanted.join(sums, on=["signal", "month", "level"], how="full", coalesce=True)
    fine = joined.filter(pl.col("level") == LEVELS[0]).select(
        "signal", "month", pl.col("increase_kwh").alias("five_min_kwh")
    )
    return joined.join(fine, on=["signal", "month"], how="left").with_columns(
        (pl.col("increase_kwh") - pl.col("register_kwh")).alias("difference_kwh")
    ).sort("signal", "month", "level")


def unconserved_registers(compared: pl.DataFrame) -> Finding:
    """Registers whose energies, at some level, do not sum to the difference of the register.

    Args:
        compared: of `compare_with_registers`.
    """
    one_sided = pl.col("increase_kwh").is_null() != pl.col("register_kwh").is_null()
    far = pl.col("difference_kwh").abs() > ROUNDING_KWH
    steps = [(pl.col(c) / STEP_KWH).round() for c in ("increase_kwh", "five_min_kwh")]
    failed = compared.filter(one_sided | far.fill_null(False) | steps[0].ne_missing(steps[1]))
    largest = compared["difference_kwh"].abs().max()
    found = "no register has energy" if largest is None else f"largest difference found {largest:.6f} kWh"
    return Finding(
        failed, len(compared),
        f"at every level Σ increase = R(end) − R(start) within the rounding of 0.0001 kWh, and equal at all; {found}",
        "materialise the months again; if it stays, report it with the rows shown",
    )


def conservation_numbers(compared: pl.DataFrame) -> pl.DataFrame:
    """Sums over all months, one row per register and level: what the check shows where it is green [kWh]."""
    return compared.drop_nulls("register_kwh").group_by("signal", "level", maintain_order=True).agg(
        pl.len().alias("months"), pl.col("increase_kwh", "register_kwh").sum().round(4),
        (pl.col("increase_kwh").sum() - pl.col("register_kwh").sum()).round(6).alias("difference_kwh"),
    )


def standing_registers(balance: pl.DataFrame) -> Finding:
    """Days on which a register stood still while power flowed.

    Args:
        balance: rows of `meter_balance`.
    """
    found = balance.filter((pl.col("comparison") == STANDS_STILL) & pl.col("flagged"))
    return Finding(
        found.select("day", "signal", "a_kwh", "compared_h"), balance["day"].n_unique(),
        "a register moves before `meter.stands_still_kwh` (or three of its own steps) have flowed by power",
        "look at the meter and its reading; where the register is right, raise meter.stands_still_kwh",
    )


def sources_that_disagree(balance: pl.DataFrame) -> Finding:
    """Days on which two sources of the same energy differ by more than the limit.

    Args:
        balance: rows of `meter_balance`.
    """
    rows = balance.filter(pl.col("comparison") != STANDS_STILL)
    failed = rows.filter(pl.col("flagged")).select(
        "day", "comparison", "a_kwh", "b_kwh", "difference_percent", "compared_h"
    )
    return Finding(
        failed, len(rows), "two sources of one energy differ by at most `meter.balance_limit_percent`",
        "compare units, signs and the ratio of the transformers of both; see docs/meters.md",
    )


def decisions_without_event(events: pl.DataFrame, decisions: Mapping[str, Mapping[int, str]]) -> Finding:
    """Decisions of the settings that meet no event, and therefore change nothing.

    Args:
        events: the device's `counter_events`.
        decisions: per signal, the time of an event [µs, UTC] → accepted or ignored.
    """
    wanted = pl.DataFrame(
        [(s, ts, d) for s, own in sorted(decisions.items()) for ts, d in sorted(own.items())],
        schema={"signal": pl.String, "us": pl.Int64, "decision": pl.String}, orient="row",
    )
    met = events.select("signal", pl.col("ts").to_physical().alias("us"))
    failed = wanted.join(met, on=["signal", "us"], how="anti").with_columns(
        pl.from_epoch("us", time_unit="us").dt.replace_time_zone("UTC").alias("ts")
    )
    return Finding(
        failed.select("signal", "ts", "decision"), len(wanted), "every [[event]] of the settings names an event",
        "copy signal and ts (UTC) from counter_events into the [[event]] block, or remove it",
    )
