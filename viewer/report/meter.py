"""What a report says of a meter: energy and the largest quarter hour per month.

Next: `content.py`.
"""

from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_pipeline.plots import bars
from viewer.report.blocks import Grid, Picture, Section
from viewer.report.common import by_month
from viewer.texts import Texts

MONTHS_SHOWN = 36


def energy(daily: pl.DataFrame, peaks: pl.DataFrame, device: str, t: Texts, zone: ZoneInfo) -> Section:
    """Energy drawn and fed back per month, and the peak with its quarter hour."""
    section = Section(t("report.energy_by_month"))
    monthly = by_month(daily, ["import_kwh", "export_kwh", "estimated_kwh"])
    if monthly.is_empty():
        section.text.append(t("report.no_energy"))
        return section
    highest = peaks.filter(pl.col("rank") == 1).select("month", "power_kw", "ts")
    monthly = monthly.join(highest, on="month", how="left").sort("month").tail(MONTHS_SHOWN)
    series = {
        t(key): monthly[name].fill_null(np.nan).to_numpy()
        for name, key in (("import_kwh", "word.import_long"), ("export_kwh", "word.export_long"))
        if monthly[name].count()
    }
    if series:
        picture = bars(series, monthly["month"].to_list(), device, "kWh")
        section.pictures.append(Picture(picture, t("report.meter_caption")))
    rows = [
        [
            r["month"], t.number(r["import_kwh"], 0), t.number(r["export_kwh"], 0), t.number(r["estimated_kwh"], 0),
            t.number(r["power_kw"], 1), t.datetime(r["ts"], zone),
        ]
        for r in monthly.iter_rows(named=True)
    ]
    header = [t("report.month"), t("report.imported"), t("report.exported"), t("report.estimated"), t("report.peak"),
              t("report.peak_at")]
    section.grids.append(Grid(header, rows, frozenset({1, 2, 3, 4})))
    return section
