"""What stands behind the verdicts: drift map, regime ledger, calendar of qualified days, table of all cells."""

import numpy as np
import polars as pl

from viewer.components import html
from viewer.components.datatable import Field, grid, small_table
from viewer.components.figures import bokeh_pane, legend_below
from viewer.components.heatmap import calendar, cell_map
from viewer.components.panel import NoData, Panel
from viewer.pages.packpulse.data import REASONS, day_codes
from viewer.pages.packpulse.tab import Context
from viewer.selection import cell_name
from viewer.session import Session
from viewer.theme import SERIES

MARKS = {"falling": "▼", "rising": "▲", "stable": "", "no_established_trend": "", "insufficient_data": "?"}
LIMIT_MV = 15.0
COLORS = {
    "qualified": SERIES[0],
    "no_charge": "#9aa4ad",
    "partial_charge": SERIES[1],
    "few_readings": SERIES[3],
    "gap": SERIES[4],
    "sentinel": SERIES[6],
    "no_data": "#5b646c",
}


class Part:
    """A panel of the tab."""

    key, height = "", 200

    def __init__(self, session: Session, **fields: str) -> None:
        self.session = session
        t = session.texts
        self.panel = Panel(session, t(f"{self.key}.title"), t(f"{self.key}.note", **fields), self.height)

    async def fill(self, context: Context) -> None:
        """Load the panel."""
        await self.panel.fill(lambda: self.load(context), self.render)

    def load(self, context: Context) -> object:
        """Read what the panel shows."""
        raise NotImplementedError

    def render(self, data: object) -> list[object]:
        """Return what the panel shows."""
        raise NotImplementedError


class DriftMap(Part):
    """Every cell's drift against the system, with the cells for which it is established."""

    key, height = "drift", 240

    def load(self, context: Context) -> pl.DataFrame:
        """Read the fits of the offsets."""
        if context.fits is None:
            self.session.store.frame("degradation_fits")
        rows = context.fits_of("cell", "sat_offset_mv")
        if rows.is_empty():
            raise NoData(self.session.texts("deg.no_fit"))
        return rows.sort("pack", "cell")

    def render(self, data: pl.DataFrame) -> list[object]:
        """Draw the map and count the verdicts."""
        t = self.session.texts
        slopes = data["slope_per_year"].to_list()
        known = [abs(s) for s in slopes if s is not None]
        limit = float(np.clip(np.percentile(known, 98) if known else 1.0, 3.0, LIMIT_MV))
        counts = " · ".join(
            f"{MARKS[v]} {t.code('verdict', v)}: {data.filter(pl.col('verdict') == v).height}" for v in MARKS
        )
        figure = cell_map(
            data["pack"].to_list(),
            data["cell"].to_list(),
            slopes,
            [MARKS.get(v, "") for v in data["verdict"]],
            [t.code("verdict", v) for v in data["verdict"]],
            t,
            unit=f"mV/{t('word.year_short')}",
            limit=limit,
            on_tap=lambda p, c: setattr(self.session.selection, "cell", cell_name(p, c)),
        )
        return [html.pane(f'<div class="note">{html.escape(counts)}</div>', margin=(0, 0, 4, 0)), bokeh_pane(figure)]


class RegimeLedger(Part):
    """Dated steps of the level."""

    key = "regime"

    def load(self, context: Context) -> pl.DataFrame:
        """Read the steps."""
        rows = self.session.store.frame("regimes", where={"device": context.device.name})
        if rows.is_empty():
            raise NoData(self.session.texts("regime.none"))
        return rows.sort("day")

    def render(self, data: pl.DataFrame) -> list[object]:
        """Return the ledger."""
        t = self.session.texts
        names = [t("word.system") if p is None else cell_name(p, c) for p, c in data.select("pack", "cell").iter_rows()]
        frame = data.with_columns(pl.Series("name", names))
        fields = [
            Field("day", t("regime.day"), "date"),
            Field("day_low", t("regime.low"), "date"),
            Field("day_high", t("regime.high"), "date"),
            Field("step_mv", t("regime.step"), "number", 1),
            Field("moved_share", t("regime.share"), "percent", 0),
            Field("name", t("regime.scope")),
            Field("kind", t("regime.kind"), codes="regime_kind"),
        ]
        return small_table(frame, fields, t, "regimes")


class QualifiedDays(Part):
    """Calendar of the days that count, and why others do not."""

    key, height = "calendar", 220

    def load(self, context: Context) -> Context:
        """Return the context."""
        return context

    def render(self, data: Context) -> list[object]:
        """Draw the calendar."""
        t = self.session.texts
        words = {"qualified": t("calendar.qualified"), **{r: t(f"day_reason.{r}") for r in REASONS}}
        figure = calendar(data.grid.days, day_codes(data.grid), words, COLORS, t)
        legend_below(figure, 7)
        return [bokeh_pane(figure)]


class CellTable(Part):
    """Fits of all cells."""

    key, height = "cells", 300

    def load(self, context: Context) -> pl.DataFrame:
        """Read fits and ranks."""
        if context.fits is None:
            self.session.store.frame("degradation_fits")
        rows = context.fits_of("cell", "sat_offset_mv").sort("pack", "cell")
        if rows.is_empty():
            raise NoData(self.session.texts("deg.no_fit"))
        if context.health is not None:
            ranks = context.health.select("pack", "cell", "offset_charge_end_mv", "weakness_rank")
            return rows.join(ranks, on=["pack", "cell"], how="left")
        return rows.with_columns(
            pl.lit(None, pl.Float64).alias("offset_charge_end_mv"), pl.lit(None, pl.Int32).alias("weakness_rank")
        )

    def render(self, data: pl.DataFrame) -> list[object]:
        """Return the grid."""
        t = self.session.texts
        names = [cell_name(p, c) for p, c in data.select("pack", "cell").iter_rows()]
        frame, per_year = data.with_columns(pl.Series("name", names)), f" [{t('trends.year_mv')}]"
        fields = [
            Field("name", t("word.cell"), filter=True),
            Field("slope_per_year", t("trends.year_mv"), "number", 2),
            Field("slope_low", t("trends.low"), "number", 2),
            Field("slope_high", t("trends.high"), "number", 2),
            Field("verdict", t("verdict.title"), codes="verdict", filter=True, width=14),
            Field("n_days", t("stat.qualified"), "number", 0),
            Field("minimum_detectable_slope", t("verdict.mds") + per_year, "number", 2),
            Field("ols_r2", t("stat.r2"), "number", 3),
            Field("naive_per_year", t("verdict.naive") + per_year, "number", 1),
            Field("offset_charge_end_mv", t("sat.off_charge"), "number", 1),
            Field("weakness_rank", t("sat.rank"), "number", 0),
        ]
        return grid(frame, fields, t, "cells", page_size=13)
