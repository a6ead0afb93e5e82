"""The pictures of a report speak its language."""

from datetime import date

import polars as pl
import pytest
from PIL import ImageDraw

from viewer.report.battery import cell_map
from viewer.texts import Texts

DAILY = pl.DataFrame({
    "pack": [1, 1], "cell": [1, 2], "day": [date(2025, 1, 1)] * 2, "qualified": [True, False],
    "reason": [None, "no_charge"], "sat_offset_mv": [0.4, None],
})  # fmt: skip


@pytest.mark.parametrize(("lang", "word", "other"), [("de", "kein Wert", "no value"), ("en", "no value", "kein Wert")])
def test_the_legend_of_the_cells_names_the_grey_in_the_language_of_the_report(
    monkeypatch: pytest.MonkeyPatch, lang: str, word: str, other: str
) -> None:
    written, write = [], ImageDraw.ImageDraw.text

    def noted(self: ImageDraw.ImageDraw, at: object, text: str, **options: object) -> None:
        written.append(text)
        write(self, at, text, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noted)
    cell_map(DAILY, "b1", Texts(lang))
    assert word in written
    assert other not in written
