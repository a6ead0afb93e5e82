"""One cell: its offset with fit and band, its SAT voltage with the system's regimes and conditions, its raw voltage."""

from datetime import datetime, timedelta

import numpy as np
import panel as pn
import polars as pl

from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.figures import bokeh_pane
from viewer.components.fit_chart import Slope, fit_figure
from viewer.components.lod_chart import ChartData, ChartSpec, Line, LodChart
from viewer.components.panel import NoData, Panel
from viewer.components.zoom import Zoom
from viewer.figures_of_meters import signal_figures
from viewer.fit_texts import slope_text, status_of
from viewer.pages.meter_cards import signal_cards
from viewer.pages.packpulse.cell_conditions import load_conditions, show_conditions
from viewer.pages.packpulse.data import ESTABLISHED, cell_cuts, fit_of, system_cuts
from viewer.pages.packpulse.tab import Context
from viewer.selection import cell_name
from viewer.session import Session
from viewer.store import TableMissing
from viewer.theme import SERIES

RAW_DAYS = 7


class CellView:
    """The panels of a picked cell."""

    def __init__(self, session: Session) -> None:
        self.session, self._zoom = session, Zoom(session)
        self._raw_of: tuple[Context, tuple[int, int], Panel] | None = None  # whose readings are shown, and where

    def layout(self) -> pn.Column:
        """Return the column that holds the cell's panels."""
        self._column = pn.Column(sizing_mode="stretch_width", margin=0)
        return self._column

    async def fill(self, context: Context, place: tuple[int, int] | None) -> None:
        """Show a cell, or what to do to see one."""
        t = self.session.texts
        self._raw_of = None
        if place is None:
            note = html.message(t("cell.pick"), t("cell.pick_text"), "info")
            await self.session.apply(lambda: setattr(self._column, "objects", [html.pane(note, margin=(0, 0, 14, 0))]))
            return
        row = context.whole.row(place)
        if row is None:
            known = f"{context.whole.names[0]} … {context.whole.names[-1]}"
            note = html.message(t("cell.unknown", name=cell_name(*place)), t("cell.unknown_text", known=known), "warn")
            await self.session.apply(lambda: setattr(self._column, "objects", [html.pane(note, margin=(0, 0, 14, 0))]))
            return
        name = cell_name(*place)
        panels = [
            Panel(self.session, t("cell.offset", name=name), t("cell.offset_note"), 300),
            Panel(self.session, t("cell.sat", name=name), t("cell.sat_note"), 260),
            Panel(self.session, t("cell.conditions", name=name), t("cell.conditions_note"), 420),
            Panel(self.session, t("cell.raw", name=name), t("cell.raw_note"), 260),
        ]
        await self.session.apply(lambda: setattr(self._column, "objects", [p.view for p in panels]))
        await panels[0].fill(lambda: context, lambda c: self._offset(c, place, row))
        await panels[1].fill(lambda: context, lambda c: self._sat(c, row))
        store, device = self.session.store, context.device
        await panels[2].fill(
            lambda: load_conditions(store, context, self._signal(context, place)["signal"], t),
            lambda rows: show_conditions(rows, device.zone, t, f"conditions_{device.name}_{name}"),
        )
        self._raw_of = context, place, panels[3]
        await self._fill_raw(*self._raw_of)

    async def zoom_changed(self) -> None:
        """Show the part of the raw voltage that the address names, where it shows another one."""
        if self._raw_of is not None and not self._zoom.is_own({"zoom"}):
            await self._fill_raw(*self._raw_of)

    async def _fill_raw(self, context: Context, place: tuple[int, int], panel: Panel) -> None:
        await panel.fill(
            lambda: self._load_raw(context, place),
            lambda found: [*found[0].render(found[1]), html.pane(html.cards(found[2]), margin=(10, 0, 0, 0))],
        )

    def _offset(self, context: Context, place: tuple[int, int], row: int) -> list[object]:
        t, whole = self.session.texts, context.whole
        fit = None if context.fits is None else fit_of(context.fits, "cell", "sat_offset_mv", *place)
        slope = None
        head = html.badge(t("fit.none"), "none").markup
        if fit is not None:
            head = html.badge(t.code("verdict", fit["verdict"]), status_of(fit["verdict"])).markup
            head += f" · {html.escape(slope_text(fit, t))}"
            if fit["slope_per_year"] is not None:
                slope = Slope(fit["slope_per_year"], fit["slope_low"], fit["slope_high"], fit["verdict"] in ESTABLISHED)
        cuts = [(d, f"{t.number(mv, 1, sign=True)} mV") for d, mv in cell_cuts(context.regimes, *place)]
        if not np.isfinite(whole.offset[row]).any():
            raise NoData(context.no_days(t))
        figure = fit_figure(
            whole.days, whole.offset[row], whole.qualified[row], slope, cuts, t, y_label=t("heat.offset"), unit="mV"
        )
        return [html.pane(f'<div class="fit-head">{head}</div>', margin=(0, 0, 6, 0)), bokeh_pane(figure)]

    def _sat(self, context: Context, row: int) -> object:
        t, whole = self.session.texts, context.whole
        cuts = [(d, f"{t.number(mv, 0, sign=True)} mV") for d, mv in system_cuts(context.regimes)]
        figure = fit_figure(
            whole.days,
            whole.sat[row],
            whole.qualified[row],
            None,
            cuts,
            t,
            y_label="SAT",
            unit="V",
            height=260,
            digits=3,
        )
        return bokeh_pane(figure)

    def _load_raw(self, context: Context, place: tuple[int, int]) -> tuple[LodChart, ChartData, list[html.Card]]:
        signal = self._signal(context, place)
        chart, t = self._raw(context, signal), self.session.texts
        store, limits = self.session.store, self.session.settings.operation
        start, end = _last_days(context.device, signal)
        try:
            figures = signal_figures(store, context.device.name, signal["signal"], start, end)
        except TableMissing:  # readings alone: the chart has what it needs
            return chart, chart.load(), []
        cards = signal_cards(figures, signal, start, end, t, limits, digits=3)
        return chart, chart.load(), cards

    def _signal(self, context: Context, place: tuple[int, int]) -> dict:
        device, t = context.device, self.session.texts
        signals = self.session.catalog.signals(device.name).filter(
            (pl.col("quantity") == "cell_voltage") & (pl.col("pack") == place[0]) & (pl.col("cell") == place[1])
        )
        if signals.is_empty():
            raise NoData(t("state.no_points"))
        return signals.row(0, named=True)

    def _raw(self, context: Context, row: dict) -> LodChart:
        device, t = context.device, self.session.texts
        usual = _last_days(device, row)
        held = row["first_ts"] or device.first, usual[1]
        spec = ChartSpec(
            [Line(device.name, row["signal"], t("cell.voltage"), SERIES[0])],
            *self._zoom.window(usual, held, device.zone),
            *held,
            device.zone,
            t("cell.voltage"),
            260,
            digits=3,
        )
        chart = LodChart(self.session, "cell", spec)
        self._zoom.follow(chart, usual, device.zone)
        return chart


def _last_days(device: DeviceInfo, row: dict) -> tuple[datetime, datetime]:
    """Return the last days of a signal that has readings: what is shown of it at first."""
    first, last = row["first_ts"] or device.first, row["last_ts"] or device.last
    return max(last - timedelta(days=RAW_DAYS), first), last + timedelta(seconds=1)
