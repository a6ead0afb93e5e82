"""Long files, files with a zone per row, interval energy and Parquet times: read as described, or refused in words."""

import io
from datetime import UTC, date, datetime

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import assert_closed, assert_same_tables, csv_text

pytestmark = pytest.mark.filterwarnings("error")

LONG = '[[source]]\nname = "long"\nglob = "m1/*.csv"\nkey_column = "what"\nvalue_column = "v"\n'
ROWS = "ts,what,v\n2024-06-01 00:00:00,A,1\n2024-06-01 00:00:00,B,2\n2024-06-01 00:15:00,A,3\n"


def test_two_keys_for_one_signal_are_refused_and_lose_no_row_in_silence(site):
    columns = 'columns = [{ column = "A", signal = "com_ap" }, { column = "B", signal = "Com_AP" }]\n'
    plant = site({"m1/x.csv": ROWS}, LONG + columns)
    (problem,) = plant.load().problems
    assert "several keys give the same signal com_ap: 'A', 'B'" in problem
    assert plant.readings().is_empty()


def test_the_signals_of_a_long_file_are_in_lower_case_as_those_of_a_wide_one(site):
    plant = site({"m1/x.csv": ROWS}, LONG + 'columns = [{ column = "A", signal = "Com_AP" }]\n')
    assert plant.load().unrecognised == []
    assert plant.readings("com_ap")["value"].to_list() == [1, 3]


def test_rows_whose_key_nobody_names_are_counted_in_the_ledger(site):
    plant = site({"m1/x.csv": ROWS}, LONG + 'columns = [{ column = "A", signal = "com_ap" }]\n')
    assert plant.load().problems == []
    plant.write("m1/x.csv", "2024-06-01 00:30:00,C,1\n2024-06-01 00:45:00,A,4\n", append=True)
    plant.load()
    rows = plant.lake.read("source_files").sort("signal")
    assert rows.select("signal", "rows_read").rows() == [(None, 2), ("com_ap", 3)]
    assert "'C' (1 rows)" in rows["reason"][0]
    assert_closed(plant)


def test_a_long_file_without_a_named_key_says_which_keys_it_has(site):
    plant = site({"m1/x.csv": ROWS}, LONG + 'columns = [{ column = "P", signal = "com_ap" }]\n')
    (problem,) = plant.load().problems
    assert "keys found: 'A', 'B'; named: 'P'" in problem


ZONED = "ts,where,com_ap\n"


def test_a_column_may_name_the_zone_of_each_row(site):
    toml = '[[source]]\nname = "z"\nglob = "m1/*.csv"\nzone_column = "where"\n'
    text = ZONED + "2024-06-01 12:00:00,Europe/Berlin,1\n2024-06-01 12:00:00,Asia/Shanghai,2\n"
    more = "2024-06-01 12:00:00,UTC,3\n2024-06-01 12:00:00,Mars/Olympus,4\n2024-06-01 12:00:00,,5\n"
    plant = site({"m1/x.csv": text}, toml)
    plant.load()
    plant.write("m1/x.csv", more, append=True)
    plant.load()
    utc = [datetime(2024, 6, 1, h, tzinfo=UTC) for h in (4, 10, 12)]
    assert plant.readings()["ts"].to_list() == utc
    assert plant.readings()["value"].to_list() == [2, 1, 3]
    assert plant.rejects().select("line", "reason").rows() == [(5, "unparsable_time"), (6, "unparsable_time")]
    whole = site({"m1/x.csv": text + more + "2024-06-01 13:00:00,UTC,bad\n"}, toml)  # the patient reader
    whole.load()
    assert whole.readings()["ts"].to_list() == utc
    assert_closed(plant)


def test_the_repeated_hour_is_judged_zone_by_zone(site):
    toml = '[[source]]\nname = "z"\nglob = "m1/*.csv"\nzone_column = "where"\n'
    hours = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00", "03:30"]
    lines = [f"2024-10-27 {t}:00,{zone},{i}" for i, t in enumerate(hours) for zone in ("Europe/Berlin", "UTC")]
    plant = site({"m1/x.csv": ZONED + "\n".join(lines) + "\n"}, toml)
    plant.load()
    berlin = datetime(2024, 10, 26, 23, 30, tzinfo=UTC)
    assert plant.rejects()["reason"].unique().to_list() in ([], ["conflict"])
    assert plant.readings()["ts"].min() == berlin
    assert_closed(plant)


def test_interval_energy_without_a_length_is_refused_with_the_length_that_the_file_shows(site):
    rows = [(f"2024-06-01 {h:02d}:{m:02d}:00", 1) for h in range(6) for m in (0, 30)]
    plant = site({"m1/import_interval.csv": csv_text("import_interval", rows)})
    (problem,) = plant.load().problems
    assert 'kind "interval" needs interval_s' in problem
    assert "import_interval has none" in problem
    assert "1800 s apart (11 of 11 steps)" in problem
    plant.toml = '[[source]]\nname = "i"\nglob = "m1/*.csv"\ninterval_s = 1800\n'
    assert plant.load().problems == []
    assert plant.account("import_interval")["interval_s"] == 1800
    plant.toml = '[[source]]\nname = "i"\nglob = "m1/*.csv"\n' \
                 'columns = [{ column = "import_interval", signal = "own", kind = "interval" }]\n'
    assert "own has none" in plant.load().problems[0]


