"""Bars per week, month or year: as wide as the period, named in the hover.

Next: `bars.py` for bars per day.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from viewer.components.bars import DAY_MS, day_ms
from viewer.components.figures import add_hover, axis_label, legend_below, time_figure
from viewer.texts import Texts


def period_bars(
    rows: pl.DataFrame,
    groups: Sequence[tuple[str, Sequence[float | None], str]],
    texts: Texts,
    *,
    unit: str,
    y_label: str,
    height: int = 250,
) -> figure:
    """Return signed bars on top of each other; `rows` are those of `meter_periods`, `groups` name, values, colour."""
    fig = time_figure(texts, height=height, y_label=axis_label(y_label, unit))
    days = rows["days"].cast(pl.Float64).to_numpy()
    left = np.array([day_ms(d) for d in rows["start"]])
    covered = [f"{c} / {d}" for c, d in zip(rows["days_covered"], rows["days"], strict=True)]
    for name, values, color in groups:
        y = np.array([np.nan if v is None else float(v) for v in values])
        source = ColumnDataSource(
            {
                "x": left + days * DAY_MS / 2,
                "width": days * DAY_MS * 0.86,
                "y": y,
                "label": rows["label"].to_list(),
                "covered": covered,
            }
        )
        drawn = fig.vbar(
            x="x", top="y", width="width", source=source, fill_color=color, line_color=None, legend_label=name
        )
        tips = [
            (texts("table.period"), "text:label"),
            (f"{name} [{unit}]", "y"),
            (texts("table.days_covered"), "text:covered"),
        ]
        add_hover(fig, texts, tips, renderers=[drawn], digits=1)
    if not any(v is not None and v < 0 for _, values, _ in groups for v in values):
        fig.y_range.start = 0
    if len(groups) > 1:
        legend_below(fig)
    else:
        fig.legend.visible = False
    return fig
