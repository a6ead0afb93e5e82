"""The same work in other tools, for comparison: DuckDB, pandas, and a chunked pandas resampler.

DuckDB and pandas keep the readings, turn local times into UTC, drop repeats, cut held time at bucket borders and write
the four tables with the columns of ours (but without registers, refused rows, ledger and accounting). pandas is there
twice: as its user guide writes it, and with the inner part in NumPy. The resampler does what is often written first:
chunks of a file, one mean per bucket. Written to be fast in their own idiom, not to lose.
Next: `measure.py` runs them, `benchmark.py` compares their sums with ours.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ZONE = "Europe/Berlin"
HOLD_S = 900
CHUNK_ROWS = 50_000
LEVELS = {"5min": "5 minutes", "15min": "15 minutes", "1h": "1 hour", "1d": "1 day"}

_READINGS = """
CREATE TEMP TABLE readings AS
SELECT ? AS signal, ts, value FROM (
    SELECT epoch_us(timezone('{zone}', ts)) AS ts, value
    FROM read_csv(?, header=true, columns={{'ts': 'TIMESTAMP', 'value': 'DOUBLE'}})
) QUALIFY ts IS DISTINCT FROM lag(ts) OVER (ORDER BY ts)
"""
_FINE = """
CREATE TEMP TABLE fine AS
WITH held AS (
    SELECT ts, value, ts - ts % {fine} AS bucket,
           least(lead(ts, 1, ts + {hold}) OVER (ORDER BY ts), ts + {hold}) AS until
    FROM readings
), own AS (
    SELECT bucket AS ts, count(*) AS n, sum(least(until, bucket + {fine}) - ts) AS us,
           sum(value * (least(until, bucket + {fine}) - ts)) AS area,
           sum(value * value * (least(until, bucket + {fine}) - ts)) AS area_sq,
           min(value) AS min, max(value) AS max, arg_min(value, ts) AS first, arg_max(value, ts) AS last
    FROM held GROUP BY bucket
), crossing AS (
    SELECT cut.bucket AS ts, sum(least(until, cut.bucket + {fine}) - cut.bucket) AS us,
           sum(value * (least(until, cut.bucket + {fine}) - cut.bucket)) AS area,
           sum(value * value * (least(until, cut.bucket + {fine}) - cut.bucket)) AS area_sq
    FROM held, unnest(generate_series(held.bucket + {fine}, until - 1, {fine})) AS cut(bucket)
    WHERE until > held.bucket + {fine} GROUP BY cut.bucket
)
SELECT ts, coalesce(n, 0) AS n, (coalesce(own.us, 0) + coalesce(crossing.us, 0)) / 1e6 AS covered_s,
       (coalesce(own.area, 0) + coalesce(crossing.area, 0)) / 1e6 AS integral,
       (coalesce(own.area_sq, 0) + coalesce(crossing.area_sq, 0)) / 1e6 AS integral_sq, min, max, first, last
FROM own FULL JOIN crossing USING (ts) ORDER BY ts
"""
_COARSE = """
SELECT min(ts) AS ts, sum(n) AS n, sum(covered_s) AS covered_s, sum(integral) AS integral,
       sum(integral_sq) AS integral_sq, min(min) AS min, max(max) AS max, arg_min(first, ts) AS first,
       arg_max(last, ts) AS last
