"""The address bar and the selection mirror each other; nonsense is named and dropped."""

from datetime import datetime

import pytest

from viewer.catalog import natural
from viewer.selection import Selection, local_window

FIRST, LAST = datetime(2024, 1, 1), datetime(2024, 12, 31, 23, 59)  # noqa: DTZ001 - wall clock


def test_a_selection_survives_the_way_through_the_address() -> None:
    made = Selection(
        page="packpulse", device="a b/ü", tab="heat", cell="P2C3", pack=2, lang="en", theme="dark", range="90d"
    )
    read = Selection()
    read.read_query(made.query())
    assert read.query() == made.query()
    assert read.cell_place() == (2, 3)


def test_defaults_do_not_stand_in_the_address() -> None:
    assert Selection().query() == ""


@pytest.mark.parametrize(
    "query", ["?page=nothing", "?pack=-1", "?pack=x", "?cell=A1", "?lang=fr", "?range=3y", "?theme=pink"]
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
    ],
)
def test_a_custom_range_is_checked(start: str, end: str, problem: str | None) -> None:
    assert local_window("custom", start, end, FIRST, LAST)[2] == problem


def test_presets_count_back_from_the_last_reading() -> None:
    start, end, _ = local_window("7d", "", "", FIRST, LAST)
    assert (end - start).days == 7
    assert end > LAST


def test_cells_sort_by_number() -> None:
    assert sorted(["p1_v10", "p1_v9", "p2_v1"], key=natural) == ["p1_v9", "p1_v10", "p2_v1"]
