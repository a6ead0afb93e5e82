"""Tables as CSV and Excel files.

What is downloaded are the values of the table, unrounded, with the column names and words of the screen. Times are
local: in a CSV with their offset to UTC, so that the repeated hour of autumn is told apart; an Excel file knows no
offset, its headings name the zone. Text stays text in an Excel file, also where it looks like a formula or a link.
A CSV cannot say so: it holds what the table holds.
"""

from collections.abc import Callable
from io import BytesIO

import panel as pn
import panel_material_ui as pmui
import polars as pl
from xlsxwriter import Workbook

from viewer.texts import Texts

ISO = "%Y-%m-%dT%H:%M:%S%.f%:z"
TEXT_STAYS_TEXT = {
    "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "nan_inf_to_errors": True,
    "default_date_format": "yyyy-mm-dd",
}  # fmt: skip


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """Return the table as CSV (comma, point, UTF-8 with a byte-order mark, so that Excel reads it as such)."""
    written = frame.with_columns(pl.col(name).dt.to_string(ISO) for name in _zones(frame))
    return b"\xef\xbb\xbf" + written.write_csv().encode()


def excel_bytes(frame: pl.DataFrame, sheet: str) -> bytes:
    """Return the table as an Excel workbook; the zone of its times stands in their headings, as Excel knows none."""
    zones = _zones(frame)
    plain = frame.with_columns(pl.col(name).dt.replace_time_zone(None) for name in zones)
    plain = plain.rename({name: f"{name} [{zone}]" for name, zone in zones.items()})
    buffer = BytesIO()
    with Workbook(buffer, TEXT_STAYS_TEXT) as workbook:
        plain.write_excel(workbook, worksheet=_sheet_name(sheet), autofit=True, freeze_panes=(1, 0))
    return buffer.getvalue()


def download_buttons(frame: Callable[[], pl.DataFrame], name: str, texts: Texts) -> pn.Row:
    """Return the two buttons that download what `frame` returns at that moment."""
    common = {
        "auto": True,
        "embed": False,
        "variant": "outlined",
        "size": "small",
        "margin": (0, 8, 0, 0),
        "icon": "download",
        "sizing_mode": "fixed",
        "width": 92,
        "height": 32,
    }
    return pn.Row(
        pmui.FileDownload(
            callback=lambda: BytesIO(csv_bytes(frame())),
            filename=f"{name}.csv",
            label="CSV",
            description=texts("download.csv"),
            **common,
        ),
        pmui.FileDownload(
            callback=lambda: BytesIO(excel_bytes(frame(), name)),
            filename=f"{name}.xlsx",
            label="Excel",
            description=texts("download.excel"),
            **common,
        ),
        margin=(0, 0, 8, 0),
        sizing_mode="stretch_width",
    )


def _zones(frame: pl.DataFrame) -> dict[str, str]:
    """Return the columns of moments with the zone on whose clock they are written."""
    found = {name: getattr(kind, "time_zone", None) for name, kind in frame.schema.items()}
    return {name: zone for name, zone in found.items() if zone}


def _sheet_name(name: str) -> str:
    return "".join("_" if c in r"[]:*?/\\" else c for c in name)[:31]
