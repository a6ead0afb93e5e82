"""BESS overview: battery, inverter, auxiliaries, environment, safety; charts, statistics, alarms, capacity.

Next: `figures_of_bess.py` for what the figures mean; `bess_energy.py`, `bess_cycles.py`, `bess_capacity.py` for tabs.
"""

from datetime import datetime

import panel as pn
import panel_material_ui as pmui
import polars as pl
from bokeh.models import Range1d

from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.bars import timeline
from viewer.components.datatable import Field, grid
from viewer.components.figures import bokeh_pane
from viewer.components.lod_chart import ChartSpec, Line, LodChart
from viewer.components.panel import NoData, Panel
from viewer.components.toolbar import Toolbar
from viewer.components.zoom import Zoom
from viewer.figures_of_bess import (
    GROUPS,
    Alarm,
    BatteryFigures,
    alarm_timeline,
    battery_figures,
    group_statistics,
    hours_with_alarm,
    known_alarms,
    last_values,
)
from viewer.pages.base import DevicePage, together
from viewer.pages.bess_capacity import capacity_panels
from viewer.pages.bess_cycles import cycle_panels
from viewer.pages.bess_energy import energy_panels
from viewer.theme import SERIES, STATUS
from viewer.wallclock import from_wall_ms, wall_ms

FIRST = {"soc": 0, "soh": 1, "system_current": 2, "system_voltage": 3, "pcs_power": 0, "auxiliary_power": 0}
LINES_AT_FIRST, LINES_AT_MOST = 4, len(SERIES)
EXTRA = {"energy": energy_panels, "cycles": cycle_panels, "capacity": capacity_panels}


