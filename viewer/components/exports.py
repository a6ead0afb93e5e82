"""The tools of a plot in the user's language, and what it shows as a file: a named PNG, and CSV of the drawn values.

Both files are buttons of the plot's own toolbar and work in the browser alone, so they give what is on the screen now:
the zoomed window, at its resolution. Whole tables come from `downloads.py`. Next: `panel.py`, which calls this.
"""

import re
from collections.abc import Iterable

import panel as pn
from bokeh.models import (
    BoxZoomTool,
    CustomAction,
    CustomJS,
    DatetimeAxis,
    HoverTool,
    PanTool,
    Plot,
    ResetTool,
    SaveTool,
    TapTool,
    WheelZoomTool,
)
from panel.layout.base import ListLike

from viewer.texts import Texts

# A column over a time axis is wall-clock milliseconds: written as ISO time without a zone, as the axis shows it.
_CSV_JS = """
const cell = (v, time) => {
  if (v === null || v === undefined || (typeof v === 'number' && !Number.isFinite(v))) { return '' }
  if (time && typeof v === 'number') { return new Date(v).toISOString().replace('T', ' ').replace(/\\.000Z$|Z$/, '') }
  const s = String(v)
  return /[",\\n\\r]/.test(s) ? '"' + s.replaceAll('"', '""') + '"' : s
}
const named = new Map()
for (const legend of [...fig.above, ...fig.center].filter((model) => model.type === 'Legend')) {
  for (const item of legend.items) {
    for (const renderer of item.renderers) { named.set(renderer.id, item.label?.value ?? '') }
  }
}
const flat = (column) => column.length === 0 || !(Array.isArray(column[0]) || ArrayBuffer.isView(column[0]))
const header = ['series'], parts = [], seen = new Set()
for (const renderer of fig.renderers) {
  const source = renderer.data_source
  if (source === undefined || seen.has(source.id) || !renderer.visible) { continue }
  const columns = [...source.columns()].filter((name) => name !== 'index' && flat(source.get_column(name)))
  const rows = columns.length === 0 ? 0 : source.get_column(columns[0]).length
  if (rows === 0) { continue }
  seen.add(source.id)
  for (const name of columns) { if (!header.includes(name)) { header.push(name) } }
  parts.push([named.get(renderer.id) ?? renderer.name ?? '', source, columns, rows])
}
const lines = [header.join(',')]
for (const [name, source, columns, rows] of parts) {
  const values = header.slice(1).map((c) => columns.includes(c) ? source.get_column(c) : null)
  for (let i = 0; i < rows; i++) {
    const row = values.map((v, j) => v === null ? '' : cell(v[i], times.includes(header[j + 1])))
    if (row.some((text) => text !== '')) { lines.push([cell(name, false), ...row].join(',')) }
  }
}
const link = document.createElement('a')
link.href = URL.createObjectURL(new Blob(['\\ufeff' + lines.join('\\n') + '\\n'], {type: 'text/csv'}))
link.download = filename
link.click()
URL.revokeObjectURL(link.href)
"""
# Bokeh escapes the address itself, but for `#`: a colour in hexadecimal would reach the browser as none, or end it.
_ICON = "data:image/svg+xml;utf8," + (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='rgb(128,136,144)'"
    " stroke-width='2'>"
    "<path d='M4 5h16v14H4zM4 10h16M4 15h16M10 5v14'/></svg>"
)
_TOOLS = {
    PanTool: "tool.pan",
    WheelZoomTool: "tool.wheel",
    BoxZoomTool: "tool.box",
    TapTool: "tool.tap",
    ResetTool: "tool.reset",
    HoverTool: "tool.hover",
}
_ACROSS = ("x", "left", "right", "x0", "x1")


def name_exports(objects: Iterable[object], title: str, device: str, texts: Texts) -> None:
    """Give every figure among the objects of a panel a file name, the button for its values and words of its tools."""
    for object_ in objects:
        if isinstance(object_, pn.pane.Bokeh) and isinstance(object_.object, Plot):
            _exportable(object_.object, file_name(title, device), texts)
            _name_tools(object_.object, texts)
        elif isinstance(object_, ListLike):
            name_exports(object_.objects, title, device, texts)


def file_name(title: str, device: str) -> str:
    """Return a name of letters, digits and `_` for what a panel shows of a device."""
    return "_".join(re.findall(r"\w+", f"{device} {title}")) or "figure"


def _exportable(fig: Plot, name: str, texts: Texts) -> None:
    saves = [tool for tool in fig.toolbar.tools if isinstance(tool, SaveTool)]
    if not saves or any(isinstance(tool, CustomAction) for tool in fig.toolbar.tools):
        return
    for tool in saves:
        tool.filename, tool.description = name, texts("download.png")
    values = {"fig": fig, "times": _time_columns(fig), "filename": f"{name}.csv"}
    fig.add_tools(
        CustomAction(icon=_ICON, description=texts("download.shown"), callback=CustomJS(code=_CSV_JS, args=values))
    )


def _name_tools(fig: Plot, texts: Texts) -> None:
    """Say in the user's language what each tool does; Bokeh's own words are English."""
    for tool in fig.toolbar.tools:
        if tool.description is None and type(tool) in _TOOLS:
            tool.description = texts(_TOOLS[type(tool)])


def _time_columns(fig: Plot) -> list[str]:
    """Columns that hold wall-clock times: those that lie across a time axis, and those that a hover shows as times."""
    hovers = [tool for tool in fig.toolbar.tools if isinstance(tool, HoverTool)]
    formats = [entry for tool in hovers for entry in tool.formatters.items()]
    found = {name[1:] for name, kind in formats if kind == "datetime" and name.startswith("@")}
    if any(isinstance(axis, DatetimeAxis) for axis in fig.below):
        glyphs = [r.glyph for r in fig.renderers if hasattr(r, "glyph")]
        fields = [getattr(glyph, name, None) for glyph in glyphs for name in _ACROSS]
        found |= {field for field in fields if isinstance(field, str)}
    return sorted(found)
