"""What can be wrong with a table: pure functions that return the rows that break a rule.

Each function belongs to one check under `checks/`, named by the sentence that is true when it is green; it counts
exactly and returns the failing rows. Next: `checks/__init__.py`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from energy_pipeline.schemas import Table

SUM_TOLERANCE = 1e-9
# Of these the computations use one signal of a device: of the battery, and of the cell at one place of one pack.
ONE_OF_A_BATTERY = ("system_voltage", "system_current", "system_power", "soc", "soh")
ONE_OF_A_CELL = ("cell_voltage", "cell_temperature")


@dataclass(frozen=True)
class Finding:
    """Rows that break a rule, how many were looked at, what is allowed, what to do, and figures to be shown with it."""

    failed: pl.DataFrame
    checked_rows: int
    limit: str
    advice: str
    figures: pl.DataFrame | None = None

    @property
    def passed(self) -> bool:
        """True where no row breaks the rule."""
        return self.failed.is_empty()


def open_accounts(signals: pl.DataFrame, accepted: pl.DataFrame, refused: pl.DataFrame) -> Finding:
    """Signals whose rows read are not accepted + rejected + duplicates + conflicts.

    Args:
        signals: the device's `signals`.
        accepted: rows per signal that stand in `readings` (signal, accepted).
        refused: rows per signal in `rejected_readings` (signal, rejected, conflicts).
    """
    joined = (
        signals.select("signal", "rows_read", "rows_accepted", "rows_rejected", "rows_duplicate", "rows_conflict")
        .join(accepted, on="signal", how="left")
        .join(refused, on="signal", how="left")
        .with_columns(pl.col("accepted", "rejected", "conflicts").fill_null(0))  # no row there means none counted
    )
    failed = joined.filter(
        (pl.col("rows_read") != pl.sum_horizontal("accepted", "rejected", "rows_duplicate", "conflicts"))
        | (pl.col("rows_accepted") != pl.col("accepted"))
        | (pl.col("rows_rejected") != pl.col("rejected"))
        | (pl.col("rows_conflict") != pl.col("conflicts"))
    )
    return Finding(
        failed, len(joined), "rows read = accepted + rejected + duplicates + conflicts, for every signal",
        "a table was changed by hand or a writer was lost: remove the device's rows from source_files to read it again",
    )


def coarse_unlike_fine(fine: pl.LazyFrame, coarse: pl.LazyFrame) -> Finding:
    """Signals whose sums at the two levels differ (counts to the bit, sums to 1e-9 of the sum of magnitudes).

    Args:
        fine: rows of the finer level of one device and month.
        coarse: rows of the coarser level of the same.
    """
    sums = ["n", "covered_s", "integral", "increase"]

    def totals(frame: pl.LazyFrame, suffix: str) -> pl.DataFrame:
        return frame.group_by("signal").agg(
            *(pl.col(c).sum().alias(f"{c}_{suffix}") for c in sums),
            pl.col("min").min().alias(f"min_{suffix}"), pl.col("max").max().alias(f"max_{suffix}"),
            pl.col("integral").abs().sum().alias(f"scale_{suffix}"),
        ).collect()

    joined = totals(fine, "fine").join(totals(coarse, "coarse"), on="signal", how="full", coalesce=True)
    near = [
        (pl.col(f"{c}_fine") - pl.col(f"{c}_coarse")).abs() > SUM_TOLERANCE * (1 + pl.col("scale_fine"))
        for c in ("integral", "increase", "covered_s")
    ]
    failed = joined.filter(
        pl.any_horizontal(
            pl.col("n_fine").ne_missing(pl.col("n_coarse")), pl.col("min_fine").ne_missing(pl.col("min_coarse")),
            pl.col("max_fine").ne_missing(pl.col("max_coarse")), *near,
        )
    )
    return Finding(
        failed, len(joined), "equal counts and extremes; sums within 1e-9",
        "materialise the month again; if it stays, report it with the rows shown",
    )


def cells_without_fit(cells: pl.DataFrame, fits: pl.DataFrame) -> Finding:
    """Cells that have neither a slope nor a reason why there is none.

    Args:
        cells: the device's cells (pack, cell).
        fits: its rows of `degradation_fits`.
    """
    answered = fits.filter(
        (pl.col("level") == "cell") & (pl.col("slope_per_year").is_not_null() | pl.col("reason").is_not_null())
    )
    failed = cells.join(answered, on=["pack", "cell"], how="anti")
    return Finding(
        failed, len(cells), "every cell with readings has a slope or a reason",
        "materialise the device's tables again (device_job); if it stays, report the cells shown",
    )


def batteries_in_one_device(signals: pl.DataFrame) -> Finding:
    """Quantities of a battery, and places of cells, that two signals of the device give: one would stand for both.

    Of voltage, current, power, SOC and SOH of a battery the first signal by name is used; cells of the same number in
    packs of the same number are one pack in its level and its trend.

    Args:
        signals: the device's `signals`.
    """
    single = pl.col("quantity").is_in([*ONE_OF_A_BATTERY, *ONE_OF_A_CELL])
    known = signals.filter(single & (pl.col("rows_accepted") > 0))
    places = known.group_by("quantity", "pack", "cell").agg(pl.col("signal").sort()).sort("quantity", "pack", "cell")
    failed = places.filter(pl.col("signal").list.len() > 1).select(
        "quantity", "pack", "cell", pl.col("signal").list.first().alias("used"),
        pl.col("signal").list.slice(1).list.join(", ").alias("others"),
    )
    return Finding(
        failed, len(known), "one signal per quantity of the battery and per place of a cell",
        "give each battery a device of its own: a [[source]] block with `glob` and `device` per battery; see "
        "docs/settings.md",
    )


def sat_outside_chemistry(sat: pl.DataFrame, limits_v: tuple[float, float]) -> Finding:
    """SAT voltages outside the range that the chemistry allows [V]."""
    known = sat.filter(pl.col("sat_voltage_v").is_not_null())
    failed = known.filter(~pl.col("sat_voltage_v").is_between(*limits_v)).select(
        "month", "day", "signal", "sat_voltage_v", "raw_max_v", "method"
    )
    return Finding(
        failed, len(known), f"{limits_v[0]} to {limits_v[1]} V",
        "set the sentinels or the chemistry of this device in the settings (signal.sentinels, battery.chemistry)",
    )


def cycle_counts_that_disagree(capacity: pl.DataFrame, limit_percent: float) -> Finding:
    """The last day of a device, where its counts of equivalent full cycles differ by more than the limit [%]."""
    known = capacity.filter(pl.col("efc_difference_percent").is_not_null()).sort("day").tail(1)
    failed = known.filter(pl.col("efc_flagged")).select(
        "day", "efc_ah", "efc_energy", "efc_soc", "efc_difference_percent"
    )
    return Finding(
        failed, len(known), f"counts by charge, energy and SOC within {limit_percent:g} %",
        "compare the current's sign and factor, the nameplate and the BMS's SOC with the plant (battery.nameplate_ah)",
    )


def implausible_health(capacity: pl.DataFrame) -> Finding:
    """Days on which the BMS's state of health is out of range, jumps, stands still, or differs from the measured."""
    known = capacity.filter(pl.col("soh_bms_percent").is_not_null())
    failed = known.filter(pl.col("soh_bms_finding").is_not_null()).select(
        "day", "soh_bms_percent", "soh_first_percent", "soh_bms_finding"
    )
    return Finding(
        failed, len(known), "between 0 and 100 %, without jumps, moving with use, as the measured capacity moves",
        "do not rely on the BMS's state of health of this device; the measured capacity stands beside it",
    )


