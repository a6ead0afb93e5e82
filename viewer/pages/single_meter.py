"""Single meter: one signal over a range, its figures, daily energy, peaks, load shape and the table of values.

Also open for the signals of a battery system. Next: `figures_of_meters.py` for what the figures mean.
"""

from datetime import datetime

import panel as pn
import panel_material_ui as pmui
import polars as pl

from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.bars import daily_bars, duration_chart, week_chart
from viewer.components.datatable import Field, grid, small_table
from viewer.components.figures import bokeh_pane
from viewer.components.layout import side_by_side
from viewer.components.lod_chart import ChartSpec, Line, LodChart
from viewer.components.panel import NoData, Panel
from viewer.components.toolbar import KEEP_WIDTH, ONE_LINE, Toolbar, on_enter
from viewer.figures_of_meters import (
    MeterFigures,
    SignalFigures,
    daily_rows,
    load_duration,
    meter_figures,
    quarter_means,
    signal_figures,
    week_map,
    window_peaks,
)
from viewer.pages.base import DevicePage, together
from viewer.series import choose_level, signal_row
from viewer.store import TableMissing
from viewer.theme import SERIES
from viewer.wallclock import months_of

FIRST_SIGNALS = ("active_power", "pcs_power", "import_interval_energy", "soc")
TABLE_ROWS = 20_000


