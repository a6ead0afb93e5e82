"""Tab SAT overview: distribution of the cells, table of packs, cells that stand out, what explains the level."""

import functools

import numpy as np
import panel as pn
import polars as pl

from viewer.components import html
from viewer.components.bars import histogram
from viewer.components.datatable import Field, small_table
from viewer.components.figures import bokeh_pane
from viewer.components.layout import side_by_side
from viewer.components.panel import NoData, Panel
from viewer.pages.packpulse.data import cell_levels, pack_table
from viewer.pages.packpulse.tab import Context, Tab
from viewer.selection import cell_name


class SatOverview(Tab):
    """Where the cells stand."""

    def layout(self, context: Context) -> pn.viewable.Viewable:
        """Return the panels."""
        t = self.texts
        self._limits_mv = context.battery.spread_charge_end_mv
        watch, critical = (t.number(v, 0) for v in self._limits_mv)
        self._histogram = Panel(
            self.session, t("sat.distribution"), t("sat.distribution_note", days=context.battery.recent_days), 250
        )
        self._offsets = Panel(self.session, t("sat.offsets"), t("sat.offsets_note"), 250)
        self._packs = Panel(self.session, t("sat.packs"), t("sat.packs_note", watch=watch, critical=critical), 150)
        self._findings = Panel(self.session, t("sat.findings"), t("sat.findings_note"), 120)
        self._explained = Panel(self.session, t("sat.explained"), t("sat.explained_note"), 120)
        pair = side_by_side(self._histogram.view, self._offsets.view)
        return pn.Column(
            pair, self._packs.view, self._findings.view, self._explained.view, sizing_mode="stretch_width", margin=0
        )

    async def fill(self, context: Context) -> None:
        """Load all panels."""
        t, grid, days = self.texts, context.grid, context.battery.recent_days

        @functools.cache
        def levels_mv() -> np.ndarray:
            levels = cell_levels(grid, days)
            return 1000 * levels[np.isfinite(levels)]

        def distribution(scaled: np.ndarray, label: str) -> object:
            if scaled.size < 2:
                raise NoData(context.no_days(t))
            return bokeh_pane(histogram(scaled, t, x_label=label, y_label=t("sat.cells")))

        def offsets_mv() -> np.ndarray:
            return levels_mv() - np.median(levels_mv()) if levels_mv().size else levels_mv()

        await self._histogram.fill(levels_mv, lambda v: distribution(v, "SAT [mV]"))
        await self._offsets.fill(offsets_mv, lambda v: distribution(v, t("sat.offset_axis")))
        await self._packs.fill(lambda: pack_table(grid, days), self._render_packs)
        await self._findings.fill(lambda: context, self._render_findings)
        await self._explained.fill(lambda: self._load_explained(context), self._render_explained)

    def _render_packs(self, rows: pl.DataFrame) -> list[object]:
        t = self.texts
        words = []
        for value in rows["spread_mv"]:
            level = 0 if value is None else sum(value >= limit for limit in self._limits_mv)
            words.append(
                t("word.no_data") if value is None else t(("sat.spread_ok", "sat.spread_warn", "sat.spread_bad")[level])
            )
        fields = [
            Field("name", "Pack"),
            Field("cells", t("sat.cells"), "number", 0),
            Field("mean", t("sat.mean"), "number", 4),
            Field("min", "Min [V]", "number", 3),
            Field("max", "Max [V]", "number", 3),
            Field("spread_mv", t("sat.spread"), "number", 1),
            Field("p95_p5_mv", t("sat.p95_p5"), "number", 1),
            Field("word", t("word.assessment")),
        ]
        frame = rows.with_columns(pl.format("Pack {}", pl.col("pack")).alias("name"), pl.Series("word", words))
        return small_table(frame, fields, t, "packs")

    def _render_findings(self, context: Context) -> list[object]:
        t, health = self.texts, context.health
        if health is None:
            raise NoData(t("sat.no_health"))
        rows = health if context.pack == 0 else health.filter(pl.col("pack") == context.pack)
        if rows.is_empty():
            raise NoData(t("sat.no_health"))
        found = rows.filter(pl.col("finding").is_not_null()).sort("pack", "cell")
        if found.is_empty():
            return [html.pane(html.message(t("sat.no_findings"), t("sat.no_findings_text", n=rows.height), "ok"))]
        names = [cell_name(p, c) for p, c in found.select("pack", "cell").iter_rows()]
        frame = found.with_columns(
            pl.Series("name", names), pl.Series("what", [t.code("finding", f) for f in found["finding"]])
        )
        fields = [
            Field("name", t("word.cell")),
            Field("what", t("sat.finding")),
            Field("offset_charge_end_mv", t("sat.off_charge"), "number", 1),
            Field("offset_rest_mv", t("sat.off_rest"), "number", 1),
            Field("offset_discharge_end_mv", t("sat.off_discharge"), "number", 1),
            Field("robust_z", "z", "number", 1),
            Field("outlier_since", t("sat.since"), "date"),
            Field("stuck_hours", t("sat.stuck"), "number", 1),
            Field("weakness_rank", t("sat.rank"), "number", 0),
            Field("temperature_max_c", t("sat.tmax"), "number", 0),
        ]
        return small_table(frame, fields, t, "findings")

    def _load_explained(self, context: Context) -> pl.DataFrame:
        rows = self.session.store.frame("sat_explained", where={"device": context.device.name})
        if rows.is_empty():
            raise NoData(self.texts("sat.no_explained"))
        return rows

    def _render_explained(self, rows: pl.DataFrame) -> list[object]:
        t = self.texts
        numbers = ("baseline_value", "today_value", "coefficient_mv", "coefficient_se", "share_mv", "share_low_mv")
        fields = [
            Field("factor", t("explained.factor"), codes="factor"),
            Field("unit", t("word.unit")),
            *(Field(c, t(f"explained.{c}"), "number", 2) for c in (*numbers, "share_high_mv")),
            Field("reason", t("explained.reason"), codes="factor"),
        ]
        return small_table(rows, fields, t, "sat_explained")
