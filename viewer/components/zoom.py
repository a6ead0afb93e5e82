"""The zoom of a page's charts in the address: where they start, and where a user leaves them.

A page has one zoom; charts that share a time axis share it. Next: `lod_chart.py`, which tells the window.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from viewer.components.lod_chart import LodChart
from viewer.selection import zoom_text, zoom_window
from viewer.session import Session
from viewer.wallclock import local_to_utc

Window = tuple[datetime, datetime]
NEAR = timedelta(seconds=1)


class Zoom:
    """The zoom of one page."""

    def __init__(self, session: Session) -> None:
        self._session, self._shown = session, ""  # what the charts show, as it stands in the address

    def window(self, whole: Window, held: Window, zone: ZoneInfo) -> Window:
        """Return the window to draw (UTC): the zoom of the address inside what is held, else the whole range."""
        self._shown = self._session.selection.zoom
        found = zoom_window(self._shown, zone)
        if found is None:
            return whole
        start, end = (local_to_utc(moment, zone) for moment in found)
        return (max(start, held[0]), min(end, held[1])) if start < held[1] and end > held[0] else whole

    def follow(self, chart: LodChart, whole: Window, zone: ZoneInfo) -> None:
        """Bring the window of `chart` into the address whenever zooming rests; the whole range needs no words."""

        def rested(start: datetime, end: datetime) -> None:
            near = all(abs(a - b) < NEAR for a, b in zip((start, end), whole, strict=True))
            self._shown = "" if near else zoom_text(start.astimezone(zone), end.astimezone(zone))
            self._session.selection.zoom = self._shown

        chart.on_window = rested

    def is_own(self, names: set[str]) -> bool:
        """Return whether a change of the selection is only the zoom that the charts show already."""
        return names == {"zoom"} and self._session.selection.zoom == self._shown
