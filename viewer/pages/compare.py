"""Compare: two devices side by side. Overlay per signal, pairs of figures, grouped daily energy.

Every number is the same that the device's own page shows. Next: `figures_of_meters.py`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import panel as pn
import polars as pl

from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.bars import daily_bars
from viewer.components.datatable import Field, grid, small_table
from viewer.components.figures import bokeh_pane
from viewer.components.lod_chart import ChartSpec, Line, LodChart
from viewer.components.panel import NoData, Panel
from viewer.components.toolbar import Toolbar
from viewer.components.zoom import Zoom
from viewer.figures_of_bess import ENERGY_COLUMNS, energy_days, window_energy
from viewer.figures_of_meters import (
    MeterFigures,
    SignalFigures,
    daily_rows,
    local_days,
    meter_figures,
    signal_figures,
    window_days,
)
from viewer.pages.base import DevicePage, together
from viewer.theme import SERIES

POWER = ("active_power", "pcs_power")
SKIPPED = {"cell_voltage", "cell_temperature", "unknown"}


class Compare(DevicePage):
    """Two devices."""

    def prepare(self) -> None:
        """Read the devices and the signals of the picked pair."""
        super().prepare()
        self._read_pair()

    def pair(self) -> tuple[DeviceInfo, DeviceInfo] | None:
        """Return the two devices, None where there is only one."""
        first = self.device()
        second = self.device("device2", other=first.name if first else "")
        if first is None or second is None or first.name == second.name:
            others = [d for d in self.devices if first is not None and d.name != first.name and d.kind == first.kind]
            others += [d for d in self.devices if first is not None and d.name != first.name]
            return (first, others[0]) if first is not None and others else None
        return first, second

    def layout(self) -> pn.viewable.Viewable:
        """Return toolbar and panels."""
        t, pair = self.texts, self.pair()
        if pair is None:
            return html.pane(html.message(t("compare.one_device"), t("compare.one_device_text"), "info"))
        names = [d.name for d in self.devices]
        self.toolbar = bar = Toolbar(self.session)
        bar.pick("device", t("compare.first"), names, pair[0].name)
        bar.pick("device2", t("compare.second"), names, pair[1].name)
        self._subject_pick = bar.pick("signal", t("word.signal"), self._options(), self._subject(), 240)
        bar.ranges(self.shown, self.default_range)
        self._cards = html.pane("", margin=(0, 0, 14, 0))
        self._zoom = Zoom(self.session)
        self._chart = Panel(self.session, t("compare.overlay"), "", 360)
        self._figures = Panel(self.session, t("compare.figures"), t("compare.figures_note"), 200)
        self._daily = Panel(self.session, t("compare.daily"), t("compare.daily_note"), 250)
        return pn.Column(
            bar.view,
            self._cards,
            self._chart.view,
            self._figures.view,
            self._daily.view,
            sizing_mode="stretch_width",
            margin=0,
        )

    async def fill(self) -> None:
        """Load overlay, figures and bars."""
        pair = self.pair()
        if pair is None:
            return
        subject = self._subject()
        start, end, _ = self.window(_later(pair))
        signals = self._common.get(subject)
        await together(
            self._fill_chart(pair, subject, signals, start, end),
            self._figures.fill(
                lambda: self._load_figures(pair, signals, start, end), lambda f: self._render_figures(f, pair)
            ),
            self._daily.fill(lambda: self._load_daily(pair, start, end), lambda d: self._render_daily(d, pair)),
        )

    async def changed(self, names: set[str]) -> None:
        """Follow the selection; other devices bring other common signals."""
        if self.pair() is not None and self._zoom.is_own(names):
            await self.session.apply(self.announce)
            return
        await self.session.read(self._read_pair)
        await self.session.apply(self._sync)
        await self.fill()

    def _sync(self) -> None:
        options = self._options()
        if self._subject_pick.options != options:
            self._subject_pick.param.update(options=options, value=self._subject())
        self.toolbar.sync()
        self.announce()

    def choices(self) -> dict[str, list[str]]:
        """Return what both devices measure."""
        return {"signal": list(self._common)}

    def zoomed(self) -> Sequence[DeviceInfo]:
        """Return the pair."""
        return self.pair() or ()

    def windowed(self) -> DeviceInfo | None:
        """Return the device of the pair whose readings reach further."""
        pair = self.pair()
        return None if pair is None else _later(pair)

    def _read_pair(self) -> None:
        pair = self.pair()
        self._common: dict[str, tuple[str, str]] = {}
        if pair is None:
            return
        a, b = (_subjects(self.session.catalog.signals(d.name)) for d in pair)
        self._common = {k: (a[k], b[k]) for k in a if k in b}

    def _subject(self) -> str:
        wanted = self.session.selection.signal
        return wanted if wanted in self._common else next(iter(self._common), "")

    def _options(self) -> dict[str, str]:
        lang, catalog, t = self.session.selection.lang, self.session.catalog, self.texts
        return {
            t("compare.power") if k == "power" else catalog.label(a, lang, with_name=False): k
            for k, (a, _) in self._common.items()
        } or {t("compare.nothing_common"): ""}

    async def _fill_chart(
        self,
        pair: tuple[DeviceInfo, DeviceInfo],
        subject: str,
        signals: tuple[str, str] | None,
        start: datetime,
        end: datetime,
    ) -> None:
        t = self.texts
        if signals is None:
            await self.session.apply(lambda: self._chart.show(html.pane(html.message(t("compare.nothing_common")))))
            return
        label = (
            t("compare.power")
            if subject == "power"
            else self.session.catalog.label(signals[0], self.session.selection.lang, with_name=False)
        )
        lines = [Line(d.name, s, d.name, c) for d, s, c in zip(pair, signals, SERIES, strict=False)]
        first, last = min(d.first or start for d in pair), max(d.last or end for d in pair)
        spec = ChartSpec(
            lines,
            *self._zoom.window((start, end), (first, last), pair[0].zone),
            first,
            last,
            pair[0].zone,
            label,
            340,
        )
        chart = LodChart(self.session, "compare", spec)
        self._zoom.follow(chart, (start, end), pair[0].zone)
        await self._chart.fill(chart.load, chart.render)

    def _load_figures(
        self, pair: tuple[DeviceInfo, DeviceInfo], signals: tuple[str, str] | None, start: datetime, end: datetime
    ) -> tuple[str, list[SignalFigures | None], list[MeterFigures | None], list[dict[str, float | None]]]:
        store = self.session.store
        statistics = (
            [signal_figures(store, d.name, s, start, end) for d, s in zip(pair, signals, strict=True)]
            if signals
            else [None, None]
        )
        daily = [window_days(store, self.session.settings, d, start, end) for d in pair]
        meters = [meter_figures(w.rows, partial=w.partial) if w.rows.height else None for w in daily]
        unit = self._unit(pair, signals) if signals else ""
        return unit, statistics, meters, [window_energy(store, d, start, end) for d in pair]

    def _unit(self, pair: tuple[DeviceInfo, DeviceInfo], signals: tuple[str, str]) -> str:
        """Return the unit of the pair's signals in brackets, both where they differ; nothing where there is none."""
        catalog = self.session.catalog
        rows = [catalog.signals(d.name).filter(pl.col("signal") == s) for d, s in zip(pair, signals, strict=True)]
        units = dict.fromkeys(unit for r in rows for unit in r["unit"].drop_nulls() if unit)
        return f" [{' | '.join(units)}]" if units else ""

    def _render_figures(self, data: tuple, pair: tuple[DeviceInfo, DeviceInfo]) -> list[object]:
        t, (unit, statistics, meters, energies) = self.texts, data
        rows = []
        if statistics[0] is not None:
            keys = ("mean", "minimum", "maximum", "median", "p95")
            rows += [(t(f"compare.{key}") + unit, *(getattr(s, key) for s in statistics)) for key in keys]
        for key, label in (
            ("import_kwh", "table.import"),
            ("export_kwh", "table.export"),
            ("net_kwh", "table.net"),
            ("peak_kw", "table.peak"),
            ("base_load_kw", "table.base"),
            ("hours_of_use_h", "table.hours"),
            ("load_factor", "table.load_factor"),
            ("power_factor", "table.pf"),
        ):
            values = [None if m is None else getattr(m, key) for m in meters]
            if any(v is not None for v in values):
                rows.append((t(label), *values))
        for key in ENERGY_COLUMNS:
            if any(e[key] is not None for e in energies):
                rows.append((t(f"energy.{key.removesuffix('_kwh')}") + " [kWh]", *(e[key] for e in energies)))
        if not rows:
            raise NoData(t("state.no_points"))
        frame = pl.DataFrame(
            [{"figure": n, "a": a, "b": b, "d": None if a is None or b is None else a - b} for n, a, b in rows],
            schema={"figure": pl.String, "a": pl.Float64, "b": pl.Float64, "d": pl.Float64},
        )
        fields = [
            Field("figure", t("compare.figure")),
            Field("a", pair[0].name, "number"),
            Field("b", pair[1].name, "number"),
            Field("d", t("compare.difference"), "number"),
        ]
        return small_table(frame, fields, t, f"compare_{pair[0].name}_{pair[1].name}")

    def _load_daily(self, pair: tuple[DeviceInfo, DeviceInfo], start: datetime, end: datetime) -> pl.DataFrame:
        frames = [self._energy_in(d, start, end).rename({"kwh": k}) for d, k in zip(pair, ("a", "b"), strict=True)]
        both = frames[0].join(frames[1], on="day", how="full", coalesce=True).sort("day")
        if both.is_empty():
            raise NoData(self.texts("meter.no_daily"))
        return both

    def _energy_in(self, device: DeviceInfo, start: datetime, end: datetime) -> pl.DataFrame:
        """Return (day, kwh): what a meter drew; what a battery system without meter values was charged with, at DC."""
        store = self.session.store
        drawn = daily_rows(store, device.name, start, end, device.zone).select("day", kwh="import_kwh")
        if drawn["kwh"].is_not_null().any() or not device.is_bess:
            return drawn
        return energy_days(store, device.name, *local_days(start, end, device.zone)).select("day", kwh="dc_in_kwh")

    def _render_daily(self, rows: pl.DataFrame, pair: tuple[DeviceInfo, DeviceInfo]) -> list[object]:
        t = self.texts
        groups = [(d.name, rows[k].to_list(), c) for d, k, c in zip(pair, ("a", "b"), SERIES, strict=False)]
        chart = daily_bars(rows["day"].to_list(), groups, t, unit="kWh", y_label=t("word.import_long"))
        fields = [
            Field("day", t("word.day"), "date"),
            *(Field(k, f"{d.name} [kWh]", "number", 1) for d, k in zip(pair, ("a", "b"), strict=True)),
        ]
        table = grid(rows.reverse(), fields, t, f"daily_{pair[0].name}_{pair[1].name}", page_size=7)
        return [bokeh_pane(chart), *table]


def _subjects(signals: pl.DataFrame) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in signals.to_dicts():
        key = "power" if row["quantity"] in POWER else row["quantity"]
        if key not in SKIPPED and row["kind"] != "flag":
            found.setdefault(key, row["signal"])
    return dict(sorted(found.items(), key=lambda kv: (kv[0] != "power", kv[0])))


def _later(pair: tuple[DeviceInfo, DeviceInfo]) -> DeviceInfo:
    return max(pair, key=lambda d: d.last or datetime.min.replace(tzinfo=UTC))
