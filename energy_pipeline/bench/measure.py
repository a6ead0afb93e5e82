"""One measurement in a process of its own: `python -m energy_pipeline.bench.measure KIND FOLDER ROUND`.

The process imports everything, works once on a tiny file so that nothing is loaded late, then measures one kind of
work and prints CPU and wall seconds, peak memory and what it counted as JSON. Next: `benchmark.py`, which starts these
processes in turn.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import polars as pl

DEVICE = "device"
Counted = dict[str, object]


class WrongWork(RuntimeError):  # noqa: N818 - named as states
    """What was measured is not what the benchmark claims to measure."""


def measure(kind: str, root: Path, number: int) -> Counted:
    """Return the figures of one kind of work on the files of `root`."""
    work = KINDS[kind](root, number)
    cpu, wall = time.process_time(), time.perf_counter()
    counted = work()
    return {
        "cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, **(counted or {}),
    }


def raw_files(root: Path) -> list[Path]:
    """Paths of the benchmark's CSV files."""
    return sorted((root / "raw" / DEVICE).glob("*.csv"))


def _floor(root: Path, _: int) -> Callable[[], None]:
    import pyarrow as pa
    from pyarrow import csv

    def work() -> None:
        for path in raw_files(root):
            types = {"ts": pa.timestamp("us"), path.stem: pa.float64()}
            csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types))

    return work


def _site(root: Path, number: int):
    from energy_pipeline.resources.lake import Lake
    from energy_pipeline.settings import load_settings

    settings = load_settings(environ={}, roots=(str(root / "raw"),), lake=str(root / f"lake{number}"))
    return settings, Lake(settings.lake)


def _load_once(root: Path, number: int):
    from energy_pipeline.loading.load import load_device
    from energy_pipeline.resources.raw_files import discover

    settings, lake = _site(root, number)
    return settings, lake, load_device(lake, settings, DEVICE, discover(settings).devices[DEVICE])


def _aggregate_once(root: Path, number: int, months: list[str] | None = None) -> Counted:
    from energy_pipeline.aggregation import aggregate_months

    settings, lake = _site(root, number)
    months = lake.months(DEVICE) if months is None else months
    aggregate_months(lake, settings, DEVICE, months)
    return {"months": len(months)}


def _warm_up() -> None:
    """Load and aggregate three readings: whatever is imported late has been imported then."""
    with tempfile.TemporaryDirectory(prefix="energy-warm-") as folder:
        file = Path(folder) / "raw" / DEVICE / "x.csv"
        file.parent.mkdir(parents=True)
        file.write_text("ts,x\n2024-01-01 00:00:00,1\n2024-01-01 00:01:00,2\n2024-01-01 00:02:00,3\n", "utf-8")
        _load_once(Path(folder), 0)
        _aggregate_once(Path(folder), 0)


def _load(root: Path, number: int) -> Callable[[], Counted]:
    _warm_up()

    def work() -> Counted:
        _, lake, report = _load_once(root, number)
        return {"bytes_parsed": report.bytes_parsed, "rows": sum(lake.rows_per_month("readings", DEVICE).values())}

    return work


def _months(root: Path, number: int) -> Callable[[], Counted]:
    _warm_up()
    return partial(_aggregate_once, root, number)


def _append(root: Path, number: int) -> Callable[[], Counted]:
    """A day more at the end of every file, loaded and aggregated; the files are as before when it is done."""
    _warm_up()
    sizes = {path: path.stat().st_size for path in raw_files(root)}
    for path in sizes:
        _append_a_day(path)
    appended = sum(path.stat().st_size - size for path, size in sizes.items())

    def work() -> Counted:
        try:
            _, _, report = _load_once(root, number)
            if report.bytes_parsed != appended:
                msg = f"{report.bytes_parsed} bytes were parsed, {appended} were appended"
                raise WrongWork(msg)
            return {"bytes_parsed": appended, **_aggregate_once(root, number, report.months_due)}
        finally:
            for path, size in sizes.items():
                with path.open("r+b") as file:
                    file.truncate(size)

    return work


def _append_a_day(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 200_000))
        last_lines = file.read().split(b"\n")[1:]
    rows = pl.read_csv(b"\n".join(last_lines), has_header=False, new_columns=["ts", "value"], try_parse_dates=True)
    step = rows["ts"][-1] - rows["ts"][-2]
    count = timedelta(days=1) // step
    rows = rows.tail(count) if len(rows) >= count else pl.concat([rows] * (count // len(rows) + 1)).tail(count)
    times = [rows["ts"][-1] + step * i for i in range(1, count + 1)]
    day = pl.DataFrame({"ts": times, "value": rows["value"]})
    with path.open("ab") as file:
        day.write_csv(file, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S", float_precision=1)


def _other(name: str, root: Path, number: int) -> Callable[[], Counted]:
    from energy_pipeline.bench import others

    def work() -> Counted:
        out = root / f"{name}{number}"
        getattr(others, f"with_{name}")(raw_files(root), out)
        return {} if name == "resampler" else others.sums_of(out, "1d")

    return work


KINDS: dict[str, Callable[[Path, int], Callable[[], Counted | None]]] = {
    "floor": _floor, "load": _load, "months": _months, "append": _append,
    **{name: partial(_other, name) for name in ("duckdb", "numpy", "pandas", "resampler")},
}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))) + "\n")
