"""Known limits, as docs/data-path.md names them: what happens there is tested, so that it cannot change unnoticed."""

from pathlib import Path

import pytest

from tests.conftest import assert_closed, csv_text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-path.md"
ROWS = [("2024-03-05 00:00:00", 1), ("2024-03-05 00:10:00", 2), ("2024-04-10 00:00:00", 3)]


@pytest.mark.parametrize("limit", ["`first_month` is raised", "zone changes", "two loaders of one device"])
def test_the_page_of_the_data_path_names_every_limit(limit):
    text = PAGE.read_text(encoding="utf-8")
    assert limit in text[text.index("## Known limits") :]


def test_after_the_first_month_is_raised_readings_forget_earlier_months_and_derived_tables_keep_them(site):
    plant = site({"m1/com_ap.csv": csv_text("com_ap", ROWS)})
    plant.load()
    plant.aggregate()
    days = plant.level("1d")
    plant.toml = 'first_month = "2024-04"\n'
    plant.load()
    plant.aggregate()
    assert_closed(plant)
    assert plant.readings()["value"].to_list() == [3.0]
    assert plant.rejects()["reason"].to_list() == ["out_of_time_range"] * 2
    assert plant.level("1d").equals(days)
    assert plant.due() == []


def test_a_signal_with_a_vanished_file_keeps_its_old_rows_when_the_zone_changes(site):
    plant = site({"m1/a.csv": csv_text("com_ap", ROWS[:2]), "m1/b.csv": csv_text("com_ap", ROWS[2:])},
                 'zone = "Europe/Berlin"\n')
    plant.load()
    (plant.root / "m1" / "a.csv").unlink()
    plant.load()
    before = plant.readings()["ts"].to_list()
    plant.toml = 'zone = "Asia/Kolkata"\n'
    plant.load()
    after = plant.readings()["ts"].to_list()
    assert after[:2] == before[:2]
    assert set(before) < set(after)
    assert len(after) == 4
    assert_closed(plant)
