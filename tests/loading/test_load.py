"""What a load does with files that grow, change, move and go: planted rows come back, only new bytes are parsed."""

import gzip

import polars as pl
import pytest

from tests.conftest import NOW_S, assert_closed, assert_same_tables, csv_text

pytestmark = pytest.mark.filterwarnings("error")


def minutes(day: str, values: list[object], start: int = 0, step: int = 10) -> list[tuple[str, object]]:
    return [
        (f"{day} {(start + i * step) // 60:02d}:{(start + i * step) % 60:02d}:00", v) for i, v in enumerate(values)
    ]


DAY_1 = csv_text("com_ap", minutes("2024-03-05", [1, 2, 3, 4]))
DAY_2 = csv_text("com_ap", minutes("2024-03-06", [5, 6, 7]), header=False)
DAY_A = csv_text("com_ap", minutes("2024-06-10", [5, 6, 7]), header=False)


def test_only_the_appended_bytes_are_parsed(site):
    plant = site({"m1/com_ap.csv": DAY_1})
    first = plant.load()
    assert first.bytes_parsed == len(DAY_1) - len("ts,com_ap\n")
    plant.write("m1/com_ap.csv", DAY_2, append=True)
    second = plant.load()
    assert second.bytes_parsed == len(DAY_2)
    assert second.rows["accepted"] == 3
    assert plant.readings("com_ap")["value"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert plant.load().load == 0
    assert_closed(plant)


def test_line_numbers_go_on_after_growth(site):
    plant = site({"m1/com_ap.csv": "\n\n" + DAY_1})
    plant.load()
    plant.write("m1/com_ap.csv", DAY_2 + "2024-03-06 09:00:00,bad\n", append=True)
    plant.load()
    assert plant.rejects().select("line", "raw", "reason").rows() == [
        (11, "2024-03-06 09:00:00,bad", "unparsable_value")
    ]


def test_a_rewritten_file_replaces_its_rows(site):
    plant = site({"m1/com_ap.csv": DAY_1 + DAY_A})
    plant.load()
    plant.aggregate()
    plant.write("m1/com_ap.csv", csv_text("com_ap", minutes("2024-03-05", [9, 8, 7])))
    plant.load()
    plant.aggregate()
    fresh = site({"m1/com_ap.csv": csv_text("com_ap", minutes("2024-03-05", [9, 8, 7]))})
    fresh.load()
    fresh.aggregate()
    assert_same_tables(plant.tables(), fresh.tables())
    assert_closed(plant)


def test_a_truncated_file_loses_its_rows_in_every_table(site):
    plant = site({"m1/com_ap.csv": DAY_1 + DAY_A})
    plant.load()
    plant.aggregate()
    plant.write("m1/com_ap.csv", DAY_1)
    plant.load()
    assert "2024-06" in plant.aggregate()
    assert plant.level("1d")["month"].unique().to_list() == ["2024-03"]


def test_a_renamed_file_is_not_read_again(site):
    plant = site({"m1/com_ap.csv": DAY_1})
    plant.load()
    (plant.root / "m1/com_ap.csv").rename(plant.root / "m1/old_com_ap.csv")
    report = plant.load()
    assert (report.bytes_parsed, report.rows["read"]) == (0, 0)
    assert plant.lake.read("source_files")["path"].to_list() == ["raw/m1/old_com_ap.csv"]
    assert plant.load().load == 0


def test_a_file_that_is_only_touched_changes_no_row(site):
    plant = site({"m1/com_ap.csv": DAY_1})
    plant.load()
    before = plant.tables(resolution=False)
    plant.touch("m1/com_ap.csv", age_s=1800)
    plant.load()
    assert_same_tables(plant.tables(resolution=False), before)
    assert plant.load().load == 0
    assert_closed(plant)


def test_a_copy_under_a_new_name_with_a_new_time_is_a_rename_and_then_quiet(site):
    plant = site({"m1/com_ap.csv": DAY_1})
    plant.load()
    (plant.root / "m1/com_ap.csv").rename(plant.root / "m1/b.csv")
    plant.touch("m1/b.csv", age_s=1800)
    assert plant.load().bytes_parsed == 0
    assert plant.load().load == 0
    assert plant.account("com_ap")["rows_read"] == 4


def test_a_rename_beside_a_rewrite_of_the_same_signal_loses_no_row(site):
    plant = site({"m1/a.csv": DAY_1, "m1/b.csv": "ts,com_ap\n" + DAY_2})
    plant.load()
    (plant.root / "m1/a.csv").rename(plant.root / "m1/c.csv")
    plant.write("m1/b.csv", "ts,com_ap\n" + DAY_A)
    plant.load()
    assert plant.readings("com_ap")["value"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert_closed(plant)


def test_a_vanished_file_keeps_its_rows_and_is_reported(site):
    plant = site({"m1/a.csv": DAY_1, "m1/b.csv": "ts,com_ap\n" + DAY_2})
    plant.load()
    (plant.root / "m1/a.csv").unlink()
    plant.load()
    assert plant.readings("com_ap").height == 7
    ledger = plant.lake.read("source_files").sort("path")
    assert ledger["status"].to_list() == ["vanished", "read"]
    assert plant.load().load == 0
    assert_closed(plant)


def test_a_file_that_comes_back_unchanged_is_not_counted_again(site):
    plant = site({"m1/a.csv": DAY_1, "m1/b.csv": "ts,com_ap\n" + DAY_2})
    plant.load()
    before = plant.tables(resolution=False)
    (plant.root / "m1/a.csv").rename(plant.folder / "away.csv")
    plant.load()
    (plant.folder / "away.csv").rename(plant.root / "m1/a.csv")
    report = plant.load()
    assert report.bytes_parsed == 0
    assert_same_tables(plant.tables(resolution=False), before)
    assert plant.lake.read("source_files")["status"].unique().to_list() == ["read"]
    assert plant.load().load == 0


def test_a_half_last_line_waits_until_the_file_is_five_seconds_old(site):
    plant = site()
    plant.write("m1/com_ap.csv", DAY_1 + "2024-03-05 01:00:00,1", age_s=1)
    plant.load()
    assert plant.readings("com_ap").height == 4
    assert plant.lake.read("source_files")["status"].to_list() == ["pending"]
    plant.write("m1/com_ap.csv", "23\n" + DAY_2, append=True)
    report = plant.load()
    assert report.bytes_parsed == len("2024-03-05 01:00:00,123\n" + DAY_2)
    assert plant.readings("com_ap")["value"].to_list() == [1, 2, 3, 4, 123, 5, 6, 7]
    assert_closed(plant)


def test_a_half_last_line_that_stays_is_read_when_it_is_old(site):
    plant = site()
    plant.write("m1/com_ap.csv", DAY_1 + "2024-03-05 01:00:00,9", age_s=1)
    plant.load()
    plant.load(now_s=NOW_S + 60)
    assert plant.readings("com_ap")["value"].to_list() == [1, 2, 3, 4, 9]
    assert plant.load(now_s=NOW_S + 60).load == 0
    plant.write("m1/com_ap.csv", "5\n", append=True, age_s=-70)
    plant.load(now_s=NOW_S + 120)
    assert plant.readings("com_ap")["value"].to_list() == [1, 2, 3, 4, 95]
    assert_closed(plant)


def test_a_header_still_being_written_is_pending_and_then_read(site):
    plant = site()
    plant.write("m1/com_ap.csv", "ts,com", age_s=1)
    plant.load()
    assert plant.lake.read("source_files")["status"].to_list() == ["pending"]
    plant.write("m1/com_ap.csv", "_ap\n2024-03-05 01:00:00,9\n", append=True)
    plant.load()
    assert plant.readings("com_ap")["value"].to_list() == [9]


def test_a_file_that_was_empty_and_fills_is_read_without_rebuilding_its_signal(site):
    plant = site({"m1/a.csv": DAY_1, "m1/b.csv": "ts,com_ap\n", "m1/c.csv": ""})
    plant.load()
    plant.write("m1/b.csv", DAY_2, append=True)
    plant.write("m1/c.csv", "ts,com_ap\n" + DAY_A)
    report = plant.load()
    assert report.bytes_parsed == len(DAY_2) + len(DAY_A)
    assert plant.readings("com_ap").height == 10
    assert_closed(plant)


def test_late_rows_and_smaller_values_displace_and_are_accounted(site):
    plant = site({"m1/a.csv": DAY_1})
    plant.load()
    plant.write("m1/b.csv", csv_text("com_ap", [("2024-03-05 00:10:00", 1.5), ("2024-03-05 00:05:00", 7),
                                                ("2024-03-05 00:20:00", 33), ("2024-03-05 00:30:00", 4)]))
    plant.load()
    assert plant.readings("com_ap")["value"].to_list() == [1, 7, 1.5, 3, 4]
    lost = plant.rejects().sort("value").select("value", "reason").rows()
    assert lost == [(2.0, "conflict"), (33.0, "conflict")]
    assert_closed(plant)
    plant.write("m1/c.csv", csv_text("com_ap", [("2024-03-05 00:10:00", 2), ("2024-03-05 00:20:00", 33)]))
    plant.load()
    assert plant.account("com_ap")["rows_duplicate"] == 3
    assert_closed(plant)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'zone = "UTC"'),
        ("", 'first_month = "2024-04"'),
        ('first_month = "2024-04"', ""),
        ("", "[[signal]]\npattern = 'com_ap'\nquantity = 'active_power'\nunit = 'kW'\nrange = [0, 3]"),
        ("", "max_hold_s = 300.0"),
    ],
)
def test_changed_settings_read_the_device_again_and_leave_nothing_of_the_old(site, before, after):
    text = "ts,com_ap\n" + csv_text(
        "com_ap", [*minutes("2024-02-29", [0, 0, 0], 23 * 60), *minutes("2024-03-05", [1, 2, 3, 4]),
                   *minutes("2024-04-30", [5, 6, 7], 23 * 60), *minutes("2024-05-31", [5, 6, 7], 23 * 60)],
        header=False)
    plant = site({"m1/com_ap.csv": text}, before)
    plant.load()
    plant.aggregate()
    plant.toml = after
    plant.load()
    plant.aggregate()
    fresh = site({"m1/com_ap.csv": text}, after)
    fresh.load()
    fresh.aggregate()
    first = plant.settings.first_month
    tables = {k: t.filter(pl.col("month") >= first) if "month" in t.columns else t for k, t in plant.tables().items()}
    assert_same_tables(tables, fresh.tables())
    assert_closed(plant)
    assert plant.load().load == 0


