"""The heat map as a table to take along: a row per cell and day, headings and reasons in the language of the page.

Next: `data.py`, which makes the rows.
"""

import polars as pl

from viewer.components.datatable import Field, download_frame
from viewer.pages.packpulse.data import QUANTITIES, SatGrid, grid_table
from viewer.texts import Texts


def heat_download(grid: SatGrid, quantity: str, texts: Texts) -> pl.DataFrame:
    """Return the values of `quantity`, null where there is none, with what the ledger says of the day."""
    column, unit, _ = QUANTITIES[quantity]
    fields = [
        Field("pack", "Pack", "number", 0),
        Field("cell", texts("word.cell"), "number", 0),
        Field("day", texts("word.day"), "date"),
        Field(column, f"{texts(f'heat.{quantity}')} [{unit}]", "number"),
        Field("qualified", texts("calendar.qualified"), "bool"),
        Field("reason", texts("word.reason"), codes="day_reason"),
    ]
    return download_frame(grid_table(grid, quantity), fields, texts)
