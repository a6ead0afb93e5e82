"""Panel of the single meter: energy per day, week, month or year, as bars and as a table.

Next: `energy_pipeline/compute/meter_views.py` for how days become periods.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import panel as pn
import panel_material_ui as pmui
import polars as pl

from energy_pipeline.compute.meter_views import meter_periods
from viewer.catalog import DeviceInfo
from viewer.components.bars import daily_bars
from viewer.components.datatable import Field, grid
from viewer.components.figures import bokeh_pane
from viewer.components.panel import NoData, Panel
from viewer.components.period_bars import period_bars
from viewer.components.toolbar import KEEP_WIDTH, ONE_LINE
from viewer.figures_of_meters import daily_rows, local_days
from viewer.selection import PERIODS
from viewer.session import Session
from viewer.store import Store
from viewer.texts import span_of
from viewer.theme import SERIES


def period_rows(store: Store, device: str, start: datetime, end: datetime, zone: ZoneInfo, period: str) -> pl.DataFrame:
    """Return rows of `meter_daily`, or the whole weeks, months or years that the window touches."""
    if period == "day":
        return daily_rows(store, device, start, end, zone)
    first, last = local_days(start, end, zone)
    rows = meter_periods(store.frame("meter_daily", where={"device": device}), period)
    ends = pl.col("start") + pl.duration(days=pl.col("days"))
    return rows.filter((pl.col("start") <= last) & (ends > first))


class MeterEnergy:
    """Energy per period, with the switch."""

    def __init__(self, session: Session) -> None:
        self.session, t = session, session.texts
        self._panel = Panel(session, t("meter.daily"), t("meter.daily_note"), 250)
        self._picked: tuple[DeviceInfo, datetime, datetime] | None = None
        self._switch = pmui.RadioButtonGroup(
            options={t(f"period.{p}"): p for p in PERIODS},
            value=session.selection.period,
            size="small",
            margin=(0, 12, 8, 0),
            sizing_mode=None,
            styles=KEEP_WIDTH,
            sx=ONE_LINE,
        )
        self._switch.param.watch(self._switched, "value")

    @property
    def view(self) -> pn.viewable.Viewable:
        """Return the panel."""
        return self._panel.view

    async def fill(self, device: DeviceInfo, start: datetime, end: datetime) -> None:
        """Load the energy of the picked period."""
        self._picked, period = (device, start, end), self.session.selection.period
        await self.session.apply(lambda: setattr(self._switch, "value", period))
        await self._panel.fill(lambda: self._load(period), lambda rows: self._render(rows, period))

    async def period_changed(self) -> None:
        """Follow another period."""
        if self._picked is not None:
            await self.fill(*self._picked)

    def _switched(self, event: object) -> None:
        self.session.selection.period = event.new

    def _load(self, period: str) -> pl.DataFrame:
        device, start, end = self._picked
        rows = period_rows(self.session.store, device.name, start, end, device.zone, period)
        if rows.is_empty():
            held = self.session.store.frame("meter_daily", ["day"], where={"device": device.name})["day"]
            t = self.session.texts
            raise NoData(t("meter.no_daily") + span_of(held.min(), held.max(), t))
        return rows

    def _render(self, rows: pl.DataFrame, period: str) -> list[object]:
        t, device = self.session.texts, rows["device"][0]
        note = "meter.daily_note" if period == "day" else "meter.period_note"
        self._panel.set_heading(t(f"meter.energy.{period}"), t(note))
        groups = [(t("word.import_long"), rows["import_kwh"].to_list(), SERIES[0])]
        if rows["export_kwh"].fill_null(0).sum() > 0:
            groups.append((t("word.export_long"), [None if v is None else -v for v in rows["export_kwh"]], SERIES[1]))
        if period == "day":
            chart = daily_bars(rows["day"].to_list(), groups, t, unit="kWh", y_label=t("word.energy"), stacked=True)
            table = grid(rows.reverse(), self._day_fields(), t, f"meter_daily_{device}", page_size=7)
        else:
            named = rows.with_columns(pl.Series("label", [t.month(v) for v in rows["label"]], pl.String))
            chart = period_bars(named, groups, t, unit="kWh", y_label=t("word.energy"))
            zone = self._picked[0].zone
            table = grid(named.reverse(), self._period_fields(period), t, f"meter_{period}_{device}", zone, page_size=7)
        return [self._switch, bokeh_pane(chart), *table]

    def _day_fields(self) -> list[Field]:
        t = self.session.texts
        return [
            Field("day", t("word.day"), "date"),
            Field("import_kwh", t("table.import"), "number", 1),
            Field("export_kwh", t("table.export"), "number", 1),
            Field("net_kwh", t("table.net"), "number", 1),
            Field("peak_kw", t("table.peak"), "number", 1),
            Field("base_load_kw", t("table.base"), "number", 2),
            Field("night_load_kw", t("table.night"), "number", 2),
            Field("power_factor_energy", t("table.pf"), "number", 3),
            Field("power_factor_low_share", t("table.low_pf"), "percent", 0),
            Field("balance_percent", t("table.balance"), "number", 1),
            Field("power_coverage", t("table.coverage"), "percent", 0),
        ]

    def _period_fields(self, period: str) -> list[Field]:
        t = self.session.texts
        return [
            Field("start", t("table.period"), "month") if period == "month" else Field("label", t("table.period")),
            Field("days", t("table.days"), "number", 0),
            Field("days_covered", t("table.days_covered"), "number", 0),
            Field("import_kwh", t("table.import"), "number", 1),
            Field("export_kwh", t("table.export"), "number", 1),
            Field("net_kwh", t("table.net"), "number", 1),
            Field("estimated_kwh", t("table.estimated"), "number", 1),
            Field("peak_kw", t("table.peak"), "number", 1),
            Field("peak_ts", t("table.peak_at"), "time"),
            Field("hours_of_use_h", t("table.hours"), "number", 0),
        ]