def test_a_short_file_moved_to_another_month_by_a_new_zone_is_not_doubled(site):
    plant = site({"m1/com_ap.csv": csv_text("com_ap", minutes("2024-02-01", [1, 2], 10))})
    plant.load()
    plant.toml = 'zone = "Asia/Shanghai"'
    plant.load()
    assert plant.readings("com_ap")["value"].to_list() == [1, 2]
    plant.toml = 'zone = "America/Havana"'
    plant.load()
    plant.toml = 'first_month = "2024-03"'
    plant.load()
    assert plant.readings().is_empty()
    assert_closed(plant)


def test_one_unreadable_file_does_not_stop_its_device(site):
    plant = site({
        "m1/com_ap.csv": DAY_1, "m1/x.csv.gz": b"not gzip", "m1/y.zip": b"PK\x03\x04 broken", "m1/z.parquet": b"PAR1",
        "m1/empty.csv": "", "m1/header.csv": "ts,pf\n", "m1/notime.csv": "a,b\n1,2\n",
        "m1/torn.csv.gz": gzip.compress(b"ts,pf\n" + b"2024-03-05 00:00:00,1\n" * 500)[:-40],
    })
    report = plant.load()
    assert plant.readings()["value"].to_list() == [1, 2, 3, 4]
    named = {p.split(":")[0] for p in report.problems}
    assert named == {f"raw/m1/{n}" for n in ("x.csv.gz", "y.zip", "z.parquet", "empty.csv", "header.csv", "notime.csv",
                                            "torn.csv.gz")}
    assert plant.load().load == 0


