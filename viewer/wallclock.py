"""Between UTC and the wall clock of a device.

Bokeh's axes know no zone: plots show local wall-clock time as naive milliseconds. The hour that occurs twice in
autumn is taken as its first occurrence on the way back; an hour that does not exist in spring moves to its end.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl


def to_wall(ts_us: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Return naive local `datetime64[ms]` for UTC microseconds."""
    utc = pl.Series(np.asarray(ts_us, dtype="int64")).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    local = utc.dt.convert_time_zone(zone.key).dt.replace_time_zone(None)
    return local.cast(pl.Datetime("ms")).to_numpy()


def wall_ms(moment: datetime, zone: ZoneInfo) -> float:
    """Return wall-clock milliseconds, as Bokeh's axes count them, of an aware moment."""
    return moment.astimezone(zone).replace(tzinfo=UTC).timestamp() * 1000.0


def from_wall_ms(value_ms: float, zone: ZoneInfo) -> datetime:
    """Return the UTC moment of wall-clock milliseconds; ambiguous times are the earlier one."""
    naive = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=float(value_ms))
    return local_to_utc(naive.replace(tzinfo=None), zone)


def local_to_utc(naive: datetime, zone: ZoneInfo) -> datetime:
    """Return the UTC moment of a naive local time (`fold=0`: the first of two; a missing hour moves forward)."""
    return naive.replace(tzinfo=zone, fold=0).astimezone(UTC)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the UTC moment at which a local day starts."""
    return local_to_utc(datetime(day.year, day.month, day.day), zone)  # noqa: DTZ001 - local by intention


def months_of(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """Return the first and last local month that a window touches."""
    return start.astimezone(zone).strftime("%Y-%m"), end.astimezone(zone).strftime("%Y-%m")
