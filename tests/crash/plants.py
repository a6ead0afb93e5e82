"""Small plants for the crash tests: what stands before an action, the action itself, and all tables for comparison.

Files, values and times of change are fixed, so that two plants of one kind differ in nothing. No part of the product
is replaced or instrumented here. Next: `child.py`, which runs an action in a process of its own.
"""

import itertools
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from energy_pipeline.resources.lake import Lake
from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings, load_settings
from tests.conftest import Site, csv_text

START = datetime(2024, 1, 20)  # noqa: DTZ001 - wall clock, as in a file
DEVICES = ("m1", "m2")
SLICES = 12
CLOCK_COLUMNS = {"check_results": ["checked_ts"]}  # when something ran; everything else must be equal

Rows = list[tuple[str, object]]


class Plant(Site):
    """A plant whose settings file is written once: several processes may read it at the same time."""

    @property
    def settings(self) -> Settings:
        """Settings as the file gives them."""
        path = self.folder / "energy.toml"
        return load_settings(path, environ={}) if path.exists() else super().settings


def rows_of(signal: str, first: int, last: int, step_min: int = 30) -> Rows:
    """Rows `first` to `last` of a signal: a power with bad rows, repeats and conflicts, or a register with a reset."""
    rows: Rows = []
    for i in range(first, last):
        ts = f"{START + timedelta(minutes=step_min * i)}"
        if signal == "com_ap":
            rows.append((ts, round(5 + 4 * ((i * 37) % 100) / 100, 3)))
            if i % 97 == 0:
                rows.append((ts, "many"))
            if i % 101 == 0:
                rows.append((ts, 20.0))
            if i % 103 == 0:
                rows.append(rows[-1])
        else:
            rows.append((ts, round(1000 + 2.5 * i if i < 1500 else 2.5 * (i - 1500), 4)))
    return rows


def start_files(plant: Site, share: tuple[int, int] = (0, 2700)) -> None:
    """Rows of all devices up to a position, as new files or as more of them."""
    for device in DEVICES:
        for signal in ("com_ap", "pos_ae"):
            last = share[1] if device == "m1" else share[1] // 4
            first = share[0] if device == "m1" else share[0] // 4
            text = csv_text(signal, rows_of(signal, first, last), header=share[0] == 0)
            plant.write(f"{device}/{signal}.csv", text, append=share[0] > 0)


def appended_files(plant: Site) -> None:
    """Five more days at the end, and late rows with smaller values in the middle of the first month."""
    for signal in ("com_ap", "pos_ae"):
        plant.write(f"m1/{signal}.csv", csv_text(signal, rows_of(signal, 2700, 2940), header=False), append=True)
    late = [(ts, 0.5) for ts, _ in rows_of("com_ap", 40, 60)]
    plant.write("m1/com_ap.csv", csv_text("com_ap", late, header=False), append=True)


def replaced_files(plant: Site) -> None:
    """The power file written anew, other values throughout: all its months are replaced."""
    rows = [(ts, value if isinstance(value, str) else float(value) + 1) for ts, value in rows_of("com_ap", 0, 2600)]
    plant.write("m1/com_ap.csv", csv_text("com_ap", rows))


def bring_up(plant: Site) -> None:
    """Load and aggregate every device until nothing is due."""
    for device in DEVICES:
        plant.load(device)
        plant.aggregate(device)


def before_load(plant: Site) -> None:
    """Files and no lake."""
    start_files(plant)


def before_append(plant: Site) -> None:
    """A finished lake, and files that have grown since."""
    start_files(plant)
    bring_up(plant)
    appended_files(plant)


def before_replace(plant: Site) -> None:
    """A finished lake, and a file that has been written anew since."""
    start_files(plant)
    bring_up(plant)
    replaced_files(plant)


def before_maintenance(plant: Site) -> None:
    """A lake of many small files and many that no version needs any more."""
    cuts = [2700 * i // SLICES for i in range(SLICES + 1)]
    for first, last in itertools.pairwise(cuts):
        start_files(plant, (first, last))
        bring_up(plant)


BEFORE: dict[str, Callable[[Site], None]] = {
    "load": before_load, "append": before_append, "replace": before_replace, "maintenance": before_maintenance,
}


def act(action: str, plant: Site) -> None:
    """Do what the action is: bring the lake up to the files, or maintain it."""
    if action == "maintenance":
        plant.lake.maintain(retention_hours=0, full=True)
    else:
        bring_up(plant)


def copy_of(template: Path, folder: Path) -> Plant:
    """Return a plant equal to the template, times of change included."""
    shutil.copytree(template, folder, copy_function=shutil.copy2)
    return Plant(folder)


def tables_of(lake: Lake, devices: tuple[str, ...] | None = None) -> dict[str, pl.DataFrame]:
    """Return every table of a lake in one order, without the columns that say when something ran.

    Reads through handles of its own; raises where a table cannot be read.
    """
    found = {}
    for name, table in TABLES.items():
        if not (Path(lake.url) / name / "_delta_log").is_dir():
            continue
        frame = Lake(lake.url).read(name).drop(CLOCK_COLUMNS.get(name, []))
        if devices is not None and "device" in frame.columns:
            frame = frame.filter(pl.col("device").is_in(devices))
        found[name] = frame.sort([c for c in table.column_names if c in frame.columns], nulls_last=True)
    return found


def orphans_of(lake: Path) -> list[str]:
    """Files of a lake that its present versions do not name: Parquet files, and remains of unfinished commits."""
    left = []
    for log in sorted(lake.glob("*/_delta_log")):
        table = log.parent
        named = {os.path.realpath(u.removeprefix("file://")) for u in DeltaTable(str(table)).file_uris()}
        left += [str(f.relative_to(lake)) for f in table.rglob("*.parquet")
                 if log not in f.parents and os.path.realpath(f) not in named]
        left += [str(f.relative_to(lake)) for f in staged_in(log)]
    return sorted(left)


def staged_in(log: Path) -> list[Path]:
    """Files in a table's log that are no commit and no checkpoint: a commit that was being written."""
    known = (".json", ".checkpoint.parquet", "_last_checkpoint", ".crc")
    return [f for f in log.rglob("*") if f.is_file() and not f.name.endswith(known)]

