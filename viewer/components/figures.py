"""Bokeh figures that look alike: axes with units, numbers and dates in the user's language, the zone on the plot.

Every function makes new models. Next: `lod_chart.py` for long series, `bars.py`, `heatmap.py`, `fit_chart.py`.
"""

import numpy as np
import panel as pn
from bokeh.models import (
    CustomJS,
    CustomJSHover,
    CustomJSTickFormatter,
    DatetimeTickFormatter,
    HoverTool,
    Label,
    Range1d,
    Span,
)
from bokeh.plotting import figure

from viewer.texts import Texts

TOOLS = "pan,xwheel_zoom,box_zoom,reset,save"
_NUMBER_JS = """
const places = (v) => (String(Number(v.toPrecision(10))).split('.')[1] ?? '').length
const digits = Math.min(6, Math.max(0, ...ticks.map(places)))
const number = tick.toLocaleString(locale, {minimumFractionDigits: digits, maximumFractionDigits: digits})
return number.replace('-', '−') + unit
"""
_HOVER_JS = """
if (value === null || !Number.isFinite(value)) { return '–' }
const form = {minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: 'negative'}
return value.toLocaleString(locale, form).replace('-', '−')
"""
# A date needs about 85 px, an entry of a legend what its text takes: on a phone fewer stand side by side.
_TICKS_JS = """
if (cb_obj.inner_width > 0) {
  const most = Math.max(2, Math.min(6, Math.floor(cb_obj.inner_width / 85)))
  if (ticker.desired_num_ticks !== most) { ticker.desired_num_ticks = most }
}
"""
_LEGEND_JS = """
if (cb_obj.inner_width > 0) {
  const most = Math.max(1, Math.min(columns, Math.floor(cb_obj.inner_width / width)))
  if (legend.ncols !== most) { legend.ncols = most }
}
"""


def axis_label(name: str, unit: str) -> str:
    """Return `name [unit]`, without brackets where there is no unit."""
    return f"{name} [{unit}]" if unit and unit != "1" else name


def number_ticks(texts: Texts, unit: str = "") -> CustomJSTickFormatter:
    """Return a tick formatter with the language's separators, as many decimals at each tick, and a unit if given."""
    return CustomJSTickFormatter(code=_NUMBER_JS, args={"locale": texts.locale, "unit": f" {unit}" if unit else ""})


def number_hover(texts: Texts, digits: int) -> CustomJSHover:
    """Return a hover formatter with the language's separators."""
    return CustomJSHover(code=_HOVER_JS, args={"locale": texts.locale, "digits": digits})


def date_ticks(texts: Texts) -> DatetimeTickFormatter:
    """Return a tick formatter of wall-clock times; the date stands below the hours."""
    de = texts.lang == "de"
    day, month = ("%d.%m.%y", "%m/%y") if de else ("%d %b %y", "%b %y")
    below = DatetimeTickFormatter(
        microseconds=day,
        milliseconds=day,
        seconds=day,
        minsec=day,
        minutes=day,
        hourmin=day,
        hours=day,
        days="",
        months="",
        years="",
    )
    return DatetimeTickFormatter(
        milliseconds="%H:%M:%S.%3N",
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days=day,
        months=month,
        years="%Y",
        hide_repeats=True,
        context=below,
        context_which="all",
    )


def hover_date(texts: Texts, *, clock: bool = True) -> str:
    """Return the hover format of a wall-clock time."""
    day = "%d.%m.%Y" if texts.lang == "de" else "%Y-%m-%d"
    return f"{day} %H:%M:%S" if clock else day


