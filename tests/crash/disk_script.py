"""What happens to a lake on a full disk and on a read-only one; runs inside a mount namespace of its own.

Started by `test_disk.py` as `unshare -rm python -m tests.crash.disk_script full|readonly FOLDER ACTION [SPARE_KB]`; the
folder holds a plant as it is before the action. Prints one JSON object. Nothing outside the namespace is mounted.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
from deltalake.exceptions import DeltaError

from energy_pipeline.resources.lake_errors import LakeBusyError, LakeError
from tests.crash.plants import Plant, act, orphans_of, tables_of


def mount(*arguments: str) -> None:
    """Mount in this namespace; raises where it is not permitted."""
    subprocess.run(["mount", *arguments], check=True)


def fill(disk: Path, spare_kb: int) -> None:
    """Fill a file system up to the last `spare_kb`."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(b"\0" * max(0, free - spare_kb * 1024))


def attempt(plant: Plant, action: str) -> dict[str, object]:
    """Carry an action out; return the error's type and text, or None twice."""
    try:
        act(action, plant)
    except (OSError, DeltaError, LakeError, LakeBusyError) as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"error": None, "message": None}


def full(folder: Path, action: str, spare_kb: int) -> dict[str, object]:
    """A lake on a small disk that is full; then the disk grows."""
    lake, kept = folder / "lake", folder / "kept"
    if lake.exists():
        lake.rename(kept)
    lake.mkdir()
    mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(lake))
    if kept.exists():
        shutil.copytree(kept, lake, dirs_exist_ok=True)
    plant = Plant(folder)
    before = tables_of(plant.lake)
    fill(lake, spare_kb)
    found = attempt(plant, action)
    after = tables_of(plant.lake)
    (lake / "filler").unlink()
    return {**found, "readable": sorted(after), "same": _same(before, after), **finish(plant, action)}


def readonly(folder: Path, action: str) -> dict[str, object]:
    """A lake that may only be read; then it may be written."""
    lake = folder / "lake"
    lake.mkdir(exist_ok=True)
    mount("--bind", str(lake), str(lake))
    mount("-o", "remount,bind,ro", str(lake))
    plant = Plant(folder)
    before = tables_of(plant.lake)
    found = attempt(plant, action)
    after = tables_of(plant.lake)
    mount("-o", "remount,bind,rw", str(lake))
    return {**found, "readable": sorted(after), "same": _same(before, after), **finish(plant, action)}


def finish(plant: Plant, action: str) -> dict[str, object]:
    """Run again now that it can be done, and write what came of it where the parent can read it."""
    act(action, plant)
    plant.lake.maintain(retention_hours=0, full=True)
    tables = tables_of(plant.lake)
    out = plant.folder / "tables"
    out.mkdir()
    for name, frame in tables.items():
        frame.write_parquet(out / f"{name}.parquet")
    return {"orphans": orphans_of(plant.folder / "lake"), "tables": sorted(tables)}


def _same(before: dict[str, pl.DataFrame], after: dict[str, pl.DataFrame]) -> list[str]:
    return sorted(name for name in before if name in after and before[name].equals(after[name]))


def main() -> None:
    """Do what the command line says."""
    what, folder, action = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    found = full(folder, action, int(sys.argv[4])) if what == "full" else readonly(folder, action)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
