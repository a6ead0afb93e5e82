"""Panel of the single meter: power as day × hour, with the cells as a download.

Next: `components/day_hour.py` for the figure, `energy_pipeline/compute/meter_views.py` for the numbers.
"""

from datetime import date, datetime, time, timedelta

import panel as pn
import polars as pl

from energy_pipeline.compute.meter_views import day_hour_map
from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.datatable import Field, download_frame
from viewer.components.day_hour import MISSING_HOUR, carpet, day_hour_chart
from viewer.components.downloads import download_buttons
from viewer.components.figures import bokeh_pane
from viewer.components.panel import NoData, Panel
from viewer.figures_of_meters import local_days, quarter_power
from viewer.session import Session
from viewer.store import Store
from viewer.wallclock import day_start

HEIGHT = 300


def hours_of(store: Store, device: DeviceInfo, signal: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the mean power per local hour of the days that a window touches, from quarter hours."""
    first, last = local_days(start, end, device.zone)
    since, until = day_start(first, device.zone), day_start(last + timedelta(days=1), device.zone)
    return day_hour_map(quarter_power(store, device.name, signal, since, until), device.zone)


def hours_expected(device: DeviceInfo, first: date, last: date) -> int:
    """Return how many cells of the days lie between the device's first and last reading."""
    begin, end = datetime.combine(first, time()), datetime.combine(last, time(23))
    if device.first is not None and device.last is not None:
        held = (m.astimezone(device.zone).replace(tzinfo=None) for m in (device.first, device.last))
        oldest, newest = (m.replace(minute=0, second=0, microsecond=0) for m in held)
        begin, end = max(begin, oldest), min(end, newest)
    return max(int((end - begin) / timedelta(hours=1)) + 1, 0)


class MeterMap:
    """The day × hour map."""

    def __init__(self, session: Session) -> None:
        self.session, t = session, session.texts
        self._panel = Panel(session, t("meter.map"), t("meter.map_note"), HEIGHT)

    @property
    def view(self) -> pn.viewable.Viewable:
        """Return the panel."""
        return self._panel.view

    async def fill(self, device: DeviceInfo, signal: str, start: datetime, end: datetime) -> None:
        """Load the map of the device's power."""
        days = local_days(start, end, device.zone)
        await self._panel.fill(
            lambda: self._load(device, signal, start, end), lambda cells: self._render(cells, device, *days)
        )

    def _load(self, device: DeviceInfo, signal: str, start: datetime, end: datetime) -> pl.DataFrame:
        if not signal:
            raise NoData(self.session.texts("meter.no_power"))
        cells = hours_of(self.session.store, device, signal, start, end)
        if cells.is_empty():
            raise NoData(self.session.texts("state.no_points"))
        return cells

    def _render(self, cells: pl.DataFrame, device: DeviceInfo, first: date, last: date) -> list[object]:
        t = self.session.texts
        values = carpet(cells, first, last)
        expected = hours_expected(device, first, last)
        missing = max(expected - cells.height, 0)
        text = t("meter.map_missing", n=t.number(missing, 0), all=t.number(expected, 0), zone=device.zone.key)
        patch = f'<span style="display:inline-block;width:12px;height:12px;background:{MISSING_HOUR}"></span>'
        fields = [
            Field("day", t("word.day"), "date"),
            Field("hour", t("meter.hour"), "number", 0),
            Field("power_kw", f"{t('word.power')} [kW]", "number", 3),
            Field("covered_s", t("table.covered"), "number", 0),
        ]
        return [
            bokeh_pane(day_hour_chart(values, first, t, unit="kW", height=HEIGHT)),
            html.pane(f'<div class="note">{patch} {html.escape(text)}</div>', margin=(4, 0, 8, 0)),
            download_buttons(lambda: download_frame(cells, fields, t), f"day_hour_{device.name}", t),
        ]
