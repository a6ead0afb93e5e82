"""Resolution tables: 5 min, 15 min, 1 h and 1 local day, all with the same columns.

Statistics are stored so that a coarser table follows exactly from the finer one: sums of `n`, time and
integrals, extremes, first and last. A mean is never stored; it is `integral / covered_s`.
Next: `compute/resolution.py`, which fills them.
"""

import polars as pl

from energy_pipeline.schemas.base import DEVICE, MONTH, SIGNAL, UTC_TS, Column, Table

LEVELS = ("5min", "15min", "1h", "1d")
_WHAT = {"5min": "5 minutes", "15min": "15 minutes", "1h": "local hour", "1d": "local day"}


def _table(level: str) -> Table:
    return Table(
        name=f"resolution_{level}",
        grain=f"one row per (device, signal, {_WHAT[level]}) with data",
        description=f"Exact statistics of every signal per {_WHAT[level]}, weighted by time.",
        key=("device", "signal", "ts"),
        partition_by=("device", "month"),
        counted=True,
        columns=(
            DEVICE,
            MONTH,
            SIGNAL,
            Column("ts", UTC_TS, "start of the bucket", nullable=False),
            Column("n", pl.Int32, "readings whose time lies in the bucket", nullable=False, ge=0),
            Column("covered_s", pl.Float64, "time held by readings inside the bucket", "s", nullable=False, ge=0),
            Column("integral", pl.Float64, "integral of the value over the held time; null for registers", "unit·s"),
            Column("integral_sq", pl.Float64, "integral of the squared value; null for registers", "unit²·s"),
            Column("min", pl.Float64, "smallest reading; null where n = 0", "unit"),
            Column("max", pl.Float64, "largest reading; null where n = 0", "unit"),
            Column("first", pl.Float64, "first reading; null where n = 0", "unit"),
            Column("last", pl.Float64, "last reading; null where n = 0", "unit"),
            Column("increase", pl.Float64, "rise of the corrected register inside the bucket; null otherwise", "kWh"),
            Column(
                "increase_estimated",
                pl.Float64,
                "part of `increase` spread over gaps longer than max_hold; null except for registers",
                "kWh",
            ),
        ),
    )


RESOLUTIONS = {level: _table(level) for level in LEVELS}
TABLES = tuple(RESOLUTIONS.values())
