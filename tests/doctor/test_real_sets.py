"""The doctor on five real data sets: it finds their known quirks, and the blocks that it proposes load them."""

import os
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_pipeline.doctor import examine
from tests.doctor.planted import fact, load, only_group, paste

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.realdata


@pytest.fixture(autouse=True)
def data() -> None:
    if not DATA.is_dir():
        message = f"the real data sets are missing: {DATA} is not there"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def test_shelly_is_interval_energy_in_utc_and_loses_exactly_its_repeated_rows(tmp_path: Path) -> None:
    group = only_group(examine(DATA / "shelly_MIT"))
    assert "the header says so" in fact(group, "zone")
    lake, rejected = load(paste(tmp_path, DATA / "shelly_MIT", group.block or ""), "shelly_MIT")
    assert rejected == 0
    rows = {r["signal"]: r for r in lake.read("signals", "shelly_MIT").iter_rows(named=True)}
    assert [rows[f"import_interval_{p}"]["rows_duplicate"] for p in "abc"] == [4_320, 11_947, 0]


def test_emo_is_a_long_file_whose_epoch_proves_the_zone_of_its_clock(tmp_path: Path) -> None:
    group = only_group(examine(DATA / "emo_MIT"))
    assert "Europe/Berlin in every row tried" in fact(group, "zone")
    assert "Europe/Amsterdam" in fact(group, "zone")
    settings = paste(tmp_path, DATA / "emo_MIT", group.block or "")
    assert settings.zone_of("emo_MIT").key == "Europe/Berlin"
    lake, rejected = load(settings, "emo_MIT")
    assert rejected == 0
    readings = lake.read("readings", "emo_MIT").filter(pl.col("signal") == "pos_ae")
    assert readings.height == 34_943
    epoch = pl.read_csv(DATA / "emo_MIT" / "elec_2025_noid.csv", separator=";").filter(pl.col("code") == "ellm")
    assert readings["ts"].sort().to_physical().to_list() == (epoch["moment"].sort() * 1_000_000).to_list()


def test_steel_has_end_labels_and_midnights_of_the_day_before(tmp_path: Path) -> None:
    group = only_group(examine(DATA / "steel_CCBY4"))
    assert fact(group, "label") == "end: 365 rows at 00:00 carry the date of the day that they end"
    assert "no summer time" in fact(group, "zone")
    zone = '[[device]]\nname = "steel_CCBY4"\nzone = "Asia/Seoul"\n'
    lake, rejected = load(paste(tmp_path, DATA / "steel_CCBY4", group.block or "", zone), "steel_CCBY4")
    assert rejected == 0
    readings = lake.read("readings", "steel_CCBY4").filter(pl.col("signal") == "import_interval").sort("ts")
    assert readings.height == 35_040
    assert readings["ts"].diff().drop_nulls().unique().to_list() == [timedelta(minutes=15)]


def test_givenergy_discharges_with_positive_power_and_its_grid_power_is_in_watts(tmp_path: Path) -> None:
    group = only_group(examine(DATA / "givenergy_MIT"))
    assert any("bat > 0 is discharge" in line for line in group.relations)
    grid = next(c for c in group.columns if c.family.names == ("grid",))
    # The registers rise for import while this power falls: in this file positive is export.
    assert (grid.meaning.signal, grid.meaning.factor, grid.sign) == ("com_ap", 0.001, -1)
    lake, rejected = load(paste(tmp_path, DATA / "givenergy_MIT", group.block or ""), "givenergy_MIT")
    assert rejected == 0
    rows = {r["signal"]: r for r in lake.read("signals", "givenergy_MIT").iter_rows(named=True)}
    assert rows["bat"]["rows_duplicate"] + rows["bat"]["rows_conflict"] == 32


def test_the_cars_sentinels_offset_and_sign_are_found(tmp_path: Path) -> None:
    car1, car2 = examine(DATA / "baticm_MIT").groups
    cells = [next(c for c in g.columns if c.meaning.signal == "bms1_p1_v{1}") for g in (car1, car2)]
    assert [s.value for s in cells[0].sentinels] == [66.535]
    assert [(s.value, s.rows) for s in cells[1].sentinels] == [(0.0, 463)]
    assert [len(c.family.names) for c in cells] == [96, 88]
    warm = next(c for c in car2.columns if c.meaning.signal == "bms1_p1_t{1}")
    assert warm.offset == -40
    for group in (car1, car2):
        assert any("BMSBatteryCurrent > 0 is discharge" in line for line in group.relations)
    assert "refused: 235 sentinel" in car1.tried
    settings = paste(tmp_path, DATA / "baticm_MIT", (car1.block or "") + (car2.block or ""))
    lake, _ = load(settings, "car2")
    refused = lake.read("rejected_readings", "car2").filter(pl.col("signal").str.contains("_v\\d"))
    assert refused["reason"].to_list() == ["sentinel"] * 463
    warmest = lake.scan("readings", "car2").filter(pl.col("signal").str.contains("_t\\d+$")).select("value").collect()
    assert warmest["value"].is_between(10, 50).all()
