"""A large device is aggregated in batches of signals: each reads its own rows, not the month of the whole device."""

import psutil

from energy_pipeline import aggregation
from energy_pipeline.resources import parquet_parts
from tests.conftest import csv_text

SIGNALS, ROWS, BATCHES = 24, 20_000, 12


def readings_of(signal: int) -> list[tuple[str, float]]:
    """Rows of one local month, with values that do not compress."""
    return [
        (f"2024-05-{1 + i // 1440:02d} {i // 60 % 24:02d}:{i % 60:02d}:00", (i * 7919 + signal * 104_729) % 1e6 / 1e3)
        for i in range(ROWS)
    ]


def test_the_batches_of_a_large_device_read_each_row_about_once(site, monkeypatch):
    monkeypatch.setattr(parquet_parts, "ROW_GROUP", ROWS)
    plant = site({f"m1/p1_c{i:02d}.csv": csv_text(f"p1_c{i:02d}", readings_of(i)) for i in range(SIGNALS)})
    plant.load()
    stored = sum(f.stat().st_size for f in (plant.folder / "lake" / "readings").rglob("*.parquet"))
    monkeypatch.setattr(aggregation, "BATCH_ROWS", ROWS * SIGNALS // BATCHES)
    before = psutil.Process().io_counters().read_chars
    plant.aggregate()
    read = psutil.Process().io_counters().read_chars - before
    assert stored > 1_000_000
    assert plant.level("1d")["n"].sum() == SIGNALS * ROWS
    assert read < 3 * stored, f"{BATCHES} batches read {read / stored:.1f} times what is stored"