class SingleMeter(DevicePage):
    """One signal of one device."""

    def prepare(self) -> None:
        """Read devices and the signals of the picked one."""
        super().prepare()
        device = self.device()
        self.signals = self.session.catalog.signals(device.name) if device else pl.DataFrame()

    def signal(self) -> str:
        """Return the picked signal, or the one that speaks most for the device."""
        names = self.signals["signal"].to_list()
        if self.session.selection.signal in names:
            return self.session.selection.signal
        for quantity in FIRST_SIGNALS:
            found = self.signals.filter(pl.col("quantity") == quantity)["signal"]
            if len(found):
                return found[0]
        return names[0]

    def layout(self) -> pn.viewable.Viewable:
        """Return toolbar and panels."""
        t, device = self.texts, self.device()
        if device is None or self.signals.is_empty():
            return self.no_devices()
        self._issue = html.pane("")
        self._cards = html.pane("", margin=(0, 0, 14, 0))
        self._view, self._scale, self._limits = "line", "auto", (None, None)
        self._chart = Panel(self.session, t("meter.course"), "", 380)
        self._daily = Panel(self.session, t("meter.daily"), t("meter.daily_note"), 250)
        self._duration = Panel(self.session, t("meter.duration"), t("meter.duration_note"), 250)
        self._week = Panel(self.session, t("meter.week"), t("meter.week_note"), 250)
        self._peaks = Panel(self.session, t("meter.peaks"), t("meter.peaks_note"))
        self._table = Panel(self.session, t("meter.table"), "", 200)
        pair = side_by_side(self._duration.view, self._week.view)
        return pn.Column(
            *self.notice(),
            self._pickers(device),
            self._issue,
            self._cards,
            self._chart.view,
            self._daily.view,
            pair,
            self._peaks.view,
            self._table.view,
            sizing_mode="stretch_width",
            margin=0,
        )

    async def fill(self) -> None:
        """Load everything for the picked device, signal and range."""
        device = self.device()
        if device is None or self.signals.is_empty():
            return
        signal = self.signal()
        start, end, issue = self.window(device)
        row = await self.session.read(signal_row, self.session.store, device.name, signal)
        await self.session.apply(lambda: self._head(device, issue))
        await self._cards_of(device, signal, row, start, end)
        await self._fill_chart(device, signal, start, end)
        power = self._power_signal()
        await together(
            self._daily.fill(lambda: self._load_daily(device, start, end), self._render_daily),
            self._duration.fill(lambda: self._quarters(device, power, start, end), self._render_duration),
            self._week.fill(lambda: self._quarters(device, power, start, end), lambda q: self._render_week(q, device)),
            self._peaks.fill(lambda: self._load_peaks(device, start, end), lambda p: self._render_peaks(p, device)),
            self._table.fill(
                lambda: self._load_table(device, signal, start, end, row["kind"]),
                lambda d: self._render_table(d, device, signal, row["unit"]),
            ),
        )

    async def changed(self, names: set[str]) -> None:
        """Follow the selection; another device brings other signals."""
        if "device" in names:
            self.session.selection.param.update(signal="")
            device = self.device()
            if device is not None:
                self.signals = await self.session.read(self.session.catalog.signals, device.name)
        await self.session.apply(self._sync)
        await self.fill()

    def _pickers(self, device: DeviceInfo) -> pn.FlexBox:
        t = self.texts
        self.toolbar = bar = Toolbar(self.session)
        bar.pick("device", t("word.device"), [d.name for d in self.devices], device.name)
        self._signal_pick = bar.pick("signal", t("word.signal"), self._options(), self.signal(), 300, searchable=True)
        bar.ranges(*device.wall_span(), self.default_range)
        line = pmui.RadioButtonGroup(
            options={t("meter.line"): "line", t("meter.area"): "area"},
            value=self._view,
            size="small",
            margin=(0, 12, 8, 0),
            sizing_mode=None,
            styles=KEEP_WIDTH,
            sx=ONE_LINE,
        )
        scale = pmui.Select(
            label=t("meter.y_range"),
            options={t("meter.y_auto"): "auto", t("meter.y_p"): "p1_99", t("meter.y_manual"): "manual"},
            value="auto",
            size="small",
            width=150,
            margin=(0, 12, 8, 0),
        )
        low, high = (
            pmui.FloatInput(label=t(k), value=None, size="small", width=100, margin=(0, 8, 8, 0), visible=False)
            for k in ("meter.y_low", "meter.y_high")
        )

        def rescaled(_value: object) -> None:
            low.visible = high.visible = scale.value == "manual"
            self._view, self._scale, self._limits = line.value, scale.value, (low.value, high.value)
            self.session.spawn("redraw", self._redraw())

        for widget in (line, scale, low, high):
            bar.add(widget)
            on_enter(widget, rescaled)
        return bar.view

    def _options(self) -> dict[str, str]:
        lang, catalog = self.session.selection.lang, self.session.catalog
        return {catalog.label(s, lang): s for s in self.signals["signal"]}

    def _sync(self) -> None:
        options = self._options()
        if list(self._signal_pick.options.values()) != list(options.values()):
            self._signal_pick.param.update(options=options, value=self.signal())
        self.toolbar.sync()

    def _head(self, device: DeviceInfo, issue: str | None) -> None:
        t = self.texts
        self._issue.object = "" if issue is None else html.message(t(issue), t("range.reversed_text"), "warn")
        self._issue.margin = 0 if issue is None else (0, 0, 12, 0)
        del device

    async def _redraw(self) -> None:
        device = self.device()
        start, end, _ = self.window(device)
        await self._fill_chart(device, self.signal(), start, end)

    async def _fill_chart(self, device: DeviceInfo, signal: str, start: datetime, end: datetime) -> None:
        label = self.session.catalog.label(signal, self.session.selection.lang, with_name=False)
        first, last = device.first or start, device.last or end
        limits = self._limits if None not in self._limits and self._limits[0] < self._limits[1] else None
        spec = ChartSpec(
            [Line(device.name, signal, label, SERIES[0])],
            start,
            end,
            first,
            last,
            device.zone,
            label,
            330,
            area=self._view == "area",
            y_mode=self._scale if self._scale != "manual" or limits else "auto",
            y_limits=limits,
        )
        chart = LodChart(self.session, "meter", spec)
        await self.session.apply(lambda: self._chart.set_heading(f"{label} · {device.name}"))
        await self._chart.fill(chart.load, chart.render)

    def _power_signal(self) -> str:
        for quantity in ("active_power", "pcs_power", "import_interval_energy"):
            found = self.signals.filter(pl.col("quantity") == quantity)["signal"]
            if len(found):
                return found[0]
        return ""

    async def _cards_of(self, device: DeviceInfo, signal: str, row: dict, start: datetime, end: datetime) -> None:
        def load() -> tuple[SignalFigures, MeterFigures | None]:
            store = self.session.store
            figures = signal_figures(store, device.name, signal, start, end)
            try:
                daily = daily_rows(store, device.name, start, end, device.zone)
            except TableMissing:
                return figures, None
            return figures, meter_figures(daily) if daily.height else None

        try:
            figures, meter = await self.session.read(load)
        except TableMissing:
            return
        items = signal_cards(figures, row, start, end, self.texts)
        if meter is not None:
            items += meter_cards(meter, device, self.texts)
        await self.session.apply(lambda: setattr(self._cards, "object", html.cards(items)))

    def _load_daily(self, device: DeviceInfo, start: datetime, end: datetime) -> pl.DataFrame:
        rows = daily_rows(self.session.store, device.name, start, end, device.zone)
        if rows.is_empty():
            raise NoData(self.texts("meter.no_daily"))
        return rows

    def _render_daily(self, rows: pl.DataFrame) -> list[object]:
        t = self.texts
        groups = [(t("word.import_long"), rows["import_kwh"].to_list(), SERIES[0])]
        if rows["export_kwh"].fill_null(0).sum() > 0:
            groups.append((t("word.export_long"), [None if v is None else -v for v in rows["export_kwh"]], SERIES[1]))
        chart = daily_bars(rows["day"].to_list(), groups, t, unit="kWh", y_label=t("word.energy"), stacked=True)
        fields = [
            Field("day", t("word.day"), "date"),
            Field("import_kwh", t("table.import"), "number", 1),
            Field("export_kwh", t("table.export"), "number", 1),
            Field("net_kwh", t("table.net"), "number", 1),
            Field("peak_kw", t("table.peak"), "number", 1),
            Field("base_load_kw", t("table.base"), "number", 2),
            Field("power_factor_energy", t("table.pf"), "number", 3),
            Field("balance_percent", t("table.balance"), "number", 1),
            Field("power_coverage", t("table.coverage"), "percent", 0),
        ]
        return [bokeh_pane(chart), *grid(rows.reverse(), fields, t, f"meter_daily_{rows['device'][0]}", page_size=7)]

    def _quarters(self, device: DeviceInfo, signal: str, start: datetime, end: datetime) -> pl.DataFrame:
        if not signal:
            raise NoData(self.texts("meter.no_power"))
        rows = quarter_means(self.session.store, device.name, signal, start, end)
        if rows.is_empty():
            raise NoData(self.texts("state.no_points"))
        return rows

    def _render_duration(self, quarters: pl.DataFrame) -> object:
        hours, values = load_duration(quarters)
        return bokeh_pane(duration_chart(hours, values, self.texts, unit="kW", y_label=self.texts("word.power")))

    def _render_week(self, quarters: pl.DataFrame, device: DeviceInfo) -> object:
        return bokeh_pane(week_chart(week_map(quarters, device.zone), self.texts, unit="kW"))

    def _load_peaks(self, device: DeviceInfo, start: datetime, end: datetime) -> pl.DataFrame:
        rows = window_peaks(self.session.store, device.name, start, end)
        if rows.is_empty():
            raise NoData(self.texts("meter.no_peaks"))
        return rows

    def _render_peaks(self, rows: pl.DataFrame, device: DeviceInfo) -> list[object]:
        t = self.texts
        fields = [
            Field("rank", t("word.rank"), "number", 0),
            Field("ts", t("table.quarter"), "time"),
            Field("power_kw", t("table.peak"), "number", 2),
            Field("coverage", t("table.coverage"), "percent", 0),
            Field("source", t("table.source"), codes="source"),
            Field("quantum_kw", t("table.quantum"), "number", 2),
        ]
        return small_table(rows, fields, t, f"peaks_{device.name}", device.zone)

    def _load_table(
        self, device: DeviceInfo, signal: str, start: datetime, end: datetime, kind: str
    ) -> tuple[str, pl.DataFrame]:
        level = choose_level((end - start).total_seconds(), 1600, kind)
        inside = (pl.col("ts") >= start) & (pl.col("ts") < end)
        store = self.session.store
        if level == "raw":
            rows = store.frame(
                "readings",
                ["ts", "value"],
                where={"device": device.name, "signal": signal},
                months=months_of(start, end, device.zone),
                predicate=inside,
            )
        else:
            names = ["ts", "n", "covered_s", "integral", "min", "max", "first", "last", "increase"]
            rows = store.frame(f"resolution_{level}", names, where={"device": device.name, "signal": signal})
            rows = rows.filter(inside).with_columns((pl.col("integral") / pl.col("covered_s")).alias("mean"))
        if rows.is_empty():
            raise NoData(self.texts("state.no_points"))
        return level, rows.sort("ts", descending=True).head(TABLE_ROWS)

    def _render_table(self, data: tuple[str, pl.DataFrame], device: DeviceInfo, signal: str, unit: str) -> list[object]:
        t, (level, rows) = self.texts, data
        self._table.set_heading(
            t("meter.table"), t("meter.table_note", level=t.code("level", level), n=t.number(rows.height, 0))
        )
        shown = f" [{unit}]" if unit and unit != "1" else ""
        fields = [Field("ts", t("word.time"), "time")]
        if level == "raw":
            fields.append(Field("value", t("word.value") + shown, "number", 4))
        else:
            fields += [Field(c, t(f"table.{c}") + shown, "number", 3) for c in ("mean", "min", "max", "last")]
            fields += [Field("n", t("table.n"), "number", 0), Field("covered_s", t("table.covered"), "number", 0)]
            if rows["increase"].is_not_null().any():
                fields.append(Field("increase", t("table.increase"), "number", 4))
        return grid(rows, fields, t, f"{device.name}_{signal}_{level}", device.zone, page_size=10)


