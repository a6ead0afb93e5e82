"""What PackPulse reads: SAT values as cells × days, fits, regimes and cell findings.

Pure but for the store; used by the tabs and by the API.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from viewer.selection import cell_name
from viewer.store import Store, TableMissing

QUANTITIES = {
    "sat": ("sat_voltage_v", "V", 3),
    "offset": ("sat_offset_mv", "mV", 1),
    "index": ("sat_index_percent", "%", 2),
}
ESTABLISHED = {"falling", "rising", "stable"}
REASONS = ("no_charge", "partial_charge", "few_readings", "gap", "sentinel", "no_data")


@dataclass(frozen=True)
class SatGrid:
    """Cells × days. Rows in numeric order P1C1 … P5C52; every local day has a column."""

    device: str
    places: list[tuple[int, int]]
    first_day: date
    sat: np.ndarray
    offset: np.ndarray
    index: np.ndarray
    qualified: np.ndarray
    reason: np.ndarray

    @property
    def days(self) -> list[date]:
        """All local days."""
        return [self.first_day + timedelta(days=i) for i in range(self.sat.shape[1])]

    @property
    def names(self) -> list[str]:
        """Names of the rows."""
        return [cell_name(p, c) for p, c in self.places]

    @property
    def packs(self) -> list[int]:
        """Pack of each row."""
        return [p for p, _ in self.places]

    def row(self, place: tuple[int, int] | None) -> int | None:
        """Return the row of a cell, None where it does not exist."""
        return self.places.index(place) if place in self.places else None

    def values(self, quantity: str) -> np.ndarray:
        """Return the matrix of `sat`, `offset` or `index`."""
        return {"sat": self.sat, "offset": self.offset, "index": self.index}[quantity]

    def cut(self, first: date, last: date, pack: int = 0) -> "SatGrid":
        """Return the days from `first` to `last` and, where given, one pack."""
        n = self.sat.shape[1]
        a = min(max((first - self.first_day).days, 0), max(n - 1, 0))
        b = min(max((last - self.first_day).days + 1, a + 1), n)
        rows = [i for i, (p, _) in enumerate(self.places) if pack in {0, p}]
        pick = (np.array(rows, dtype=int)[:, None], np.arange(a, b)[None, :])
        return SatGrid(
            self.device,
            [self.places[i] for i in rows],
            self.first_day + timedelta(days=a),
            self.sat[pick],
            self.offset[pick],
            self.index[pick],
            self.qualified[pick],
            self.reason[pick],
        )


def load_grid(store: Store, device: str) -> SatGrid | None:
    """Return all SAT values of a system, None where it has none; shared by all who ask, so nobody may change it."""
    return store.derived("sat_daily", ("grid", device), lambda: _build_grid(store, device), _grid_bytes)


def _grid_bytes(grid: SatGrid | None) -> int:
    held = () if grid is None else (grid.sat, grid.offset, grid.index, grid.qualified, grid.reason)
    return sum(a.nbytes for a in held)


def _build_grid(store: Store, device: str) -> SatGrid | None:
    names = ["day", "pack", "cell", "qualified", "reason", "sat_voltage_v", "sat_offset_mv", "sat_index_percent"]
    rows = store.frame("sat_daily", names, where={"device": device}, keep=False).drop_nulls(["pack", "cell"])
    if rows.is_empty():
        return None
    places = sorted(set(zip(rows["pack"].to_list(), rows["cell"].to_list(), strict=True)))
    first, last = rows["day"].min(), rows["day"].max()
    shape = (len(places), (last - first).days + 1)
    order = {place: i for i, place in enumerate(places)}
    keys = rows.select("pack", "cell").unique(maintain_order=True).rows()
    lookup = pl.DataFrame(
        {"pack": [p for p, _ in keys], "cell": [c for _, c in keys], "i": [order[k] for k in keys]},
        schema={"pack": rows["pack"].dtype, "cell": rows["cell"].dtype, "i": pl.Int64},
    )
    placed = rows.join(lookup, on=["pack", "cell"], how="left")
    i, j = placed["i"].to_numpy(), (placed["day"] - first).dt.total_days().to_numpy()

    def matrix(column: str) -> np.ndarray:
        out = np.full(shape, np.nan)
        out[i, j] = placed[column].to_numpy()
        return out

    qualified, reason = np.zeros(shape, dtype=bool), np.full(shape, "no_data", dtype=object)
    qualified[i, j], reason[i, j] = placed["qualified"].to_numpy(), placed["reason"].fill_null("").to_numpy()
    return SatGrid(
        device,
        places,
        first,
        matrix("sat_voltage_v"),
        matrix("sat_offset_mv"),
        matrix("sat_index_percent"),
        qualified,
        reason,
    )


def load_fits(store: Store, device: str) -> pl.DataFrame:
    """Return the fits of a system in numeric order of the cells."""
    return store.frame("degradation_fits", where={"device": device}).sort(
        "level", "pack", "cell", "quantity", nulls_last=False
    )


def fit_of(
    fits: pl.DataFrame, level: str, quantity: str, pack: int | None = None, cell: int | None = None
) -> dict | None:
    """Return one fit as a dictionary, None where there is none."""
    found = fits.filter(
        (pl.col("level") == level)
        & (pl.col("quantity") == quantity)
        & pl.col("pack").eq_missing(pl.lit(pack, pl.Int16))
        & pl.col("cell").eq_missing(pl.lit(cell, pl.Int16))
    )
    return found.row(0, named=True) if found.height else None


def optional(store: Store, table: str, device: str) -> pl.DataFrame | None:
    """Return a system's rows of a table, None where the table does not exist."""
    try:
        return store.frame(table, where={"device": device})
    except TableMissing:
        return None


