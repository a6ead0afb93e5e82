"""Data quality: coverage, the accounting of every row, what was refused and why, files, register events, checks, age.

Next: `schemas/ingest.py` for what each table holds.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import panel as pn
import polars as pl
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, LinearColorMapper, Range1d
from bokeh.palettes import Viridis256

from energy_pipeline.compute.verdict_texts import evidence_text
from energy_pipeline.compute.zones import day_start
from viewer.catalog import DeviceInfo
from viewer.check_texts import file_reason, with_words
from viewer.components import html
from viewer.components.bars import DAY_MS, color_bar, day_ms
from viewer.components.datatable import Field, grid, small_table
from viewer.components.figures import add_hover, base_figure, bokeh_pane, time_figure
from viewer.components.panel import NoData, Panel
from viewer.components.toolbar import Toolbar
from viewer.pages.base import DevicePage, together
from viewer.theme import MISSING, SERIES

SAMPLE_ROWS = 2000
COVERAGE_SIGNALS = 40


class DataQuality(DevicePage):
    """What was read, what was refused, what is missing."""

    default_range = "all"

    def layout(self) -> pn.viewable.Viewable:
        """Return the panels."""
        t, device = self.texts, self.device()
        if device is None:
            return self.no_devices()
        self.toolbar = bar = Toolbar(self.session)
        bar.pick("device", t("word.device"), [d.name for d in self.devices], device.name)
        bar.ranges(self.shown, self.default_range)
        self._cards = html.pane("", margin=(0, 0, 14, 0))
        names = ("coverage", "accounting", "reasons", "rejects", "files", "events", "checks")
        limits = self.session.settings.operation
        fields = {"good": t.percent(limits.coverage_good), "poor": t.percent(limits.coverage_poor)}
        self._panels = {n: Panel(self.session, t(f"quality.{n}"), t(f"quality.{n}_note", **fields), 200) for n in names}
        self._evidence = Panel(self.session, t("evidence.title"), t("evidence.note"), 120)
        return pn.Column(
            bar.view,
            self._cards,
            *(p.view for p in self._panels.values()),
            self._evidence.view,
            sizing_mode="stretch_width",
            margin=0,
        )

    async def fill(self) -> None:
        """Load all panels."""
        device = self.device()
        if device is None:
            return
        store, name = self.session.store, device.name
        start, end, _ = self.window(device)

        def rows(table: str, empty: str) -> pl.DataFrame:
            found = store.frame(table, where={"device": name})
            if found.is_empty():
                raise NoData(self.texts(empty))
            return found

        p = self._panels
        await self._fill_cards(device)
        await together(
            p["coverage"].fill(lambda: self._load_coverage(device, start, end), self._render_coverage),
            p["accounting"].fill(lambda: self.session.catalog.signals(name), lambda r: self._accounting(r, device)),
            p["reasons"].fill(lambda: rows("rejected_readings", "quality.no_rejects"), self._reasons),
            p["rejects"].fill(
                lambda: rows("rejected_readings", "quality.no_rejects"), lambda r: self._rejects(r, device)
            ),
            p["files"].fill(lambda: rows("source_files", "quality.no_files"), lambda r: self._files(r, device)),
            p["events"].fill(lambda: rows("counter_events", "quality.no_events"), lambda r: self._events(r, device)),
            p["checks"].fill(lambda: rows("check_results", "quality.no_checks"), lambda r: self._checks(r, device)),
            self._evidence.fill(lambda: rows("device_evidence", "evidence.none"), lambda r: self._sayings(r, device)),
        )

    async def changed(self, names: set[str]) -> None:
        """Follow the selection."""
        del names
        await self.session.apply(lambda: (self.toolbar.sync(), self.announce()))
        await self.fill()

    async def _fill_cards(self, device: DeviceInfo) -> None:
        signals = await self.session.read(self.session.catalog.signals, device.name)
        t = self.texts
        sums = {c: int(signals[c].sum()) for c in signals.columns if c.startswith("rows_")}
        gap = accounting_gap(signals)
        age = None if device.last is None else (datetime.now(UTC) - device.last).total_seconds() / 3600
        unknown = signals.filter(~pl.col("recognised")).height
        items = [
            html.Card(t("quality.read"), t.number(sums["rows_read"], 0), "", t("quality.signals", n=signals.height)),
            html.Card(
                t("quality.accepted"),
                t.number(sums["rows_accepted"], 0),
                "",
                t.percent(sums["rows_accepted"] / max(sums["rows_read"], 1), 2),
            ),
            html.Card(
                t("quality.rejected"),
                t.number(sums["rows_rejected"], 0),
                "",
                t("quality.conflicts", n=t.number(sums["rows_conflict"], 0)),
                "warn" if sums["rows_rejected"] else "ok",
            ),
            html.Card(t("quality.duplicates"), t.number(sums["rows_duplicate"], 0), "", t("quality.duplicates_note")),
            html.Card(
                t("quality.balance"),
                t("quality.closes") if gap == 0 else t.number(gap, 0),
                "",
                t("quality.balance_note"),
                "ok" if gap == 0 else "bad",
            ),
            html.Card(t("quality.unknown"), str(unknown), "", t("quality.unknown_note"), "warn" if unknown else "ok"),
            html.Card(t("overview.age"), t.age(age), "", f"{t.datetime(device.last, device.zone)} {device.zone.key}"),
        ]
        await self.session.apply(lambda: setattr(self._cards, "object", html.cards(items)))

    def _load_coverage(
        self, device: DeviceInfo, start: datetime, end: datetime
    ) -> tuple[list[str], np.ndarray, object]:
        signals = self.session.catalog.signals(device.name)
        system = signals.filter(pl.col("cell").is_null())["signal"].to_list()[:COVERAGE_SIGNALS]
        cells = signals.filter(pl.col("cell").is_not_null())["signal"].to_list()
        shown = system + cells[: max(COVERAGE_SIGNALS - len(system), 2)]
        zone = device.zone.key
        first, last = start.astimezone(device.zone).date(), end.astimezone(device.zone).date()
        count = (last - first).days + 1
        matrix = np.full((len(shown), count), 0.0)
        starts = [day_start(device.zone, first + timedelta(days=k)) for k in range(count + 1)]
        length_s = np.diff(np.array(starts)) / 1e6  # 23 or 25 hours where the clock changes
        for i, signal in enumerate(shown):
            rows = self.session.store.frame(
                "resolution_1d", ["ts", "covered_s"], where={"device": device.name, "signal": signal}
            )
            days = rows.with_columns(pl.col("ts").dt.convert_time_zone(zone).dt.date().alias("d")).filter(
                pl.col("d").is_between(first, last)
            )
            at = (days["d"] - first).dt.total_days().to_numpy()
            matrix[i, at] = np.clip(days["covered_s"].to_numpy() / length_s[at], 0, 1)
        kept = [i for i in range(len(shown)) if matrix[i].any()]
        if not kept:
            raise NoData(self.texts("state.no_points"))
        return [shown[i] for i in kept], matrix[kept] * 100, first

    def _render_coverage(self, data: tuple) -> list[object]:
        t, (names, matrix, first) = self.texts, data
        limits = self.session.settings.operation
        rows, days = matrix.shape
        start = day_ms(first)
        fig = time_figure(
            t,
            height=110 + 17 * rows,
            y_label="",
            x_range=Range1d(start, start + days * DAY_MS),
            y_range=Range1d(0, rows),
            tools="pan,xwheel_zoom,reset,save",
        )
        mapper = LinearColorMapper(palette=Viridis256, low=0, high=100, nan_color=MISSING)
        drawn = fig.image(
            image=[matrix[::-1].astype(np.float32)], x=start, y=0, dw=days * DAY_MS, dh=rows, color_mapper=mapper
        )
        fig.yaxis.ticker = [i + 0.5 for i in range(rows)]
        labels = {str(rows - i - 0.5): n for i, n in enumerate(names)}
        fig.yaxis.formatter = CustomJSTickFormatter(
            code="return labels[tick] === undefined ? '' : labels[tick]", args={"labels": labels}
        )
        fig.add_layout(color_bar(mapper, t, "%"), "right")
        fig.grid.visible = False
        add_hover(fig, t, [("%", "image")], renderers=[drawn], digits=0)
        gaps = int((matrix.max(axis=0) == 0).sum())
        poor = int(((matrix.mean(axis=0) < 100 * limits.coverage_poor) & (matrix.max(axis=0) > 0)).sum())
        note = t("quality.gap_days", gaps=gaps, poor=poor, days=days, limit=t.percent(limits.coverage_poor))
        return [html.pane(f'<div class="note">{html.escape(note)}</div>', margin=(0, 0, 4, 0)), bokeh_pane(fig)]

    def _accounting(self, rows: pl.DataFrame, device: DeviceInfo) -> list[object]:
        t, lang = self.texts, self.session.selection.lang
        frame = rows.with_columns(
            pl.Series("label", [self.session.catalog.label(s, lang, with_name=False) for s in rows["signal"]]),
            (
                pl.col("rows_read")
                - pl.col("rows_accepted")
                - pl.col("rows_rejected")
                - pl.col("rows_duplicate")
                - pl.col("rows_conflict")
            ).alias("open"),
        )
        numbers = ("rows_read", "rows_accepted", "rows_rejected", "rows_duplicate", "rows_conflict", "open")
        fields = [
            Field("signal", t("word.signal"), filter=True),
            Field("label", t("word.quantity"), width=13),
            *(Field(c, t(f"quality.col.{c}"), "number", 0) for c in numbers),
            Field("first_ts", t("word.from"), "time"),
            Field("last_ts", t("word.to"), "time"),
        ]
        return grid(frame, fields, t, f"accounting_{device.name}", device.zone, page_size=10)

    def _reasons(self, rows: pl.DataFrame) -> list[object]:
        t = self.texts
        counts = rows.group_by("reason").len("n").sort("n", descending=True)
        words = [t.code("reject", r) for r in counts["reason"]]
        fig = base_figure(
            t,
            height=70 + 34 * counts.height,
            y_range=words[::-1],
            x_label=t("quality.rows"),
            tools="save",
            active_scroll=None,
        )
        fig.yaxis.formatter = CustomJSTickFormatter(code="return tick")
        source = ColumnDataSource({"y": words, "n": counts["n"].to_list()})
        drawn = fig.hbar(y="y", right="n", height=0.6, source=source, fill_color=SERIES[1], line_color=None)
        add_hover(fig, t, [("", "text:y"), (t("quality.rows"), "n")], renderers=[drawn], digits=0)
        fig.x_range.start = 0
        return [bokeh_pane(fig)]

    def _rejects(self, rows: pl.DataFrame, device: DeviceInfo) -> list[object]:
        t = self.texts
        fields = [
            Field("reason", t("word.reason"), codes="reject", filter=True),
            Field("signal", t("word.signal"), filter=True),
            Field("path", t("quality.file")),
            Field("line", t("quality.line"), "number", 0),
            Field("ts", t("word.time"), "time"),
            Field("value", t("word.value"), "number", 3),
            Field("raw", t("quality.raw")),
        ]
        return grid(rows.head(SAMPLE_ROWS), fields, t, f"rejected_{device.name}", device.zone, page_size=8)

    def _files(self, rows: pl.DataFrame, device: DeviceInfo) -> list[object]:
        t = self.texts
        frame = rows.sort("status", "path").with_columns((pl.col("size_bytes") / 1e6).alias("mb"))
        frame = frame.with_columns(pl.Series("reason", [file_reason(r, t) for r in frame["reason"]], pl.String))
        fields = [
            Field("path", t("quality.file"), filter=True, width=16),
            Field("signal", t("word.signal")),
            Field("status", t("quality.status"), codes="file"),
            Field("reason", t("word.reason")),
            Field("mb", "MB", "number", 1),
            Field("rows_read", t("quality.col.rows_read"), "number", 0),
            Field("rows_rejected", t("quality.col.rows_rejected"), "number", 0),
            Field("first_ts", t("word.from"), "time"),
            Field("last_ts", t("word.to"), "time"),
            Field("load", t("quality.load"), "number", 0),
        ]
        return grid(frame, fields, t, f"files_{device.name}", device.zone, page_size=8)

    def _events(self, rows: pl.DataFrame, device: DeviceInfo) -> list[object]:
        t = self.texts
        fields = [
            Field("ts", t("word.time"), "time"),
            Field("signal", t("word.signal")),
            Field("kind", t("quality.kind"), codes="event"),
            Field("old", t("quality.old"), "number", 2),
            Field("new", t("quality.new"), "number", 2),
            Field("booked_kwh", t("quality.booked"), "number", 2),
            Field("provisional", t("quality.provisional"), "bool"),
            Field("overruled", t("quality.overruled"), "bool"),
        ]
        return grid(rows.sort("ts", descending=True), fields, t, f"events_{device.name}", device.zone)

    def _sayings(self, rows: pl.DataFrame, device: DeviceInfo) -> list[object]:
        t, lang = self.texts, self.session.selection.lang
        words = [t.code("evidence", f"{r['topic']}.{r['method']}") for r in rows.iter_rows(named=True)]
        frame = rows.with_columns(
            pl.Series("what", words, pl.String),
            pl.Series("sentence", [evidence_text(r, lang) for r in rows.iter_rows(named=True)], pl.String),
            pl.col("declared").fill_null(t("evidence.open")),
        )
        fields = [
            Field("what", t("evidence.topic")),
            Field("verdict", t("evidence.verdict"), codes="evidence_verdict"),
            Field("declared", t("evidence.declared")),
            Field("found", t("evidence.found")),
            Field("sentence", t("evidence.sentence")),
        ]
        return small_table(frame, fields, t, f"evidence_{device.name}")

    def _checks(self, rows: pl.DataFrame, device: DeviceInfo) -> list[object]:
        t = self.texts
        ordered = rows.sort("passed", "table", "check")
        verdicts = [t("quality.passed") if p else t("quality.failed") for p in ordered["passed"]]
        frame = with_words(ordered, t).with_columns(pl.Series("verdict", verdicts, pl.String))
        fields = [
            Field("verdict", t("quality.verdict")),
            Field("table", t("word.table")),
            Field("check", t("quality.check")),
            Field("failed_rows", t("quality.failed_rows"), "number", 0),
            Field("checked_rows", t("quality.checked_rows"), "number", 0),
            Field("blocking", t("quality.blocking"), "bool"),
            Field("advice", t("quality.advice")),
            Field("checked_ts", t("quality.checked"), "time"),
        ]
        return small_table(frame.head(60), fields, t, f"checks_{device.name}", device.zone)


def accounting_gap(signals: pl.DataFrame) -> int:
    """Return the rows that are not accounted for; 0 where the accounting closes."""
    rest = signals.select(
        (
            pl.col("rows_read")
            - pl.col("rows_accepted")
            - pl.col("rows_rejected")
            - pl.col("rows_duplicate")
            - pl.col("rows_conflict")
        )
        .abs()
        .sum()
    )
    return int(rest.item())