def test_a_damaged_gzip_is_a_reason_and_not_a_crash(site):
    good = bytearray(gzip.compress(b"ts,pf\n" + b"".join(b"2024-03-05 00:%02d:00,0.%d\n" % (m, m) for m in range(60))))
    good[30] ^= 0xFF
    plant = site({"m1/com_ap.csv": DAY_1, "m1/pf.csv.gz": bytes(good)})
    report = plant.load()
    assert [p.split(":")[0] for p in report.problems] == ["raw/m1/pf.csv.gz"]


def test_a_signal_in_two_files_that_overlap_has_one_series(site):
    plant = site({"m1/a.csv": DAY_1, "m1/b.csv": DAY_1 + DAY_2})
    plant.load()
    assert plant.readings("com_ap").height == 7
    assert plant.account("com_ap")["rows_duplicate"] == 4
    assert_closed(plant)


def test_a_shared_file_is_rebuilt_with_all_signals_that_it_touches(site):
    wide = "ts,com_ap,pf\n2024-03-05 00:00:00,1,0.9\n2024-03-05 00:10:00,2,0.8\n"
    plant = site({"m1/wide.csv": wide, "m1/pf.csv": "ts,pf\n2024-03-05 00:20:00,0.7\n",
                  "m1/com_ap.csv": "ts,com_ap\n2024-03-05 00:20:00,3\n"})
    plant.load()
    plant.write("m1/pf.csv", "ts,pf\n2024-03-05 00:30:00,0.6\n")
    plant.load()
    assert plant.readings("com_ap")["value"].to_list() == [1, 2, 3]
    assert plant.readings("pf")["value"].to_list() == [0.9, 0.8, 0.6]
    assert_closed(plant)


