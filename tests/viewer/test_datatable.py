"""A table holds the numbers of its rows with their signs, cuts none, and its downloads hold them with their words."""

from datetime import UTC, datetime
from io import BytesIO
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from viewer.components.datatable import LEAST_WIDTH, Field, download_frame, grid
from viewer.components.downloads import csv_bytes, excel_bytes
from viewer.projections import taken_projection
from viewer.texts import Texts

ROWS = pl.DataFrame(
    {"kwh": [-0.04, -0.06, None, 3.0], "share": [-0.004, 0.5, float("nan"), -0.02], "path": ["m1/a.csv"] * 4}
)
FIELDS = [Field("kwh", "kWh", "number", 1), Field("share", "%", "percent", 0), Field("path", "Datei", width=20)]


def test_small_numbers_keep_value_and_sign_and_what_is_unknown_stays_empty() -> None:
    shown = grid(ROWS, FIELDS, Texts("de"), "rows")[0].value
    assert [None if v is None else float(v) for v in shown["kwh"]] == [-0.04, -0.06, None, 3.0]
    assert [None if v is None else float(v) for v in shown["share"]] == [-0.4, 50.0, None, -2.0]
    assert download_frame(ROWS, FIELDS, Texts("de"))["kWh"].to_list() == [-0.04, -0.06, None, 3.0]


def test_a_text_is_said_in_full_under_the_pointer_and_no_raw_number_or_time_is() -> None:
    columns = grid(ROWS, FIELDS, Texts("de"), "rows")[0].get_root().configuration["columns"]
    assert {c["field"]: c.get("tooltip", False) for c in columns} == {"kwh": False, "share": False, "path": True}


def least_widths(rows: pl.DataFrame, fields: list[Field]) -> list[int]:
    """Return the least widths of the columns of a grid [px]."""
    return [c["minWidth"] for c in grid(rows, fields, Texts("de"), "rows")[0].get_root().configuration["columns"]]


def test_a_column_is_as_wide_as_its_longest_number_and_the_longest_word_of_its_heading() -> None:
    rows = pl.DataFrame({"a": [1.0, -1_234_567.25], "b": [0.5, None], "c": [None, None]})
    covered = Field("b", "Abdeckung der Zeit", "percent", 1)
    fields = [Field("a", "kWh", "number", 2), covered, Field("c", "R²", "number")]
    long, heading, empty = least_widths(rows, fields)
    assert long >= 13 * 7.5  # −1.234.567,25
    assert heading > least_widths(rows, [Field("b", "der Zeit", "percent", 1)])[0]
    assert empty == LEAST_WIDTH


@pytest.mark.parametrize(("lang", "word"), [("de", "fällt"), ("en", "falling")])
def test_a_download_holds_the_words_of_the_screen_and_null_where_nothing_is(lang: str, word: str) -> None:
    rows = pl.DataFrame({"verdict": ["falling", None, "of_later"]})
    held = download_frame(rows, [Field("verdict", "Urteil", codes="verdict")], Texts(lang))
    assert held["Urteil"].to_list() == [word, None, "of_later"]


def test_the_repeated_hour_of_autumn_is_told_apart_in_a_csv_and_polars_reads_it_back() -> None:
    moments = [datetime(2024, 10, 27, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    frame = download_frame(
        pl.DataFrame({"ts": moments}), [Field("ts", "Zeit", "time")], Texts("de"), ZoneInfo("Europe/Berlin")
    )
    body = csv_bytes(frame)
    assert body.decode("utf-8-sig").split() == ["Zeit", "2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"]
    read = pl.read_csv(body)["Zeit"].str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_zone="UTC")
    assert read.to_list() == moments


def test_an_excel_file_names_the_zone_of_its_times() -> None:
    rows = pl.DataFrame({"ts": [datetime(2024, 7, 1, 10, tzinfo=UTC)]})
    frame = download_frame(rows, [Field("ts", "Zeit", "time")], Texts("de"), ZoneInfo("Europe/Berlin"))
    with ZipFile(BytesIO(excel_bytes(frame, "t"))) as book:
        assert "<t>Zeit [Europe/Berlin]</t>" in book.read("xl/sharedStrings.xml").decode()
        assert "<v>45474.5</v>" in book.read("xl/worksheets/sheet1.xml").decode()  # noon of 2024-07-01


def test_a_projection_is_taken_along_as_numbers_and_one_out_of_reach_as_its_reason() -> None:
    fit = {
        "verdict": "falling", "unit": "%", "projection_5000": 84.125, "projection_5000_low": 82.5,
        "projection_5000_high": 86.0, "extrapolation_ratio_5000": 2.53, "projection_10000": 70.0,
        "projection_10000_low": 60.0, "projection_10000_high": 80.0, "extrapolation_ratio_10000": 13.71,
    }  # fmt: skip
    taken = taken_projection(fit, Texts("de"), 3.0)
    held = download_frame(taken.frame, taken.fields, Texts("de"))
    assert held.columns[:2] == ["Zyklen", "Erwarteter Wert [%]"]
    assert held.rows() == [
        (5000, 84.125, 82.5, 86.0, 2.53, None), (10_000, None, None, None, 13.71, "außerhalb des Datenbereichs")
    ]  # fmt: skip
