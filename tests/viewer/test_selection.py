"""The address bar and the selection mirror each other; nonsense is named and dropped."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from viewer.catalog import natural
from viewer.selection import Selection, local_window

FIRST, LAST = datetime(2024, 1, 1), datetime(2024, 12, 31, 23, 59)  # noqa: DTZ001 - wall clock
BERLIN = ZoneInfo("Europe/Berlin")


def test_a_selection_survives_the_way_through_the_address() -> None:
    made = Selection(
        page="packpulse", device="a b/ü", tab="heat", cell="P2C3", pack=2, lang="en", theme="dark", range="90d",
        quantity="index", spread="rest", period="week", view="area", y="manual", low="-1.5", high="2e3",
    )  # fmt: skip
    read = Selection()
    read.read_query(made.query())
    assert read.query() == made.query()
    assert read.cell_place() == (2, 3)
    assert read.limits() == (-1.5, 2000.0)


def test_defaults_do_not_stand_in_the_address() -> None:
    assert Selection().query() == ""


@pytest.mark.parametrize(
    "query",
    ["?page=nothing", "?pack=-1", "?pack=x", "?cell=A1", "?lang=fr", "?range=3y", "?theme=pink", "?low=nan", "?high=x",
     "?quantity=q", "?y=z", "?zoom=2024-01-02/2024-01-01", "?zoom=x"],
)
def test_nonsense_is_refused_by_name_and_the_default_stays(query: str) -> None:
    read = Selection()
    read.read_query(query + "&device=m1")
    assert read.refused == [query[1:]]
    assert read.device == "m1"
    assert read.query() == "?device=m1"


@pytest.mark.parametrize(
    ("start", "end", "problem"),
    [
        ("2024-03-01T00:00", "2024-02-01T00:00", "range.reversed"),
        ("yesterday", "2024-02-01T00:00", "range.unreadable"),
        ("2024-02-01T00:00", "2024-03-01T00:00", None),
        ("2024-10-01T00:00", "2024-10-05T00:00Z", None),
        ("2024-10-01T00:00+02:00", "2024-10-05", None),
        ("0001-01-01T00:00", "2024-02-01T00:00", "range.unreadable"),
        ("1000-01-01T00:00", "9000-01-01T00:00", "range.unreadable"),
        ("9999-12-31T23:59-12:00", "9999-12-31T23:59", "range.unreadable"),
        ("", "2024-02-01T00:00", "range.unreadable"),
        ("2030-01-01T00:00", "2031-01-01T00:00", "range.outside"),
        ("2020-01-01T00:00", "2020-02-01T00:00", "range.outside"),
    ],
)
def test_a_custom_range_is_checked_and_lies_inside_the_readings(start: str, end: str, problem: str | None) -> None:
    a, b, found = local_window("custom", start, end, FIRST, LAST, BERLIN)
    assert found == problem
    assert FIRST <= a < b <= LAST + timedelta(seconds=1)
    assert (a.tzinfo, b.tzinfo) == (None, None)
    if problem is not None:
        assert (a, b) == (FIRST, LAST + timedelta(seconds=1))


def test_a_moment_with_a_zone_is_brought_to_the_clock_of_the_device() -> None:
    a, b, _ = local_window("custom", "2024-07-01T00:00Z", "2024-07-02T00:00+02:00", FIRST, LAST, BERLIN)
    assert (a.hour, b.hour) == (2, 0)


def test_a_range_wider_than_the_readings_ends_with_them() -> None:
    a, b, _ = local_window("custom", "1980-01-01T00:00", "2190-01-01T00:00", FIRST, LAST, BERLIN)
    assert (a, b) == (FIRST, LAST + timedelta(seconds=1))


def test_presets_count_back_from_the_last_reading() -> None:
    start, end, _ = local_window("24h", "", "", FIRST, LAST)
    assert end - start == timedelta(hours=24)
    assert end > LAST


@pytest.mark.parametrize(("name", "days"), [("7d", 7), ("30d", 30), ("90d", 90), ("1y", 365)])
def test_presets_of_several_days_are_whole_days_that_end_with_the_last_reading(name: str, days: int) -> None:
    first = LAST - timedelta(days=900)
    start, end, _ = local_window(name, "", "", first, LAST)
    assert (start.hour, start.minute, start.second) == (0, 0, 0)
    assert (LAST.date() - start.date()).days + 1 == days
    assert end > LAST
    assert local_window(name, "", "", LAST - timedelta(days=2), LAST)[0] == LAST - timedelta(days=2)


def test_cells_sort_by_number() -> None:
    assert sorted(["p1_v10", "p1_v9", "p2_v1"], key=natural) == ["p1_v9", "p1_v10", "p2_v1"]
