"""A battery whose files the settings give to another device: its tables are empty, the other one's are as made at once.

What happens to readings and ledger: `tests/loading/test_moved_files.py`.
"""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from energy_pipeline.schemas import TABLES
from energy_pipeline.work import BATTERY_TABLES, UNTRACKED
from tests.pipeline.conftest import Pipeline

RENAMED = '[[source]]\nname = "all"\nglob = "c7/*.csv"\ndevice = "c8"\n'
# When a row was written, by which load, and what was seen on the way there.
OF_THE_WAY = {"load", "mtime_ns", "settings_digest"}


def started(folder: Path, settings: str, pipeline_of: Callable[[Path], Pipeline]) -> Pipeline:
    for name, low, high in (("bms1_soc", 10, 95), ("bms1_c", -50, 60), ("bms1_v", 600, 720), ("bms1_p1_v1", 3.1, 3.5)):
        rows = [f"2024-05-{5 + h // 24:02} {h % 24:02}:00:00,{high if h % 2 else low}\n" for h in range(72)]
        file = folder / "raw" / "c7" / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"ts,{name}\n{''.join(rows)}", encoding="utf-8")
    (folder / "energy.toml").write_text(f'roots = ["raw"]\nlake = "lake"\n{settings}', encoding="utf-8")
    made = pipeline_of(folder / "energy.toml")
    assert made.run().ok
    return made


def test_a_battery_that_is_renamed_by_settings_leaves_nothing_and_counts_once(
    tmp_path: Path, pipeline_of: Callable[[Path], Pipeline]
) -> None:
    pipeline = started(tmp_path / "renamed", "", pipeline_of)
    assert pipeline.read("degradation_fits", "c7").height
    with pipeline.settings_file.open("a", encoding="utf-8") as settings:
        settings.write(RENAMED)
    assert pipeline.run().ok
    fresh = started(tmp_path / "fresh", RENAMED, pipeline_of)
    tables = [n for n in TABLES if n not in {*UNTRACKED, "source_files"}]
    assert any(fresh.read(n).height for n in BATTERY_TABLES)
    for name in tables:
        one, other = (p.read(name).drop(OF_THE_WAY, strict=False).sort(pl.all()) for p in (pipeline, fresh))
        assert set(one["device"]) <= {"c8"}, name
        assert one.equals(other), name
    assert set(pipeline.read("source_files", "c7")["status"]) == {"moved"}
    again = pipeline.run()
    assert again.ok
    assert again.runs == 0
