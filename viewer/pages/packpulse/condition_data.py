"""Spread of the packs at ends and at rest, and the resistance of the cells, as tables for the tab.

Pure but for the store. Next: `condition.py`, which draws them.
"""

import polars as pl

from viewer.store import Store


def pack_spreads(store: Store, device: str) -> pl.DataFrame:
    """Return (day, kind, pack, spread_mv) of a system: highest minus lowest cell at one instant, median of a day.

    Made once per version of `cell_ends`. Instants with fewer than two cells of a pack give nothing.
    """
    return store.derived("cell_ends", ("spreads", device), lambda: _spreads(store, device), _size)


def _spreads(store: Store, device: str) -> pl.DataFrame:
    names = ["day", "ts", "kind", "pack", "offset_mv"]
    rows = store.frame("cell_ends", names, where={"device": device}, keep=False)
    held = rows.drop_nulls(["pack", "offset_mv"])
    spread = (pl.col("offset_mv").max() - pl.col("offset_mv").min()).alias("spread_mv")
    return (
        held.group_by("day", "kind", "pack", "ts")
        .agg(spread, pl.len().alias("n"))
        .filter(pl.col("n") > 1)
        .group_by("day", "kind", "pack")
        .agg(pl.col("spread_mv").median())
        .sort("kind", "pack", "day")
    )


def _size(frame: pl.DataFrame) -> int:
    return int(frame.estimated_size())


def cell_resistance(trends: pl.DataFrame, soc_bin: str, pack: int = 0) -> pl.DataFrame:
    """Return (pack, cell, level_mohm, difference_percent, verdict, weeks) of one SOC bin.

    `difference_percent` is against the median of the bin's cells with a positive value; null where there is none.
    """
    rows = trends.filter((pl.col("soc_bin") == soc_bin) & pl.col("cell").is_not_null())
    positive = pl.col("level_mohm") > 0
    rows = rows.with_columns(
        pl.when(positive)
        .then(100 * (pl.col("level_mohm") / pl.col("level_mohm").filter(positive).median() - 1))
        .alias("difference_percent")
    )
    rows = rows if pack == 0 else rows.filter(pl.col("pack") == pack)
    return rows.sort("pack", "cell")


def bins_of(trends: pl.DataFrame) -> list[str]:
    """Return the SOC bins in which cells have a positive resistance, the one with most cells first."""
    held = trends.filter(pl.col("cell").is_not_null() & (pl.col("level_mohm") > 0))
    return held.group_by("soc_bin").len().sort("len", "soc_bin", descending=[True, False])["soc_bin"].to_list()


def weekly_resistance(store: Store, device: str) -> pl.DataFrame:
    """Return (soc_bin, week_start, r_mohm, cells): the median over all cells of a week."""
    rows = store.frame("resistance", where={"device": device}).filter(pl.col("cell").is_not_null())
    return (
        rows.group_by("soc_bin", "week_start")
        .agg(pl.col("r_0_90s_mohm").median().alias("r_mohm"), pl.len().alias("cells"))
        .sort("soc_bin", "week_start")
    )
