"""The benchmark: which files, which measurements in which order, and its figures as JSON and as a table.

Kinds of work alternate, each in a process of its own, so that no run warms or slows the next; figures are medians of
CPU time, and ratios to the floor, `pyarrow.csv` alone on the same files in the same rounds. Next: `measure.py`, one
such process; `others.py`, the same work in other tools.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from energy_pipeline.bench.files import write_days, write_files

ROUNDS = 3
KINDS = ("floor", "load", "months", "append", "duckdb", "numpy", "pandas", "resampler")
SIZES = {"quick": (4, 100_000), "full": (10, 600_000)}
DEVICE_FILES = 600
LABELS = {
    "floor": "pyarrow.csv parse (floor)", "load": "CSV to readings", "months": "readings to four tables",
    "both": "CSV to readings and four tables", "duckdb": "the same work in DuckDB",
    "pandas": "the same work in pandas", "numpy": "the same, its inner part in NumPy",
    "resampler": "pandas in chunks, one mean per bucket",
}
SAME_WORK = ("duckdb", "numpy", "pandas")
Tell = Callable[[str], None]


def run_benchmark(size: str, tell: Tell) -> dict[str, Any]:
    """Measure a few files against the floor and other tools (quick, full), or a device of 600 files (large)."""
    with tempfile.TemporaryDirectory(prefix="energy-bench-") as folder:
        figures = _large(Path(folder), tell) if size == "large" else _small(Path(folder), *SIZES[size], tell)
    return {"size": size, "machine": machine(), **figures}


def machine() -> str:
    """What the figures were measured on."""
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _processor() -> str:
    """The processor's own name where the system tells it (Linux), else its architecture."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return " ".join([*names[:1], platform.machine()])


