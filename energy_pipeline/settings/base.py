"""What all settings share: frozen models without unknown keys, names, time zones, and the error that explains.

Next: `sources.py`, `battery.py`, `meters.py`, and `site.py`, which puts them together.
"""

from functools import cache
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9._-]+$"


class SettingsError(ValueError):
    """A setting is wrong: the message names the key, what was found, and what is allowed."""


_known_zones = cache(available_timezones)  # reads a whole folder each time


def is_zone(name: str) -> bool:
    """True for the name of a time zone in the IANA database."""
    return name in _known_zones()


def _zone(name: str) -> str:
    if not is_zone(name):
        msg = f"{name!r} is not a time zone; use a name of the IANA database, e.g. Europe/Berlin or Etc/GMT-8"
        raise ValueError(msg)
    return name


def _in_order(limits: tuple[float, float]) -> tuple[float, float]:
    if not limits[0] <= limits[1]:
        msg = f"the smaller value comes first: found {list(limits)}, allowed [low, high]; write {sorted(limits)}"
        raise ValueError(msg)
    return limits


Limits = Annotated[tuple[float, float], AfterValidator(_in_order)]
Zone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, Field(pattern=NAME)]
Kind = Literal["gauge", "flag", "counter", "net_counter", "interval"]


class Model(BaseModel):
    """A block of settings: frozen, and without keys that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