class BessOverview(DevicePage):
    """One battery system."""

    kinds = ("bess",)
    default_range = "7d"

    def prepare(self) -> None:
        """Read the systems and the signals of the picked one."""
        super().prepare()
        self._read_signals()

    def layout(self) -> pn.viewable.Viewable:
        """Return toolbar, key figures and the area of the picked group."""
        t, device = self.texts, self.device()
        if device is None:
            return html.pane(html.message(t("bess.none"), t("bess.none_text"), "info"))
        self.toolbar = bar = Toolbar(self.session)
        bar.pick("device", t("word.system"), [d.name for d in self.devices], device.name)
        bar.ranges(self.shown, self.default_range)
        bar.report(device.name)
        self._cards = html.pane("", margin=(0, 0, 14, 0))
        options = {t(f"group.{g}"): g for g in (*GROUPS, *EXTRA)}
        tabs = Toolbar(self.session)
        tabs.choose("tab", options, self._group(), t("bess.group"))
        self._tabs = tabs
        self._zoom = Zoom(self.session)
        self._area = pn.Column(sizing_mode="stretch_width", margin=0)
        return pn.Column(bar.view, self._cards, tabs.view, self._area, sizing_mode="stretch_width", margin=0)

    def choices(self) -> dict[str, list[str]]:
        """Return the tabs."""
        return {"tab": [*GROUPS, *EXTRA]}

    async def fill(self) -> None:
        """Load key figures and the picked group."""
        device = self.device()
        if device is None:
            return
        start, end, _ = self.window(device)
        await together(self._fill_cards(device, start, end), self._fill_group(device, start, end))

    async def changed(self, names: set[str]) -> None:
        """Follow the selection."""
        if self.device() is not None and self._zoom.is_own(names):
            await self.session.apply(self.announce)
            return
        await self.session.read(self._read_signals)
        await self.session.apply(lambda: (self.toolbar.sync(), self._tabs.sync(), self.announce()))
        await self.fill()

    def _read_signals(self) -> None:
        device = self.device()
        self.signals = self.session.catalog.signals(device.name) if device else pl.DataFrame()

    def _group(self) -> str:
        tab = self.session.selection.tab
        return tab if tab in (*GROUPS, *EXTRA) else GROUPS[0]

    async def _fill_cards(self, device: DeviceInfo, start: datetime, end: datetime) -> None:
        def load() -> tuple:
            store = self.session.store
            return (
                last_values(store, device.name, self.signals),
                battery_figures(store, device, self.signals, start, end),
                known_alarms(store, device.name, self.signals, start, end),
            )

        data = await self.session.read(load)
        await self.session.apply(
            lambda: setattr(self._cards, "object", html.cards(self._key_cards(*data, (start, end))))
        )

    def _key_cards(
        self,
        last: dict,
        figures: BatteryFigures,
        found: list[Alarm] | None,
        window: tuple[datetime, datetime],
    ) -> list[html.Card]:
        t, out = self.texts, []
        for quantity in ("soc", "soh", "pcs_power", "cell_temperature_extreme", "system_voltage"):
            if quantity in last:
                value, unit, signal = last[quantity]
                digits = 0 if quantity in {"soc", "soh"} else 1
                out.append(
                    html.Card(t(f"bess.{quantity}"), t.number(value, digits), unit, t("bess.last", signal=signal))
                )
        if figures.charged_kwh:
            note = t("bess.charges", n=figures.charges) if figures.charges is not None else ""
            out.append(html.Card(t("bess.charged"), *t.split(t.with_unit(figures.charged_kwh, "kWh")), note))
            out.append(html.Card(t("bess.discharged"), *t.split(t.with_unit(figures.discharged_kwh, "kWh")), "DC"))
        if figures.auxiliary_kwh is not None:
            share = figures.auxiliary_kwh / figures.charged_kwh if figures.charged_kwh else None
            note = t("bess.aux_share", share=t.percent(share, 1)) if share is not None else ""
            out.append(html.Card(t("bess.auxiliary"), *t.split(t.with_unit(figures.auxiliary_kwh, "kWh")), note))
        if found is None:
            out.append(html.Card(t("bess.alarms"), t.number(None), "", t("bess.alarms_unknown"), "none"))
        else:
            hours = hours_with_alarm(found, *window)
            note, level = (t("bess.alarm_spans", n=len(found)), "bad") if found else (t("status.no_alarm"), "ok")
            out.append(html.Card(t("bess.alarms"), t.number(hours, 1), "h", note, level))
        return out

    async def _fill_group(self, device: DeviceInfo, start: datetime, end: datetime) -> None:
        group = self._group()
        self.session.cancel("lod:bess")
        if group in EXTRA:
            panels, work = EXTRA[group](self.session, device, start, end)
            await self.session.apply(lambda: setattr(self._area, "objects", [p.view for p in panels]))
            await together(*work())
            return
        t = self.texts
        own = self.signals.filter((pl.col("group") == group) & pl.col("cell").is_null())
        if own.is_empty():
            note = html.message(t("bess.no_group"), t("bess.no_group_text"), "info")
            await self.session.apply(lambda: setattr(self._area, "objects", [html.pane(note)]))
            return
        units = self._units(own)
        charts = [(unit, rows, Panel(self.session, self._unit_title(unit, rows), "", 260)) for unit, rows in units]
        table = Panel(self.session, t("bess.statistics"), t("bess.statistics_note"), 200)
        alarm = [Panel(self.session, t("bess.timeline"), t("bess.timeline_note"), 120)] if group == "safety" else []
        views = [*(p.view for p in alarm), *(p.view for _, _, p in charts), table.view]
        await self.session.apply(lambda: setattr(self._area, "objects", views))
        held = min(device.first or start, start), max(device.last or end, end)
        window = self._zoom.window((start, end), held, device.zone)
        shared = Range1d(
            *(wall_ms(m, device.zone) for m in window),
            min_interval=60_000,
            bounds=tuple(wall_ms(m, device.zone) for m in held),
        )
        for panel in alarm:
            await panel.fill(
                lambda: self._load_alarms(device, own, start, end),
                lambda a: self._render_alarms(a, own, device, start, end),
            )
        for i, (unit, rows, panel) in enumerate(charts):
            await self._fill_unit(i, panel, device, rows, (start, end), shared)
            del unit
        await table.fill(
            lambda: self._load_statistics(device, own, start, end),
            lambda f: self._render_statistics(f, own, group, device),
        )

    def _units(self, own: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
        plotted = own.filter(pl.col("kind") != "flag")
        keys = plotted.select("unit", "quantity").unique(maintain_order=True)
        keys = keys.sort(
            pl.col("quantity").replace_strict(FIRST, default=len(FIRST), return_dtype=pl.Int64), maintain_order=True
        )
        out: dict[str, list[str]] = {}
        for unit, quantity in keys.iter_rows():
            key = f"{unit}|{'cells' if quantity.startswith('cell_voltage') else ''}"
            out.setdefault(key, []).append(quantity)
        return [
            (key.split("|")[0], plotted.filter(pl.col("quantity").is_in(q) & (pl.col("unit") == key.split("|")[0])))
            for key, q in out.items()
        ]

    def _unit_title(self, unit: str, rows: pl.DataFrame) -> str:
        lang = self.session.selection.lang
        labels = dict.fromkeys(self.session.catalog.label(s, lang, with_name=False) for s in rows["signal"])
        names = list(labels)
        shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        return f"{shown} [{unit}]" if unit else shown

    async def _fill_unit(
        self,
        index: int,
        panel: Panel,
        device: DeviceInfo,
        rows: pl.DataFrame,
        window: tuple[datetime, datetime],
        shared: Range1d,
    ) -> None:
        signals = rows["signal"].to_list()
        picker = None
        if len(signals) > LINES_AT_FIRST:
            picker = pmui.MultiChoice(
                label=self.texts("word.signals"),
                options=signals,
                value=signals[:LINES_AT_FIRST],
                max_items=LINES_AT_MOST,
                size="small",
                sizing_mode="stretch_width",
                margin=(0, 0, 8, 0),
            )
            picker.param.watch(lambda e: self.session.spawn(f"pick:{index}", draw(e.new)), "value")

        async def draw(chosen: list[str]) -> None:
            labels = self._labels(chosen)
            lines = [Line(device.name, s, labels[s], SERIES[i % len(SERIES)]) for i, s in enumerate(chosen)]
            spec = ChartSpec(
                lines,
                *(from_wall_ms(v, device.zone) for v in (shared.start, shared.end)),
                device.first or window[0],
                device.last or window[1],
                device.zone,
                "" if len(lines) > 1 else lines[0].label,
                250,
                overview=index == 0,
                x_range=shared,
            )
            chart = LodChart(self.session, f"bess{index}", spec)
            if index == 0:
                self._zoom.follow(chart, window, device.zone)
            await panel.fill(chart.load, lambda d: [*([picker] if picker else []), *chart.render(d)])

        await draw(signals[:LINES_AT_FIRST])

    def _labels(self, signals: list[str]) -> dict[str, str]:
        lang = self.session.selection.lang
        words = {s: self.session.catalog.label(s, lang, with_name=False) for s in signals}
        return {s: w if list(words.values()).count(w) == 1 else s for s, w in words.items()}

    def _load_alarms(self, device: DeviceInfo, own: pl.DataFrame, start: datetime, end: datetime) -> list[Alarm]:
        flags = own.filter(pl.col("kind") == "flag")["signal"].to_list()
        if not flags and own.filter(pl.col("quantity") == "error_code").is_empty():
            raise NoData(self.texts("bess.no_flags"))
        return alarm_timeline(self.session.store, device.name, flags, start, end)

    def _render_alarms(
        self, found: list[Alarm], own: pl.DataFrame, device: DeviceInfo, start: datetime, end: datetime
    ) -> list[object]:
        t = self.texts
        if not found:
            return [html.pane(html.message(t("status.no_alarm"), t("bess.no_alarm_text"), "ok"))]
        flags = own.filter(pl.col("kind") == "flag")["signal"].to_list()
        names = list(dict.fromkeys([*flags, *(a.signal for a in found)]))
        rows = [(a.signal, *(x.astimezone(device.zone).replace(tzinfo=None) for x in (a.start, a.end))) for a in found]
        window = (wall_ms(start, device.zone), wall_ms(end, device.zone))
        chart = timeline(rows, names, t, window=window, color=STATUS["bad"])
        lang = self.session.selection.lang
        frame = pl.DataFrame(
            [
                {
                    "label": self.session.catalog.label(a.signal, lang),
                    "value": a.value,
                    "start": a.start,
                    "end": a.end,
                    "hours": a.hours,
                    "ended": "ongoing" if a.ongoing else a.ended_by,
                }
                for a in found
            ],
            schema_overrides={"value": pl.Float64, "ended": pl.String},
        )
        fields = [
            Field("label", t("word.signal")),
            Field("value", t("word.value"), "number", 0),
            Field("start", t("word.from"), "time"),
            Field("end", t("word.to"), "time"),
            Field("hours", t("table.duration"), "number", 2),
            Field("ended", t("bess.ended"), codes="alarm_end"),
        ]
        return [
            bokeh_pane(chart),
            *grid(frame.reverse(), fields, t, f"alarms_{device.name}", device.zone, page_size=10),
        ]

    def _load_statistics(self, device: DeviceInfo, own: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
        rows = group_statistics(self.session.store, device.name, own["signal"].to_list(), start, end)
        if rows.is_empty():
            raise NoData(self.texts("state.no_points"))
        return rows.join(own.select("signal", "unit", "quantity"), on="signal", how="left")

    def _render_statistics(self, rows: pl.DataFrame, own: pl.DataFrame, group: str, device: DeviceInfo) -> list[object]:
        t, lang = self.texts, self.session.selection.lang
        del own
        labels = [self.session.catalog.label(s, lang, with_name=False) for s in rows["signal"]]
        frame = rows.with_columns(pl.Series("label", labels))
        fields = [
            Field("label", t("word.quantity"), width=20),
            Field("signal", t("word.signal"), filter=True, width=16),
            Field("unit", t("word.unit")),
            *(Field(c, t(f"table.{c}"), "number", 2) for c in ("mean", "min", "max", "last")),
            Field("increase", t("table.increase"), "number", 1),
            Field("coverage", t("table.coverage"), "percent", 0),
        ]
        return grid(frame, fields, t, f"statistics_{device.name}_{group}")
