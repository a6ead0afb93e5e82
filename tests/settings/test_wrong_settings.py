"""A wrong setting names the key, what was found and what is allowed; a block that fits nothing is reported."""

from pathlib import Path

import pytest

from energy_pipeline.resources.raw_files import discover
from energy_pipeline.settings import SettingsError, load_settings
from tests.conftest import csv_text

SOURCE = '[[source]]\nname = "s"\nglob = "m1/*"\n'
COLUMNS = SOURCE + "columns = [{{ {} }}]\n"
BEHIND = '[[device]]\nname = "{}"\nmain_meter = "{}"\n'
LONG = SOURCE + 'key_column = "k"\nvalue_column = "v"\n'


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (COLUMNS.format("match = '(', signal = 'x'"), ["source.0.columns.0.match", "'('", "not a regular expression"]),
        (COLUMNS.format("match = 'x_(.)', signal = 'x_{2}'"), ["x_{2}", "uses {2}", "`match`: {1}"]),
        (COLUMNS.format("match = 'x_.', signal = 'x_{1}'"), ["uses {1}", "none", "round brackets"]),
        (COLUMNS.format("column = 'x', signal = 'x_{1}'"), ["uses {1}", "only `match` has groups"]),
        (COLUMNS.format("match = 'x', signal = 'x_{'"), ["'x_{'", "curly brackets"]),
        (COLUMNS.format("column = 'x', signal = 'x', factor = 0"), ["columns.0.factor", "found 0", "any other number"]),
        (COLUMNS.format("column = 'x', signal = 'x', range = [9, 1]"), ["range", "[9.0, 1.0]", "write [1.0, 9.0]"]),
        ('[[signal]]\npattern = "["\nquantity = "q"\n', ["signal.0.pattern", "'['", "not a regular expression"]),
        ('[[signal]]\npattern = "a"\nquantity = "q"\nrange = [2, 1]\n', ["signal.0.range", "[2.0, 1.0]"]),
        (SOURCE + 'encoding = "utf-9"\n', ["source.0.encoding", "'utf-9'", "latin-1"]),
        (SOURCE + 'time_format = "DD.MM.YYYY"\n', ["source.0.time_format", "'DD.MM.YYYY'", "epoch_ms", "strptime"]),
        (LONG, ["long file", "no `columns`", "one entry per key"]),
        (LONG + "columns = [{ match = 'P.', signal = 'x' }]\n", ["match = 'P.'", "one entry per key"]),
        ('first_month = "0001-01"\n', ["first_month", "'0001-01'", "1970-01"]),
        ("[battery]\nempty_cell_v = 3.5\n", ["empty_cell_v = 3.5", "full_median_cell_v = 3.38"]),
        (BEHIND.format("m1", "m1"), ["device.0", "main_meter = 'm1' is the device itself", "the meter in front of it"]),
        (BEHIND.format("m1", "m2") + BEHIND.format("m2", "m1"), ["device", "m1 behind m2 behind m1", "not behind"]),
        ("[battery]\nsat_window_v = [4, 3]\n", ["battery.sat_window_v", "write [3.0, 4.0]"]),
    ],
)
def test_a_setting_that_cannot_be_meant_is_an_error_that_says_what_is_allowed(tmp_path: Path, toml, words):
    (tmp_path / "energy.toml").write_text(toml, encoding="utf-8")
    with pytest.raises(SettingsError) as error:
        load_settings(tmp_path / "energy.toml", environ={})
    for word in words:
        assert word in str(error.value)


def test_a_block_that_describes_no_file_is_a_problem_that_names_its_glob(site):
    plant = site({"m1/com_ap.csv": csv_text("com_ap", [("2024-06-01 00:00:00", 1)])},
                 '[[source]]\nname = "typo"\nglob = "M1/*.csv"\n[[source]]\nname = "used"\nglob = "m1/*.csv"\n')
    (problem,) = discover(plant.settings).problems
    for word in ("'typo'", "'M1/*.csv'", "matches no file"):
        assert word in problem.message


def test_a_device_block_that_names_nobody_is_reported_with_the_name_that_may_be_meant(site):
    plant = site(toml='[[device]]\nname = "batery"\nzone = "Asia/Shanghai"\n[[device]]\nname = "m1"\n')
    (sentence,) = plant.settings.unknown_devices(["battery", "m1"])
    for word in ('found "batery"', "allowed: battery, m1", 'did you mean "battery"?', "zone"):
        assert word in sentence
    assert plant.settings.unknown_devices(["batery", "m1"]) == []


def test_a_link_that_leads_back_to_its_own_folder_is_not_followed(site):
    plant = site({"m1/com_ap.csv": csv_text("com_ap", [("2024-06-01 00:00:00", 1)])})
    (plant.root / "m1" / "loop").symlink_to(plant.root / "m1")
    (plant.root / "m1" / "up").symlink_to(plant.root.parent)
    found = discover(plant.settings)
    assert found.problems == []
    assert [f.path for f in found.devices["m1"]] == ["raw/m1/com_ap.csv"]