def signal_cards(f: SignalFigures, row: dict, start: datetime, end: datetime, t: object) -> list[html.Card]:
    """Return the cards of a signal's statistics."""
    unit = "" if row["unit"] == "1" else row["unit"]
    share = f.coverage(start, end)
    level = "ok" if share >= 0.9 else "warn" if share >= 0.5 else "bad"
    if row["kind"] in {"counter", "net_counter", "interval"}:
        out = [html.Card(t("card.increase"), *_split(t.with_unit(f.increase, "kWh")), t("card.increase_note"))]
        if row["kind"] != "interval":
            out.append(html.Card(t("card.register"), t.number(f.last, 1), unit, t("card.register_note")))
    else:
        out = [
            html.Card(t("card.mean"), *_split(t.with_unit(f.mean, unit)), t("card.mean_note")),
            html.Card(t("card.max"), *_split(t.with_unit(f.maximum, unit)), t("card.reading_note")),
            html.Card(t("card.min"), *_split(t.with_unit(f.minimum, unit)), t("card.reading_note")),
            html.Card(
                t("card.median"), *_split(t.with_unit(f.median, unit)), t("card.p95", value=t.with_unit(f.p95, unit))
            ),
        ]
    return [*out, html.Card(t("card.coverage"), t.percent(share), "", t(f"coverage.{level}"), level)]


