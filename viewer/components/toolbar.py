"""The row of pickers on top of a page: devices, signal, range; each is two-way with the selection.

Next: `pages/device_page.py`, which turns the selection into a device and a window.
"""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

import panel as pn
import panel_material_ui as pmui

from viewer.components.layout import wrapping_row
from viewer.selection import RANGES
from viewer.session import Session

SMALL = {"size": "small", "margin": (0, 12, 8, 0)}
WINDOW = {"device", "device2", "range", "start", "end"}  # what ends a zoom
KEEP_WIDTH = {"flex-shrink": "0", "max-width": "100%"}
ONE_LINE = {"& .MuiToggleButton-root": {"whiteSpace": "nowrap"}, "maxWidth": "100%", "overflowX": "auto"}


class Toolbar:
    """A row of widgets bound to fields of the selection."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._bound: list[tuple[object, str]] = []
        self._row: list[object] = []
        self._custom: list[pmui.DatetimePicker] = []
        self._span: tuple[datetime, datetime] | None = None
        self._place, self._view = 0, None
        self._syncing = False
        self._default_range = ""
        self._report: pmui.Button | None = None

    def pick(
        self,
        field: str,
        label: str,
        options: list[str] | dict[str, str],
        value: object,
        width: int = 210,
        searchable: bool = False,
    ) -> pmui.Select:
        """Add a drop-down for `field`."""
        widget = pmui.Select(label=label, options=options, value=value, width=width, searchable=searchable, **SMALL)
        self._bind(widget, field)
        return widget

    def choose(self, field: str, options: dict[str, object], value: object, label: str = "") -> pmui.RadioButtonGroup:
        """Add a row of buttons for `field`."""
        widget = pmui.RadioButtonGroup(
            label=label,
            options=options,
            value=value,
            margin=(0, 12, 8, 0),
            size="small",
            color="primary",
            sizing_mode=None,
            styles=KEEP_WIDTH,
            sx=ONE_LINE,
        )
        self._bind(widget, field)
        return widget

    def ranges(self, first: datetime, last: datetime, default: str) -> None:
        """Add the range buttons and, for a custom range, from and to. `default` is the page's own range."""
        t, selection = self._session.texts, self._session.selection
        self._default_range = default
        self.choose("range", {t(f"range.{r}"): r for r in RANGES}, selection.range or default)
        self._span, self._place = (first, last), len(self._row)

    def report(self, device: str) -> None:
        """Add the way to the report of the picked device, in a tab of its own."""
        t = self._session.texts
        self._report = pmui.Button(
            label=t("report.button"), icon="description", variant="outlined", href=self._report_of(device),
            target="_blank", description=t("report.button_note"), **SMALL,
        )
        self._row.append(self._report)

    def _report_of(self, device: str) -> str:
        return f"report/{quote(device)}?lang={self._session.texts.lang}"

    def add(self, widget: object) -> None:
        """Add something that is not bound to the selection."""
        self._row.append(widget)

    @property
    def view(self) -> pn.FlexBox:
        """Return the row; it wraps on narrow screens."""
        if self._view is None:
            self._view = wrapping_row(*self._widgets(), margin=(2, 0, 4, 0))
        return self._view

    def sync(self) -> None:
        """Bring the widgets to the selection's values. Runs in the document."""
        selection = self._session.selection
        self._syncing = True
        try:
            for widget, field in self._bound:
                value = getattr(selection, field) or (self._default_range if field == "range" else "")
                if value and widget.value != value and value in _values(widget):
                    widget.value = value
            if self._report is not None and selection.device:
                self._report.href = self._report_of(selection.device)
            if self.view.objects != (wanted := self._widgets()):
                self.view.objects = wanted
        finally:
            self._syncing = False

    def _widgets(self) -> list[object]:
        """Return the row's widgets, with from and to where the range is a custom one; they are made when needed."""
        if self._span is None or self._session.selection.range != "custom":
            return list(self._row)
        if not self._custom:
            t, (first, last) = self._session.texts, self._span
            self._custom = [self._moment("start", t("range.from"), first), self._moment("end", t("range.to"), last)]
        return [*self._row[: self._place], *self._custom, *self._row[self._place :]]

    def _bind(self, widget: object, field: str) -> None:
        self._bound.append((widget, field))
        self._row.append(widget)
        widget.param.watch(lambda e: self._picked(field, e.new), "value")

    def _picked(self, field: str, value: object) -> None:
        if field == "range" and value == self._default_range and not self._session.selection.range:
            return
        if not self._syncing and value is not None:
            zoom = {"zoom": ""} if field in WINDOW else {}
            self._session.selection.param.update(**{field: value}, **zoom)

    def _moment(self, field: str, label: str, default: datetime) -> pmui.DatetimePicker:
        given = getattr(self._session.selection, field)
        t = self._session.texts
        widget = pmui.DatetimePicker(
            label=label,
            value=_parsed(given) or default.replace(second=0, microsecond=0),
            enable_seconds=False,
            military_time=True,
            format="DD.MM.YYYY HH:mm" if t.lang == "de" else "YYYY-MM-DD HH:mm",
            width=210,
            **SMALL,
        )
        widget.param.watch(lambda e: self._picked(field, _iso(e.new)), "value")
        return widget


def on_enter(widget: object, function: Callable[[object], None]) -> None:
    """Call `function` with the new value of `widget`."""
    widget.param.watch(lambda e: function(e.new), "value")


def _values(widget: object) -> list[object]:
    options = widget.options
    return list(options.values()) if isinstance(options, dict) else list(options)


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        return None


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M")
    return str(value or "").replace(" ", "T")[:16]
