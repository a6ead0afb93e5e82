"""Rows about packs and cells, joined from tables: no number is made here that a table or PackPulse does not have."""

import numpy as np
import polars as pl

from energy_pipeline.compute.verdict_texts import text
from viewer.api.formats import in_zone
from viewer.api.service import Api
from viewer.api.table_models import CELL_COLUMNS, FIT_COLUMNS, REGIME_COLUMNS
from viewer.catalog import DeviceInfo
from viewer.pages.packpulse.data import SatGrid, cell_levels, optional, pack_series, pack_table

LEVEL_COLUMNS = (
    "pack", "cells", "with_value", "mean", "min", "max", "spread_mv", "p95_p5_mv", "health_percentage", "health_day",
    "imbalance", "pack_spread_rest_mv", "pack_spread_charge_end_mv", "temperature_max_c", "cells_with_finding",
    "slope_per_year", "slope_low", "slope_high", "verdict",
)  # fmt: skip
_PACK = pl.col("pack").cast(pl.Int64)


def level_rows(api: Api, system: str, grid: SatGrid) -> pl.DataFrame:
    """Return one row per pack: SAT level, index, imbalance, findings and trend."""
    exists = api.store.exists("cell_health")
    health = api.rows("cell_health", system, CELL_COLUMNS) if exists else pl.DataFrame(schema=api.schema("cell_health"))
    per_pack = health.group_by(_PACK).agg(
        pl.col("imbalance").drop_nulls().first(),
        pl.col("pack_spread_rest_mv", "pack_spread_charge_end_mv").drop_nulls().first(),
        pl.col("temperature_max_c").max(),
        pl.col("finding").is_not_null().sum().alias("cells_with_finding"),
    )
    trend = fit_rows(api, system, "pack").filter(pl.col("quantity") == "sat_index_percent")
    trend = trend.select(_PACK, "slope_per_year", "slope_low", "slope_high", "verdict")
    days = api.settings.battery_of(system).recent_days
    rows = pack_table(grid, days).join(_index_of_packs(grid), on="pack", how="left")
    rows = rows.join(per_pack, on="pack", how="left").join(trend, on="pack", how="left")
    return rows.with_columns(pl.col("cells_with_finding").fill_null(0)).select(LEVEL_COLUMNS).sort("pack")


def _index_of_packs(grid: SatGrid) -> pl.DataFrame:
    rows = []
    for pack, values in pack_series(grid, "index").items():
        known = np.flatnonzero(np.isfinite(values))
        rows.append((pack, float(values[known[-1]]), grid.days[known[-1]]) if known.size else (pack, None, None))
    schema = {"pack": pl.Int64, "health_percentage": pl.Float64, "health_day": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")


def cell_rows(api: Api, device: DeviceInfo, pack: int, grid: SatGrid) -> pl.DataFrame:
    """Return one row per cell of a pack: `cell_health` with SAT voltage and SAT index."""
    level = cell_levels(grid, api.settings.battery_of(device.name).recent_days)
    rows = []
    for i, (p, c) in enumerate(grid.places):
        known = np.flatnonzero(np.isfinite(grid.index[i]))
        rows.append((p, c, level[i], grid.index[i][known[-1]] if known.size else None))
    schema = {"pack": pl.Int16, "cell": pl.Int16, "sat_voltage_v": pl.Float64, "sat_index_percent": pl.Float64}
    sat = pl.DataFrame(rows, schema=schema, orient="row")
    cells = api.cells(device.name, pack).select(pl.col("pack", "cell"))
    health = api.rows("cell_health", device.name, CELL_COLUMNS)
    joined = cells.join(health, on=["pack", "cell"], how="inner").join(sat, on=["pack", "cell"], how="left")
    named = joined.with_columns(pl.format("P{}C{}", "pack", "cell").alias("name")).sort("pack", "cell")
    return in_zone(named, device.zone.key)


def fit_rows(
    api: Api, system: str, level: str, pack: int | None = None, columns: tuple[str, ...] = ("pack", *FIT_COLUMNS)
) -> pl.DataFrame:
    """Return fits of a level, of one pack where it is given; none where the table does not exist."""
    if not api.store.exists("degradation_fits"):
        return pl.DataFrame(schema=api.schema("degradation_fits")).select(columns)
    fits = api.rows("degradation_fits", system, api.schema("degradation_fits").names())
    found = fits.filter(pl.col("level") == level)
    found = found if pack is None else found.filter(pl.col("pack") == pack)
    return found.sort("pack", "cell", "quantity").select(columns)


def regime_rows(api: Api, system: str) -> pl.DataFrame:
    """Return the dated steps of the whole system."""
    regimes = optional(api.store, "regimes", system)
    if regimes is None:
        return pl.DataFrame(schema=api.schema("regimes")).select(REGIME_COLUMNS)
    return regimes.filter(pl.col("scope") == "system").sort("day").select(REGIME_COLUMNS)


def anomaly_rows(api: Api, system: str, pack: int) -> pl.DataFrame:
    """Return present findings and dated steps of the cells of a pack, with their words."""
    null = pl.lit(None, pl.Float64)
    health = api.rows("cell_health", system, CELL_COLUMNS)
    found = health.filter((pl.col("pack") == pack) & pl.col("finding").is_not_null()).select(
        "pack", "cell", pl.lit("cell_health").alias("source"), pl.col("finding").alias("code"),
        _since(pl.col("finding")).alias("since"), "offset_charge_end_mv", "robust_z", "stuck_hours",
        null.alias("step_mv"),
    )  # fmt: skip
    regimes = optional(api.store, "regimes", system)
    steps = regimes if regimes is not None else pl.DataFrame(schema=api.schema("regimes"))
    steps = steps.filter((pl.col("scope") == "cell") & (pl.col("pack") == pack)).select(
        "pack", "cell", pl.lit("regimes").alias("source"), pl.col("kind").alias("code"), pl.col("day").alias("since"),
        null.alias("offset_charge_end_mv"), null.alias("robust_z"), null.alias("stuck_hours"), "step_mv",
    )  # fmt: skip
    both = pl.concat([found, steps]).sort("cell", "source")
    words = [_words(source, code) for source, code in both.select("source", "code").iter_rows()]
    return both.with_columns(
        pl.format("P{}C{}", "pack", "cell").alias("name"),
        pl.Series("text_de", [w[0] for w in words], dtype=pl.String),
        pl.Series("text_en", [w[1] for w in words], dtype=pl.String),
    )


def _since(finding: pl.Expr) -> pl.Expr:
    stuck = pl.when(finding == "stuck_sensor").then(pl.col("stuck_since_ts").dt.date())
    return pl.when(finding == "outlier").then(pl.col("outlier_since")).otherwise(stuck)


def _words(source: str, code: str) -> tuple[str, str]:
    group = "finding" if source == "cell_health" else "regime"
    try:
        return text(group, code, "de"), text(group, code, "en")
    except KeyError:
        return code, code  # a code that is newer than the words
