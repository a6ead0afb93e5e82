"""A file that grows around a change of clocks or a midnight gives what it gives as a whole."""

import pytest

from tests.conftest import NOW_S, assert_closed, assert_same_tables, csv_text

pytestmark = pytest.mark.filterwarnings("error")

BEHIND = [(f"2024-10-27 {m // 60:02d}:{m % 60:02d}:00", 7 + i) for i, m in enumerate(range(210, 480, 30))]


def test_end_labels_and_growth_use_the_clock_of_the_file(site):
    toml = '[[source]]\nname = "e"\nglob = "m1/*.csv"\nlabel = "end"\ninterval_s = 7200.0\n'
    rows = [("2024-10-27 01:30:00", 1), ("2024-10-27 02:00:00", 2)]
    more = [("2024-10-27 02:30:00", 3), ("2024-10-27 02:00:00", 4), ("2024-10-27 02:30:00", 5),
            ("2024-10-27 03:00:00", 6), *BEHIND]
    plant = site({"m1/com_ap.csv": csv_text("com_ap", rows)}, toml)
    plant.load()
    plant.write("m1/com_ap.csv", csv_text("com_ap", more, header=False), append=True)
    plant.load()
    whole = site({"m1/com_ap.csv": csv_text("com_ap", [*rows, *more])}, toml)
    whole.load()
    assert_same_tables(plant.tables(resolution=False), whole.tables(resolution=False))
    assert whole.readings()["value"].to_list()[:6] == [1, 2, 3, 4, 5, 6]
    assert whole.readings().height == 6 + len(BEHIND)


AUTUMN = [("2024-10-27 01:30:00", 1), ("2024-10-27 02:00:00", 2), ("2024-10-27 02:30:00", 3),
          ("2024-10-27 02:00:00", 4), ("2024-10-27 02:30:00", 5), ("2024-10-27 03:00:00", 6),
          *BEHIND]


@pytest.mark.parametrize("rows", [AUTUMN, AUTUMN[:3] + AUTUMN[5:], [AUTUMN[0], *AUTUMN[3:]]])
def test_a_file_that_grows_row_by_row_through_the_repeated_hour_is_read_as_the_whole(site, rows):
    whole = site({"m1/com_ap.csv": csv_text("com_ap", rows)})
    whole.load()
    grown = site({"m1/com_ap.csv": csv_text("com_ap", rows[:1])})
    for row in rows[1:]:
        grown.load()
        assert grown.load().load == 0
        grown.write("m1/com_ap.csv", csv_text("com_ap", [row], header=False), append=True)
    grown.load()
    assert_same_tables(grown.tables(resolution=False), whole.tables(resolution=False))
    assert_closed(grown)
    assert whole.readings().height == (len(rows) if rows == AUTUMN else 1 + len(BEHIND) + 1)


def test_a_file_that_ends_for_good_inside_the_repeated_hour_is_read_three_hours_later(site):
    plant = site({"m1/com_ap.csv": csv_text("com_ap", AUTUMN[:5])})
    plant.load()
    assert plant.lake.read("source_files")["status"].to_list() == ["pending"]
    assert plant.readings()["value"].to_list() == [1]
    plant.load(now_s=NOW_S + 3 * 3600)
    assert plant.readings()["value"].to_list() == [1, 2, 3, 4, 5]
    assert plant.load(now_s=NOW_S + 3 * 3600).load == 0
    assert_closed(plant)


def stamps(*texts, day="2024-10-27"):
    return [(f"{day} {t}", i) for i, t in enumerate(texts)]


def grown_and_whole(site, pieces, toml="", later=4 * 3600):
    """A plant whose file grows piece by piece, and one that reads it at once; both once more when the file is old."""
    grown = site({"m1/com_ap.csv": csv_text("com_ap", pieces[0])}, toml)
    for piece in pieces[1:]:
        grown.load()
        grown.write("m1/com_ap.csv", csv_text("com_ap", piece, header=False), append=True)
    whole = site({"m1/com_ap.csv": csv_text("com_ap", [row for piece in pieces for row in piece])}, toml)
    for plant in (grown, whole):
        plant.load()
        plant.load(now_s=NOW_S + later)
        assert plant.load(now_s=NOW_S + later).load == 0
        assert_closed(plant)
    return grown, whole


@pytest.mark.parametrize("cut", [58, 60])
def test_the_cadence_before_an_outage_is_known_after_the_file_has_grown(site, cut):
    minutes = [f"0{1 + m // 60}:{m % 60:02d}:00" for m in range(59)]
    rows = stamps(*minutes, "02:30:00", "05:00:00", "05:01:00")
    grown, whole = grown_and_whole(site, [rows[:cut], rows[cut:]])
    assert_same_tables(grown.tables(resolution=False), whole.tables(resolution=False))
    assert whole.rejects()["reason"].to_list() == ["ambiguous_local_time"]


@pytest.mark.parametrize("cut", [1, 2, 9, 10])
def test_the_rows_behind_the_hour_tell_its_cadence_wherever_the_file_was_cut(site, cut):
    rows = stamps("02:45:00", "03:30:00", *(f"03:{m}:00" for m in range(31, 59)))
    grown, whole = grown_and_whole(site, [rows[:cut], rows[cut:]])
    assert_same_tables(grown.tables(resolution=False), whole.tables(resolution=False))


@pytest.mark.parametrize("midnight", ["auto", "next_day"])
@pytest.mark.parametrize("after", [["23:59:00"], ["bad", "23:59:30"]])
def test_a_late_row_at_midnight_that_ends_a_chunk_is_judged_by_the_row_that_follows(site, midnight, after):
    before, late = ["22:00:00", "23:58:00"], ["00:00:00"]
    toml = f'[[source]]\nname = "s"\nglob = "m1/*.csv"\nmidnight = "{midnight}"\n'
    pieces = [stamps(*part, day="2024-06-01") for part in (before, late, after)]
    grown, whole = grown_and_whole(site, pieces, toml)
    assert_same_tables(grown.tables(resolution=False), whole.tables(resolution=False))
    assert "midnight_label" not in whole.rejects()["reason"].to_list()


@pytest.mark.parametrize(("midnight", "accepted"), [("auto", 5), ("next_day", 6)])
def test_quarter_hours_appended_day_by_day_are_what_they_are_as_a_whole(site, midnight, accepted):
    toml = f'[[source]]\nname = "s"\nglob = "m1/*.csv"\nmidnight = "{midnight}"\n'
    days = [stamps("12:00:00", "23:45:00", "00:00:00", day=f"2024-06-0{d}") for d in (1, 2)]
    grown, whole = grown_and_whole(site, days, toml, later=0)
    assert_same_tables(grown.tables(resolution=False), whole.tables(resolution=False))
    assert whole.account("com_ap")["rows_accepted"] + whole.rejects().height == accepted
    assert whole.lake.read("source_files")["status"].to_list() == ["pending" if midnight == "auto" else "read"]
    for plant in (grown, whole):
        plant.load(now_s=NOW_S + 4 * 3600)
    assert_same_tables(grown.tables(resolution=False), whole.tables(resolution=False))


def test_a_pending_row_without_a_line_end_is_not_asked_for_again_and_again(site):
    text = csv_text("com_ap", stamps("22:00:00", "23:58:00", "00:00:00", day="2024-06-01"))[:-1]
    plant = site({"m1/com_ap.csv": text})
    plant.load()
    assert plant.lake.read("source_files")["status"].to_list() == ["pending"]
    assert plant.load().load == 0
    plant.load(now_s=NOW_S + 4 * 3600)
    assert plant.lake.read("source_files")["status"].to_list() == ["read"]
