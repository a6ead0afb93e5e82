"""Two tables that should be equal: what is missing, what is too much, what is different, what stands twice.

Pure functions over frames; neither side is taken for the true one here. Next: `verify.py`, which compares the lake with
the raw files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

KINDS = {
    "missing": "of the files are missing in the lake",
    "extra": "of the lake are in no file",
    "changed": "have another value than in the files",
    "double": "stand more than once",
}
_KEY = ["signal", "ts"]


@dataclass(frozen=True)
class Apart:
    """Readings of one signal that differ in one way (a key of `KINDS`), from `first` to `last`."""

    signal: str
    kind: str
    rows: int
    first: datetime
    last: datetime


def compare_readings(stored: pl.DataFrame, true: pl.DataFrame) -> list[Apart]:
    """Compare readings (signal, ts, value) of one span; empty where both hold the same rows, in any order.

    Values are equal where they are the same number; `ts` identifies a reading within its signal.
    """
    stored, true = stored.sort(*_KEY, "value"), true.sort(*_KEY, "value")
    if stored.equals(true):
        return []
    once = stored.unique(_KEY, keep="first", maintain_order=True)
    both = once.join(true, on=_KEY, how="inner", suffix="_true")
    parts = {
        "missing": true.join(once, on=_KEY, how="anti"),
        "extra": once.join(true, on=_KEY, how="anti"),
        "changed": both.filter(pl.col("value") != pl.col("value_true")),
        "double": stored.filter(pl.struct(_KEY).is_duplicated()),
    }
    found = []
    for kind, rows in parts.items():
        sums = rows.group_by("signal").agg(
            pl.len().alias("rows"), pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last")
        )
        found += [Apart(r["signal"], kind, r["rows"], r["first"], r["last"]) for r in sums.iter_rows(named=True)]
    return sorted(found, key=lambda a: (a.signal, a.kind))


def rows_apart(one: pl.DataFrame, other: pl.DataFrame) -> list[tuple[str | None, int]]:
    """Rows per signal that only one of two tables has, or has more often; nulls are equal. By signal."""
    columns = one.columns
    counted = [t.group_by(columns).agg(pl.len().alias("times")) for t in (one, other.select(columns))]
    first, second = (a.join(b, on=[*columns, "times"], how="anti", nulls_equal=True)
                     for a, b in (counted, counted[::-1]))
    sums = pl.concat([first, second]).select(columns).unique().group_by("signal").len()
    return sorted(((s, n) for s, n in sums.iter_rows()), key=lambda found: found[0] or "")


def changed_rows(
    one: pl.DataFrame, other: pl.DataFrame, key: list[str]
) -> Iterator[tuple[dict[str, str | None], tuple[object, ...] | None, tuple[object, ...] | None]]:
    """Yield (key, values of `one`, values of `other`) where these differ; None where a side lacks the key."""
    values = [c for c in one.columns if c not in key]
    sides = [{row[: len(key)]: row[len(key) :] for row in t.select(*key, *values).iter_rows()} for t in (one, other)]
    for found in sorted({*sides[0], *sides[1]}, key=lambda k: tuple(str(part) for part in k)):
        here, there = sides[0].get(found), sides[1].get(found)
        if here != there:
            yield dict(zip(key, found, strict=True)), here, there
