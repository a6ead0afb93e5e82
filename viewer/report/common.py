"""Small things that every part of the report needs: cells of a table in words, sums that stay unknown, months.

Next: `battery.py` and `meter.py`.
"""

from collections.abc import Sequence

import polars as pl

from viewer.report.blocks import Grid
from viewer.texts import Texts

Column = tuple[str, str, int]  # column of the frame, key of its heading, digits


def numbers_grid(frame: pl.DataFrame, first: str, heading: str, columns: Sequence[Column], t: Texts) -> Grid:
    """One row per row of the frame: a column of text, then columns of numbers."""
    rows = [
        [
            t.month(row[first]) if first == "month" else str(row[first]),
            *(t.number(row[name], digits) for name, _, digits in columns),
        ]
        for row in frame.iter_rows(named=True)
    ]
    header = [t(heading), *(t(key) for _, key, _ in columns)]
    return Grid(header, rows, frozenset(range(1, len(header))))


def known_sum(name: str) -> pl.Expr:
    """Sum of what is known; null where nothing is."""
    return pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name)


def by_month(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Sums per month (YYYY-MM of the local calendar) of a table with one row per local day."""
    month = pl.col("day").dt.strftime("%Y-%m").alias("month")
    return frame.group_by(month).agg(known_sum(n) for n in names).sort("month")


def last_known(frame: pl.DataFrame, name: str) -> float | None:
    """The last value of a column that is known, in the order of the frame."""
    known = frame[name].drop_nulls()
    return None if known.is_empty() else float(known[-1])
