"""Two sources of one energy side by side, per local day: power, registers, interval rows, the battery behind.

One pure function of quarter hours of one device and month (and of its site meter). What a difference means,
`balance_rules.py` decides. Next: `balance_rules.py`; `site_balance.py` for batteries.
"""

import polars as pl

from energy_pipeline.compute import meter_quarters as mq
from energy_pipeline.compute.balance_rules import STEPS_AT_THE_ENDS, day_hours, judge, quantum_kwh
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.site_balance import SiteMeter, compare_with_site_meter
from energy_pipeline.schemas.meters import METER_BALANCE

STANDS_STILL = "register_stands_still"
QUARTER_H = 0.25
STEPS_OF_STANDSTILL = 3
# A register read once an hour is compared over whole days, from so many readings and so much of the day on.
SLOW_READINGS, SLOW_COVERAGE = 20, 0.99


def build_meter_balance(
    ctx: DeviceContext, month: str, quarter: pl.DataFrame, site: SiteMeter | None = None
) -> pl.DataFrame:
    """Build `meter_balance`: a row per local day and pair of sources of which the device has both.

    `difference_percent` is 100 × (a − b) / (import + export) over the time in which both are measured. It is a
    finding above `balance_limit_percent`, unless a reason stands beside it: the two cover less than `peak_coverage` of
    the day, the day has less than `balance_min_kwh`, or the difference is within two steps of the registers.

    Args:
        ctx: device, zone, thresholds and signals.
        month: local month, YYYY-MM.
        quarter: `resolution_15min` of the device and month.
        site: the meter at the battery's grid connection with its rows of the month, where one is set.
    """
    power = _power(ctx, quarter)
    register = _net(ctx, quarter, mq.register_energy(ctx, quarter))
    interval = _net(ctx, quarter, mq.pair_energy(ctx, quarter, mq.INTERVALS))
    pair, net = _pair_and_net(ctx, quarter)
    registers = _names(ctx, *mq.REGISTERS) or ctx.names(mq.NET)
    parts = [
        _compare(ctx, "power_and_register", power, register, quarter, registers),
        _compare(ctx, "power_and_interval", power, interval, quarter, _names(ctx, *mq.INTERVALS)),
        _compare(
            ctx, "register_and_interval", register, interval, quarter, _names(ctx, *mq.INTERVALS), registers
        ),
        _compare(
            ctx, "registers_and_net_register", pair, net, quarter, ctx.names(mq.NET), _names(ctx, *mq.REGISTERS)
        ),
        *(_standstill(ctx, quarter, q) for q in (*mq.REGISTERS, mq.NET)),
    ]
    if ctx.site_meter is not None:
        parts.append(compare_with_site_meter(ctx, quarter, site))
    rows = pl.concat([p for p in parts if p is not None and not p.is_empty()] or [_NONE], how="diagonal_relaxed")
    return METER_BALANCE.conform(
        rows.with_columns(pl.lit(ctx.device).alias("device"), pl.lit(month).alias("month")).sort(
            "day", "comparison", "signal"
        )
    )


_NONE = METER_BALANCE.empty().drop("device", "month")
_SOURCE = ("ts", "kwh", "size_kwh", "measured", "min_kw")


def _names(ctx: DeviceContext, *quantities: str) -> list[str]:
    return [n for q in quantities for n in ctx.names(q)]


def _power(ctx: DeviceContext, quarter: pl.DataFrame) -> pl.DataFrame:
    rows = mq.sum_power(quarter, ctx.names(mq.POWER[0]))
    kwh = pl.col("mean_kw") * QUARTER_H
    measured = pl.col("covered_s") >= ctx.meter.peak_coverage * mq.QUARTER_S
    return rows.select("ts", kwh.alias("kwh"), kwh.abs().alias("size_kwh"), measured.alias("measured"), "min_kw")


def _net(ctx: DeviceContext, quarter: pl.DataFrame, energy: pl.DataFrame) -> pl.DataFrame:
    """Net energy of registers or interval rows; without an export signal it is the import while power is positive."""
    need = ctx.meter.peak_coverage
    total = pl.sum_horizontal(pl.col("import_kwh").abs(), pl.col("export_kwh").abs())
    power = _power(ctx, quarter).select("ts", "min_kw")
    alone = pl.when(pl.col("min_kw").fill_null(0.0) >= 0).then("import_kwh")
    return energy.join(power, on="ts", how="left").select(
        "ts", pl.coalesce("net_kwh", alone).alias("kwh"), total.alias("size_kwh"),
        ((pl.col("covered_s") >= need * mq.QUARTER_S) & (pl.col("estimated_kwh") <= (1 - need) * total + 1e-9))
        .alias("measured"), pl.lit(None, pl.Float64).alias("min_kw"),
    ).drop_nulls("kwh")


