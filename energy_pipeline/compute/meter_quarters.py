"""Quarter hours of a meter: power, energy and load, with what covers them.

Turns rows of `resolution_15min` (or `_1d`, which has the same columns) into one row per bucket, summed over the
signals of a quantity. Nothing here knows of days or months. Next: `meters.py`, which builds the tables from it.
"""

import polars as pl

from energy_pipeline.compute.context import DeviceContext

QUARTER_S = 900.0
POWER = ("active_power",)
REGISTERS = ("import_energy", "export_energy")
INTERVALS = ("import_interval_energy", "export_interval_energy")
NET = "net_energy"
QUANTITIES = (*POWER, *REGISTERS, NET, *INTERVALS, "power_factor")
READING_STEP = 1e-4

LOAD_SCHEMA = {
    "ts": pl.Datetime("us", "UTC"), "mean_kw": pl.Float64, "import_kw": pl.Float64, "coverage": pl.Float64,
    "source": pl.String,
}  # fmt: skip


def sum_power(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Sum gauges in kW per bucket.

    Returns one row per `ts` in which every signal of `names` has a covered part: `mean_kw` (weighted by time),
    `covered_s` (of the least covered signal), `min_kw`, `max_kw` (of the readings; null where several signals are
    summed, since extremes do not add).
    """
    single = len(names) == 1
    rows = frame.filter(pl.col("signal").is_in(names) & (pl.col("covered_s") > 0) & pl.col("integral").is_not_null())
    return (
        rows.group_by("ts")
        .agg(
            pl.len().alias("signals"),
            (pl.col("integral") / pl.col("covered_s")).sum().alias("mean_kw"),
            pl.col("covered_s").min(),
            (pl.col("min").first() if single else pl.lit(None, pl.Float64)).alias("min_kw"),
            (pl.col("max").first() if single else pl.lit(None, pl.Float64)).alias("max_kw"),
        )
        .filter(pl.col("signals") == len(names))
        .drop("signals")
        .sort("ts")
    )


def sum_energy(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Sum registers or interval energies per bucket.

    Phases (or tariffs) add up only where all of them have data: a bucket in which one of `names` has no energy has
    no row here. Returns `ts`, `kwh`, `estimated_kwh` and `covered_s` (of the least covered signal).
    """
    rows = frame.filter(pl.col("signal").is_in(names) & pl.col("increase").is_not_null())
    return (
        rows.group_by("ts")
        .agg(
            pl.len().alias("signals"),
            pl.col("increase").sum().alias("kwh"),
            pl.col("increase_estimated").fill_null(0.0).sum().alias("estimated_kwh"),
            pl.col("covered_s").min(),
        )
        .filter(pl.col("signals") == len(names))
        .drop("signals")
        .sort("ts")
    )


def pair_energy(ctx: DeviceContext, frame: pl.DataFrame, quantities: tuple[str, str]) -> pl.DataFrame:
    """Import and export of one kind of source per bucket.

    Returns `ts`, `import_kwh`, `export_kwh`, `net_kwh` (null unless both are known), `estimated_kwh` and `covered_s`
    (the smaller of both). Where the device has no signal of one direction, that direction is null.
    """
    sides = []
    for side, quantity in zip(("import", "export"), quantities, strict=True):
        names = ctx.names(quantity)
        summed = sum_energy(frame, names) if names else sum_energy(frame.clear(), ["-"])
        sides.append(
            summed.select(
                "ts", pl.col("kwh").alias(f"{side}_kwh"), pl.col("estimated_kwh").alias(f"_{side}_estimated"),
                pl.col("covered_s").alias(f"_{side}_covered"),
            )
        )  # fmt: skip
    both = sides[0].join(sides[1], on="ts", how="full", coalesce=True).sort("ts")
    return both.select(
        "ts",
        "import_kwh",
        "export_kwh",
        (pl.col("import_kwh") - pl.col("export_kwh")).alias("net_kwh"),
        pl.sum_horizontal("_import_estimated", "_export_estimated").alias("estimated_kwh"),
        pl.min_horizontal("_import_covered", "_export_covered").alias("covered_s"),
    )


def split_net(ctx: DeviceContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Import and export from a net register alone, with the columns of `pair_energy`.

    A monotone one (kind `counter`) is import. A signed one is netted within each bucket: its rises are import, its
    falls are export, so that both are lower bounds where the direction changes inside a bucket.
    """
    names = ctx.names(NET)
    net = sum_energy(frame, names) if names else sum_energy(frame.clear(), ["-"])
    kinds = ctx.signals.filter(pl.col("signal").is_in(names))["kind"].unique().to_list()
    signed = kinds != ["counter"]
    unknown = pl.lit(None, pl.Float64)
    return net.select(
        "ts",
        (pl.col("kwh").clip(lower_bound=0.0) if signed else pl.col("kwh")).alias("import_kwh"),
        ((-pl.col("kwh")).clip(lower_bound=0.0) if signed else unknown).alias("export_kwh"),
        (pl.col("kwh") if signed else unknown).alias("net_kwh"),
        pl.col("estimated_kwh").abs(),
        "covered_s",
    )


def register_energy(ctx: DeviceContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Energy per bucket from import and export registers, or from the net register where they do not exist."""
    if ctx.names(REGISTERS[0]) or ctx.names(REGISTERS[1]):
        return pair_energy(ctx, frame, REGISTERS)
    return split_net(ctx, frame)


def quarter_load(ctx: DeviceContext, quarter: pl.DataFrame) -> pl.DataFrame:
    """Mean power of every quarter hour that is covered well enough (`peak_coverage`), from the best source.

    Power readings first, then registers, then interval energy with rows of at most a quarter hour, chosen per quarter
    hour. For energies the coverage is the smaller of the time covered and the share of energy that is not estimated.
    `import_kw` is max(mean, 0) from power: a lower bound where the direction changes inside the quarter hour.

    Returns: `ts`, `mean_kw` (positive is import), `import_kw`, `coverage`, `source`.
    """
    names = ctx.names(POWER[0])
    sources = []
    if names:
        power = sum_power(quarter, names)
        sources.append(
            power.select(
                "ts", "mean_kw", pl.col("mean_kw").clip(lower_bound=0.0).alias("import_kw"),
                (pl.col("covered_s") / QUARTER_S).alias("coverage"), pl.lit("power").alias("source"),
            )
        )  # fmt: skip
    sources.append(_energy_load(register_energy(ctx, quarter), "register"))
    if _short_intervals(ctx):
        sources.append(_energy_load(pair_energy(ctx, quarter, INTERVALS), "interval"))
    rows = pl.concat([s.cast(LOAD_SCHEMA) for s in sources]).filter(pl.col("coverage") >= ctx.meter.peak_coverage)
    return rows.unique("ts", keep="first", maintain_order=True).sort("ts")


def _energy_load(energy: pl.DataFrame, source: str) -> pl.DataFrame:
    total = pl.sum_horizontal(pl.col("import_kwh").abs(), pl.col("export_kwh").abs())
    measured = pl.when(total > 0).then(1 - pl.col("estimated_kwh") / total).otherwise(1.0)
    hours = QUARTER_S / 3600
    return energy.filter(pl.col("import_kwh").is_not_null()).select(
        "ts",
        (pl.coalesce("net_kwh", "import_kwh") / hours).alias("mean_kw"),
        (pl.col("import_kwh") / hours).alias("import_kw"),
        pl.min_horizontal(pl.col("covered_s") / QUARTER_S, measured).alias("coverage"),
        pl.lit(source).alias("source"),
    )


def _short_intervals(ctx: DeviceContext) -> bool:
    """True where interval rows are no longer than a quarter hour: longer ones hold no quarter-hour means."""
    if "interval_s" not in ctx.signals.columns:
        return True
    rows = ctx.signals.filter(pl.col("quantity").is_in(INTERVALS))
    return rows.filter(pl.col("interval_s") > QUARTER_S).is_empty()


def quantum_kw(ctx: DeviceContext, quarter: pl.DataFrame, source: str) -> float | None:
    """Smallest step of a source's readings, as power over a quarter hour [kW]; None for power readings.

    The step is the smallest positive difference between two readings of one signal in `quarter`. It is taken from
    readings, not from `increase`, which is interpolated to the quarter hours and therefore has no steps.
    """
    if source == "power":
        return None
    quantities = (REGISTERS[0],) if ctx.names(REGISTERS[0]) else (NET,)
    if source == "interval":
        quantities = (INTERVALS[0],)
    steps = []
    for name in (n for q in quantities for n in ctx.names(q)):
        rows = quarter.filter((pl.col("signal") == name) & (pl.col("n") > 0))
        readings = pl.concat([rows[c] for c in ("min", "max", "first", "last")]).drop_nulls().unique().sort()
        jumps = readings.diff().drop_nulls()
        jumps = jumps.filter(jumps > READING_STEP / 2)
        if len(jumps):
            steps.append(float(jumps.min()))  # type: ignore[arg-type]
    return round(min(steps) * 3600 / QUARTER_S, 6) if steps else None
