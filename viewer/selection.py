"""What the user has picked, in one object that the address bar mirrors.

Only values that differ from the defaults stand in the URL. Values that a URL must not hold are dropped and named in
`refused`, so that the page can say so. No disk, no widgets. Next: `session.py`, which reacts to changes.
"""

import math
import re
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

import param

PAGES = ("overview", "meter", "compare", "bess", "packpulse", "quality")
RANGES = ("24h", "7d", "30d", "90d", "1y", "all", "custom")
SPANS = {"24h": 1, "7d": 7, "30d": 30, "90d": 90, "1y": 365}
QUANTITIES = ("sat", "offset", "index")
ENDS = ("charge_end", "discharge_end", "rest")
PERIODS = ("day", "week", "month", "year")
VIEWS, Y_MODES = ("line", "area"), ("auto", "p1_99", "manual")
_CELL = re.compile(r"^P(\d{1,3})C(\d{1,4})$", re.IGNORECASE)
_TEXT_LIMIT = 120
YEARS = (1970, 2200)  # outside these no clock of a plant counts, and some zones cannot be converted


class Selection(param.Parameterized):
    """Page, device, signal, range, tab, cell, pack, how they are drawn, language and theme."""

    page = param.Selector(default="overview", objects=list(PAGES))
    device = param.String(default="")
    device2 = param.String(default="")
    signal = param.String(default="")
    range = param.Selector(default="", objects=["", *RANGES], doc="empty: the page's own default")
    start = param.String(default="", doc="local wall clock, YYYY-MM-DDTHH:MM, of a custom range")
    end = param.String(default="", doc="local wall clock, YYYY-MM-DDTHH:MM, of a custom range")
    zoom = param.String(default="", doc="part of the range that the chart shows: two local moments with / between")
    tab = param.String(default="")
    cell = param.String(default="", doc="P1C24")
    pack = param.Integer(default=0, bounds=(0, 999), doc="0: all packs")
    quantity = param.Selector(default="sat", objects=list(QUANTITIES), doc="of the heat map and the pack trends")
    spread = param.Selector(default="charge_end", objects=list(ENDS), doc="at which ends the packs' spread is shown")
    period = param.Selector(default="day", objects=list(PERIODS), doc="over which energy is added up")
    view = param.Selector(default="line", objects=list(VIEWS), doc="how a series is drawn")
    y = param.Selector(default="auto", objects=list(Y_MODES), doc="what the y axis follows")
    low = param.String(default="", doc="lower limit of the y axis or of the heat map, with a point; empty: by the data")
    high = param.String(default="", doc="upper limit")
    lang = param.Selector(default="de", objects=["de", "en"])
    theme = param.Selector(default="light", objects=["light", "dark"])
    refused = param.List(default=[], doc="what the URL asked for and could not have")

    def query(self) -> str:
        """Return the URL's query for this selection, empty where all is default."""
        pairs = [(name, str(getattr(self, name))) for name in FIELDS if getattr(self, name) != self.param[name].default]
        return f"?{urlencode(pairs)}" if pairs else ""

    def read_query(self, search: str) -> None:
        """Take over a URL's query; fields that are absent fall back to their defaults."""
        given = dict(parse_qsl(search.lstrip("?"), keep_blank_values=True))
        wanted: dict[str, object] = {name: self.param[name].default for name in FIELDS}
        refused = []
        for name, text in given.items():
            if name not in FIELDS:
                continue
            try:
                wanted[name] = _checked(self, name, text[:_TEXT_LIMIT])
            except ValueError:
                refused.append(f"{name}={text[:40]}")
        self.param.update(**wanted, refused=refused)

    def limits(self) -> tuple[float, float] | None:
        """Return the picked limits, None where they are not two numbers in order."""
        if not self.low or not self.high:
            return None
        low, high = float(self.low), float(self.high)
        return (low, high) if low < high else None

    def cell_place(self) -> tuple[int, int] | None:
        """Return (pack, cell) of the picked cell, None where none is picked."""
        found = _CELL.match(self.cell)
        return (int(found.group(1)), int(found.group(2))) if found else None


FIELDS = tuple(n for n in Selection.param if n not in {"name", "refused"})


def zoom_text(start: datetime, end: datetime) -> str:
    """Return a zoomed window of the local clock as it stands in the address."""
    return "/".join(m.replace(tzinfo=None).isoformat(timespec="seconds") for m in (start, end))


def zoom_window(text: str, zone: ZoneInfo | None = None) -> tuple[datetime, datetime] | None:
    """Return the two moments of a zoom on the local clock, naive; None where they are not two in order."""
    first, _, last = text.partition("/")
    a, b = local_moment(first, zone), local_moment(last, zone)
    return (a, b) if a is not None and b is not None and a < b else None


def limit_text(value: float | None) -> str:
    """Return a limit as it stands in the address."""
    return "" if value is None else f"{value:.12g}"


def cell_name(pack: int, cell: int) -> str:
    """Return the name of a cell as on screen: P1C24."""
    return f"P{pack}C{cell}"


def local_window(
    range_name: str, start: str, end: str, first: datetime, last: datetime, zone: ZoneInfo | None = None
) -> tuple[datetime, datetime, str | None]:
    """Return (start, end, problem) of the window on the local clock of `zone`, all naive, inside the readings' span.

    Presets of several days are whole local days, the last one that of the last reading; 24 h count back from it.
    `problem` is a text key where a custom range is not usable or holds no readings; the whole span is returned then.
    """
    last = last + timedelta(seconds=1)
    if range_name in SPANS:
        start = last - timedelta(days=SPANS[range_name])
        if SPANS[range_name] > 1:
            today = (last - timedelta(seconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
            start = today - timedelta(days=SPANS[range_name] - 1)
        return max(start, first), last, None
    if range_name == "custom":
        a, b = local_moment(start, zone), local_moment(end, zone)
        if a is None or b is None:
            return first, last, "range.unreadable"
        if b <= a:
            return first, last, "range.reversed"
        if b <= first or a >= last:
            return first, last, "range.outside"
        return max(a, first), min(b, last), None
    return first, last, None


def local_moment(text: str, zone: ZoneInfo | None = None) -> datetime | None:
    """Return a moment of the address on the local clock, naive; None where it is none or lies in no sensible year.

    A moment with its own zone (`…Z`, `…+02:00`) is brought to `zone`.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not YEARS[0] <= moment.year <= YEARS[1]:
        return None
    if moment.tzinfo is not None and zone is not None:
        moment = moment.astimezone(zone)
    return moment.replace(tzinfo=None)


def _checked(selection: Selection, name: str, text: str) -> object:
    if name == "pack":
        value = int(text)
        if not 0 <= value <= 999:
            raise ValueError(text)
        return value
    if name == "cell" and text and not _CELL.match(text):
        raise ValueError(text)
    if name == "zoom" and text and zoom_window(text) is None:
        raise ValueError(text)
    if name in {"low", "high"} and text and not math.isfinite(float(text)):
        raise ValueError(text)
    parameter = selection.param[name]
    if isinstance(parameter, param.Selector) and text not in parameter.objects:
        raise ValueError(text)
    return text
