"""The row of pickers on top of a page: devices, signal, range; each is two-way with the selection.

Next: `pages/device_page.py`, which turns the selection into a device and a window.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import quote

import panel as pn
import panel_material_ui as pmui

from viewer.components.layout import wrapping_row
from viewer.selection import RANGES
from viewer.session import Session

SMALL = {"size": "small", "margin": (0, 12, 8, 0)}
Window = tuple[datetime, datetime]
MINUTE, RESOLUTION = timedelta(minutes=1), timedelta(microseconds=1)
WINDOW = {"device", "device2", "range", "start", "end"}  # what ends a zoom
KEEP_WIDTH = {"flex-shrink": "0", "max-width": "100%"}
ONE_LINE = {"& .MuiToggleButton-root": {"whiteSpace": "nowrap"}, "maxWidth": "100%", "overflowX": "auto"}


class Toolbar:
    """A row of widgets bound to fields of the selection."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._bound: list[tuple[object, str]] = []
        self._row: list[object] = []
        self._custom: dict[str, pmui.DatetimePicker] = {}
        self._moments: pn.FlexBox | None = None
        self._shown: Callable[[], Window | None] | None = None
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

    def ranges(self, shown: Callable[[], Window | None], default: str) -> None:
        """Add the range buttons and, for a custom range, from and to.

        A custom range starts with the window that is `shown`; `default` is the page's own range.
        """
        t, selection = self._session.texts, self._session.selection
        self._default_range = default
        self.choose("range", {t(f"range.{r}"): r for r in RANGES}, selection.range or default)
        self._shown, self._place = shown, len(self._row)

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
        if self._shown is None or self._session.selection.range != "custom":
            return list(self._row)
        if self._moments is None:
            self._custom = {"start": self._moment("start", "range.from"), "end": self._moment("end", "range.to")}
            self._moments = pn.FlexBox(*self._custom.values(), sizing_mode=None, margin=0, styles=KEEP_WIDTH)
        self._fill_moments()
        return [*self._row[: self._place], self._moments, *self._row[self._place :]]

    def _fill_moments(self) -> None:
        """Show from and to as the address has them, else the window that is shown; nothing is picked by that."""
        syncing, self._syncing = self._syncing, True
        try:
            for (field, widget), shown in zip(self._custom.items(), self._shown() or (None, None), strict=True):
                value = _parsed(getattr(self._session.selection, field)) or shown
                if value is not None and widget.value != (value := value.replace(second=0, microsecond=0)):
                    widget.value = value
        finally:
            self._syncing = syncing

    def _bind(self, widget: object, field: str) -> None:
        self._bound.append((widget, field))
        self._row.append(widget)
        widget.param.watch(lambda e: self._picked(field, e.new), "value")

    def _picked(self, field: str, value: object) -> None:
        if field == "range" and value == self._default_range and not self._session.selection.range:
            return
        if not self._syncing and value is not None:
            change = {field: value, **({"zoom": ""} if field in WINDOW else {})}
            if field == "range":
                change |= self._ends(value)
            self._session.selection.param.update(**change)

    def _ends(self, range_name: object) -> dict[str, str]:
        """Return from and to of a range: a custom one begins with what is shown, in whole minutes, others have none."""
        window = self._shown() if range_name == "custom" and self._shown is not None else None
        if window is None:
            return {"start": "", "end": ""}
        return {"start": _iso(window[0]), "end": _iso(window[1] + MINUTE - RESOLUTION)}

    def _moment(self, field: str, label: str) -> pmui.DatetimePicker:
        t = self._session.texts
        widget = pmui.DatetimePicker(
            label=t(label),
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