def test_a_row_with_bad_value_in_a_rebuilt_signal_is_refused_once(site):
    plant = site({"m1/com_ap.csv": DAY_1 + "2024-03-05 09:00:00,x\n"})
    plant.load()
    plant.write("m1/com_ap.csv", "ts,com_ap\n2024-03-05 09:00:00,x\n2024-03-05 10:00:00,5\n")
    plant.load()
    assert plant.rejects().select("line", "reason").rows() == [(2, "unparsable_value")]
    assert_closed(plant)


def test_unknown_signals_are_taken_in_and_named(site):
    plant = site({"m1/foo_bar.csv": csv_text("Foo_Bar", minutes("2024-03-05", [1, 2]))})
    report = plant.load()
    assert report.unrecognised == ["foo_bar"]
    assert plant.readings("foo_bar")["value"].to_list() == [1, 2]
    assert plant.account("foo_bar")["recognised"] is False


def test_months_are_local_to_the_device(site):
    plant = site({"m1/com_ap.csv": csv_text("com_ap", [("2024-02-29 23:59:59", 1), ("2024-03-01 00:00:00", 2)])})
    plant.load()
    assert plant.readings()["month"].to_list() == ["2024-02", "2024-03"]
    assert plant.readings()["ts"].dt.strftime("%d %H:%M:%S").to_list() == ["29 22:59:59", "29 23:00:00"]


def test_a_later_midnight_row_out_of_order_is_kept_when_a_day_is_appended(site):
    first = csv_text("com_ap", minutes("2024-03-05", list(range(144))))
    second = csv_text("com_ap", [("2024-03-06 00:10:00", 1), ("2024-03-06 00:00:00", 2), ("2024-03-06 00:20:00", 3)],
                      header=False)
    plant = site({"m1/com_ap.csv": first})
    plant.load()
    plant.write("m1/com_ap.csv", second, append=True)
    plant.load()
    assert plant.rejects().is_empty()
    assert plant.readings().height == 147


def test_a_file_that_cannot_be_opened_for_a_moment_loses_nothing(site, monkeypatch):
    plant = site({"m1/com_ap.csv": DAY_1})
    plant.load()
    plant.write("m1/com_ap.csv", DAY_2, append=True)
    from energy_pipeline.loading import files as reading
    from energy_pipeline.loading import plan

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(plan, "head_digest", refuse)
        assert plant.load().load == 0
    with monkeypatch.context() as patch:
        patch.setattr(reading, "open_bytes", refuse)
        report = plant.load()
    assert "Permission denied" in report.problems[0]
    assert plant.readings().height == 4
    assert_closed(plant)
    plant.touch("m1/com_ap.csv", age_s=60)
    plant.load()
    assert plant.readings()["value"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert plant.account("com_ap")["rows_duplicate"] == 0
    assert_closed(plant)


def test_a_row_that_begins_like_utf16_does_not_turn_the_rest_of_a_grown_file_into_chinese(site):
    plant = site({"m1/com_ap.csv": DAY_1})
    plant.load()
    plant.write("m1/com_ap.csv", b"\xff\xfe2024-03-05 02:00:00,9\n" + DAY_2.encode(), append=True)
    plant.load()
    assert plant.readings()["value"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert plant.rejects()["reason"].to_list() == ["bad_encoding"]
    assert_closed(plant)


def test_torn_rows_of_a_long_file_are_refused_once_also_when_it_is_read_again(site):
    toml = ('[[source]]\nname = "long"\nglob = "m1/*"\nkey_column = "what"\nvalue_column = "v"\n'
            'columns = [{ column = "P", signal = "com_ap" }]\n')
    text = "ts,what,v\n2024-03-05 00:00:00,P,1\n2024-03-05 00:00:30\n2024-03-05 00:01:00,P,2\n"
    plant = site({"m1/it's.csv": text}, toml)
    plant.load()
    plant.write("m1/it's.csv", text.replace("P,2", "P,3"))
    plant.load()
    assert plant.rejects().select("line", "signal", "reason").rows() == [(3, None, "wrong_field_count")]
    assert plant.readings()["value"].to_list() == [1, 3]
