"""Below the chart of the single meter: daily energy, load shape, peaks and the table of values.

Next: `figures_of_meters.py` for what the figures mean.
"""

from datetime import datetime

import panel as pn
import polars as pl

from viewer.catalog import DeviceInfo
from viewer.components.bars import daily_bars, duration_chart, week_chart
from viewer.components.datatable import Field, grid, small_table
from viewer.components.figures import bokeh_pane
from viewer.components.layout import side_by_side
from viewer.components.panel import NoData, Panel
from viewer.figures_of_meters import daily_rows, load_duration, quarter_means, week_map, window_peaks
from viewer.pages.base import together
from viewer.series import choose_level
from viewer.session import Session
from viewer.texts import Texts
from viewer.theme import SERIES
from viewer.wallclock import months_of

TABLE_ROWS = 20_000


class MeterDetails:
    """The panels below the chart."""

    def __init__(self, session: Session) -> None:
        self.session, t = session, session.texts
        self._daily = Panel(session, t("meter.daily"), t("meter.daily_note"), 250)
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
        return [self._daily.view, pair, self._peaks.view, self._table.view]

    async def fill(self, device: DeviceInfo, row: dict, power: str, start: datetime, end: datetime) -> None:
        """Load all panels; `row` is the signal's row of `signals`, `power` the device's signal of power."""
        signal = row["signal"]
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
