"""Bars, distributions and small maps: daily energy, load duration, hour × weekday, histograms.

Next: `figures.py` for the house style.
"""

import math
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
from bokeh.models import ColorBar, ColumnDataSource, FixedTicker, LinearColorMapper
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from viewer.components.figures import add_hover, axis_label, base_figure, legend_below, number_ticks, time_figure
from viewer.texts import Texts
from viewer.theme import MISSING, SERIES

DAY_MS = 86_400_000


def day_ms(day: date) -> float:
    """Return the milliseconds of a date's midnight as Bokeh counts them."""
    return (day - date(1970, 1, 1)).days * float(DAY_MS)


def daily_bars(
    days: Sequence[date],
    groups: Sequence[tuple[str, Sequence[float | None], str]],
    texts: Texts,
    *,
    unit: str,
    y_label: str,
    height: int = 250,
    stacked: bool = False,
) -> figure:
    """Return bars per local day, side by side or (signed) on top of each other."""
    fig = time_figure(texts, height=height, y_label=axis_label(y_label, unit))
    mid = np.array([day_ms(d) + DAY_MS / 2 for d in days])
    count = 1 if stacked else len(groups)
    width = DAY_MS * 0.82 / count
    for i, (name, values, color) in enumerate(groups):
        shift = 0.0 if stacked else (i - (count - 1) / 2) * width
        y = np.array([np.nan if v is None else float(v) for v in values])
        source = ColumnDataSource({"x": mid + shift, "day": mid - DAY_MS / 2, "y": y})
        drawn = fig.vbar(
            x="x", top="y", width=width * 0.94, source=source, fill_color=color, line_color=None, legend_label=name
        )
        add_hover(
            fig,
            texts,
            [(texts("word.day"), "time:day"), (f"{name} [{unit}]", "y")],
            renderers=[drawn],
            clock=False,
            digits=1,
        )
    if not any(v is not None and v < 0 for _, values, _ in groups for v in values):
        fig.y_range.start = 0
    if len(groups) > 1:
        legend_below(fig)
    else:
        fig.legend.visible = False
    return fig


def duration_chart(hours: np.ndarray, values: np.ndarray, texts: Texts, *, unit: str, y_label: str) -> figure:
    """Return a load duration curve."""
    fig = base_figure(
        texts, height=250, x_label=axis_label(texts("meter.duration_x"), "h"), y_label=axis_label(y_label, unit)
    )
    source = ColumnDataSource({"x": hours, "y": values})
    drawn = fig.step("x", "y", source=source, line_color=SERIES[0], line_width=2, mode="before")
    fig.varea("x", 0, "y", source=source, fill_color=SERIES[0], fill_alpha=0.15)
    add_hover(fig, texts, [("h", "x"), (unit, "y")], renderers=[drawn], mode="vline", digits=1)
    fig.x_range.start = 0
    return fig


def week_chart(values: np.ndarray, texts: Texts, *, unit: str) -> figure:
    """Return the mean per weekday and hour of the day."""
    names = [texts(f"weekday.{i}") for i in range(1, 8)]
    fig = base_figure(
        texts,
        height=250,
        x_label=axis_label(texts("meter.hour"), "h"),
        y_label="",
        tools="save",
        active_scroll=None,
        y_range=names[::-1],
        x_range=(0, 24),
    )
    fig.yaxis.formatter = type(fig.yaxis[0].formatter)(code="return tick")
    hours = np.tile(np.arange(24), 7)
    source = ColumnDataSource(
        {
            "x": hours + 0.5,
            "y": np.repeat(names, 24),
            "v": values.ravel(),
            "h": [f"{h:02d}–{h + 1:02d}" for h in hours],
        }
    )
    fine = values[np.isfinite(values)]
    low, high = (float(fine.min()), float(fine.max())) if fine.size else (0.0, 1.0)
    mapper = LinearColorMapper(palette=Viridis256, low=low, high=high if high > low else low + 1, nan_color=MISSING)
    drawn = fig.rect(
        "x",
        "y",
        width=0.97,
        height=0.94,
        source=source,
        line_color=None,
        fill_color={"field": "v", "transform": mapper},
    )
    fig.add_layout(color_bar(mapper, texts, unit), "right")
    fig.xaxis.ticker = FixedTicker(ticks=[0, 6, 12, 18, 24])
    fig.grid.visible = False
    add_hover(fig, texts, [("", "text:y"), ("h", "text:h"), (unit, "v")], renderers=[drawn], digits=1)
    return fig


def color_bar(mapper: LinearColorMapper, texts: Texts, unit: str) -> ColorBar:
    """Return a colour bar with the language's numbers and their unit: a title would stand on its side."""
    return ColorBar(
        color_mapper=mapper,
        width=12,
        formatter=number_ticks(texts, unit),
        label_standoff=8,
        background_fill_alpha=0,
        padding=6,
        major_label_text_font_size="12px",
        bar_line_color=None,
        major_tick_line_color=None,
    )


def histogram(
    values: np.ndarray,
    texts: Texts,
    *,
    x_label: str,
    y_label: str,
    step: float = 1.0,
    bins: int = 32,
    height: int = 250,
) -> figure:
    """Return a histogram whose bins are whole multiples of `step`, so that a quantum makes no comb."""
    fig = base_figure(texts, height=height, x_label=x_label, y_label=y_label)
    width = step * max(math.ceil((values.max() - values.min()) / step / bins), 1)
    first = (math.floor(values.min() / width) - 0.5) * width
    edges = np.arange(first, values.max() + width, width)
    counts, edges = np.histogram(values, bins=edges)
    source = ColumnDataSource({"top": counts, "left": edges[:-1], "right": edges[1:]})
    drawn = fig.quad(
        top="top",
        bottom=0,
        left="left",
        right="right",
        source=source,
        fill_color=SERIES[0],
        fill_alpha=0.85,
        line_color=None,
    )
    tips = [(texts("word.from"), "left"), (texts("word.to"), "right"), (y_label, "top")]
    add_hover(fig, texts, tips, renderers=[drawn], digits=1)
    fig.y_range.start = 0
    return fig


def timeline(
    rows: Sequence[tuple[str, datetime, datetime]],
    names: Sequence[str],
    texts: Texts,
    *,
    window: tuple[float, float],
    color: str,
) -> figure:
    """Return horizontal bars: (row name, start, end) on the wall clock."""
    fig = time_figure(texts, height=90 + 30 * max(len(names), 1), y_label="", y_range=list(names)[::-1])
    fig.yaxis.formatter = type(fig.yaxis[0].formatter)(code="return tick")
    fig.x_range.start, fig.x_range.end = window
    source = ColumnDataSource({"y": [r[0] for r in rows], "a": [r[1] for r in rows], "b": [r[2] for r in rows]})
    drawn = fig.hbar(
        y="y", left="a", right="b", height=0.62, source=source, fill_color=color, line_color=color, line_width=2
    )
    add_hover(
        fig, texts, [("", "text:y"), (texts("word.from"), "time:a"), (texts("word.to"), "time:b")], renderers=[drawn]
    )
    return fig
