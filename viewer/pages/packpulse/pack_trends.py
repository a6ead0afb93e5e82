"""Tab pack trends: a line per pack, its rate per month and year, and what may be said about later."""

import numpy as np
import panel as pn
import panel_material_ui as pmui
import polars as pl
from bokeh.models import ColumnDataSource

from viewer.components.bars import DAY_MS, day_ms
from viewer.components.datatable import Field, Taken, small_table
from viewer.components.figures import add_hover, axis_label, bokeh_pane, day_line, legend_below, time_figure
from viewer.components.panel import NoData, Panel
from viewer.components.toolbar import KEEP_WIDTH, ONE_LINE
from viewer.pages.packpulse.data import QUANTITIES, pack_series, system_cuts
from viewer.pages.packpulse.tab import Context, Tab
from viewer.projections import TARGETS, may_be_said, unsaid
from viewer.theme import SERIES, STATUS

SMOOTH_DAYS = 7


class PackTrends(Tab):
    """Packs over time."""

    def layout(self, context: Context) -> pn.viewable.Viewable:
        """Return chart and table."""
        del context
        t = self.texts
        self._pick = pmui.RadioButtonGroup(
            options={t(f"heat.{q}"): q for q in QUANTITIES},
            value=self._quantity,
            size="small",
            margin=(0, 16, 8, 0),
            sizing_mode=None,
            styles=KEEP_WIDTH,
            sx=ONE_LINE,
        )
        self._pick.param.watch(self._picked, "value")
        self._chart = Panel(self.session, t("trends.title"), t("trends.note"), 340)
        self._table = Panel(self.session, t("trends.table"), t("trends.table_note"), 180)
        return pn.Column(self._chart.view, self._table.view, sizing_mode="stretch_width", margin=0)

    async def fill(self, context: Context) -> None:
        """Load both."""
        await self.session.apply(lambda: setattr(self._pick, "value", self._quantity))
        await self._chart.fill(lambda: self._load(context), lambda s: self._render(context, s))
        await self._table.fill(lambda: self._load_fits(context), self._render_table)

    @property
    def _quantity(self) -> str:
        return self.session.selection.quantity

    def drawing(self) -> tuple:
        """Return the quantity."""
        return (self._quantity,)

    async def drawing_changed(self) -> None:
        """Draw another quantity."""
        await self.fill(self.context)

    def _picked(self, event: object) -> None:
        if event.new != self._quantity:
            self.session.selection.param.update(quantity=event.new, low="", high="")

    def _load(self, context: Context) -> dict[int, np.ndarray]:
        series = pack_series(context.grid, self._quantity)
        if not any(np.isfinite(v).any() for v in series.values()):
            raise NoData(context.no_days(self.texts))
        return series

    def _render(self, context: Context, series: dict[int, np.ndarray]) -> list[object]:
        t, (_, unit, digits) = self.texts, QUANTITIES[self._quantity]
        fig = time_figure(t, height=350, y_label=axis_label(t(f"heat.{self._quantity}"), unit))
        x = np.array([day_ms(d) for d in context.grid.days]) + DAY_MS / 2
        cuts = system_cuts(context.regimes) if self._quantity != "offset" else []
        steps = [day_ms(day) for day, _ in cuts]
        for (pack, values), color in zip(series.items(), SERIES * 9, strict=False):
            held = np.isfinite(values)
            fig.scatter(x[held], values[held], size=3.5, color=color, alpha=0.35, legend_label=f"Pack {pack}")
            line = smooth_line(x[held], values[held], steps)
            drawn = fig.line(
                "x", "y", source=ColumnDataSource(line), color=color, line_width=2.2, legend_label=f"Pack {pack}"
            )
            add_hover(fig, t, [(f"Pack {pack}", "time:x"), (unit, "y")], renderers=[drawn], clock=False, digits=digits)
        for day, step in cuts:
            day_line(fig, day_ms(day), STATUS["warn"], f"{t.number(step, 0, sign=True)} mV")
        legend_below(fig, 6)
        return [self._pick, bokeh_pane(fig)]

    def _load_fits(self, context: Context) -> pl.DataFrame:
        if context.fits is None:
            self.session.store.frame("degradation_fits")
        rows = pl.concat([context.fits_of("pack", q) for q in ("sat_offset_mv", "sat_index_percent")])
        if rows.is_empty():
            raise NoData(self.texts("trends.no_fits"))
        return rows.sort("quantity", "pack")

    def _render_table(self, rows: pl.DataFrame) -> list[object]:
        t = self.texts
        frame = rows.with_columns(
            pl.format("Pack {}", pl.col("pack")).alias("name"),
            *(pl.Series(f"at_{n}", self._projected(rows, n)) for n in TARGETS),
            pl.Series("what", [t.code("quantity", q) for q in rows["quantity"]]),
        )
        fields = [
            Field("name", "Pack"),
            Field("what", t("word.quantity")),
            Field("unit", t("word.unit")),
            Field("slope_per_month", t("trends.month"), "number", 3),
            Field("slope_per_year", t("trends.year"), "number", 2),
            Field("slope_low", t("trends.low"), "number", 2),
            Field("slope_high", t("trends.high"), "number", 2),
            Field("verdict", t("verdict.title"), codes="verdict"),
            Field("n_days", t("stat.qualified"), "number", 0),
        ]
        later = [Field(f"at_{n}", t("trends.projection", n=t.number(n, 0))) for n in TARGETS]
        numbers = frame.with_columns(pl.Series(f"at_{n}", self._values(rows, n), pl.Float64) for n in TARGETS)
        taken = Taken(numbers, [*fields, *later])
        return small_table(frame, [*fields, *later], t, "pack_trends", taken=taken)

    def _values(self, rows: pl.DataFrame, cycles: int) -> list[float | None]:
        """Return the values after so many cycles, None where they may not be said."""
        furthest = self.context.battery.projection_max_ratio
        return [
            value if ratio is not None and may_be_said(value, ratio, furthest) else None
            for value, ratio in rows.select(f"projection_{cycles}", f"extrapolation_ratio_{cycles}").iter_rows()
        ]

    def _projected(self, rows: pl.DataFrame, cycles: int) -> list[str]:
        """Return the value after so many cycles, or why there is none, in words."""
        t = self.texts
        return [
            unsaid(verdict, t) if value is None else f"{t.number(value, 2 if unit == '%' else 1)} {unit}"
            for value, (unit, verdict) in zip(
                self._values(rows, cycles), rows.select("unit", "verdict").iter_rows(), strict=True
            )
        ]


