"""Below the chart of the single meter: energy, load shape, map of hours, peaks, costs, balance, table of values.

Next: `figures_of_meters.py` for what the figures mean; `meter_energy.py`, `meter_map.py`, `meter_accounts.py`.
"""

from datetime import datetime

import panel as pn
import polars as pl

from viewer.catalog import DeviceInfo
from viewer.components.bars import duration_chart, week_chart
from viewer.components.datatable import Field, grid, small_table
from viewer.components.figures import bokeh_pane
from viewer.components.layout import side_by_side
from viewer.components.panel import NoData, Panel
from viewer.figures_of_meters import load_duration, quarter_means, week_map, window_peaks
from viewer.pages.base import together
from viewer.pages.meter_accounts import MeterBalance, MeterCosts
from viewer.pages.meter_energy import MeterEnergy
from viewer.pages.meter_map import MeterMap
from viewer.series import choose_level
from viewer.session import Session
from viewer.texts import Texts
from viewer.wallclock import months_of

TABLE_ROWS = 20_000


class MeterDetails:
    """The panels below the chart."""

    def __init__(self, session: Session) -> None:
        self.session, t = session, session.texts
        self._energy, self._map = MeterEnergy(session), MeterMap(session)
        self._costs, self._balance = MeterCosts(session), MeterBalance(session)
        self._duration = Panel(session, t("meter.duration"), t("meter.duration_note"), 250)
        self._week = Panel(session, t("meter.week"), t("meter.week_note"), 250)
        self._peaks = Panel(session, t("meter.peaks"), t("meter.peaks_note"))
        self._table = Panel(session, t("meter.table"), "", 200)

    @property
    def texts(self) -> Texts:
        """Texts of the chosen language."""
        return self.session.texts

    @property
    def views(self) -> list[pn.viewable.Viewable]:
        """Return the panels in order."""
        pair = side_by_side(self._duration.view, self._week.view)
        accounts = [self._costs.view, self._balance.view]
        return [self._energy.view, pair, self._map.view, self._peaks.view, *accounts, self._table.view]

    async def fill(self, device: DeviceInfo, row: dict, power: str, start: datetime, end: datetime) -> None:
        """Load all panels; `row` is the signal's row of `signals`, `power` the device's signal of power."""
        signal = row["signal"]
        await together(
            self._energy.fill(device, start, end),
            self._duration.fill(lambda: self._quarters(device, power, start, end), self._render_duration),
            self._week.fill(lambda: self._quarters(device, power, start, end), lambda q: self._render_week(q, device)),
            self._map.fill(device, power, start, end),
            self._peaks.fill(lambda: self._load_peaks(device, start, end), lambda p: self._render_peaks(p, device)),
            self._costs.fill(device, start, end),
            self._balance.fill(device, start, end),
            self._table.fill(
                lambda: self._load_table(device, signal, start, end, row["kind"]),
                lambda d: self._render_table(d, device, signal, row["unit"]),
            ),
        )

    async def period_changed(self) -> None:
        """Follow another period of the energy."""
        await self._energy.period_changed()

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
        rows = window_peaks(self.session.store, self.session.settings, device, start, end)
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
