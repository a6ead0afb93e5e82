"""Points over days with a fitted line and the interval of its slope; cut where the level stepped.

The slope comes from the table of fits; only the level of each segment is taken here, as the median of what remains.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from viewer.components.bars import DAY_MS, day_ms
from viewer.components.figures import add_hover, axis_label, day_line, legend_below, time_figure
from viewer.texts import Texts
from viewer.theme import ACCENT, SERIES, STATUS

YEAR_DAYS = 365.25
MIN_POINTS = 5


@dataclass(frozen=True)
class Slope:
    """A slope per year with its interval; `established` is drawn solid."""

    value: float
    low: float | None
    high: float | None
    established: bool


@dataclass(frozen=True)
class Segment:
    """A fitted piece: day numbers, line, and the band that the slope's interval spans about its centre."""

    t: np.ndarray
    line: np.ndarray
    low: np.ndarray
    high: np.ndarray


def fit_segments(t: np.ndarray, values: np.ndarray, slope: Slope, cuts: Sequence[float]) -> list[Segment]:
    """Return the line in each piece between cuts; `t` in days."""
    out = []
    edges = [-np.inf, *sorted(cuts), np.inf]
    for a, b in pairwise(edges):
        inside = (t >= a) & (t < b) & np.isfinite(values)
        if inside.sum() < MIN_POINTS:
            continue
        ti, middle = t[inside], float(t[inside].mean())
        per_day = slope.value / YEAR_DAYS
        level = float(np.median(values[inside] - per_day * (ti - middle)))
        x = np.array([ti.min(), middle, ti.max()])
        line = level + per_day * (x - middle)
        sides = [
            level + (s if s is not None else slope.value) / YEAR_DAYS * (x - middle) for s in (slope.low, slope.high)
        ]
        out.append(Segment(x, line, np.minimum(*sides), np.maximum(*sides)))
    return out


def fit_figure(
    days: Sequence[date],
    values: np.ndarray,
    qualified: np.ndarray,
    slope: Slope | None,
    cuts: Sequence[tuple[date, str]],
    texts: Texts,
    *,
    y_label: str,
    unit: str,
    height: int = 300,
    digits: int = 1,
) -> figure:
    """Return the scatter with fit, band and dated steps."""
    fig = time_figure(texts, height=height, y_label=axis_label(y_label, unit))
    x = np.array([day_ms(d) for d in days]) + DAY_MS / 2
    numbers = x / DAY_MS
    others = ~qualified & np.isfinite(values)
    for mask, name, color, marker, size in (
        (others, texts("fit.other_days"), STATUS["none"], "x", 5),
        (qualified, texts("fit.qualified_days"), SERIES[2], "circle", 5),
    ):
        if mask.any():
            source = ColumnDataSource({"x": x[mask], "y": values[mask]})
            drawn = fig.scatter(
                "x", "y", source=source, size=size, color=color, alpha=0.65, marker=marker, legend_label=name
            )
            add_hover(
                fig, texts, [(texts("word.day"), "time:x"), (unit, "y")], renderers=[drawn], clock=False, digits=digits
            )
    if slope is not None:
        segments = fit_segments(
            numbers, np.where(qualified, values, np.nan), slope, [day_ms(d) / DAY_MS for d, _ in cuts]
        )
        name = texts("fit.line" if slope.established else "fit.line_open")
        for s in segments:
            fig.varea(s.t * DAY_MS, s.low, s.high, fill_color=ACCENT, fill_alpha=0.16, legend_label=texts("fit.band"))
            fig.line(
                s.t * DAY_MS,
                s.line,
                color=ACCENT,
                line_width=2.4,
                line_dash="solid" if slope.established else "dashed",
                legend_label=name,
            )
    for day, text in cuts:
        day_line(fig, day_ms(day), STATUS["warn"], text)
    fine = values[qualified & np.isfinite(values)]
    if fine.size:
        low, high = np.percentile(fine, (0.5, 99.5))
        room = max((high - low) * 0.25, 0.5 if unit == "mV" else 1e-3)
        fig.y_range.start, fig.y_range.end = min(fine.min(), low - room), max(fine.max(), high + room)
    legend_below(fig, 4)
    return fig