def running_median(values: np.ndarray, width: int) -> np.ndarray:
    """Return the centred running median, shorter at the ends."""
    half = width // 2
    return np.array([np.median(values[max(i - half, 0) : i + half + 1]) for i in range(values.size)])


def smooth_line(x: np.ndarray, values: np.ndarray, steps: list[float]) -> dict[str, np.ndarray]:
    """Return the running median of each piece between steps [ms], broken there and over gaps of two weeks."""
    pieces = np.split(np.arange(x.size), np.searchsorted(x, sorted(steps)))
    parts = [broken_line(x[i], running_median(values[i], SMOOTH_DAYS), 14 * DAY_MS) for i in pieces if i.size]
    nothing = {"x": np.array([np.nan]), "y": np.array([np.nan])}
    both = [p for part in parts for p in (part, nothing)][:-1]
    return {name: np.concatenate([p[name] for p in both] or [np.empty(0)]) for name in ("x", "y")}


def broken_line(x: np.ndarray, y: np.ndarray, gap: float) -> dict[str, np.ndarray]:
    """Return a line with a break wherever neighbours lie further apart than `gap`."""
    places = np.flatnonzero(np.diff(x) > gap) + 1
    return {"x": np.insert(x, places, x[places]), "y": np.insert(y.astype(float), places, np.nan)}
