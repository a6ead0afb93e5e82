"""Measurements in processes of their own, alternating, so that no run warms or slows the next.

`run_benchmark` is the parent; `python -m energy_pipeline.bench.measure KIND FOLDER` is one child, which imports,
works, and prints its CPU seconds, wall seconds, rows and peak memory as JSON. Next: `files.py`.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROUNDS = 3
SIZES = {"quick": (4, 100_000), "full": (10, 600_000)}
KINDS = ("floor", "load", "months")


def run_benchmark(quick: bool, tell: Callable[[str], None]) -> dict[str, object]:
    """Measure loading and aggregating against the floor; return all figures."""
    from energy_pipeline.bench.files import write_files

    files, rows = SIZES["quick" if quick else "full"]
    with tempfile.TemporaryDirectory(prefix="energy-bench-") as folder:
        root = Path(folder)
        tell(f"writing {files} files of {rows:,} rows")
        paths = write_files(root / "raw" / "device", files, rows)
        size = sum(p.stat().st_size for p in paths)
        measured: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for number in range(ROUNDS):
            for kind in KINDS:
                tell(f"round {number + 1} of {ROUNDS}: {kind}")
                measured[kind].append(_child(kind, root, number))
    return _figures(measured, files * rows, size)


def _child(kind: str, root: Path, number: int) -> dict[str, float]:
    done = subprocess.run(  # noqa: S603 - this interpreter on this module
        [sys.executable, "-m", "energy_pipeline.bench.measure", kind, str(root), str(number)],
        check=True, capture_output=True, text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _figures(measured: dict[str, list[dict[str, float]]], rows: int, size: int) -> dict[str, object]:
    cpu = {kind: statistics.median(m["cpu_s"] for m in runs) for kind, runs in measured.items()}
    floor = cpu["floor"]
    both = cpu["load"] + cpu["months"]
    return {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}",
        "rows": rows, "bytes": size, "rounds": ROUNDS,
        "ns_per_row": {
            "pyarrow.csv parse (floor)": cpu["floor"] / rows * 1e9,
            "CSV to readings": cpu["load"] / rows * 1e9,
            "readings to four tables": cpu["months"] / rows * 1e9,
            "CSV to readings and four tables": both / rows * 1e9,
        },
        "ratio_to_floor": both / floor,
        "peak_memory_mb": {
            kind: statistics.median(m["peak_mb"] for m in runs) for kind, runs in measured.items()
        },
        "wall_s": {kind: statistics.median(m["wall_s"] for m in runs) for kind, runs in measured.items()},
    }


def as_markdown(figures: dict[str, object]) -> str:
    """The figures as the table of the README."""
    per_row: dict[str, float] = figures["ns_per_row"]  # type: ignore[assignment]
    floor = per_row["pyarrow.csv parse (floor)"]
    lines = ["| step | CPU per raw row | ratio to the floor |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {value:,.0f} ns | {value / floor:.1f} |" for name, value in per_row.items()]
    memory: dict[str, float] = figures["peak_memory_mb"]  # type: ignore[assignment]
    size = int(figures["bytes"]) / 1e6  # type: ignore[call-overload]
    lines += [
        "",
        f"{figures['rows']:,} rows in {size:,.0f} MB; medians of {figures['rounds']} alternating runs; peak memory "
        f"{memory['load']:,.0f} MB loading, {memory['months']:,.0f} MB aggregating; {figures['machine']}.",
    ]
    return "\n".join(lines)


def _measure(kind: str, root: Path, number: int) -> dict[str, float]:
    work = {"floor": _floor, "load": _load, "months": _months}[kind](root, number)
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return {
        "cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _floor(root: Path, number: int) -> Callable[[], object]:
    del number
    import pyarrow as pa
    from pyarrow import csv

    def work() -> None:
        for path in sorted((root / "raw" / "device").glob("*.csv")):
            types = {"ts": pa.timestamp("us"), path.stem: pa.float64()}
            csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types))

    return work


def _site(root: Path, number: int):
    from energy_pipeline.resources.lake import Lake
    from energy_pipeline.settings import load_settings

    settings = load_settings(environ={}, roots=(str(root / "raw"),), lake=str(root / f"lake{number}"))
    return settings, Lake(settings.lake)


def _load(root: Path, number: int) -> Callable[[], object]:
    from energy_pipeline.loading.load import load_device
    from energy_pipeline.resources.raw_files import discover

    settings, lake = _site(root, number)
    files = discover(settings).devices["device"]
    return partial(load_device, lake, settings, "device", files)


def _months(root: Path, number: int) -> Callable[[], object]:
    from energy_pipeline.aggregation import aggregate_months

    settings, lake = _site(root, number)
    months = lake.months("device")
    return partial(aggregate_months, lake, settings, "device", months)


if __name__ == "__main__":
    result = _measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(result) + "\n")