FROM fine GROUP BY time_bucket(INTERVAL '{step}', timezone('{zone}', make_timestamptz(ts))) ORDER BY 1
"""


def with_duckdb(paths: list[Path], out: Path) -> None:
    """Readings and four tables of every file in SQL, with all cores."""
    import duckdb

    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        for path in paths:
            db.execute(_READINGS.format(zone=ZONE), [path.stem, str(path)])
            db.execute(_FINE.format(hold=HOLD_S * 1_000_000, fine=300_000_000))
            queries = {"readings": "FROM readings", "5min": "FROM fine"}
            queries |= {k: _COARSE.format(step=step, zone=ZONE) for k, step in LEVELS.items() if k != "5min"}
            for name, query in queries.items():
                target = out / f"{path.stem}-{name}.parquet"
                db.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
            db.execute("DROP TABLE readings; DROP TABLE fine")


def with_pandas(paths: list[Path], out: Path) -> None:
    """Readings and four tables of every file as the pandas user guide writes it: index, reindex, ffill, groupby."""
    _with_pandas(paths, out, _fine_by_reindex)


def with_numpy(paths: list[Path], out: Path) -> None:
    """The same with held time cut by hand on NumPy arrays."""
    _with_pandas(paths, out, _fine_by_arrays)


def _with_pandas(paths: list[Path], out: Path, make_fine: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for path in paths:
        frame = pd.read_csv(path)
        clock = pd.to_datetime(frame["ts"], format="%Y-%m-%d %H:%M:%S")
        utc = clock.dt.tz_localize(ZONE, ambiguous="infer", nonexistent="NaT").dt.tz_convert("UTC")
        rows = pd.DataFrame({"signal": path.stem, "ts": utc, "value": frame[path.stem]})
        rows = rows.dropna().drop_duplicates("ts").sort_values("ts", ignore_index=True)
        rows.to_parquet(out / f"{path.stem}-readings.parquet", compression="zstd")
        fine = make_fine(rows)
        fine.to_parquet(out / f"{path.stem}-5min.parquet", compression="zstd")
        local = fine.index.tz_convert(ZONE)
        for level, rule in (("15min", "15min"), ("1h", "h"), ("1d", "D")):
            bucket = local.tz_localize(None).normalize() if rule == "D" else fine.index.floor(rule)
            _pandas_coarse(fine, bucket).to_parquet(out / f"{path.stem}-{level}.parquet", compression="zstd")


def _fine_by_reindex(rows: pd.DataFrame) -> pd.DataFrame:
    value = rows.set_index("ts")["value"]
    hold = pd.Timedelta(seconds=HOLD_S)
    ends = value.index[:-1][np.diff(value.index) > hold] + hold  # a reading holds no longer; there it ends
    last = value.index[-1] + hold
    borders = pd.date_range(value.index[0].floor("5min"), last, freq="5min")
    cuts = value.index.union(borders).union(ends).union([last])
    held = value.reindex(cuts).ffill()
    length = pd.Series(cuts, cuts).shift(-1).sub(pd.Series(cuts, cuts)).dt.total_seconds()
    since = pd.Series(cuts.where(cuts.isin(value.index)), cuts).ffill()
    held = held[(pd.Series(cuts, cuts) - since < hold) & length.notna()]
    seconds = length[held.index]
    pieces = pd.DataFrame({"covered_s": seconds, "integral": held * seconds, "integral_sq": held**2 * seconds})
    sums = pieces.groupby(pieces.index.floor("5min")).sum()
    marks = value.groupby(value.index.floor("5min")).agg(["count", "min", "max", "first", "last"])
    return sums.join(marks.rename(columns={"count": "n"})).fillna({"n": 0})


def _fine_by_arrays(rows: pd.DataFrame) -> pd.DataFrame:
    ts, value = rows["ts"].dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64), rows["value"].to_numpy()
    fine, hold = 300_000_000, HOLD_S * 1_000_000
    until = np.minimum(np.append(ts[1:], ts[-1] + hold), ts + hold)
    bucket = ts - ts % fine
    count = (until - 1 - bucket) // fine + 1
    origin = np.repeat(np.arange(len(ts)), count)
    start = bucket[origin] + (np.arange(len(origin)) - np.repeat(np.cumsum(count) - count, count)) * fine
    seconds = (np.minimum(start + fine, until[origin]) - np.maximum(start, ts[origin])) / 1e6
    pieces = pd.DataFrame({
        "ts": start, "covered_s": seconds, "integral": value[origin] * seconds,
        "integral_sq": value[origin] ** 2 * seconds,
    })
    marks = rows.groupby(bucket)["value"].agg(["count", "min", "max", "first", "last"])
    found = pieces.groupby("ts").sum().join(marks.rename(columns={"count": "n"}))
    found.index = pd.to_datetime(found.index, unit="us", utc=True)
    return found.fillna({"n": 0})


def _pandas_coarse(fine: pd.DataFrame, bucket: pd.DatetimeIndex) -> pd.DataFrame:
    return fine.groupby(bucket).agg({
        "n": "sum", "covered_s": "sum", "integral": "sum", "integral_sq": "sum", "min": "min", "max": "max",
        "first": "first", "last": "last",
    })


def with_resampler(paths: list[Path], out: Path) -> None:
    """One mean per bucket from chunks of a file; no readings, no weights, no extremes."""
    out.mkdir(parents=True, exist_ok=True)
    for path in paths:
        parts: dict[str, list[pd.DataFrame]] = {level: [] for level in LEVELS}
        for chunk in pd.read_csv(path, chunksize=CHUNK_ROWS, parse_dates=["ts"], date_format="%Y-%m-%d %H:%M:%S"):
            indexed = chunk.set_index("ts")
            for level, rule in (("5min", "5min"), ("15min", "15min"), ("1h", "1h"), ("1d", "1D")):
                parts[level].append(indexed.resample(rule).mean())
        for level, found in parts.items():
            mean = pd.concat(found).groupby(level=0).mean()
            mean.to_parquet(out / f"{path.stem}-{level}.parquet", compression="zstd")


def sums_of(out: Path, level: str) -> dict[str, float]:
    """Readings, held time and integral of all files at one level, to compare with ours."""
    columns = ["n", "covered_s", "integral"]
    found = [pq.read_table(p, columns=columns) for p in sorted(out.glob(f"*-{level}.parquet"))]
    both = pa.concat_tables([t.cast(pa.schema([(c, pa.float64()) for c in columns])) for t in found])
    return {c: float(both.column(c).to_numpy().sum()) for c in columns}
