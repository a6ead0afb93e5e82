"""A table with its downloads: small ones as HTML, large ones as a sortable grid.

`Field` says for each column how it is called and written; the downloads hold the same columns, unrounded, or what
`Taken` says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from zoneinfo import ZoneInfo

import pandas as pd
import panel as pn
import polars as pl
from bokeh.models.widgets.tables import DateFormatter

from viewer.components import html
from viewer.components.downloads import download_buttons
from viewer.texts import Texts

TIME_WIDTH, DATE_WIDTH, LEAST_WIDTH = 156, 96, 68  # [px], as all widths here
HEADING_MARGIN, CELL_MARGIN, DIGIT_WIDTH = 28, 18, 7.8
LETTER_WIDTH, CAPITAL_WIDTH = 7.1, 8.6  # of a heading; of other letters:
WIDTHS = {**dict.fromkeys("fijlrtI.,:;|!()[]/'", 4.6), **dict.fromkeys("mwMW%@", 11.4)}
DATES = {"date", "time", "month"}  # a month is the date of its first day
FORMATTED = {"number", "percent", *DATES}
GRID_CSS = """
.tabulator .tabulator-header .tabulator-col .tabulator-col-content { padding:6px 8px; }
.tabulator .tabulator-header .tabulator-col .tabulator-col-title { font-size:12.5px; font-weight:600;
  white-space:normal; hyphens:auto; overflow-wrap:anywhere; }
.tabulator .tabulator-header .tabulator-col.tabulator-sortable .tabulator-col-title { padding-right:10px; }
.tabulator .tabulator-header .tabulator-col .tabulator-col-content .tabulator-col-sorter { right:-5px; }
.tabulator .tabulator-row .tabulator-cell { padding:7px 8px; font-size:13.5px; }
.tabulator .tabulator-row .tabulator-cell > div { overflow:hidden; text-overflow:ellipsis; }
.tabulator .tabulator-tableholder::-webkit-scrollbar { height:10px; -webkit-appearance:none; }
.tabulator .tabulator-tableholder::-webkit-scrollbar-thumb { border-radius:5px;
  background:color-mix(in srgb, currentColor 36%, transparent); }
