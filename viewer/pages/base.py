"""What a page is: it reads what its frame needs, lays out panels, fills them, and follows the selection."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime

import panel as pn

from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.toolbar import Toolbar
from viewer.selection import local_window
from viewer.session import Session
from viewer.texts import Texts
from viewer.wallclock import local_to_utc


class Page:
    """Base of the pages. A change of the selection fills again by default."""

    def __init__(self, session: Session) -> None:
        self.session = session

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

    def notice(self) -> list[pn.pane.HTML]:
        """Return a message where the URL names a device that does not exist."""
        names = {d.name for d in self.all_devices}
        selection = self.session.selection
        strange = [d for d in (selection.device, selection.device2) if d and d not in names]
        if not strange:
            return []
        t = self.texts
        text = t("device.unknown_text", known=", ".join(d.name for d in self.all_devices))
        return [html.pane(html.message(t("device.unknown", name=strange[0]), text, "warn"), margin=(0, 0, 12, 0))]

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
        start, end, issue = local_window(self.range_name, selection.start, selection.end, first, last)
        return local_to_utc(start, device.zone), local_to_utc(end, device.zone), issue


async def together(*work: Awaitable[None]) -> None:
    """Run several fills side by side. Each comes to its end; then the first fault of them is raised."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