def meter_cards(m: MeterFigures, device: DeviceInfo, t: object) -> list[html.Card]:
    """Return the cards of energy and power."""
    estimated = (
        t("card.estimated", value=t.with_unit(m.estimated_kwh, "kWh")) if m.estimated_kwh else t("card.days", n=m.days)
    )
    return [
        html.Card(t("card.import"), *_split(t.with_unit(m.import_kwh, "kWh")), estimated),
        html.Card(
            t("card.export"),
            *_split(t.with_unit(m.export_kwh, "kWh")),
            t("card.net", value=t.with_unit(m.net_kwh, "kWh")),
        ),
        html.Card(t("card.peak"), *_split(t.with_unit(m.peak_kw, "kW")), t.datetime(m.peak_ts, device.zone)),
        html.Card(
            t("card.hours"), t.number(m.hours_of_use_h, 0), "h", t("card.load_factor", value=t.number(m.load_factor, 2))
        ),
        html.Card(t("card.base"), *_split(t.with_unit(m.base_load_kw, "kW")), t("card.base_note")),
        html.Card(t("card.pf"), t.number(m.power_factor, 3), "", t("card.pf_note")),
    ]


def _split(text: str) -> tuple[str, str]:
    value, _, unit = text.rpartition(" ")
    return (value, unit) if value else (text, "")