def system_cuts(regimes: pl.DataFrame | None) -> list[tuple[date, float]]:
    """Return (day, step in mV) of the operating regimes."""
    if regimes is None:
        return []
    rows = regimes.filter((pl.col("scope") == "system") & (pl.col("kind") == "operating_regime")).sort("day")
    return list(zip(rows["day"].to_list(), rows["step_mv"].to_list(), strict=True))


def cell_cuts(regimes: pl.DataFrame | None, pack: int, cell: int) -> list[tuple[date, float]]:
    """Return (day, step in mV) of one cell's own steps."""
    if regimes is None:
        return []
    rows = regimes.filter((pl.col("scope") == "cell") & (pl.col("pack") == pack) & (pl.col("cell") == cell)).sort("day")
    return list(zip(rows["day"].to_list(), rows["step_mv"].to_list(), strict=True))


def pack_table(grid: SatGrid, last_days: int = 30) -> pl.DataFrame:
    """Return per pack: cells, mean, min, max and spread of SAT (medians of the last qualified days)."""
    level = cell_levels(grid, last_days)
    rows = []
    for pack in dict.fromkeys(grid.packs):
        own = level[[i for i, p in enumerate(grid.packs) if p == pack]]
        fine = own[np.isfinite(own)]
        rows.append(
            {
                "pack": pack,
                "cells": own.size,
                "with_value": fine.size,
                **(
                    {
                        "mean": float(fine.mean()),
                        "min": float(fine.min()),
                        "max": float(fine.max()),
                        "spread_mv": 1000 * float(fine.max() - fine.min()),
                        "p95_p5_mv": 1000 * float(np.percentile(fine, 95) - np.percentile(fine, 5)),
                    }
                    if fine.size
                    else {}
                ),
            }
        )
    schema = {
        "pack": pl.Int64,
        "cells": pl.Int64,
        "with_value": pl.Int64,
        "mean": pl.Float64,
        "min": pl.Float64,
        "max": pl.Float64,
        "spread_mv": pl.Float64,
        "p95_p5_mv": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema)


def cell_levels(grid: SatGrid, last_days: int = 30) -> np.ndarray:
    """Return each cell's median SAT of the last qualified days, NaN where it has none."""
    masked = np.where(grid.qualified, grid.sat, np.nan)
    days = np.flatnonzero(np.isfinite(masked).any(axis=0))[-last_days:]
    return quiet_median(masked[:, days], axis=1) if days.size else np.full(len(grid.places), np.nan)


def day_codes(grid: SatGrid) -> list[str]:
    """Return per day `qualified` or the most frequent reason over the cells."""
    out = []
    for j in range(grid.qualified.shape[1]):
        if grid.qualified[:, j].mean() > 0.5:
            out.append("qualified")
            continue
        words, counts = np.unique([r or "no_data" for r in grid.reason[:, j] if r], return_counts=True)
        out.append(str(words[counts.argmax()]) if words.size else "no_data")
    return out


def quiet_median(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the median without NaN, NaN where nothing is left (and no warning)."""
    empty = ~np.isfinite(values).any(axis=axis)
    filled = np.where(np.expand_dims(empty, axis), 0.0, values)
    return np.where(empty, np.nan, np.nanmedian(filled, axis=axis))


def pack_series(grid: SatGrid, quantity: str) -> dict[int, np.ndarray]:
    """Return per pack the median over its cells of each qualified day."""
    masked = np.where(grid.qualified, grid.values(quantity), np.nan)
    packs: Sequence[int] = list(dict.fromkeys(grid.packs))
    return {p: quiet_median(masked[[i for i, q in enumerate(grid.packs) if q == p]], axis=0) for p in packs}


def grid_table(grid: SatGrid, quantity: str) -> pl.DataFrame:
    """Return the heat map as rows: a cell and day each, null where there is no value, with what the ledger says."""
    name, unit, _ = QUANTITIES[quantity]
    cells, days = grid.qualified.shape
    packs, numbers = (np.array([place[i] for place in grid.places]) for i in (0, 1))
    return pl.DataFrame({
        "pack": np.repeat(packs, days), "cell": np.repeat(numbers, days), "day": grid.days * cells,
        name: pl.Series(grid.values(quantity).ravel()).fill_nan(None), "unit": [unit] * (cells * days),
        "qualified": grid.qualified.ravel(), "reason": [str(r) or None for r in grid.reason.ravel()],
    })
