"""Single meter: one signal over a range, its figures, and the panels below its chart.

Also open for the signals of a battery system. Next: `figures_of_meters.py` for what the figures mean.
"""

from datetime import datetime

import panel as pn
import panel_material_ui as pmui
import polars as pl

from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.lod_chart import ChartSpec, Line, LodChart
from viewer.components.panel import Panel
from viewer.components.toolbar import KEEP_WIDTH, ONE_LINE, Toolbar, on_enter
from viewer.components.zoom import Zoom
from viewer.figures_of_meters import (
    LoadHabits,
    MeterFigures,
    SignalFigures,
    load_habits,
    meter_figures,
    signal_figures,
    window_days,
)
from viewer.pages.base import DevicePage
from viewer.pages.meter_cards import meter_cards, signal_cards
from viewer.pages.meter_details import MeterDetails
from viewer.selection import VIEWS, limit_text
from viewer.series import signal_row
from viewer.store import TableMissing
from viewer.theme import SERIES

FIRST_SIGNALS = ("active_power", "pcs_power", "import_interval_energy", "soc")
DRAWING = {"view", "y", "low", "high", "zoom"}


class SingleMeter(DevicePage):
    """One signal of one device."""

    def prepare(self) -> None:
        """Read devices and the signals of the picked one."""
        super().prepare()
        self._read_signals()

    def _read_signals(self) -> None:
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

    def choices(self) -> dict[str, list[str]]:
        """Return the device's signals."""
        return {"signal": [] if self.signals.is_empty() else self.signals["signal"].to_list()}

    def limited(self) -> bool:
        """Return whether two limits of the y axis are given; one alone is being typed."""
        selection = self.session.selection
        return selection.y == "manual" and bool(selection.low and selection.high)

    def layout(self) -> pn.viewable.Viewable:
        """Return toolbar and panels."""
        t, device = self.texts, self.device()
        if device is None or self.signals.is_empty():
            return self.no_devices()
        self._cards = html.pane("", margin=(0, 0, 14, 0))
        self._zoom = Zoom(self.session)
        self._chart = Panel(self.session, t("meter.course"), "", 380)
        self._details = MeterDetails(self.session)
        return pn.Column(
            self._pickers(device),
            self._cards,
            self._chart.view,
            *self._details.views,
            sizing_mode="stretch_width",
            margin=0,
        )

    async def fill(self) -> None:
        """Load everything for the picked device, signal and range."""
        device = self.device()
        if device is None or self.signals.is_empty():
            return
        signal = self.signal()
        start, end, _ = self.window(device)
        row = await self.session.read(signal_row, self.session.store, device.name, signal)
        await self._cards_of(device, signal, row, start, end)
        await self._fill_chart(device, signal, start, end)
        await self._details.fill(device, row, self._power_signal(), start, end)

    async def changed(self, names: set[str]) -> None:
        """Follow the selection; another device brings other signals, another way to draw changes what it concerns."""
        await self.session.read(self._read_signals)
        await self.session.apply(self._sync)
        if self.signals.is_empty() or names - DRAWING - {"period"}:
            await self.fill()
            return
        if names & DRAWING and not self._zoom.is_own(names & DRAWING):
            await self._redraw()
        if "period" in names:
            await self._details.period_changed()

    def _pickers(self, device: DeviceInfo) -> pn.FlexBox:
        t = self.texts
        self.toolbar = bar = Toolbar(self.session)
        bar.pick("device", t("word.device"), [d.name for d in self.devices], device.name)
        self._signal_pick = bar.pick("signal", t("word.signal"), self._options(), self.signal(), 300, searchable=True)
        bar.ranges(self.shown, self.default_range)
        bar.report(device.name)
        line = pmui.RadioButtonGroup(
            options={t(f"meter.{v}"): v for v in VIEWS},
            value=self.session.selection.view,
            size="small",
            margin=(0, 12, 8, 0),
            sizing_mode=None,
            styles=KEEP_WIDTH,
            sx=ONE_LINE,
        )
        scale = pmui.Select(
            label=t("meter.y_range"),
            options={t("meter.y_auto"): "auto", t("meter.y_p"): "p1_99", t("meter.y_manual"): "manual"},
            value=self.session.selection.y,
            size="small",
            width=150,
            margin=(0, 12, 8, 0),
        )
        low, high = (
            pmui.FloatInput(label=t(k), value=None, size="small", width=100, margin=(0, 8, 8, 0), visible=False)
            for k in ("meter.y_low", "meter.y_high")
        )

        def drawn(_value: object) -> None:
            limits = {"low": limit_text(low.value), "high": limit_text(high.value)}
            if not self._syncing:
                self.session.selection.param.update(view=line.value, y=scale.value, **limits)

        self._drawing = (line, scale, low, high)
        for widget in self._drawing:
            bar.add(widget)
            on_enter(widget, drawn)
        self._sync_drawing()
        return bar.view

    def _sync_drawing(self) -> None:
        selection, (line, scale, low, high) = self.session.selection, self._drawing
        self._syncing = True
        try:
            line.value, scale.value = selection.view, selection.y
            for widget, text in ((low, selection.low), (high, selection.high)):
                widget.param.update(value=float(text) if text else None, visible=selection.y == "manual")
        finally:
            self._syncing = False

    def _options(self) -> dict[str, str]:
        lang, catalog = self.session.selection.lang, self.session.catalog
        return {catalog.label(s, lang): s for s in self.signals["signal"]}

    def _sync(self) -> None:
        options = self._options()
        if list(self._signal_pick.options.values()) != list(options.values()):
            self._signal_pick.param.update(options=options, value=self.signal())
        self.toolbar.sync()
        self._sync_drawing()
        self.announce()

    async def _redraw(self) -> None:
        device = self.device()
        start, end, _ = self.window(device)
        await self._fill_chart(device, self.signal(), start, end)

    async def _fill_chart(self, device: DeviceInfo, signal: str, start: datetime, end: datetime) -> None:
        label = self.session.catalog.label(signal, self.session.selection.lang, with_name=False)
        first, last = device.first or start, device.last or end
        selection = self.session.selection
        limits = selection.limits()
        spec = ChartSpec(
            [Line(device.name, signal, label, SERIES[0])],
            *self._zoom.window((start, end), (first, last), device.zone),
            first,
            last,
            device.zone,
            label,
            330,
            area=selection.view == "area",
            y_mode=selection.y if selection.y != "manual" or limits else "auto",
            y_limits=limits,
        )
        chart = LodChart(self.session, "meter", spec)
        self._zoom.follow(chart, (start, end), device.zone)
        await self.session.apply(lambda: self._chart.set_heading(f"{label} · {device.name}"))
        await self._chart.fill(chart.load, chart.render)

    def _power_signal(self) -> str:
        for quantity in ("active_power", "pcs_power", "import_interval_energy"):
            found = self.signals.filter(pl.col("quantity") == quantity)["signal"]
            if len(found):
                return found[0]
        return ""

    async def _cards_of(self, device: DeviceInfo, signal: str, row: dict, start: datetime, end: datetime) -> None:
        def load() -> tuple[SignalFigures, tuple[MeterFigures, LoadHabits] | None]:
            store = self.session.store
            figures = signal_figures(store, device.name, signal, start, end)
            try:
                days = window_days(store, self.session.settings, device, start, end)
            except TableMissing:
                return figures, None
            found = meter_figures(days.rows, partial=days.partial), load_habits(days.rows)
            return figures, found if days.rows.height else None

        try:
            figures, meter = await self.session.read(load)
        except TableMissing:
            return
        items = signal_cards(figures, row, start, end, self.texts, self.session.settings.operation)
        if meter is not None:
            items += meter_cards(*meter, device, self.texts)
        await self.session.apply(lambda: setattr(self._cards, "object", html.cards(items)))
