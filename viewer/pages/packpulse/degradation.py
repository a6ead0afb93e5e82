"""Tab degradation: an honest verdict, the German tables, and what stands behind them.

Shows the picked cell, else the picked pack, else the system. Next: `verdict.py` for the words,
`degradation_parts.py` for calendar, regimes, drift map and the table of all cells.
"""

import numpy as np
import panel as pn
import polars as pl

from viewer.components import html
from viewer.components.datatable import Field, small_table
from viewer.components.figures import bokeh_pane
from viewer.components.fit_chart import Slope, fit_figure
from viewer.components.layout import side_by_side
from viewer.components.panel import NoData, Panel
from viewer.fit_texts import slope_text
from viewer.pages.packpulse.data import ESTABLISHED, cell_cuts, fit_of, pack_series, quiet_median, system_cuts
from viewer.pages.packpulse.degradation_parts import CellTable, DriftMap, QualifiedDays, RegimeLedger
from viewer.pages.packpulse.tab import Context, Tab
from viewer.pages.packpulse.verdict import (
    overall,
    projection_rows,
    quality_rows,
    statistics_rows,
    verdict_cards,
)
from viewer.projections import taken_projection
from viewer.selection import cell_name


class Degradation(Tab):
    """Verdicts."""

    def layout(self, context: Context) -> pn.viewable.Viewable:
        """Return the panels."""
        t = self.texts
        ratio = t.number(context.battery.projection_max_ratio)
        self._verdict = Panel(self.session, t("deg.verdict"), "", 130)
        self._chart = Panel(self.session, t("deg.chart"), "", 320)
        self._statistics = Panel(self.session, t("deg.statistics"), t("deg.statistics_note"), 260)
        self._projection = Panel(self.session, t("deg.projection"), t("deg.projection_note", ratio=ratio), 140)
        self._quality = Panel(self.session, t("deg.quality"), t("deg.quality_note"), 140)
        self._parts = [
            DriftMap(self.session, share=t.percent(context.battery.false_discovery_rate)),
            RegimeLedger(self.session),
            QualifiedDays(self.session),
            CellTable(self.session),
        ]
        right = pn.Column(self._projection.view, self._quality.view, margin=0, sizing_mode="stretch_width")
        pair = side_by_side(self._statistics.view, right)
        return pn.Column(
            self._verdict.view,
            self._chart.view,
            pair,
            *(p.panel.view for p in self._parts),
            sizing_mode="stretch_width",
            margin=0,
        )

    async def fill(self, context: Context) -> None:
        """Load the verdict and its parts."""
        await self.cell_changed()
        for part in self._parts:
            await part.fill(context)

    async def cell_changed(self) -> None:
        """Show the verdict of the picked cell, pack or system."""
        context = self.context
        await self._verdict.fill(lambda: self._target(context), self._render_verdict)
        await self._chart.fill(lambda: self._target(context), lambda f: self._render_chart(context, f))
        await self._statistics.fill(lambda: self._target(context), self._render_statistics)
        await self._projection.fill(lambda: self._target(context), self._render_projection)
        await self._quality.fill(lambda: self._target(context), self._render_quality)

    def _target(self, context: Context) -> dict:
        if context.fits is None:
            self.session.store.frame("degradation_fits")
        place = self.session.selection.cell_place()
        fit = None
        if place is not None:
            fit = fit_of(context.fits, "cell", "sat_offset_mv", *place)
        elif context.pack:
            fit = fit_of(context.fits, "pack", "sat_offset_mv", context.pack)
        else:
            fit = fit_of(context.fits, "system", "sat_index_percent")
        if fit is None:
            raise NoData(self.texts("deg.no_fit"))
        return fit

    def _name(self, fit: dict) -> str:
        t = self.texts
        if fit["level"] == "cell":
            return f"{t('word.cell')} {cell_name(fit['pack'], fit['cell'])}"
        return f"Pack {fit['pack']}" if fit["level"] == "pack" else t("word.system")

    def _render_verdict(self, fit: dict) -> list[object]:
        t = self.texts
        self._verdict.set_heading(f"{t('deg.verdict')} · {self._name(fit)}", t.code("quantity", fit["quantity"]))
        status, title, sentence = overall(fit, t)
        return [
            html.pane(html.message(title, sentence, status), margin=(0, 0, 12, 0)),
            html.pane(html.cards(verdict_cards(fit, t)), margin=(0, 0, 10, 0)),
            html.pane(f'<div class="note">{html.escape(self._why_naive(fit))}</div>'),
        ]

    def _why_naive(self, fit: dict) -> str:
        t = self.texts
        return t("deg.why_naive_regimes" if (fit["intercepts"] or 1) > 1 else "deg.why_naive")

    def _render_chart(self, context: Context, fit: dict) -> list[object]:
        t, whole = self.texts, context.whole
        quantity = "offset" if fit["quantity"] == "sat_offset_mv" else "index"
        matrix = whole.values(quantity)
        cuts = system_cuts(context.regimes) if quantity == "index" else []
        if fit["level"] == "cell":
            row = whole.row((fit["pack"], fit["cell"]))
            values, qualified = matrix[row], whole.qualified[row]
            cuts = cell_cuts(context.regimes, fit["pack"], fit["cell"]) if quantity == "offset" else cuts
        else:
            values = (
                pack_series(whole, quantity)[fit["pack"]]
                if fit["level"] == "pack"
                else quiet_median(np.where(whole.qualified, matrix, np.nan), axis=0)
            )
            qualified = np.isfinite(values)
        slope = None
        if fit["slope_per_year"] is not None:
            slope = Slope(fit["slope_per_year"], fit["slope_low"], fit["slope_high"], fit["verdict"] in ESTABLISHED)
        marks = [(d, f"{t.number(mv, 0, sign=True)} mV") for d, mv in cuts]
        self._chart.set_heading(f"{t('deg.chart')} · {self._name(fit)}", slope_text(fit, t))
        figure = fit_figure(
            whole.days,
            values,
            qualified,
            slope,
            marks,
            t,
            y_label=t(f"heat.{quantity}"),
            unit=fit["unit"],
            height=330,
            digits=1 if quantity == "offset" else 2,
        )
        return [bokeh_pane(figure)]

    def _render_statistics(self, fit: dict) -> list[object]:
        t = self.texts
        frame = pl.DataFrame(
            statistics_rows(fit, t), schema={"label": pl.String, "value": pl.Float64, "unit": pl.String}, orient="row"
        )
        fields = [
            Field("label", t("deg.figure")),
            Field("value", t("word.value"), "number"),
            Field("unit", t("word.unit")),
        ]
        return small_table(frame, fields, t, f"degradation_{fit['level']}")

    def _render_projection(self, fit: dict) -> list[object]:
        t = self.texts
        names, furthest = ("cycles", "level", "interval", "ratio"), self.context.battery.projection_max_ratio
        frame = pl.DataFrame(
            projection_rows(fit, t, furthest), schema=dict.fromkeys(names, pl.String), orient="row"
        )
        fields = [Field(n, t(f"projection.{n}")) for n in names]
        return small_table(frame, fields, t, "projection", taken=taken_projection(fit, t, furthest))

    def _render_quality(self, fit: dict) -> list[object]:
        t = self.texts
        names = ("what", "word", "rule")
        frame = pl.DataFrame(
            quality_rows(fit, t, self.context.battery), schema=dict.fromkeys(names, pl.String), orient="row"
        )
        status, title, sentence = overall(fit, t)
        whole = html.message(f"{t('deg.overall')}: {title}", sentence, status)
        return [
            *small_table(frame, [Field(n, t(f"quality.{n}")) for n in names], t, "quality"),
            html.pane(whole, margin=(4, 0, 0, 0)),
        ]
