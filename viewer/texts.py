"""Every word on the screen, in German and English, and how numbers and dates are written.

The words stand in `words/`, one dictionary per subject, as `key: (German, English)`. A missing key raises
`UnknownText`; a test holds every key that the code uses against the dictionaries.
"""

import math
from collections.abc import Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from viewer.words import ALL, ONE

LANGUAGES = ("de", "en")
DASH = "–"


class UnknownText(KeyError):  # noqa: N818 - named as states
    """The code asks for a text that no dictionary holds."""


class Texts:
    """Words and formats of one language."""

    def __init__(self, lang: str) -> None:
        self.lang = lang if lang in LANGUAGES else LANGUAGES[0]
        self._column = LANGUAGES.index(self.lang)

    def __call__(self, key: str, **fields: object) -> str:
        """Return the text of `key` with `{fields}` filled in; where `n` is 1, the words for one."""
        if key not in ALL:
            raise UnknownText(key)
        words = ONE if key in ONE and str(fields.get("n")) == "1" else ALL
        text = words[key][self._column]
        return text.format(**fields) if fields else text

    def code(self, group: str, value: str | None) -> str:
        """Return the word for a code of a table, the code itself where no word is known."""
        key = f"{group}.{value}"
        return ALL[key][self._column] if key in ALL else (value or DASH)

    def number(self, value: float | None, digits: int | None = None, *, sign: bool = False) -> str:
        """Return a number with the language's separators; a dash where there is none."""
        if value is None or value != value:
            return DASH
        if digits is None:
            digits = _digits(value)
        text = f"{value:{'+' if sign else ''},.{digits}f}"
        if float(f"{value:.{digits}f}") == 0:
            text = text.lstrip("+-")
        text = text.replace("-", "−")
        return text if self.lang == "en" else text.translate(str.maketrans(",.", ".,"))

    def parsed(self, text: str) -> float | None:
        """Return the number that a person typed, with the language's decimal sign or a point; None where it is none."""
        plain = text.strip().replace("−", "-")
        try:
            value = float(plain.replace(",", ".") if self.lang == "de" else plain.replace(",", ""))
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def with_unit(self, value: float | None, unit: str, digits: int | None = None) -> str:
        """Return number and unit, the unit scaled where a larger one reads better (kW to MW)."""
        scaled, named = scale_unit(value, unit)
        return f"{self.number(scaled, digits)} {named}".strip() if scaled is not None else DASH

    def split(self, text: str) -> tuple[str, str]:
        """Return number and unit of what `with_unit` wrote."""
        value, _, unit = text.rpartition(" ")
        return (value, unit) if value else (text, "")

    def percent(self, share: float | None, digits: int = 0) -> str:
        """Return a share (0..1) in percent."""
        return DASH if share is None or share != share else f"{self.number(100 * share, digits)} %"

    def month(self, text: str | date | None) -> str:
        """Return a month (2024-05), or an ISO week (2024-W05) or a year as they are labelled."""
        if text is None:
            return DASH
        label = text if isinstance(text, str) else text.strftime("%Y-%m")
        year, _, part = label.partition("-")
        if self.lang == "en" or not part:
            return label
        return f"{year}, KW {part[1:]}" if part.startswith("W") else f"{part}.{year}"

    def date(self, day: date | None) -> str:
        """Return a date."""
        return DASH if day is None else day.strftime("%d.%m.%Y" if self.lang == "de" else "%Y-%m-%d")

    def datetime(self, moment: datetime | None, zone: ZoneInfo | None = None) -> str:
        """Return a moment on the wall clock of `zone`."""
        if moment is None:
            return DASH
        local = moment.astimezone(zone) if zone is not None else moment
        return local.strftime("%d.%m.%Y %H:%M" if self.lang == "de" else "%Y-%m-%d %H:%M")

    def age(self, hours: float | None) -> str:
        """Return how long ago something was, in the unit that reads best."""
        if hours is None:
            return DASH
        if hours < 1:
            return self("age.minutes", n=max(int(hours * 60), 0))
        return self("age.hours", n=int(hours)) if hours < 48 else self("age.days", n=int(hours / 24))

    @property
    def separators(self) -> tuple[str, str]:
        """Return decimal and thousands separator."""
        return (",", ".") if self.lang == "de" else (".", ",")

    @property
    def locale(self) -> str:
        """Return the browser's name of the language."""
        return "de-DE" if self.lang == "de" else "en-GB"


def span_of(first: date | None, last: date | None, t: Texts) -> str:
    """Return a sentence on which days there are, to follow another; nothing where there are none."""
    return "" if first is None else " " + t("range.exists", first=t.date(first), last=t.date(last))


def _digits(value: float) -> int:
    size = abs(value)
    if size >= 1000 or value == int(value):
        return 0
    if size < 0.1:
        return min(2 - math.floor(math.log10(size)), 8)
    return 1 if size >= 100 else 2 if size >= 1 else 3


_LARGER: Mapping[str, tuple[str, float]] = {
    "kW": ("MW", 1e3),
    "kWh": ("MWh", 1e3),
    "MWh": ("GWh", 1e3),
    "W": ("kW", 1e3),
    "Wh": ("kWh", 1e3),
}


def scale_unit(value: float | None, unit: str) -> tuple[float | None, str]:
    """Return value and unit, in the next larger unit from ten thousand on."""
    if value is not None and unit in _LARGER and abs(value) >= 10_000:
        larger, factor = _LARGER[unit]
        return scale_unit(value / factor, larger)
    return value, unit
