"""A battery's part of the report says what was measured, and its words are those of its numbers."""

from datetime import date

import polars as pl
import pytest

from energy_pipeline.schemas.battery import CAPACITY
from energy_pipeline.settings import BatterySettings
from viewer.report import battery
from viewer.texts import Texts


def measured(values: dict[date, float | None], median: float | None = None) -> pl.DataFrame:
    """Return rows of `capacity` with these values per day, every one with the same median."""
    rows = pl.DataFrame({"day": list(values), "q_anchor_ah": list(values.values())}).with_columns(
        pl.lit(98.0).alias("soh_bms_percent"), pl.lit(median, pl.Float64).alias("q_anchor_median_ah")
    )
    return pl.concat([CAPACITY.empty(), rows], how="diagonal")


def test_measurements_too_few_for_a_median_are_counted_and_shown_per_month() -> None:
    values = {date(2024, 1, 25): 264.3, date(2024, 1, 29): 265.4, date(2024, 2, 6): 264.8, date(2024, 2, 7): None}
    section = battery.capacity(measured(values), BatterySettings(), Texts("de"))
    assert section.text == ["Gemessen an 3 Tagen; ein Median braucht 8 Werte in 20 Tagen, so viele kamen nie zusammen."]
    assert section.grids[0].rows == [["01.2024", "2", "264,3", "265,4", "98"], ["02.2024", "1", "264,8", "264,8", "98"]]


def test_a_median_stands_beside_the_measurements_of_its_month() -> None:
    section = battery.capacity(measured({date(2024, 1, 25): 264.3}, 265.0), BatterySettings(), Texts("en"))
    assert section.text == []
    assert dict(zip(section.grids[0].header, section.grids[0].rows[0], strict=True))["Median [Ah]"] == "265.0"


def test_a_battery_without_any_measurement_says_so() -> None:
    section = battery.capacity(measured({date(2024, 1, 25): None}), BatterySettings(), Texts("en"))
    assert section.text == ["No measurement between a full and an empty end yet."]


@pytest.mark.parametrize(("lang", "words"), [("de", "|erster − letzter Wert| je Jahr"), ("en", "|first − last value|")])
def test_the_legend_of_the_naive_number_says_that_it_has_no_sign(lang: str, words: str) -> None:
    assert words in Texts(lang)("report.degradation_note")


def test_the_share_of_the_cells_that_moved_stands_under_that_heading() -> None:
    step = {"day": date(2024, 3, 1), "day_low": date(2024, 2, 28), "day_high": date(2024, 3, 2), "scope": "system",
            "pack": None, "cell": None, "step_mv": -7.0, "moved_share": 1.0, "kind": "operating_regime"}  # fmt: skip
    shown = battery.regimes(pl.DataFrame([step]), Texts("en")).grids[0]
    assert shown.header[shown.rows[0].index("100 %")] == "Cells that moved"
