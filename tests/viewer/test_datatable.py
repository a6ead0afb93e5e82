"""A grid holds the numbers of the table with their signs, and says the whole of a text that its column cuts."""

import polars as pl

from viewer.components.datatable import LEAST_WIDTH, Field, download_frame, grid
from viewer.texts import Texts

ROWS = pl.DataFrame(
    {"kwh": [-0.04, -0.06, None, 3.0], "share": [-0.004, 0.5, float("nan"), -0.02], "path": ["m1/a.csv"] * 4}
)
FIELDS = [Field("kwh", "kWh", "number", 1), Field("share", "%", "percent", 0), Field("path", "Datei", width=20)]


def test_small_numbers_keep_value_and_sign_and_what_is_unknown_stays_empty() -> None:
    shown = grid(ROWS, FIELDS, Texts("de"), "rows")[0].value
    assert [None if v is None else float(v) for v in shown["kwh"]] == [-0.04, -0.06, None, 3.0]
    assert [None if v is None else float(v) for v in shown["share"]] == [-0.4, 50.0, None, -2.0]
    assert download_frame(ROWS, FIELDS, None)["kWh"].to_list() == [-0.04, -0.06, None, 3.0]


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
