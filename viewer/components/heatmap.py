"""Heat map of cells × days, a small map of packs × cells, and a calendar; all with a gap colour that is not a value.

Next: `pages/packpulse/heat_map.py`.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
from bokeh.events import Tap
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    CustomJSHover,
    CustomJSTickFormatter,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    Range1d,
    Span,
)
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from viewer.components.bars import DAY_MS, color_bar, day_ms
from viewer.components.figures import add_hover, base_figure, hover_date, number_hover, time_figure
from viewer.texts import Texts
from viewer.theme import MISSING

DIVERGING = (
    "#2166ac",
    "#3f7fbd",
    "#6ba3d0",
    "#9cc6e0",
    "#c9e0ec",
    "#e8e8e8",
    "#f6d9c4",
    "#f2b48f",
    "#e38a66",
    "#cc5a49",
    "#b2182b",
)
_NAME_JS = "const i = names.length - 1 - Math.floor(value); return names[i] === undefined ? '' : names[i]"
_TICK_JS = "return labels[tick] === undefined ? '' : labels[tick]"


class HeatMap:
    """All cells × all days. `on_tap(row, day index)` is called for a tap on a value."""

    def __init__(
        self,
        values: np.ndarray,
        names: Sequence[str],
        packs: Sequence[int],
        first_day: date,
        texts: Texts,
        *,
        unit: str,
        limits: tuple[float, float],
        digits: int,
        on_tap: Callable[[int, int], None],
    ) -> None:
        self._rows, self._days = values.shape
        self._first, self._texts, self._on_tap = day_ms(first_day), texts, on_tap
        self.mapper = LinearColorMapper(palette=Viridis256, low=limits[0], high=limits[1], nan_color=MISSING)
        self._mark = BoxAnnotation(
            bottom=0, top=0, fill_color=None, line_color="#ff5f52", line_alpha=1.0, line_width=1.5, visible=False,
            level="overlay",
        )
        self.figure = self._draw(values, list(names), list(packs), unit, digits)

    def select(self, row: int | None) -> None:
        """Frame a row, none for None."""
        self._mark.visible = row is not None
        if row is not None:
            self._mark.update(bottom=self._rows - row - 1, top=self._rows - row)

    def set_limits(self, low: float, high: float) -> None:
        """Set the colour limits."""
        self.mapper.low, self.mapper.high = low, high

    def _draw(self, values: np.ndarray, names: list[str], packs: list[int], unit: str, digits: int) -> figure:
        t, rows, days = self._texts, self._rows, self._days
        end = self._first + days * DAY_MS
        fig = time_figure(
            t,
            height=int(np.clip(150 + rows * 1.35, 240, 520)),
            y_label="",
            x_range=Range1d(self._first, end, bounds=(self._first, end), min_interval=7 * DAY_MS),
            y_range=Range1d(0, rows, bounds=(0, rows), min_interval=4),
            tools="pan,wheel_zoom,box_zoom,tap,reset,save",
            active_scroll=None,
        )
        image = values[::-1].astype(np.float32)
        drawn = fig.image(image=[image], x=self._first, y=0, dw=days * DAY_MS, dh=rows, color_mapper=self.mapper)
        fig.add_tools(
            HoverTool(
                renderers=[drawn],
                tooltips=[
                    ("", "$y{custom}"),
                    (t("word.day"), f"$x{{{hover_date(t, clock=False)}}}"),
                    (unit, "@image{custom}"),
                ],
                formatters={
                    "$y": CustomJSHover(code=_NAME_JS, args={"names": names}),
                    "$x": "datetime",
                    "@image": number_hover(t, digits),
                },
            )
        )
        self._pack_axis(fig, packs)
        fig.add_layout(self._mark)
        fig.add_layout(color_bar(self.mapper, t, unit), "right")
        fig.grid.visible = False
        fig.on_event(Tap, self._tapped)
        return fig

    def _pack_axis(self, fig: figure, packs: list[int]) -> None:
        rows = self._rows
        labels, ticks = {}, []
        for pack in dict.fromkeys(packs):
            own = [i for i, p in enumerate(packs) if p == pack]
            middle = rows - (own[0] + own[-1] + 1) / 2
            ticks.append(middle)
            labels[middle] = f"Pack {pack}"
            if own[0] > 0:
                fig.add_layout(Span(location=rows - own[0], dimension="width", line_color="#ffffff", line_width=1))
        fig.yaxis.ticker = FixedTicker(ticks=ticks)
        keyed = {str(int(k) if float(k).is_integer() else k): v for k, v in labels.items()}
        fig.yaxis.formatter = CustomJSTickFormatter(code=_TICK_JS, args={"labels": keyed})

    def _tapped(self, event: Tap) -> None:
        row, day = self._rows - 1 - int(event.y), int((event.x - self._first) // DAY_MS)
        if 0 <= row < self._rows and 0 <= day < self._days:
            self._on_tap(row, day)


def robust_limits(values: np.ndarray, low: float = 2, high: float = 98) -> tuple[float, float]:
    """Return percentiles of the finite values as colour limits."""
    fine = values[np.isfinite(values)]
    if not fine.size:
        return 0.0, 1.0
    a, b = (float(v) for v in np.percentile(fine, (low, high)))
    return (a, b) if b > a else (a - 0.5, b + 0.5)


def cell_map(
    packs: Sequence[int],
    cells: Sequence[int],
    values: Sequence[float | None],
    marks: Sequence[str],
    words: Sequence[str],
    texts: Texts,
    *,
    unit: str,
    limit: float,
    on_tap: Callable[[int, int], None] | None = None,
    reverse: bool = False,
) -> figure:
    """Return packs × cells coloured by a signed value around zero; `marks` are signs written into the cells.

    Low is red and high is blue; `reverse` turns the colours round.
    """
    names = [f"Pack {p}" for p in sorted(set(packs))]
    fig = base_figure(
        texts,
        height=92 + 36 * len(names),
        x_label=texts("word.cell"),
        y_range=names[::-1],
        x_range=Range1d(0.4, max(cells) + 0.6),
        tools="tap,save",
        active_scroll=None,
    )
    fig.yaxis.formatter = CustomJSTickFormatter(code="return tick")
    source = ColumnDataSource(
        {
            "x": list(cells),
            "y": [f"Pack {p}" for p in packs],
            "v": [np.nan if v is None else v for v in values],
            "name": [f"P{p}C{c}" for p, c in zip(packs, cells, strict=True)],
            "mark": list(marks),
            "word": list(words),
            "pack": list(packs),
        }
    )
    mapper = LinearColorMapper(
        palette=DIVERGING if reverse else DIVERGING[::-1], low=-limit, high=limit, nan_color=MISSING
    )
    drawn = fig.rect(
        "x",
        "y",
        width=0.94,
        height=0.9,
        source=source,
        line_color=None,
        fill_color={"field": "v", "transform": mapper},
        nonselection_fill_alpha=1.0,
    )
    fig.text(
        "x",
        "y",
        "mark",
        source=source,
        text_align="center",
        text_baseline="middle",
        text_font_size="13px",
        text_color="#101418",
    )
    fig.add_layout(color_bar(mapper, texts, unit), "right")
    fig.grid.visible = False
    add_hover(fig, texts, [("", "text:name"), (unit, "v"), ("", "text:word")], renderers=[drawn], digits=1)
    if on_tap is not None:

        def tapped(event: Tap) -> None:
            row = event.y if isinstance(event.y, str) else None
            index = int(len(names) - float(event.y)) if row is None else names.index(row)
            pack, cell = sorted(set(packs))[min(max(index, 0), len(names) - 1)], round(event.x)
            if (pack, cell) in set(zip(packs, cells, strict=True)):
                on_tap(pack, cell)

        fig.on_event(Tap, tapped)
    return fig


def calendar(
    days: Sequence[date], codes: Sequence[str], words: dict[str, str], colors: dict[str, str], texts: Texts
) -> figure:
    """Return a calendar: a column per week, a row per weekday, coloured by a code; the legend holds the words."""
    monday = [d - timedelta(days=d.weekday()) for d in days]
    names = [texts(f"weekday.{i}") for i in range(1, 8)]
    fig = time_figure(texts, height=220, y_label="", y_range=names[::-1], tools="pan,xwheel_zoom,reset,save")
    fig.yaxis.formatter = CustomJSTickFormatter(code="return tick")
    for code, word in words.items():
        own = [i for i, c in enumerate(codes) if c == code]
        if not own:
            continue
        source = ColumnDataSource(
            {
                "x": [day_ms(monday[i]) + 3.5 * DAY_MS for i in own],
                "y": [names[days[i].weekday()] for i in own],
                "day": [day_ms(days[i]) for i in own],
                "word": [word] * len(own),
            }
        )
        drawn = fig.rect(
            "x",
            "y",
            width=6.2 * DAY_MS,
            height=0.86,
            source=source,
            fill_color=colors[code],
            line_color=None,
            legend_label=f"{word} ({len(own)})",
        )
        add_hover(fig, texts, [(texts("word.day"), "time:day"), ("", "text:word")], renderers=[drawn], clock=False)
    fig.grid.visible = False
    return fig
