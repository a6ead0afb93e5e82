"""Files for the benchmark, as real ones are: `ts,<signal>`, 60 s and 30 s sampling, whole numbers and tenths.

Next: `measure.py`.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

END = datetime(2025, 2, 15, tzinfo=UTC)  # of all files alike, as those of one device end
SECOND_US = 1_000_000


def write_files(folder: Path, files: int, rows: int, seed: int = 1) -> list[Path]:
    """Write one device's folder of CSV files with so many rows each, and return their paths.

    Half of the signals are whole numbers every 59 to 61 s (like SOC and temperatures), half are tenths every 30 to
    31 s (like pack voltage and current). Times are the wall clock of Berlin with its two change days a year.
    """
    return _write(folder, [(i, rows) for i in range(files)], seed)


def write_days(folder: Path, files: int, days: int, seed: int = 1) -> list[Path]:
    """The same files over so many days: about 1,440 rows a day in one half of them, 2,830 in the other."""
    per_day = (86_400 / 60, 86_400 / 30.5)
    return _write(folder, [(i, int(days * per_day[i % 2])) for i in range(files)], seed)


def _write(folder: Path, plan: list[tuple[int, int]], seed: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = []
    for i, rows in plan:
        slow = i % 2 == 0
        steps = rng.integers(59, 62, rows) if slow else rng.integers(30, 32, rows)
        ts = int(END.timestamp()) * SECOND_US - np.cumsum(steps)[::-1] * SECOND_US
        walk = np.cumsum(rng.normal(0, 0.3, rows))
        value = np.round(20 + 5 * np.sin(walk / 40)) if slow else np.round(800 + 10 * np.sin(walk / 60), 1)
        signal = f"bms1_p1_t{i + 1}" if slow else f"bms1_x{i + 1}"
        clock = pl.Series(ts).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
        frame = pl.DataFrame({"ts": clock.dt.replace_time_zone(None), signal: value})
        path = folder / f"{signal}.csv"
        frame.write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S", float_precision=0 if slow else 1)
        paths.append(path)
    return paths