def _child(kind: str, root: Path, number: int) -> dict[str, float]:
    command = [sys.executable, "-m", "energy_pipeline.bench.measure", kind, str(root), str(number)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this interpreter
    return json.loads(done.stdout.splitlines()[-1])


def _small(root: Path, files: int, rows: int, tell: Tell) -> dict[str, Any]:
    tell(f"writing {files} files of {rows:,} rows")
    paths = write_files(root / "raw" / "device", files, rows)
    size = sum(p.stat().st_size for p in paths)
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for number in range(ROUNDS):
        for kind in KINDS:
            tell(f"round {number + 1} of {ROUNDS}: {kind}")
            runs[kind].append(_child(kind, root, number))
            if kind == "months":
                ours = _our_sums(root, number)
        for name in ("lake", "duckdb", "numpy", "pandas", "resampler"):
            shutil.rmtree(root / f"{name}{number}", ignore_errors=True)
    total = files * rows
    both = [load["cpu_s"] + months["cpu_s"] for load, months in zip(runs["load"], runs["months"], strict=True)]
    cpu = {kind: _median(found, "cpu_s") for kind, found in runs.items()} | {"both": statistics.median(both)}
    return {
        "files": files, "rows": total, "bytes": size, "rounds": ROUNDS,
        "ns_per_row": {kind: cpu[kind] / total * 1e9 for kind in LABELS},
        "ratio_to_floor": {kind: cpu[kind] / cpu["floor"] for kind in LABELS},
        "append": _append_figures(runs["append"], both),
        "difference_of_sums": {name: _difference(runs[name][-1], ours) for name in SAME_WORK},
        "peak_memory_mb": {kind: _median(found, "peak_mb") for kind, found in runs.items()},
        "wall_s": {kind: _median(found, "wall_s") for kind, found in runs.items()},
        "cores_used": {kind: cpu[kind] / _median(runs[kind], "wall_s") for kind in ("load", "months")},
    }


def _our_sums(root: Path, number: int) -> dict[str, float]:
    from energy_pipeline.resources.lake import Lake

    rows = Lake(str(root / f"lake{number}")).scan("resolution_1d", "device")
    return rows.select(pl.col("n", "covered_s", "integral").sum()).collect().row(0, named=True)


def _difference(theirs: dict[str, float], ours: dict[str, float]) -> float:
    """Largest relative difference of readings, held time and integral."""
    return max(abs(theirs[name] - value) / abs(value) for name, value in ours.items())


def _large(root: Path, tell: Tell) -> dict[str, Any]:
    devices = {}
    for name, days, rows in (("3 months", 91, None), ("6 months", 182, None), ("600,000 rows a file", None, 600_000)):
        tell(f"{name}: writing {DEVICE_FILES} files")
        folder = root / "raw" / "device"
        if days is not None:
            paths = write_days(folder, DEVICE_FILES, days)
        else:
            paths = write_files(folder, DEVICE_FILES, rows or 0)
        size = sum(p.stat().st_size for p in paths)
        found: dict[str, dict[str, float]] = {}
        for kind in ("load", "months", "append"):
            tell(f"{name}: {kind}")
            found[kind] = _child(kind, root, 0)
        both, wall = (found["load"][name] + found["months"][name] for name in ("cpu_s", "wall_s"))
        devices[name] = {
            "rows": found["load"]["rows"], "bytes": size, "ns_per_row": both / found["load"]["rows"] * 1e9,
            "wall_s": wall, "cores_used": both / wall,
            "peak_memory_mb": max(found[kind]["peak_mb"] for kind in ("load", "months")),
            "append": _append_figures([found["append"]], [both]),
        }
        shutil.rmtree(root / "raw")
        shutil.rmtree(root / "lake0")
    return {"files": DEVICE_FILES, "devices": devices}


def _append_figures(runs: list[dict[str, float]], full_cpu_s: list[float]) -> dict[str, float]:
    return {
        "bytes_parsed": runs[0]["bytes_parsed"], "months": runs[0]["months"], "cpu_s": _median(runs, "cpu_s"),
        "share_of_full_load": _median(runs, "cpu_s") / statistics.median(full_cpu_s),
        "peak_memory_mb": _median(runs, "peak_mb"),
    }


def _median(runs: list[dict[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in runs)


def as_markdown(figures: dict[str, Any]) -> str:
    """The figures as the tables of the README."""
    return _large_markdown(figures) if figures["size"] == "large" else _small_markdown(figures)


def _small_markdown(figures: dict[str, Any]) -> str:
    lines = ["| step | CPU per raw row | ratio to the floor |", "| --- | ---: | ---: |"]
    lines += [
        f"| {label} | {figures['ns_per_row'][kind]:,.0f} ns | {figures['ratio_to_floor'][kind]:.1f} |"
        for kind, label in LABELS.items()
    ]
    memory, append = figures["peak_memory_mb"], figures["append"]
    lines += [
        "",
        f"{figures['rows']:,} rows in {figures['bytes'] / 1e6:,.0f} MB; medians of {figures['rounds']} alternating "
        f"runs; peak memory {memory['load']:,.0f} MB loading, {memory['months']:,.0f} MB aggregating; "
        f"{figures['cores_used']['load']:.1f} and {figures['cores_used']['months']:.1f} cores at work. A day appended "
        f"to every file: exactly its {append['bytes_parsed']:,} bytes parsed, {append['months']} months computed "
        f"again, {append['share_of_full_load']:.1%} of the CPU of the full load. Sums of readings, held time and "
        "integral differ from ours by "
        + ", ".join(f"{figures['difference_of_sums'][name]:.1g} ({name})" for name in SAME_WORK)
        + f". {figures['machine']}.",
    ]
    return "\n".join(lines)


def _large_markdown(figures: dict[str, Any]) -> str:
    lines = [
        f"| {figures['files']} files | rows | CPU per row | time | cores at work | peak memory | a day appended |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {d['rows']:,} | {d['ns_per_row']:,.0f} ns | {d['wall_s']:,.0f} s | {d['cores_used']:.1f} "
        f"| {d['peak_memory_mb']:,.0f} MB | {d['append']['share_of_full_load']:.1%} of the CPU of the full load |"
        for name, d in figures["devices"].items()
    ]
    return "\n".join([*lines, "", f"One run each; {figures['machine']}."])