.tabulator .tabulator-tableholder { animation:more linear; animation-timeline:scroll(self inline); }
@keyframes more { 0%, 99% { mask-image:linear-gradient(to left, transparent, #000 64px); } 100% { mask-image:none; } }
.tabulator { font-size:13.5px; font-variant-numeric:tabular-nums; border:none !important;
  background:transparent !important; color:inherit !important; }
.tabulator .tabulator-header, .tabulator .tabulator-header .tabulator-col, .tabulator .tabulator-footer,
.tabulator .tabulator-tableholder, .tabulator .tabulator-tableholder .tabulator-table {
  background:transparent !important;
  color:inherit !important; border-color:color-mix(in srgb, currentColor 16%, transparent) !important; }
.tabulator .tabulator-row { background:transparent !important; color:inherit !important;
  border-bottom:1px solid color-mix(in srgb, currentColor 12%, transparent) !important; }
.tabulator .tabulator-row:hover { background:color-mix(in srgb, currentColor 6%, transparent) !important; }
.tabulator .tabulator-row .tabulator-cell { border:none !important; }
.tabulator .tabulator-footer .tabulator-page { color:inherit !important; background:transparent !important; }
.tabulator .tabulator-footer .tabulator-page.active { font-weight:700; text-decoration:underline; }
.tabulator input { color:inherit; background:transparent; border:1px solid currentColor; border-radius:4px; }
"""


@dataclass(frozen=True)
class Field:
    """A column of a table on screen: source column, heading, and how it is written."""

    column: str
    title: str
    kind: str = "text"
    digits: int | None = None
    codes: str = ""
    filter: bool = False
    width: int = 0


def month_start() -> pl.Expr:
    """Return the first day of `month`, a text like 2024-05, as a field of kind `month` wants it."""
    return pl.concat_str("month", pl.lit("-01")).str.to_date("%Y-%m-%d").alias("month")


@dataclass(frozen=True)
class Taken:
    """What a download holds where the table on screen writes its numbers into sentences."""

    frame: pl.DataFrame
    fields: Sequence[Field]


def download_frame(
    frame: pl.DataFrame, fields: Sequence[Field], texts: Texts, zone: ZoneInfo | None = None
) -> pl.DataFrame:
    """Return the columns of `fields` under their headings: numbers unrounded, codes in words, times in their zone."""
    return frame.select(_download_column(frame[f.column], f, texts, zone) for f in fields)


def small_table(
    frame: pl.DataFrame,
    fields: Sequence[Field],
    texts: Texts,
    name: str,
    zone: ZoneInfo | None = None,
    taken: Taken | None = None,
) -> list[object]:
    """Return an HTML table and its download buttons, for up to some fifty rows."""
    rows = [[_written(row[f.column], f, texts, zone) for f in fields] for row in frame.to_dicts()]
    right = [i for i, f in enumerate(fields) if f.kind in {"number", "percent"}]
    markup = html.table([f.title for f in fields], rows, right)
    held = taken or Taken(frame, fields)
    buttons = download_buttons(lambda: download_frame(held.frame, held.fields, texts, zone), name, texts)
    return [html.pane(markup, margin=(0, 0, 10, 0)), buttons]


def grid(
    frame: pl.DataFrame,
    fields: Sequence[Field],
    texts: Texts,
    name: str,
    zone: ZoneInfo | None = None,
    page_size: int = 12,
) -> list[object]:
    """Return a sortable, paged grid and its download buttons."""
    shown = pd.DataFrame(
        {
            f.column: pd.Series(
                _grid_column(frame[f.column], f, texts, zone), dtype=None if f.kind in DATES else object
            )
            for f in fields
        }
    )
    table = pn.widgets.Tabulator(
        shown,
        theme="simple",
        layout="fit_columns",
        show_index=False,
        disabled=True,
        selectable=False,
        pagination="local",
        page_size=page_size,
        sizing_mode="stretch_width",
        margin=(0, 0, 10, 0),
        titles={f.column: f.title for f in fields},
        formatters={f.column: _formatter(f, texts) for f in fields if f.kind in FORMATTED},
        widths={f.column: f"{f.width}%" if f.width else TIME_WIDTH for f in fields if f.width or f.kind == "time"},
        text_align={f.column: "right" if f.kind in {"number", "percent"} else "left" for f in fields},
        header_align={f.column: "right" if f.kind in {"number", "percent"} else "left" for f in fields},
        header_filters={f.column: {"type": "input", "func": "like", "placeholder": "…"} for f in fields if f.filter},
        configuration={
            "columnDefaults": {"headerTooltip": True, "headerWordWrap": True},
            # Not of numbers and times: a tooltip says what the cell holds, not what is written in it.
            "columns": [
                {
                    "field": f.column, "minWidth": _least_width(f, frame[f.column], texts),
                    "tooltip": f.kind not in FORMATTED,
                }
                for f in fields
            ],
            "locale": True,
            "langs": {"default": {"pagination": _pager(texts)}},
        },
        stylesheets=[GRID_CSS],
    )
    return [table, download_buttons(lambda: download_frame(frame, fields, texts, zone), name, texts)]


def _written(value: object, field: Field, texts: Texts, zone: ZoneInfo | None) -> object:
    if value is None:
        return "–"
    if isinstance(value, html.Html):
        return value
    if field.codes:
        return texts.code(field.codes, str(value))
    if field.kind == "number":
        return texts.number(value, field.digits)
    if field.kind == "percent":
        return texts.percent(value, field.digits or 0)
    if field.kind == "date":
        return texts.date(value)
    if field.kind == "month":
        return texts.month(value)
    if field.kind == "time":
        return texts.datetime(value, zone)
    if field.kind == "bool":
        return texts("word.yes") if value else texts("word.no")
    return str(value)


def _least_width(field: Field, values: pl.Series, texts: Texts) -> int:
    """Return a width that breaks no word of a heading and cuts no number or date [px]."""
    words = (sum(map(_letter_width, word)) for word in field.title.split())
    least = max(LEAST_WIDTH, max(words, default=0) + HEADING_MARGIN)
    if field.kind in DATES:
        return ceil(max(least, TIME_WIDTH if field.kind == "time" else DATE_WIDTH))
    if field.kind not in {"number", "percent"}:
        return ceil(least)
    known = values.cast(pl.Float64).fill_nan(None).drop_nulls()
    share, digits = (100, field.digits or 0) if field.kind == "percent" else (1, field.digits)
    written = (texts.number(share * v, 2 if digits is None else digits) for v in {known.min(), known.max()} - {None})
    letters = max(map(len, written), default=0) + 2 * (field.kind == "percent")
    return ceil(max(least, DIGIT_WIDTH * letters + CELL_MARGIN))


def _letter_width(letter: str) -> float:
    return WIDTHS.get(letter, CAPITAL_WIDTH if letter.isupper() else LETTER_WIDTH)


def _grid_column(values: pl.Series, field: Field, texts: Texts, zone: ZoneInfo | None) -> list:
    if field.kind in {"number", "percent"}:
        return (values.cast(pl.Float64).fill_nan(None) * (100 if field.kind == "percent" else 1)).to_list()
    if field.kind in {"date", "month"}:
        return values.cast(pl.Datetime("ms")).to_list()
    if field.kind == "time":
        local = values if zone is None else values.dt.convert_time_zone(zone.key)
        return local.dt.replace_time_zone(None).to_list()
    return [str(_written(v, field, texts, zone)) for v in values]


def _formatter(field: Field, texts: Texts) -> dict | DateFormatter:
    if field.kind in DATES:
        if field.kind == "month":
            return DateFormatter(format="%m.%Y" if texts.lang == "de" else "%Y-%m", nan_format="–", null_format="–")
        day = "%d.%m.%Y" if texts.lang == "de" else "%Y-%m-%d"
        return DateFormatter(format=day if field.kind == "date" else f"{day} %H:%M:%S", nan_format="–", null_format="–")
    decimal, thousand = texts.separators
    digits = field.digits if field.digits is not None else 2
    return {
        "type": "money",
        "decimal": decimal,
        "thousand": thousand,
        "precision": digits,
        "symbol": " %" if field.kind == "percent" else "",
        "symbolAfter": True,
        "negativeSign": "−",
    }


def _download_column(values: pl.Series, field: Field, texts: Texts, zone: ZoneInfo | None) -> pl.Series:
    if field.codes:
        written = {code: texts.code(field.codes, str(code)) for code in values.drop_nulls().unique()}
        values = pl.Series([None if code is None else written[code] for code in values], dtype=pl.String)
    elif field.kind == "time" and zone is not None:
        values = values.dt.convert_time_zone(zone.key)
    elif field.kind == "month":
        values = values.dt.strftime("%Y-%m")
    return values.alias(field.title)


def _pager(texts: Texts) -> dict[str, str]:
    return {
        "first": "«",
        "last": "»",
        "prev": "‹",
        "next": "›",
        "page_size": texts("grid.page_size"),
        "first_title": texts("grid.first"),
        "last_title": texts("grid.last"),
        "prev_title": texts("grid.prev"),
        "next_title": texts("grid.next"),
    }
