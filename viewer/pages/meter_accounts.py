"""Panels of the single meter: costs per month, and two sources of one energy side by side.

Costs appear only where a tariff is set or the lake holds costs. Next: `figures_of_accounts.py`.
"""

from datetime import datetime

import panel as pn
import polars as pl

from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.datatable import Field, grid, month_start, small_table
from viewer.components.panel import NoData, Panel
from viewer.figures_of_accounts import balance_rows, compared_sources, days_to_look_at, has_costs, month_costs
from viewer.session import Session


class MeterCosts:
    """What the energy and the peak of each month cost."""

    def __init__(self, session: Session) -> None:
        self.session, t = session, session.texts
        self._panel = Panel(session, t("meter.costs"), t("meter.costs_note"))
        self._panel.view.visible = False

    @property
    def view(self) -> pn.viewable.Viewable:
        """Return the panel, invisible until a tariff is found."""
        return self._panel.view

    async def fill(self, device: DeviceInfo, start: datetime, end: datetime) -> None:
        """Load the months that the window touches; without a tariff there is no panel."""
        shown = self.session.settings.tariff_of(device.name) is not None
        shown = shown or await self.session.read(has_costs, self.session.store, device.name)
        await self.session.apply(lambda: setattr(self._panel.view, "visible", shown))
        if shown:
            await self._panel.fill(lambda: self._load(device, start, end), lambda rows: self._render(rows, device))

    def _load(self, device: DeviceInfo, start: datetime, end: datetime) -> pl.DataFrame:
        rows = month_costs(self.session.store, device.name, start, end, device.zone)
        if rows.is_empty():
            raise NoData(self.session.texts("meter.no_costs"))
        return rows

    def _render(self, rows: pl.DataFrame, device: DeviceInfo) -> list[object]:
        t, money = self.session.texts, ", ".join(rows["currency"].unique().sort())
        fields = [
            Field("month", t("table.month"), "month"),
            Field("days", t("table.days_covered"), "number", 0),
            Field("import_kwh", t("table.import"), "number", 1),
            Field("import_cost", t("table.import_cost", money=money), "number", 2),
            Field("peak_kw", t("table.peak"), "number", 2),
            Field("peak_ts", t("table.peak_at"), "time"),
            Field("peak_cost", t("table.peak_cost", money=money), "number", 2),
            Field("peak_share", t("table.peak_share"), "percent", 1),
        ]
        if rows["export_revenue"].is_not_null().any():
            fields.append(Field("export_kwh", t("table.export"), "number", 1))
            fields.append(Field("export_revenue", t("table.revenue", money=money), "number", 2))
        fields.append(Field("cost", t("table.cost", money=money), "number", 2))
        return small_table(rows.with_columns(month_start()), fields, t, f"costs_{device.name}", device.zone)


class MeterBalance:
    """Whether two measurements of one energy agree."""

    def __init__(self, session: Session) -> None:
        self.session, t = session, session.texts
        self._panel = Panel(session, t("meter.balance"), t("meter.balance_note"))

    @property
    def view(self) -> pn.viewable.Viewable:
        """Return the panel."""
        return self._panel.view

    async def fill(self, device: DeviceInfo, start: datetime, end: datetime) -> None:
        """Load the comparisons of the window."""
        await self._panel.fill(lambda: self._load(device, start, end), lambda rows: self._render(rows, device))

    def _load(self, device: DeviceInfo, start: datetime, end: datetime) -> pl.DataFrame:
        rows = balance_rows(self.session.store, device.name, start, end, device.zone)
        if rows.is_empty():
            raise NoData(self.session.texts("meter.no_balance"))
        return rows

    def _render(self, rows: pl.DataFrame, device: DeviceInfo) -> list[object]:
        t, days = self.session.texts, days_to_look_at(rows)
        pairs = compared_sources(rows)
        written = [self._reasons(r) for r in pairs["reasons"].to_list()]
        shown = small_table(
            pairs.with_columns(pl.Series("why", written, pl.String)),
            self._pair_fields(),
            t,
            f"sources_{device.name}",
        )
        if days.is_empty():
            return [*shown, html.pane(f'<div class="note">{html.escape(t("meter.balance_agrees"))}</div>')]
        head = t("meter.balance_days", flagged=t.number(int(days["flagged"].sum()), 0), all=t.number(days.height, 0))
        below = html.pane(f'<div class="note">{html.escape(head)}</div>', margin=(8, 0, 6, 0))
        return [*shown, below, *grid(days, self._day_fields(), t, f"balance_{device.name}", page_size=7)]

    def _reasons(self, counts: list[dict]) -> str:
        t = self.session.texts
        return ", ".join(f"{t.code('balance_reason', c['reason'])} ({t.number(c['count'], 0)})" for c in counts) or "–"

    def _pair_fields(self) -> list[Field]:
        t = self.session.texts
        return [
            Field("comparison", t("table.comparison"), codes="comparison"),
            Field("signal", t("table.second_source")),
            Field("days", t("table.days"), "number", 0),
            Field("a_kwh", t("table.a"), "number", 1),
            Field("b_kwh", t("table.b"), "number", 1),
            Field("median_percent", t("table.median_difference"), "number", 1),
            Field("flagged_days", t("table.flagged_days"), "number", 0),
            Field("why", t("table.why_none")),
        ]

    def _day_fields(self) -> list[Field]:
        t = self.session.texts
        return [
            Field("day", t("word.day"), "date"),
            Field("comparison", t("table.comparison"), codes="comparison", width=24),
            Field("a_kwh", t("table.a"), "number", 1),
            Field("b_kwh", t("table.b"), "number", 1),
            Field("difference_percent", t("table.difference"), "number", 1),
            Field("compared_h", t("table.compared"), "number", 1),
            Field("flagged", t("table.flagged"), "bool"),
            Field("reason", t("table.why_none"), codes="balance_reason", width=22),
        ]
