"""Long series with level of detail: a line, the min–max envelope, and an overview strip.

Zooming loads a finer level after a short pause; single readings where the window is short. How many points are loaded
follows the width of the plot, which the browser tells. The y axis follows the visible data, its 1–99 % range, or limits
that the user gives. Next: `lod_line.py`, how one line is drawn; `series.py`, where the thinning is.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS, Range1d, RangeTool

from viewer.components import html
from viewer.components.figures import axis_label, bokeh_pane, legend_below, padded, time_figure
from viewer.components.lod_line import DrawnLine, strip_patches
from viewer.components.panel import NoData
from viewer.series import SeriesResult, load_series, signal_row
from viewer.session import Session
from viewer.wallclock import from_wall_ms, to_wall, wall_ms

log = logging.getLogger(__name__)
DEBOUNCE_S = 0.12
REST_S = 0.8  # without a move, then the window is reported
POINTS = (400, 4000, 400)  # of a line: fewest, most, and the step, so that a page that is a little wider loads nothing
POINTS_PER_PIXEL = 1.5
MIN_SPAN_MS = 60_000
_WIDTH_JS = """
const [least, most, step] = limits
const points = Math.min(most, Math.max(least, Math.round(cb_obj.inner_width * per_pixel / step) * step))
if (cb_obj.inner_width > 0 && told.data.points[0] !== points) { told.data = {points: [points]} }
"""


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    device: str
    signal: str
    label: str
    color: str


@dataclass
class ChartSpec:
    """What a chart shows: lines of one unit, the window and the whole span (UTC), and how."""

    lines: Sequence[Line]
    start: datetime
    end: datetime
    first: datetime
    last: datetime
    zone: ZoneInfo
    y_label: str
    height: int = 300
    overview: bool = True
    area: bool = False
    y_mode: str = "auto"
    y_limits: tuple[float, float] | None = None
    x_range: Range1d | None = None
    digits: int = 2


@dataclass(frozen=True)
class ChartData:
    """Series of the window and of the whole span."""

    window: list[SeriesResult]
    whole: list[SeriesResult]


class LodChart:
    """A chart of one or more lines. `load` runs in a thread, `render` in the document."""

    def __init__(self, session: Session, name: str, spec: ChartSpec) -> None:
        self._session, self._name, self.spec = session, f"lod:{name}", spec
        self._lines: list[DrawnLine] = []
        self._status = html.pane("", margin=(0, 0, 4, 0))
        self._points, self._zoomed = session.chart_points, False
        self.results: list[SeriesResult] = []
        self.figure = None
        self.on_window: Callable[[datetime, datetime], None] | None = None  # told the window (UTC) when zooming rests

    def load(self) -> ChartData:
        """Read the window and, for the strip, the whole span."""
        s = self.spec
        window = [self._load(line, s.start, s.end) for line in s.lines]
        whole = [self._load(line, s.first, s.last, 400) for line in s.lines[:1]] if s.overview else []
        if not any(r.points_held for r in (*window, *whole)):
            raise NoData(self._nothing())
        return ChartData(window, whole)

    def render(self, data: ChartData) -> list[object]:
        """Return status line, chart and strip."""
        s, texts = self.spec, self._session.texts
        start, end = wall_ms(s.start, s.zone), wall_ms(s.end, s.zone)
        low, high = min(wall_ms(s.first, s.zone), start), max(wall_ms(s.last, s.zone), end)
        x_range = s.x_range or Range1d(start, end, bounds=(low, high), min_interval=MIN_SPAN_MS)
        s.x_range = x_range
        self._y_range = Range1d(0, 1)
        units = {r.unit for r in data.window}
        label = axis_label(s.y_label, units.pop() if len(units) == 1 else "")
        fig = self.figure = time_figure(
            texts, height=s.height, y_label=label, x_range=x_range, y_range=self._y_range, output_backend="canvas"
        )
        self._lines = [
            DrawnLine(fig, texts, n.label, n.color, named=len(s.lines) > 1, digits=s.digits, area=s.area)
            for n in s.lines
        ]
        if len(s.lines) > 1:
            legend_below(fig)
        self._put(data.window)
        self._follow_width(fig)
        x_range.on_change("start", self._moved)
        x_range.on_change("end", self._moved)
        objects = [self._status, bokeh_pane(fig)]
        if s.overview and data.whole and data.whole[0].ts.size > 1:
            objects.append(bokeh_pane(self._strip(data.whole[0], x_range, low, high)))
        return objects

    def _follow_width(self, fig: object) -> None:
        """Have the browser tell how many points the plot's width is worth, now and when it changes."""
        told = ColumnDataSource({"points": [self._points]})
        told.on_change("data", self._measured)
        arguments = {"told": told, "limits": list(POINTS), "per_pixel": POINTS_PER_PIXEL}
        fig.js_on_change("inner_width", CustomJS(code=_WIDTH_JS, args=arguments))

    def _measured(self, _attr: str, _old: object, new: dict) -> None:
        points = min(max(int(new["points"][0]), POINTS[0]), POINTS[1])
        if points != self._points:
            self._points = self._session.chart_points = points
            self._session.spawn(self._name, self._refine())

    def _load(self, line: Line, start: datetime, end: datetime, points: int | None = None) -> SeriesResult:
        points = points or self._points
        return load_series(self._session.store, line.device, line.signal, start, end, points, zone=self.spec.zone)

    def _put(self, results: list[SeriesResult]) -> None:
        for line, result in zip(self._lines, results, strict=True):
            line.put(result, self.spec.zone, self._points)
        self.results = results
        self._y_range.start, self._y_range.end = self._limits(results)
        self._status.object = f'<div class="note lod-status">{html.escape(self._words(results))}</div>'

    def _limits(self, results: list[SeriesResult]) -> tuple[float, float]:
        if self.spec.y_mode == "manual" and self.spec.y_limits is not None:
            return self.spec.y_limits
        if self.spec.y_mode == "p1_99":
            shown = [r.mean[np.isfinite(r.mean)] for r in results]
            values = np.concatenate(shown) if shown else np.empty(0)
            return padded(*np.percentile(values, (1, 99))) if values.size else (0.0, 1.0)
        low = np.concatenate([np.append(r.low, (*r.mean, *r.edges)) for r in results]) if results else np.empty(0)
        high = np.concatenate([np.append(r.high, (*r.mean, *r.edges)) for r in results]) if results else np.empty(0)
        if not np.isfinite(low).any():
            return 0.0, 1.0
        bottom = np.nanmin(low)
        if self.spec.area:
            bottom = min(bottom, 0.0)
        return padded(float(bottom), float(np.nanmax(high)))

    def _words(self, results: list[SeriesResult]) -> str:
        t = self._session.texts
        if not any(r.points_held for r in results):
            return f"{self._nothing()} · {t('chart.zone', zone=self.spec.zone.key)}"
        first = results[0]
        held, shown = sum(r.points_held for r in results), sum(r.points_shown for r in results)
        parts = [t("chart.resolution", level=t.code("level", first.resolution))]
        if held == shown:
            parts.append(t("chart.points", n=t.number(held, 0)))
        else:
            parts.append(t("chart.points_thinned", held=t.number(held, 0), shown=t.number(shown, 0)))
        if first.resolution != "raw":
            parts.append(t("chart.envelope"))
        if missing := self._without(results):
            parts.append(t("chart.without", names=", ".join(missing)))
        gaps = max(r.gaps for r in results)
        parts += [t("chart.gaps", n=gaps), t("chart.zone", zone=self.spec.zone.key)]
        return " · ".join(parts)

    def _without(self, results: list[SeriesResult]) -> list[str]:
        """Return the lines that the legend names but nothing is drawn of, and when those end that lie before it all."""
        t, found = self._session.texts, []
        for line, result in zip(self.spec.lines, results, strict=True):
            if result.points_held or result.leads:
                continue
            last = signal_row(self._session.store, line.device, line.signal)["last_ts"]
            ended = last is not None and last < result.start
            day = last.astimezone(self.spec.zone).date() if ended else None
            found.append(t("chart.ended", name=line.label, day=t.date(day)) if ended else line.label)
        return found

    def _nothing(self) -> str:
        """Return that there are no values, and from when to when the lines' signals have some."""
        t, zone, store = self._session.texts, self.spec.zone, self._session.store
        rows = [signal_row(store, line.device, line.signal) for line in self.spec.lines]
        held = [(r["first_ts"], r["last_ts"]) for r in rows if r["first_ts"] is not None]
        if not held:
            return t("state.no_points")
        first, last = (t.datetime(m, zone) for m in (min(a for a, _ in held), max(b for _, b in held)))
        return f"{t('state.no_points')}. {t('range.exists', first=first, last=last)}"

    def _strip(self, whole: SeriesResult, x_range: Range1d, low: float, high: float) -> object:
        zone, line = self.spec.zone, self.spec.lines[0]
        strip = time_figure(
            self._session.texts, height=74, y_label="", x_range=Range1d(low, high), tools="", active_scroll=None
        )
        strip.yaxis.visible, strip.ygrid.visible, strip.toolbar_location = False, False, None
        strip.patches(
            "xs",
            "ys",
            source=ColumnDataSource(strip_patches(whole, zone, 400)),
            fill_color=line.color,
            fill_alpha=0.3,
            line_color=None,
        )
        strip.line(to_wall(whole.ts, zone), whole.mean, line_color=line.color, line_width=1)
        tool = RangeTool(x_range=x_range)
        tool.overlay.fill_color, tool.overlay.fill_alpha = "#808890", 0.28
        strip.add_tools(tool)
        return strip

    def _moved(self, _attr: str, _old: object, _new: object) -> None:
        self._zoomed = True
        self._session.spawn(self._name, self._refine())

    async def _refine(self) -> None:
        await asyncio.sleep(DEBOUNCE_S)
        begun = time.perf_counter()
        x_range, zone = self.spec.x_range, self.spec.zone
        start, end = from_wall_ms(x_range.start, zone), from_wall_ms(x_range.end, zone)
        if end <= start:
            return
        read = self._session.read(lambda: [self._load(line, start, end) for line in self.spec.lines])
        (results,) = await asyncio.gather(read, return_exceptions=True)
        if isinstance(results, Exception):
            log.error("zoom of %s failed", self._name, exc_info=results)
            await self._session.apply(self._stale)
        elif isinstance(results, BaseException):
            raise results
        else:
            await self._session.apply(lambda: self._put(results))
            log.debug("%s answered in %.1f ms", self._name, 1000 * (time.perf_counter() - begun))
            if self.on_window is not None and self._zoomed:
                await asyncio.sleep(REST_S)
                await self._session.apply(lambda: self.on_window(start, end))

    def _stale(self) -> None:
        """Say that the picture is not that of the window."""
        t = self._session.texts
        self._status.object = html.message(t("chart.stale"), t("error.failed_text"), "bad")