def contradicted_settings(device_evidence: pl.DataFrame) -> Finding:
    """Signs, zones and nameplates that the data contradict."""
    failed = device_evidence.filter(pl.col("verdict") == "contradicts").select(
        "topic", "method", "declared", "found", "estimate", "low", "high", "unit", "n", "reason"
    )
    return Finding(
        failed, len(device_evidence), "signs, zone of the clock and nameplate as the data show them",
        "set `zone` of the device, `battery.current_sign` or `battery.nameplate_ah` in the settings, or have the "
        "recorder's clock set right",
    )


def times_out_of_range(readings: pl.LazyFrame, first: datetime, latest: datetime) -> Finding:
    """Signals with readings before the first allowed month or after the latest allowed moment."""
    outside = (pl.col("ts") < first) | (pl.col("ts") > latest)
    per_signal = readings.group_by("signal").agg(
        pl.len().alias("rows"), outside.sum().alias("outside"), pl.col("ts").min().alias("first_ts"),
        pl.col("ts").max().alias("last_ts"),
    ).collect()
    failed = per_signal.filter(pl.col("outside") > 0).select("signal", "outside", "first_ts", "last_ts").sort("signal")
    return Finding(
        failed, int(per_signal["rows"].sum()), f"from {first.date()} to one day ahead of the clock",
        "the reader refuses such rows: a table was changed by hand, or first_month was raised; load the device anew",
    )


def poorly_covered(signals: pl.DataFrame, daily: pl.DataFrame, poor: float) -> Finding:
    """Measured signals that have data in less than `poor` of the time that any signal of the month has.

    Flags, codes and unrecognised signals are left out: many write on change only. A signal without a single row in a
    month is looked at where it has rows in a month before and after.

    Args:
        signals: the device's `signals`.
        daily: rows of `resolution_1d` of the months.
        poor: share of the time, 0 to 1.
    """
    measured = signals.filter(pl.col("recognised") & pl.col("kind").is_in(["gauge", "counter", "net_counter"]))
    held = daily.group_by("month", "signal").agg(pl.col("covered_s").sum())
    longest = held.group_by("month").agg(pl.col("covered_s").max().alias("longest_s"))
    spans = measured.select("signal", "first_ts", "last_ts").drop_nulls()
    every = longest.join(spans, how="cross").filter(
        (pl.col("month") > pl.col("first_ts").dt.strftime("%Y-%m"))
        & (pl.col("month") < pl.col("last_ts").dt.strftime("%Y-%m"))
    )
    judged = every.join(held, on=["month", "signal"], how="left").with_columns(pl.col("covered_s").fill_null(0.0))
    share = pl.col("covered_s") / pl.col("longest_s")
    failed = judged.with_columns(share.alias("share")).filter(pl.col("share") < poor)
    return Finding(
        failed.select("month", "signal", "share").sort("month", "signal"), len(judged),
        f"data in at least {poor:.0%} of the time that any signal of the month has (operation.coverage_poor)",
        "look whether the sensor or its recording has failed; raise the signal's max_hold_s where it reports rarely",
    )