def base_figure(texts: Texts, *, height: int, x_label: str = "", y_label: str = "", **options: object) -> figure:
    """Return an empty figure in the house style."""
    options.setdefault("tools", TOOLS)
    options.setdefault("active_scroll", "xwheel_zoom" if "xwheel_zoom" in str(options["tools"]) else None)
    fig = figure(height=height, sizing_mode="stretch_width", toolbar_location="right", **options)
    fig.styles = {"font-size": "13px"}  # the theme gives the legend's text as a share of this
    fig.toolbar.logo, fig.toolbar.autohide = None, True
    fig.outline_line_color = None
    fig.xaxis.axis_label, fig.yaxis.axis_label = x_label or None, y_label or None
    fig.yaxis.formatter = number_ticks(texts)
    if options.get("x_axis_type") == "datetime":
        fig.xaxis.formatter = date_ticks(texts)
        fig.js_on_change("inner_width", CustomJS(code=_TICKS_JS, args={"ticker": fig.xaxis[0].ticker}))
    elif not isinstance(options.get("x_range"), list) and options.get("x_axis_type") is None:
        fig.xaxis.formatter = number_ticks(texts)
    for axis in (*fig.xaxis, *fig.yaxis):
        axis.axis_line_color = axis.minor_tick_line_color = axis.major_tick_line_color = None
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "13px", "12px"
        axis.axis_label_text_font_style = "normal"
    fig.grid.grid_line_alpha = 0.35
    fig.min_border_right, fig.min_border_left = 14, 46
    return fig


def time_figure(
    texts: Texts, *, height: int, y_label: str, x_range: Range1d | None = None, **options: object
) -> figure:
    """Return an empty figure over wall-clock time."""
    if x_range is not None:
        options["x_range"] = x_range
    return base_figure(texts, height=height, y_label=y_label, x_axis_type="datetime", **options)


def add_hover(
    fig: figure,
    texts: Texts,
    rows: list[tuple[str, str]],
    *,
    digits: int = 2,
    renderers: list | None = None,
    clock: bool = True,
    mode: str = "mouse",
) -> HoverTool:
    """Add and return a hover tool: `rows` are (label, column); a column of `time:` is a wall-clock time."""
    tips, formats = [], {}
    for label, column in rows:
        if column.startswith("time:"):
            name = column.removeprefix("time:")
            tips.append((label, f"@{name}{{{hover_date(texts, clock=clock)}}}"))
            formats[f"@{name}"] = "datetime"
        elif column.startswith("text:"):
            tips.append((label, f"@{column.removeprefix('text:')}"))
        else:
            tips.append((label, f"@{column}{{custom}}"))
            formats[f"@{column}"] = number_hover(texts, digits)
    options = {"renderers": renderers} if renderers else {}
    tool = HoverTool(tooltips=tips, formatters=formats, mode=mode, **options)
    fig.add_tools(tool)
    return tool


def legend_below(fig: figure, columns: int = 4) -> None:
    """Place the legend above the plot, clickable, without a box."""
    if not fig.legend:
        return
    legend = fig.legend[0]
    fig.add_layout(legend, "above")
    legend.orientation, legend.click_policy, legend.ncols = "horizontal", "hide", columns
    legend.background_fill_alpha = legend.border_line_alpha = 0
    legend.label_text_font_size, legend.padding, legend.margin, legend.spacing = "12.5px", 2, 2, 14
    legend.location = "top_left"
    width = 45 + 7 * max(len(getattr(item.label, "value", None) or "") for item in legend.items)
    room = CustomJS(code=_LEGEND_JS, args={"legend": legend, "columns": columns, "width": width})
    fig.js_on_change("inner_width", room)


def day_line(fig: figure, ms: float, color: str, text: str = "", dash: str = "dashed") -> None:
    """Mark a day by a vertical line with a short text at the top."""
    fig.add_layout(Span(location=ms, dimension="height", line_color=color, line_dash=dash, line_width=1.5))
    if text:
        fig.add_layout(
            Label(
                x=ms,
                y=4,
                x_units="data",
                y_units="screen",
                text=text,
                text_font_size="11px",
                text_color=color,
                x_offset=4,
            )
        )


def bokeh_pane(model: object, **options: object) -> pn.pane.Bokeh:
    """Return a pane that holds a Bokeh figure at full width."""
    options.setdefault("margin", 0)
    return pn.pane.Bokeh(model, sizing_mode="stretch_width", **options)


def padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    """Return limits with some room around the data; a constant gets room of its own."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return 0.0, 1.0
    room = (high - low) * share if high > low else max(abs(high) * 0.05, 0.5)
    return low - room, high + room
