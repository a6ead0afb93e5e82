"""One line of a chart of a long series: the line, its envelope or area, and the readings that no line shows.

A reading that stands alone is a dot; where few readings are in the window, each is one. The line leads on to the
reading before and the one behind the window where no gap lies between: those are drawn, never counted nor exported.
Next: `lod_chart.py`, which puts what was loaded here.
"""

from zoneinfo import ZoneInfo

import numpy as np
from bokeh.models import CDSView, ColumnDataSource, CustomJS, IndexFilter
from bokeh.plotting import figure

from viewer.components.figures import add_hover
from viewer.series import SeriesResult, envelope_runs
from viewer.texts import Texts
from viewer.wallclock import to_wall

FEW = 60  # readings; up to here each is a dot
DOT_SIZE, LINE_WIDTH = 5, 1.6
_TOGETHER_JS = "for (const part of parts) { part.visible = cb_obj.visible }"
# Bokeh 3.9 asks anew what lies below the pointer, but not where the frame changed with its axis: the old values stay.
_DROP_TIP_JS = "Bokeh.index.find_one(hover)?._clear?.()"


class DrawnLine:
    """The models of one line; `put` shows a result in them."""

    def __init__(
        self, fig: figure, texts: Texts, label: str, color: str, *, named: bool, digits: int, area: bool
    ) -> None:
        self._filled = area
        self.source = ColumnDataSource({"x": [], "y": [], "low": [], "high": []})
        self._band, self._area, self._leads = (ColumnDataSource({"xs": [], "ys": []}) for _ in range(3))
        self._few, self._alone = IndexFilter(indices=[]), IndexFilter(indices=[])
        legend = {"legend_label": label} if named else {}
        parts = [
            fig.patches("xs", "ys", source=self._band, fill_color=color, fill_alpha=0.2, line_color=None),
            fig.patches("xs", "ys", source=self._area, fill_color=color, fill_alpha=0.25, line_color=None),
            fig.multi_line("xs", "ys", source=self._leads, line_color=color, line_width=LINE_WIDTH),
        ]
        line = fig.line("x", "y", source=self.source, line_color=color, line_width=LINE_WIDTH, **legend)
        few, alone = (
            fig.scatter("x", "y", source=self.source, view=CDSView(filter=f), size=DOT_SIZE, color=color)
            for f in (self._few, self._alone)
        )
        if named:  # a click on the legend hides the line
            line.js_on_change("visible", CustomJS(code=_TOGETHER_JS, args={"parts": [*parts, few, alone]}))
        rows = [(texts("word.time"), "time:x"), (label, "y"), ("Min", "low"), ("Max", "high")]
        mode = "mouse" if named else "vline"
        hover = add_hover(fig, texts, rows, digits=digits, renderers=[line, alone], mode=mode)
        if named:
            hover.description = f"{texts('tool.hover')}: {label}"
        self.source.js_on_change("data", CustomJS(code=_DROP_TIP_JS, args={"hover": hover}))

    def put(self, result: SeriesResult, zone: ZoneInfo, points: int) -> None:
        """Show a result; its envelope where it is no longer each reading."""
        x = to_wall(result.ts, zone)
        raw = result.resolution == "raw" and result.points_held <= points
        fine, alone = np.isfinite(result.mean), alone_of(result.mean)
        few = fine & ~alone if raw and result.points_held <= FEW else np.zeros_like(fine)
        self._few.indices, self._alone.indices = (np.flatnonzero(mask).tolist() for mask in (few, alone))
        self.source.data = {"x": x, "y": result.mean, "low": result.low, "high": result.high}
        self._band.data = _patches([] if raw else envelope_runs(result), zone)
        self._area.data = _area(result, zone) if self._filled else {"xs": [], "ys": []}
        self._leads.data = {
            "xs": [to_wall(lead.ts, zone) for lead in result.leads], "ys": [lead.mean for lead in result.leads],
        }


def alone_of(values: np.ndarray) -> np.ndarray:
    """Return which values have none beside them, so that no line shows them."""
    fine = np.concatenate(([False], np.isfinite(values), [False]))
    return fine[1:-1] & ~fine[:-2] & ~fine[2:]


def strip_patches(result: SeriesResult, zone: ZoneInfo, bins: int) -> dict[str, list]:
    """Return the envelope of a whole series as patches, in at most about `bins` steps."""
    return _patches(envelope_runs(result, bins), zone)


def _patches(runs: list[tuple[np.ndarray, np.ndarray, np.ndarray]], zone: ZoneInfo) -> dict[str, list]:
    xs, ys = [], []
    for ts, low, high in runs:
        x = to_wall(ts, zone)
        fine = np.isfinite(low) & np.isfinite(high)
        xs.append(np.concatenate((x[fine], x[fine][::-1])))
        ys.append(np.concatenate((high[fine], low[fine][::-1])))
    return {"xs": xs, "ys": ys}


def _area(result: SeriesResult, zone: ZoneInfo) -> dict[str, list]:
    xs, ys = [], []
    x, broken = to_wall(result.ts, zone), ~np.isfinite(result.mean)
    for run in np.split(np.arange(result.ts.size), np.flatnonzero(broken)):
        rows = run[~broken[run]]
        if rows.size > 1:
            xs.append(np.concatenate((x[rows], x[rows][[-1, 0]])))
            ys.append(np.concatenate((result.mean[rows], [0.0, 0.0])))
    return {"xs": xs, "ys": ys}
