"""Figures in tiles and lines: no number stands apart from its unit, tiles fill their rows evenly."""

import pytest

from viewer.components.html import Card, cards, glued


@pytest.mark.parametrize(
    ("text", "unit"),
    [("Spitze 161,8 kW", "kW"), ("wärmste Zelle 30 °C · x", "°C"), ("13,0 % der Ladung", "%"), ("1.358 kWh", "kWh"),
     ("−25 mV", "mV"), ("1,0 h mit Meldung", "h"), ("3,4 V", "V")],
)  # fmt: skip
def test_a_number_and_its_unit_stay_on_one_line(text: str, unit: str) -> None:
    assert glued(text) == text.replace(f" {unit}", f"\N{NO-BREAK SPACE}{unit}")


@pytest.mark.parametrize("text", ["30 Tage", "255 von 260 stabil", "2 Hilfsbetriebe", "5 Wochen", "3 Module"])
def test_a_number_before_a_word_may_end_its_line(text: str) -> None:
    assert glued(text) == text


@pytest.mark.parametrize(("tiles", "side_by_side"), [(1, 1), (6, 6), (7, 7), (8, 4), (9, 5), (13, 7), (15, 5)])
def test_tiles_of_several_rows_are_spread_evenly(tiles: int, side_by_side: int) -> None:
    assert f"--most:{side_by_side}" in cards([Card("Spitze", "1", "kW")] * tiles)
    assert cards([]) == '<div class="cards" style="--most:1"></div>'