def unfinished_files(files: pl.DataFrame) -> Finding:
    """Files that could not be read as a whole, or have gone."""
    failed = files.filter(pl.col("status").is_in(["unreadable", "vanished"])).select("path", "status", "reason")
    return Finding(
        failed, files["path"].n_unique(), "every file of the device is read or empty",
        "read the reason; describe the file by a [[source]] block, or put it back",
    )


def rows_unlike_schema(rows: pl.LazyFrame, table: Table) -> Finding:
    """Columns that are missing, unknown or of another type, rows with null or out of bounds, and keys that come twice.

    The rules are those of the table's pandera schema, asked of the stored rows as one aggregation, so that a table of
    a hundred million rows is not brought into memory.

    Args:
        rows: rows as they are stored; months are told apart where the table has them.
        table: what they have to be.
    """
    found, wanted = rows.collect_schema(), table.polars_schema
    shape = [(c, f"missing, wanted {t}") for c, t in wanted.items() if c not in found]
    shape += [(c, f"unknown, found {t}") for c, t in found.items() if c not in wanted]
    shape += [(c, f"type {found[c]}, wanted {t}") for c, t in wanted.items() if c in found and found[c] != t]
    sound = {c for c, t in wanted.items() if found.get(c) == t}
    broken: list[tuple[str, str, pl.Expr]] = []
    for column in (c for c in table.columns if c.name in sound):
        value = pl.col(column.name)
        broken += [] if column.nullable else [(column.name, "null", value.is_null().sum())]
        broken += [] if column.ge is None else [(column.name, f"below {column.ge:g}", (~(value >= column.ge)).sum())]
        broken += [] if column.le is None else [(column.name, f"above {column.le:g}", (~(value <= column.le)).sum())]
    if not table.counted and sound.issuperset(table.key):
        broken.append((", ".join(table.key), "as in another row", pl.len() - pl.struct(table.key).n_unique()))
    month = pl.col("month") if "month" in found and "month" in table.partition_by else pl.lit(None, pl.String)
    counts = rows.group_by(month.alias("month")).agg(
        pl.len().cast(pl.Int64).alias("rows"),
        *(bad.cast(pl.Int64).alias(str(k)) for k, (_, _, bad) in enumerate(broken)),
    ).sort("month").collect()
    failed = [
        (one["month"], column, rule, one["rows"]) for one in counts.iter_rows(named=True) for column, rule in shape
    ] + [
        (one["month"], column, rule, one[str(k)])
        for one in counts.iter_rows(named=True) for k, (column, rule, _) in enumerate(broken) if one[str(k)]
    ]
    names = {"month": pl.String, "column": pl.String, "rule": pl.String, "rows": pl.Int64}
    frame = pl.DataFrame(failed, schema=names, orient="row")
    return Finding(
        frame if "month" in table.partition_by else frame.drop("month"), int(counts["rows"].sum()),
        "columns, types, nulls, bounds and one row per key as the table's schema says (docs/tables.md)",
        f"{table.name} was changed by hand or by another version: materialise it again (what ingest writes: read the "
        f"device again)",
    )


def overdue_readings(
    last: datetime | None, newest: datetime | None, now: datetime, limits_h: tuple[float, float], archive_days: float
) -> Finding:
    """The last reading of a device where it is older than the limits: `late`, then `overdue`.

    Args:
        last: last reading of the device; None where it has none.
        newest: last reading of all devices. Where even that is older than `archive_days`, nothing is expected.
        now: the present time.
        limits_h: ages that are late and overdue [h].
        archive_days: age of an archive [days].
    """
    late, overdue = (timedelta(hours=h) for h in limits_h)
    expected = last is not None and newest is not None and now - newest <= timedelta(days=archive_days)
    state = None
    if expected and last is not None:
        state = "overdue" if now - last > overdue else "late" if now - last > late else None
    failed = pl.DataFrame(
        [(last, state)] if state else [], schema={"last_ts": pl.Datetime("us", "UTC"), "state": pl.String}, orient="row"
    )
    return Finding(
        failed, int(expected),
        f"a reading within {limits_h[0]:g} h, overdue after {limits_h[1]:g} h; not asked of an archive, whose newest "
        f"reading is older than {archive_days:g} days",
        "look whether the logger runs and its files still arrive in the data root",
    )
