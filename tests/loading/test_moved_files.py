"""Files that the settings give to another device leave the one they were with: no row counts twice, none is lost."""

from pathlib import Path

import pytest

from energy_pipeline.loading.load import load_is_due
from energy_pipeline.loading.owners import owners_of
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.verify import verify_lake
from tests.conftest import NOW_S, Site, assert_closed, assert_same_tables, csv_text

MORNING = [(f"2024-03-05 {h:02}:00:00", h) for h in range(6)]
LATER = [("2024-04-10 00:00:00", 7), ("2024-04-10 00:10:00", "bad"), ("2024-04-10 00:10:00", 8)]
FILES = {
    "hall/com_ap.csv": csv_text("com_ap", MORNING),
    "hall/sub_com_ap.csv": csv_text("com_ap", [("2024-03-05 00:30:00", 5), *LATER]),
    "hall/sub_pos_ae.csv": csv_text("pos_ae", [("2024-03-05 00:00:00", 10), ("2024-04-02 00:00:00", 40)]),
}
TO_SUB = '[[source]]\nname = "sub"\nglob = "hall/sub_*.csv"\ndevice = "sub"\n'
ROWS = 11
ALL_TO_SUB = '[[source]]\nname = "sub"\nglob = "hall/*.csv"\ndevice = "sub"\n'


def taken_in(plant: Site) -> Site:
    """Load and aggregate every device that has files or tables."""
    for device in sorted({*discover(plant.settings).devices, *plant.lake.devices()}):
        plant.load(device)
        plant.aggregate(device)
        assert_closed(plant, device)
    return plant


@pytest.mark.parametrize("settings", [TO_SUB, ALL_TO_SUB])
def test_devices_whose_files_change_hands_are_as_if_it_had_always_been_so(site, settings):
    plant, fresh = taken_in(site(FILES)), taken_in(site(FILES, settings))
    assert plant.readings(device="hall").height == ROWS
    plant.toml = settings
    taken_in(plant)
    for device in ("hall", "sub"):
        assert_same_tables(plant.tables(device), fresh.tables(device))
    stored = plant.lake.read("readings")
    assert stored.height == fresh.lake.read("readings").height == ROWS
    plant.toml = ""  # and back again
    taken_in(plant)
    assert_same_tables(plant.tables("hall"), taken_in(site(FILES)).tables("hall"))
    assert plant.lake.read("readings", "sub").is_empty()


def test_the_ledger_says_where_a_file_has_gone_and_nothing_is_due_after_it(site):
    plant = taken_in(site(FILES))
    plant.toml = TO_SUB
    assert is_due(plant, "hall")
    taken_in(plant)
    ledger = plant.lake.read("source_files", "hall").sort("path")
    assert ledger.select("path", "signal", "status", "rows_read").rows() == [
        ("raw/hall/com_ap.csv", "com_ap", "read", 6), ("raw/hall/sub_com_ap.csv", None, "moved", 0),
        ("raw/hall/sub_pos_ae.csv", None, "moved", 0),
    ]
    assert "sub, which has its rows now" in ledger["reason"][1]
    assert not is_due(plant, "hall")
    (plant.root / "hall" / "sub_pos_ae.csv").unlink()
    assert not is_due(plant, "hall")  # gone from the other device: that one says so
    assert is_due(plant, "sub")


def is_due(plant: Site, device: str) -> bool:
    devices = discover(plant.settings).devices
    return load_is_due(
        plant.lake, plant.settings, device, devices.get(device, []), NOW_S, owners_of(plant.lake, devices)
    )


def test_a_folder_that_is_only_away_keeps_its_rows(site):
    plant = taken_in(site({**FILES, "m2/com_ap.csv": csv_text("com_ap", MORNING)}))
    (plant.root / "hall").rename(plant.folder / "elsewhere")
    taken_in(plant)
    assert plant.readings(device="hall").height == ROWS


@pytest.mark.parametrize("grown", ["", "2024-05-01 00:00:00,9\n"])
def test_a_folder_that_got_another_name_counts_once_also_where_its_files_have_grown(site, grown):
    plant = taken_in(site(FILES))
    (plant.root / "hall").rename(plant.root / "workshop")
    plant.write("workshop/com_ap.csv", grown, append=True)
    taken_in(plant)
    assert plant.readings(device="hall").height == ROWS  # they stay until the other device has read them
    assert is_due(plant, "hall")
    taken_in(plant)
    assert_same_tables(plant.tables("workshop"), taken_in(site({
        path.replace("hall", "workshop"): text + (grown if path == "hall/com_ap.csv" else "")
        for path, text in FILES.items()
    })).tables("workshop"))
    assert plant.readings(device="hall").is_empty()
    assert set(plant.lake.read("source_files", "hall")["status"]) == {"moved"}
    assert not is_due(plant, "hall")


def test_a_renamed_folder_that_nobody_can_read_loses_no_row(site):
    described = '[[source]]\nname = "s"\nglob = "hall/*.csv"\ntime_column = "moment"\n'
    described += 'columns = [{ column = "p", signal = "x" }]\n'
    plant = taken_in(site({"hall/a.csv": "moment,p\n2024-03-05 00:00:00,1\n"}, described))
    (plant.root / "hall").rename(plant.root / "workshop")
    for _ in range(2):
        taken_in(plant)
    assert plant.lake.read("source_files", "workshop")["status"].to_list() == ["unreadable"]
    assert plant.readings(device="hall")["value"].to_list() == [1.0]


@pytest.mark.parametrize("other", ["2024-03-05 00:00:00,9\n", ""])
def test_a_meter_with_files_of_the_same_names_is_not_taken_for_one_whose_folder_is_away(site, other):
    plant = taken_in(site({**FILES, **{path.replace("hall", "m2"): text for path, text in FILES.items()}}))
    plant.write("m2/com_ap.csv", csv_text("com_ap", [("2024-03-05 00:00:00", 8)]) + other)
    (plant.root / "hall").rename(plant.folder / "elsewhere")
    taken_in(plant)
    assert plant.readings(device="hall").height == ROWS


def test_rows_of_a_file_that_has_gone_stay_where_a_file_of_the_same_signal_changes_hands(site):
    plant = taken_in(site(FILES))
    (plant.root / "hall" / "com_ap.csv").unlink()
    taken_in(plant)
    plant.toml = TO_SUB
    taken_in(plant)
    kept = plant.readings("com_ap", "hall")["value"].to_list()
    assert set(range(6)) <= set(kept)


def test_a_copy_in_the_old_place_is_not_taken_for_the_file_that_left(site):
    plant = taken_in(site(FILES))
    plant.toml = TO_SUB
    plant.write("hall/copy.csv", FILES["hall/sub_pos_ae.csv"])
    taken_in(plant)
    assert plant.readings("pos_ae", "hall").height == plant.readings("pos_ae", "sub").height == 2


def test_verify_says_what_is_to_be_done_and_is_green_after_it(site):
    plant = taken_in(site(FILES))
    plant.toml = TO_SUB
    assert any("belong to another device by now" in said for said in differences(plant, "hall"))
    taken_in(plant)
    assert differences(plant, "hall") == differences(plant, "sub") == []


def differences(plant: Site, device: str) -> list[str]:
    report = verify_lake(plant.lake, plant.settings, [device], NOW_S)
    return [found.what for one in report.devices for found in one.differences]


def test_the_page_of_the_data_path_says_what_happens_to_such_files():
    page = Path(__file__).resolve().parents[2] / "docs" / "data-path.md"
    assert "| moved to another device |" in page.read_text(encoding="utf-8")
