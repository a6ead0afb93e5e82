"""What a page is: it reads what its frame needs, lays out panels, fills them, and follows the selection."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import panel as pn

from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.toolbar import Toolbar
from viewer.selection import local_window, zoom_window
from viewer.session import Session
from viewer.texts import DASH, Texts, span_of
from viewer.wallclock import local_to_utc

LISTED = 20


class Page:
    """Base of the pages. A change of the selection fills again by default."""

    light = False  # so little to draw that it comes with the frame

    def __init__(self, session: Session) -> None:
        self.session = session
        self.announce: Callable[[], None] = lambda: None  # shows `notices` anew; the frame puts its own here

    def notices(self) -> list[str]:
        """Return the markup of what the address asks for and cannot have. Runs in the document, reads nothing."""
        return []

    @property
    def texts(self) -> Texts:
        """Texts of the chosen language."""
        return self.session.texts

    def prepare(self) -> None:
        """Read what the layout needs. Runs in a thread; may raise `TableMissing`."""

    def layout(self) -> pn.viewable.Viewable:
        """Return the page's panels, still empty. Runs in the document."""
        raise NotImplementedError

    async def fill(self) -> None:
        """Load all panels."""
        raise NotImplementedError

    async def changed(self, names: set[str]) -> None:
        """Follow a change of the selection."""
        del names
        await self.fill()

    async def themed(self) -> None:
        """Follow a change of the theme; most pages need nothing."""


class DevicePage(Page):
    """A page about devices of some kinds, with a toolbar and a window of time."""

    kinds: Sequence[str] = ("meter", "bess", "other")
    default_range = "30d"
    zooms = True  # what the address zooms is the window of the page
    toolbar: Toolbar

    def prepare(self) -> None:
        """Read the devices."""
        self.all_devices = self.session.catalog.devices()
        self.devices = sorted(
            (d for d in self.all_devices if d.kind in self.kinds), key=lambda d: self.kinds.index(d.kind)
        )

    def device(self, field: str = "device", *, other: str = "") -> DeviceInfo | None:
        """Return the picked device; the first one (but `other`) where the pick does not exist here."""
        wanted = getattr(self.session.selection, field)
        found = next((d for d in self.devices if d.name == wanted), None)
        return found or next((d for d in self.devices if d.name != other), next(iter(self.devices), None))

    def choices(self) -> Mapping[str, Sequence[object]]:
        """Return what exists for fields of the selection whose pick may not exist here."""
        return {}

    def windowed(self) -> DeviceInfo | None:
        """Return the device by whose readings the range is judged."""
        return self.device()

    def zoomed(self) -> Sequence[DeviceInfo]:
        """Return the devices in whose readings a zoom may lie."""
        device = self.device()
        return () if device is None else (device,)

    def limited(self) -> bool:
        """Return whether the limits of the address shape what is shown."""
        return False

    def notices(self) -> list[str]:
        """Name a device, signal, tab or pack that is not to be had and what is; say which range has readings.

        Limits and a zoom that cannot be used are named as well.
        """
        t, selection = self.texts, self.session.selection
        names = [d.name for d in self.all_devices]
        found = [
            html.message(t("device.unknown", name=d), t("device.unknown_text", known=_listed(names)), "warn")
            for d in dict.fromkeys((selection.device, selection.device2))
            if d and d not in names
        ]
        for field, known in self.choices().items():
            wanted = getattr(selection, field)
            if wanted and wanted not in known:
                title = t(f"unknown.{field}", name=wanted)
                found.append(html.message(title, t("device.unknown_text", known=_listed(known)), "warn"))
        found += [*self._wrong_kind(), *self._limits(), *self._outside()]
        device = self.windowed()
        issue = None if device is None else self.window(device)[2]
        return found if issue is None else [*found, html.message(self.texts(issue), self.span_text(device), "warn")]

    def _wrong_kind(self) -> list[str]:
        """Say that the address asks for a device of another kind; not of one that the menu carried along."""
        t, name = self.texts, self.session.selection.device
        fitting = [d.name for d in self.devices]
        if not fitting or name in {*fitting, *self.session.carried} or name not in {d.name for d in self.all_devices}:
            return []
        text = t("device.unknown_text", known=_listed(fitting))
        return [html.message(t("device.no_battery", name=name), text, "warn")]

    def _limits(self) -> list[str]:
        t, selection = self.texts, self.session.selection
        if not self.limited() or selection.limits() is not None or not (selection.low or selection.high):
            return []
        low, high = (t.number(float(text)) if text else DASH for text in (selection.low, selection.high))
        return [html.message(t("limits.unusable", low=low, high=high), t("limits.by_data"), "warn")]

    def _outside(self) -> list[str]:
        devices = [d for d in self.zoomed() if d.first is not None and d.last is not None]
        found = zoom_window(self.session.selection.zoom, devices[0].zone) if devices else None
        if found is None:
            return []
        first, last = min(d.first for d in devices), max(d.last for d in devices)
        start, end = (local_to_utc(moment, devices[0].zone) for moment in found)
        if start < last and end > first:
            return []
        days = (moment.astimezone(devices[0].zone).date() for moment in (first, last))
        return [html.message(self.texts("zoom.outside"), span_of(*days, self.texts).strip(), "warn")]

    def span_text(self, device: DeviceInfo) -> str:
        """Return from when to when a device has readings, and that all of it is shown."""
        first, last = device.wall_span()
        t = self.texts
        return t("range.whole", first=t.datetime(first), last=t.datetime(last), zone=device.zone.key)

    def no_devices(self) -> pn.viewable.Viewable:
        """Return the message for a lake without devices of this page's kind."""
        t = self.texts
        return html.pane(html.message(t("state.no_devices"), t("state.no_devices_text"), "info", "energy-pipeline run"))

    @property
    def range_name(self) -> str:
        """Return the picked range, else the page's default."""
        return self.session.selection.range or self.default_range

    def window(self, device: DeviceInfo) -> tuple[datetime, datetime, str | None]:
        """Return start and end of the picked range in UTC, and the key of a problem with it."""
        selection = self.session.selection
        first, last = device.wall_span()
        start, end, issue = local_window(
            self.range_name, selection.start, selection.end, first, last, device.zone
        )
        return local_to_utc(start, device.zone), local_to_utc(end, device.zone), issue

    def shown(self) -> tuple[datetime, datetime] | None:
        """Return the window that is shown, on the local clock and naive: the zoom of the charts, else the range."""
        device = self.windowed()
        if device is None:
            return None
        selection, (first, last) = self.session.selection, device.wall_span()
        zoomed = zoom_window(selection.zoom, device.zone) if self.zooms else None
        if zoomed is not None and zoomed[0] <= last and zoomed[1] > first:
            return max(zoomed[0], first), min(zoomed[1], last)
        return local_window(self.range_name, selection.start, selection.end, first, last, device.zone)[:2]


def _listed(known: Sequence[object]) -> str:
    return ", ".join(str(k) for k in known[:LISTED]) + (" …" if len(known) > LISTED else "")


async def together(*work: Awaitable[None]) -> None:
    """Run several fills side by side. Each comes to its end; then the first fault of them is raised."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
