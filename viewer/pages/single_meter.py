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
from viewer.figures_of_meters import (
    LoadHabits,
    MeterFigures,
    SignalFigures,
    daily_rows,
    load_habits,
    meter_figures,
    signal_figures,
)
from viewer.pages.base import DevicePage
from viewer.pages.meter_cards import meter_cards, signal_cards
from viewer.pages.meter_details import MeterDetails
from viewer.series import signal_row
from viewer.store import TableMissing
from viewer.theme import SERIES

FIRST_SIGNALS = ("active_power", "pcs_power", "import_interval_energy", "soc")
TABLE_ROWS = 20_000


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

    def layout(self) -> pn.viewable.Viewable:
        """Return toolbar and panels."""
        t, device = self.texts, self.device()
        if device is None or self.signals.is_empty():
            return self.no_devices()
        self._cards = html.pane("", margin=(0, 0, 14, 0))
        self._view, self._scale, self._limits = "line", "auto", (None, None)
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
        """Follow the selection; another device brings other signals."""
        del names
        await self.session.read(self._read_signals)
        await self.session.apply(self._sync)
        await self.fill()

    def _pickers(self, device: DeviceInfo) -> pn.FlexBox:
        t = self.texts
        self.toolbar = bar = Toolbar(self.session)
        bar.pick("device", t("word.device"), [d.name for d in self.devices], device.name)
        self._signal_pick = bar.pick("signal", t("word.signal"), self._options(), self.signal(), 300, searchable=True)
        bar.ranges(*device.wall_span(), self.default_range)
        bar.report(device.name)
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
        self.announce()

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
        def load() -> tuple[SignalFigures, tuple[MeterFigures, LoadHabits] | None]:
            store = self.session.store
            figures = signal_figures(store, device.name, signal, start, end)
            try:
                daily = daily_rows(store, device.name, start, end, device.zone)
            except TableMissing:
                return figures, None
            return figures, (meter_figures(daily), load_habits(daily)) if daily.height else None

        try:
            figures, meter = await self.session.read(load)
        except TableMissing:
            return
        items = signal_cards(figures, row, start, end, self.texts, self.session.settings.operation)
        if meter is not None:
            items += meter_cards(*meter, device, self.texts)
        await self.session.apply(lambda: setattr(self._cards, "object", html.cards(items)))