def _pair_and_net(ctx: DeviceContext, quarter: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Import and export registers as what the net register counts: their difference, or their sum if it only rises."""
    names = ctx.names(mq.NET)
    kinds = ctx.signals.filter(pl.col("signal").is_in(names))["kind"].unique().to_list()
    pair = mq.pair_energy(ctx, quarter, mq.REGISTERS)
    total = pl.sum_horizontal("import_kwh", "export_kwh")
    kwh = total if kinds == ["counter"] else pl.col("import_kwh") - pl.col("export_kwh").fill_null(0.0)
    # Registers are read together: both lines between readings err alike, so estimated parts may be compared.
    sides = pl.lit(True).alias("measured"), pl.lit(None, pl.Float64).alias("min_kw")
    net = mq.sum_energy(quarter, names) if names else mq.sum_energy(quarter.clear(), ["-"])
    return (
        pair.drop_nulls("import_kwh").select("ts", kwh.alias("kwh"), total.alias("size_kwh"), *sides),
        net.select("ts", "kwh", pl.col("kwh").abs().alias("size_kwh"), *sides),
    )


def _days(ctx: DeviceContext, frame: pl.DataFrame) -> pl.DataFrame:
    local = pl.col("ts").dt.convert_time_zone(ctx.zone.key).dt.date()
    return frame.with_columns(local.alias("day"))


def _compare(
    ctx: DeviceContext, comparison: str, a: pl.DataFrame, b: pl.DataFrame, quarter: pl.DataFrame, names: list[str],
    names_a: list[str] | None = None,
) -> pl.DataFrame | None:
    """Compare two sources per day, over quarter hours in which both are measured.

    Where the second is read too seldom for quarter hours but every hour, whole days are compared, and what its first
    and last quarter hour could hide counts as its resolution.
    """
    if a.is_empty() or b.is_empty():
        return None
    both = _days(ctx, a.select(_SOURCE).join(b.select(_SOURCE), on="ts", suffix="_b").sort("ts"))
    if both.is_empty():
        return None
    readings = _days(ctx, quarter.filter(pl.col("signal").is_in(names)))
    fewest = readings.group_by("day", "signal").agg(pl.col("n").sum())
    fewest = fewest.group_by("day").agg(pl.col("n").min().alias("readings"))
    measured, power = pl.col("measured") & pl.col("measured_b"), pl.col("measured")
    edges = 4 * (pl.col("kwh_b").first().abs() + pl.col("kwh_b").last().abs())

    def sums(where: pl.Expr, suffix: str) -> list[pl.Expr]:
        return [
            pl.col("kwh").filter(where).sum().alias(f"a_{suffix}"),
            pl.col("kwh_b").filter(where).sum().alias(f"b_{suffix}"),
            pl.col("size_kwh_b").filter(where).sum().alias(f"size_{suffix}"),
            (where.sum() * QUARTER_H).alias(f"h_{suffix}"),
        ]

    found = both.group_by("day").agg(*sums(measured, "fast"), *sums(power, "slow"), edges.alias("edges"))
    found = found.join(fewest, on="day", how="left").join(day_hours(ctx, found["day"]), on="day")
    covered = ctx.meter.peak_coverage * pl.col("day_h")
    slow = (pl.col("h_fast") < covered) & (pl.col("h_slow") >= SLOW_COVERAGE * pl.col("day_h"))
    slow = slow & (pl.col("readings") >= SLOW_READINGS)
    steps = STEPS_AT_THE_ENDS * quantum_kwh(quarter, [*names, *(names_a or [])])
    picked = found.with_columns(
        *(pl.when(slow).then(f"{c}_slow").otherwise(f"{c}_fast").alias(c) for c in ("a", "b", "size", "h")),
        (steps + pl.when(slow).then("edges").otherwise(0.0)).alias("resolution"),
        ((pl.col("h_fast") < covered) & (pl.col("h_slow") >= covered) & ~slow).alias("seldom"),
    )
    return judge(ctx, picked, comparison, ", ".join(names))


def _standstill(ctx: DeviceContext, quarter: pl.DataFrame, quantity: str) -> pl.DataFrame | None:
    """Runs of quarter hours in which a register (all of its tariffs) rests while power of its direction flows.

    A run counts from `stands_still_kwh` and three steps of the register on; each of its days gets a row.
    """
    names = ctx.names(quantity)
    power = _power(ctx, quarter)
    if not names or power.is_empty():
        return None
    kwh = pl.col("kwh_p")
    side = {mq.REGISTERS[0]: kwh.clip(lower_bound=0.0), mq.REGISTERS[1]: (-kwh).clip(lower_bound=0.0)}
    rows = mq.sum_energy(quarter, names).join(power.select("ts", pl.col("kwh").alias("kwh_p")), on="ts").sort("ts")
    rows = rows.with_columns(side.get(quantity, kwh.abs()).alias("flow"), (pl.col("kwh") == 0).alias("rests"))
    runs = rows.with_columns(pl.col("rests").rle_id().alias("run")).filter("rests")
    limit = max(ctx.meter.stands_still_kwh, STEPS_OF_STANDSTILL * quantum_kwh(quarter, names))
    stuck = runs.filter((pl.col("flow").sum().over("run") >= limit) & (pl.col("flow") > 0))
    return _days(ctx, stuck).group_by("day").agg(
        pl.col("flow").sum().round(4).alias("a_kwh"), (pl.len() * QUARTER_H).alias("compared_h")
    ).select(
        "day", pl.lit(STANDS_STILL).alias("comparison"), pl.lit(", ".join(names)).alias("signal"), "a_kwh",
        pl.lit(0.0).alias("b_kwh"), pl.lit(100.0).alias("difference_percent"), "compared_h",
        pl.lit(True).alias("flagged"), pl.lit(None, pl.String).alias("reason"),
    )