def parquet(**columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_texts_in_parquet_are_read_by_their_format_whoever_wrote_them(site):
    texts = ["01.06.2024 00:00", "01.06.2024 00:15"]
    polars = io.BytesIO()
    pl.DataFrame({"ts": texts, "com_ap": [1.0, 2.0]}).write_parquet(polars)
    toml = '[[source]]\nname = "p"\nglob = "m*/*.parquet"\ntime_format = "%d.%m.%Y %H:%M"\n'
    kinds = (pa.large_string(), pa.string(), pa.dictionary(pa.int32(), pa.string()))
    files = {f"m{i}/x.parquet": parquet(ts=pa.array(texts).cast(kind), com_ap=pa.array([1.0, 2.0]))
             for i, kind in enumerate(kinds)}
    plant = site({**files, "m9/x.parquet": polars.getvalue()}, toml)
    for device in ("m0", "m1", "m2", "m9"):
        assert plant.load(device).problems == []
        assert plant.readings(device=device)["value"].to_list() == [1, 2]
    iso = site({"m1/x.parquet": parquet(ts=pa.array(["2024-06-01T00:00:00+02:00"]), com_ap=pa.array([1.0]))})
    assert iso.load().problems == []
    assert iso.readings()["ts"].to_list() == [datetime(2024, 5, 31, 22, tzinfo=UTC)]


def test_dates_in_parquet_are_midnights_of_the_local_clock(site):
    plant = site({"m1/x.parquet": parquet(ts=pa.array([date(2024, 6, 1)]), com_ap=pa.array([1.0]))})
    assert plant.load().problems == []
    assert plant.readings()["ts"].to_list() == [datetime(2024, 5, 31, 22, tzinfo=UTC)]


@pytest.mark.parametrize(("number", "guess"), [(1_717_192_800, "epoch_s"), (1_717_192_800_000, "epoch_ms")])
def test_numbers_for_times_are_never_taken_for_an_epoch_that_nobody_named(site, number, guess):
    plant = site({"m1/x.parquet": parquet(ts=pa.array([number]), com_ap=pa.array([1.0]))})
    (problem,) = plant.load().problems
    assert "time_format = 'iso', but the time column holds numbers" in problem
    assert f'time_format = "{guess}"' in problem
    plant.toml = f'[[source]]\nname = "p"\nglob = "m1/*.parquet"\ntime_format = "{guess}"\n'
    assert plant.load().problems == []
    assert plant.readings()["ts"].to_list() == [datetime(2024, 5, 31, 22, tzinfo=UTC)]


WRONG = [
    ("ts,com_ap\n01.06.2024 00:00,1\n01.06.2024 00:01,2\n", "", ["unparsable_time", "time_format = 'iso'", "epoch_s"]),
    ("ts;com_ap\n2024-06-01 00:00:00;1,5\n2024-06-01 00:01:00;2,5\n", 'separator = ";"\n',
     ["unparsable_value", "decimal = '.'", "1,5"]),
    ("ts,com_ap\n1717192800000,1\n1717192860000,2\n", 'time_format = "epoch_s"\n',
     ["unparsable_time", "time_format = 'epoch_s'", "1717192800000"]),
    ("ts,com_ap\n2024-06-01 00:00:00,1e7\n", "", ["out_of_range", "range = "]),
]


@pytest.mark.parametrize(("text", "toml", "words"), WRONG)
def test_a_setting_that_refuses_most_rows_names_the_key_the_text_and_what_is_allowed(site, text, toml, words):
    plant = site({"m1/x.csv": text}, f'[[source]]\nname = "own"\nglob = "m1/*.csv"\n{toml}')
    (problem,) = plant.load().problems
    for word in ["raw/m1/x.csv", "own", "line 2 reads", "doctor", *words]:
        assert word in problem
    assert_closed(plant)


def test_one_bad_row_among_good_ones_is_no_wrong_setting(site):
    plant = site({"m1/x.csv": "ts,com_ap\n2024-06-01 00:00:00,1\n2024-06-01 00:01:00,bad\n"})
    assert plant.load().problems == []


def test_a_file_with_a_zone_per_row_gives_the_same_tables_however_it_grows(site):
    toml = '[[source]]\nname = "z"\nglob = "m1/*.csv"\nzone_column = "where"\n'
    lines = [f"2024-10-27 0{h}:{m:02d}:00,Europe/Berlin,{h}\n" for h in (1, 2, 2, 3) for m in (0, 20, 40)]
    grown = site({"m1/x.csv": ZONED + "".join(lines[:5])}, toml)
    grown.load()
    grown.write("m1/x.csv", "".join(lines[5:]), append=True)
    grown.load()
    whole = site({"m1/x.csv": ZONED + "".join(lines)}, toml)
    whole.load()
    assert_same_tables(grown.tables(resolution=False), whole.tables(resolution=False))
    assert whole.readings().height == len(lines)
