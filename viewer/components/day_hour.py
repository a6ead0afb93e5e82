"""Carpet of power: hours of the day over days, in local time; an hour without data has a colour of its own.

Next: `bars.py` for the map of hour × weekday, `pages/meter_map.py` for the panel.
"""

from datetime import date

import numpy as np
import polars as pl
from bokeh.models import CustomJSHover, CustomJSTickFormatter, FixedTicker, HoverTool, LinearColorMapper, Range1d
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from viewer.components.bars import DAY_MS, color_bar, day_ms
from viewer.components.figures import axis_label, hover_date, number_hover, time_figure
from viewer.texts import Texts

MISSING_HOUR = "#9a9a9a"
_HOUR_JS = (
    "const h = Math.max(0, Math.min(23, Math.floor(value))), two = (n) => String(n).padStart(2, '0');"
    " return two(h) + ':00–' + two(h + 1) + ':00'"
)


def carpet(cells: pl.DataFrame, first: date, last: date) -> np.ndarray:
    """Return rows of `day_hour_map` as hour × day (24 × days from `first` to `last`); NaN where there is no row."""
    out = np.full((24, (last - first).days + 1), np.nan)
    inside = cells.filter(pl.col("day").is_between(first, last))
    columns = (inside["day"] - first).dt.total_days().to_numpy()
    out[inside["hour"].to_numpy(), columns] = inside["power_kw"].to_numpy()
    return out


def day_hour_chart(values: np.ndarray, first: date, texts: Texts, *, unit: str, height: int = 300) -> figure:
    """Return the map of hour × day values; colours are safe for colour-blind eyes."""
    days = values.shape[1]
    start, end = day_ms(first), day_ms(first) + days * DAY_MS
    fig = time_figure(
        texts,
        height=height,
        y_label=axis_label(texts("meter.hour"), "h"),
        x_range=Range1d(start, end, bounds=(start, end), min_interval=DAY_MS),
        y_range=Range1d(0, 24, bounds=(0, 24)),
    )
    fine = values[np.isfinite(values)]
    low, high = (float(fine.min()), float(fine.max())) if fine.size else (0.0, 1.0)
    mapper = LinearColorMapper(
        palette=Viridis256, low=low, high=high if high > low else low + 1, nan_color=MISSING_HOUR
    )
    image = values.astype(np.float32)
    drawn = fig.image(image=[image], x=start, y=0, dw=days * DAY_MS, dh=24, color_mapper=mapper)
    fig.add_tools(
        HoverTool(
            renderers=[drawn],
            tooltips=[
                (texts("word.day"), f"$x{{{hover_date(texts, clock=False)}}}"),
                (texts("meter.hour_short"), "$y{custom}"),
                (unit, "@image{custom}"),
            ],
            formatters={
                "$x": "datetime",
                "$y": CustomJSHover(code=_HOUR_JS),
                "@image": number_hover(texts, 1 if high >= 10 else 3),
            },
        )
    )
    fig.yaxis.ticker = FixedTicker(ticks=[0, 6, 12, 18, 24])
    fig.yaxis.formatter = CustomJSTickFormatter(code="return String(tick)")
    fig.add_layout(color_bar(mapper, texts, unit), "right")
    fig.grid.visible = False
    return fig
