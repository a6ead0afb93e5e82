"""A grid shows what a small number is worth, and the whole of a text that its column cuts."""

import polars as pl

from viewer.components.datatable import Field, download_frame, grid
from viewer.texts import Texts

ROWS = pl.DataFrame(
    {"kwh": [-0.04, -0.06, None, 3.0], "share": [-0.004, 0.5, float("nan"), -0.02], "path": ["m1/a.csv"] * 4}
)
FIELDS = [Field("kwh", "kWh", "number", 1), Field("share", "%", "percent", 0), Field("path", "Datei", width=20)]


def test_what_rounds_to_nothing_is_shown_without_a_sign_and_downloaded_as_it_is() -> None:
    shown = grid(ROWS, FIELDS, Texts("de"), "rows")[0].value
    assert [str(v) for v in shown["kwh"]] == ["0.0", "-0.06", "None", "3.0"]
    assert [str(v) for v in shown["share"]] == ["0.0", "50.0", "None", "-2.0"]
    assert download_frame(ROWS, FIELDS, None)["kWh"].to_list() == [-0.04, -0.06, None, 3.0]


def test_a_text_that_its_column_cuts_is_said_in_full_under_the_pointer() -> None:
    table = grid(ROWS, FIELDS, Texts("de"), "rows")[0]
    assert table.get_root().configuration["columnDefaults"]["tooltip"] is True
    assert table.widths["path"] == "20%"
