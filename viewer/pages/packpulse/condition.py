"""Tab spread and resistance: how far the cells of a pack lie apart, and how their resistance compares and moves.

Next: `condition_data.py` for the numbers.
"""

import numpy as np
import panel as pn
import panel_material_ui as pmui
import polars as pl
from bokeh.models import ColumnDataSource, Span

from viewer.components import html
from viewer.components.bars import DAY_MS, day_ms
from viewer.components.datatable import Field, grid, small_table
from viewer.components.figures import add_hover, axis_label, bokeh_pane, legend_below, time_figure
from viewer.components.heatmap import cell_map
from viewer.components.panel import NoData, Panel
from viewer.components.toolbar import KEEP_WIDTH, ONE_LINE
from viewer.pages.base import together
from viewer.pages.packpulse.condition_data import bins_of, cell_resistance, pack_spreads, weekly_resistance
from viewer.pages.packpulse.pack_trends import broken_line
from viewer.pages.packpulse.tab import Context, Tab
from viewer.selection import ENDS, cell_name
from viewer.theme import SERIES, STATUS

MARKS = {"rising": "▲", "falling": "▼"}
LEAST_LIMIT_PERCENT = 5.0


class Condition(Tab):
    """Spread and resistance."""

    def layout(self, context: Context) -> pn.viewable.Viewable:
        """Return the panels."""
        t, battery = self.texts, context.battery
        self._pick = pmui.RadioButtonGroup(
            options={t(f"end_kind.{k}"): k for k in ENDS},
            value=self.session.selection.spread,
            size="small",
            margin=(0, 16, 8, 0),
            sizing_mode=None,
            styles=KEEP_WIDTH,
            sx=ONE_LINE,
        )
        self._pick.param.watch(self._picked, "value")
        self._spread = Panel(self.session, t("condition.spread"), "", 300)
        days = t.number(battery.recent_days, 0)
        self._packs = Panel(self.session, t("condition.packs"), t("condition.packs_note", days=days), 150)
        self._map = Panel(self.session, t("condition.map"), t("condition.map_note"), 240)
        self._weekly = Panel(self.session, t("condition.weekly"), t("condition.weekly_note"), 240)
        self._trends = Panel(self.session, t("condition.trends"), t("condition.trends_note"), 260)
        panels = (self._spread, self._packs, self._map, self._weekly, self._trends)
        return pn.Column(*(p.view for p in panels), sizing_mode="stretch_width", margin=0)

    async def fill(self, context: Context) -> None:
        """Load all panels."""
        await together(
            self._fill_spread(context),
            self._packs.fill(lambda: self._load_packs(context), self._render_packs),
            self._map.fill(lambda: self._load_trends(context), lambda r: self._render_map(r, context)),
            self.cell_changed(),
            self._trends.fill(lambda: self._load_trends(context), lambda r: self._render_trends(r, context)),
        )

    async def cell_changed(self) -> None:
        """Show the picked cell beside all cells."""
        context = self.context
        await self._weekly.fill(lambda: self._load_weekly(context), self._render_weekly)

    @property
    def _kind(self) -> str:
        return self.session.selection.spread

    def drawing(self) -> tuple:
        """Return the ends at which the spread is shown."""
        return (self._kind,)

    async def drawing_changed(self) -> None:
        """Draw the spread anew."""
        await self._fill_spread(self.context)

    def _picked(self, event: object) -> None:
        self.session.selection.spread = event.new

    def _limits_mv(self, context: Context) -> tuple[float, float]:
        return context.battery.spread_rest_mv if self._kind == "rest" else context.battery.spread_charge_end_mv

    async def _fill_spread(self, context: Context) -> None:
        t = self.texts
        low, high = (t.number(v, 0) for v in self._limits_mv(context))
        note = t("condition.spread_note", low=low, high=high)
        await self.session.apply(lambda: self._head_spread(note))
        await self._spread.fill(lambda: self._load_spread(context), lambda r: self._render_spread(r, context))

    def _head_spread(self, note: str) -> None:
        self._pick.value = self._kind
        self._spread.set_heading(self.texts("condition.spread"), note)

    def _load_spread(self, context: Context) -> pl.DataFrame:
        rows = pack_spreads(self.session.store, context.device.name)
        inside = rows.filter((pl.col("kind") == self._kind) & pl.col("day").is_between(context.first, context.last))
        return inside if context.pack == 0 else inside.filter(pl.col("pack") == context.pack)

    def _render_spread(self, rows: pl.DataFrame, context: Context) -> list[object]:
        t = self.texts
        if rows.is_empty():
            return [self._pick, html.pane(html.message(t("condition.no_ends")))]
        fig = time_figure(t, height=300, y_label=axis_label(t("pack.spread"), "mV"))
        for (key, own), color in zip(rows.group_by("pack", maintain_order=True), SERIES * 9, strict=False):
            x = np.array([day_ms(d) for d in own["day"]]) + DAY_MS / 2
            line = broken_line(x, own["spread_mv"].to_numpy(), 14 * DAY_MS)
            name = f"Pack {key[0]}"
            drawn = fig.line("x", "y", source=ColumnDataSource(line), color=color, line_width=1.8, legend_label=name)
            add_hover(fig, t, [(name, "time:x"), ("mV", "y")], renderers=[drawn], clock=False, digits=1)
        for limit, color in zip(self._limits_mv(context), (STATUS["warn"], STATUS["bad"]), strict=True):
            fig.add_layout(Span(location=limit, dimension="width", line_color=color, line_dash="dashed"))
        fig.y_range.start = 0
        legend_below(fig, 6)
        table = rows.select("day", "pack", "spread_mv").sort("day", "pack", descending=[True, False])
        fields = [
            Field("day", t("word.day"), "date"),
            Field("pack", "Pack", "number", 0),
            Field("spread_mv", t("sat.spread"), "number", 1),
        ]
        name = f"spread_{context.device.name}_{self._kind}"
        return [self._pick, bokeh_pane(fig), *grid(table, fields, t, name, page_size=5)]

    def _load_packs(self, context: Context) -> pl.DataFrame:
        if context.health is None:
            self.session.store.frame("cell_health")
        rows = context.health
        if rows["pack_spread_charge_end_mv"].is_null().all() and rows["pack_spread_rest_mv"].is_null().all():
            raise NoData(self.texts("condition.no_ends"))
        rows = rows if context.pack == 0 else rows.filter(pl.col("pack") == context.pack)
        return rows.group_by("pack", maintain_order=True).first().sort("pack")

    def _render_packs(self, rows: pl.DataFrame) -> list[object]:
        t = self.texts
        frame = rows.with_columns(pl.format("Pack {}", pl.col("pack")).alias("name"))
        numbers = (
            ("pack_spread_charge_end_mv", "charge_end"),
            ("pack_spread_discharge_end_mv", "discharge_end"),
            ("pack_spread_rest_mv", "rest"),
        )
        fields = [
            Field("name", "Pack"),
            *(Field(c, f"{t(f'end_kind.{k}')} [mV]", "number", 1) for c, k in numbers),
            Field("imbalance", t("condition.imbalance"), codes="imbalance"),
            Field("temperature_spread_k", t("condition.t_spread"), "number", 1),
            Field("temperature_state", t("condition.temperature"), codes="imbalance"),
        ]
        return small_table(frame, fields, t, "pack_spread")

    def _load_trends(self, context: Context) -> pl.DataFrame:
        rows = self.session.store.frame("resistance_trends", where={"device": context.device.name})
        if rows.filter(pl.col("cell").is_not_null()).is_empty():
            raise NoData(self.texts("condition.no_resistance"))
        return rows

    def _render_map(self, rows: pl.DataFrame, context: Context) -> list[object]:
        t, bins = self.texts, bins_of(rows)
        if not bins:
            raise NoData(t("condition.no_resistance"))
        cells = cell_resistance(rows, bins[0], context.pack)
        values = cells["difference_percent"]
        limit = max(float(values.abs().quantile(0.98) or 0.0), LEAST_LIMIT_PERCENT)
        figure = cell_map(
            cells["pack"].to_list(),
            cells["cell"].to_list(),
            values.to_list(),
            [MARKS.get(v, "") for v in cells["verdict"]],
            [
                f"{t.number(v, 1, sign=True)} % · {t.number(m, 3)} mΩ"
                for v, m in zip(values, cells["level_mohm"], strict=True)
            ],
            t,
            unit="%",
            limit=limit,
            on_tap=self._tapped,
            reverse=True,
        )
        self._map.set_heading(f"{t('condition.map')} · {t.code('soc_bin', bins[0])}", t("condition.map_note"))
        return [bokeh_pane(figure)]

    def _tapped(self, pack: int, cell: int) -> None:
        self.session.selection.cell = cell_name(pack, cell)

    def _load_weekly(self, context: Context) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        store, device = self.session.store, context.device.name
        weeks = weekly_resistance(store, device)
        if weeks.is_empty():
            raise NoData(self.texts("condition.no_resistance"))
        place = self.session.selection.cell_place()
        if place is None:
            return weeks, None
        own = store.frame("resistance", where={"device": device})
        return weeks, own.filter((pl.col("pack") == place[0]) & (pl.col("cell") == place[1])).sort("week_start")

    def _render_weekly(self, data: tuple[pl.DataFrame, pl.DataFrame | None]) -> list[object]:
        t, (weeks, own) = self.texts, data
        fig = time_figure(t, height=250, y_label=axis_label("R", "mΩ"))
        for (key, rows), color in zip(weeks.group_by("soc_bin", maintain_order=True), SERIES, strict=False):
            word = f"{t('condition.all_cells')}, {t.code('soc_bin', key[0])}"
            x = np.array([day_ms(d) for d in rows["week_start"]])
            line = broken_line(x, rows["r_mohm"].to_numpy(), 22 * DAY_MS)
            drawn = fig.line("x", "y", source=ColumnDataSource(line), color=color, line_width=2, legend_label=word)
            add_hover(fig, t, [(word, "time:x"), ("mΩ", "y")], renderers=[drawn], clock=False, digits=3)
            if own is None:
                continue
            cell = own.filter(pl.col("soc_bin") == key[0])
            if not cell.is_empty():
                name = f"{self.session.selection.cell}, {t.code('soc_bin', key[0])}"
                source = ColumnDataSource(
                    {"x": [day_ms(d) for d in cell["week_start"]], "y": cell["r_0_90s_mohm"].to_numpy()}
                )
                dots = fig.scatter("x", "y", source=source, size=6, color=color, legend_label=name)
                add_hover(fig, t, [(name, "time:x"), ("mΩ", "y")], renderers=[dots], clock=False, digits=3)
        legend_below(fig, 3)
        return [bokeh_pane(fig)]

    def _render_trends(self, rows: pl.DataFrame, context: Context) -> list[object]:
        t = self.texts
        cells = rows.filter(pl.col("cell").is_not_null())
        cells = cells if context.pack == 0 else cells.filter(pl.col("pack") == context.pack)
        cells = cells.sort("pack", "cell", "soc_bin")
        names = [cell_name(p, c) for p, c in cells.select("pack", "cell").iter_rows()]
        fields = [
            Field("name", t("word.cell"), filter=True),
            Field("soc_bin", t("condition.bin"), codes="soc_bin", filter=True, width=12),
            Field("level_mohm", t("condition.level"), "number", 3),
            Field("slope_percent_per_year", t("condition.slope"), "number", 1),
            Field("slope_low", t("condition.low"), "number", 1),
            Field("slope_high", t("condition.high"), "number", 1),
            Field("verdict", t("verdict.title"), codes="verdict", filter=True, width=13),
            Field("reason", t("word.reason"), codes="resistance_reason", width=16),
            Field("raw_percent_per_year", t("condition.raw"), "number", 1),
            Field("weeks", t("condition.weeks"), "number", 0),
        ]
        frame = cells.with_columns(pl.Series("name", names, pl.String))
        return grid(frame, fields, t, f"resistance_{context.device.name}", page_size=10)
