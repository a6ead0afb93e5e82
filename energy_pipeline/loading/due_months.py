"""Which months a load changes, so that exactly these are recomputed.

A month is due when rows of it changed; when a reading outside it now reaches into it, or no longer does (by being
held, or by a register's line across a gap); when the judgement of a register's step in it changed; and, for charges,
when rows within 48 h of its borders changed. Next: `work.py` compares these numbers with those of the tables.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_pipeline.compute import zones

Int = NDArray[np.int64]
CHARGE_MARGIN_US = 48 * zones.HOUR


@dataclass(frozen=True)
class MonthIndex:
    """Local months of a device and their borders [µs, UTC]: month i spans borders[i] to borders[i + 1]."""

    months: tuple[str, ...]
    borders: Int

    @classmethod
    def of(cls, zone: ZoneInfo, first_us: int, last_us: int) -> "MonthIndex":
        """All months from the first to the last allowed instant, and one more on either side."""
        months = zones.months_between(zone, first_us - 20 * zones.DAY, last_us + 40 * zones.DAY)
        borders = [zones.month_bounds(zone, m)[0] for m in months]
        borders.append(zones.month_bounds(zone, months[-1])[1])
        return cls(tuple(months), np.array(borders, np.int64))

    def at(self, us: int) -> int:
        """Position of the month that holds an instant."""
        return int(np.searchsorted(self.borders, us, side="right")) - 1

    def between(self, low: int, high: int) -> list[str]:
        """Months that the closed span touches, as far as they are allowed ones."""
        return list(self.months[max(self.at(low), 0) : self.at(high) + 1])

    def slices(self, ts: Int) -> Iterator[tuple[str, slice]]:
        """Months of sorted times, with the part of them that each month holds."""
        cuts = np.searchsorted(ts, self.borders)
        for i, month in enumerate(self.months):
            if cuts[i + 1] > cuts[i]:
                yield month, slice(int(cuts[i]), int(cuts[i + 1]))

    def months_of(self, ts: Int) -> set[str]:
        """Months in which any of the sorted times lies."""
        return {month for month, _ in self.slices(ts)}


class DueMonths:
    """Collects the months that a load changes.

    One set serves the resolution tables and the charges: near a month's border the neighbour is aggregated again
    without need, which costs a second a month and saves a second system of numbers.
    """

    def __init__(self, index: MonthIndex) -> None:
        """Start with none."""
        self.index = index
        self.months: set[str] = set()

    def add_span(self, low: int, high: int) -> None:
        """Every month that a closed span [µs] touches, or lies within 48 h of (charges look that far)."""
        self.months.update(self.index.between(low - CHARGE_MARGIN_US, high + CHARGE_MARGIN_US))

    def add_gauge(self, ts: Int, hold_us: int) -> None:
        """New rows of a signal whose readings hold at most `hold_us`."""
        for _, part in self.index.slices(ts):
            self.add_span(int(ts[part][0]), int(ts[part][-1]) + hold_us)

    def add_register(self, ts: Int, neighbours: tuple[int | None, int | None]) -> None:
        """New rows of a register: its line changes from the reading before to the reading after, however far."""
        low = neighbours[0] if neighbours[0] is not None else int(ts[0])
        high = neighbours[1] if neighbours[1] is not None else int(ts[-1])
        self.months.update(self.index.between(low, high))

    def add_events(self, old: pl.DataFrame, new: pl.DataFrame, usable: Callable[[str], Int]) -> None:
        """Register steps whose judgement changed, appeared or went away; `usable`: times that neither set ignores."""
        key = ["signal", "ts", "ts_end", "kind", "old", "new", "booked_kwh"]
        changed = pl.concat(
            [
                new.select(key).join(old.select(key), on=key, how="anti", nulls_equal=True),
                old.select(key).join(new.select(key), on=key, how="anti", nulls_equal=True),
            ]
        ).select("signal", pl.col("ts").to_physical(), pl.col("ts_end").to_physical())
        for signal, start, end in changed.iter_rows():
            # The line into an event starts at the reading before it; that over ignored readings ends after them.
            low, high = neighbours(usable(signal), start, start if end is None else end)
            last = start if end is None else end if high is None else high
            self.months.update(self.index.between(start if low is None else low, last))


def neighbours(times: Int, low: int, high: int) -> tuple[int | None, int | None]:
    """Last of the sorted times before `low` and first after `high`."""
    before = int(np.searchsorted(times, low)) - 1
    after = int(np.searchsorted(times, high, side="right"))
    return (int(times[before]) if before >= 0 else None), (int(times[after]) if after < len(times) else None)


def not_ignored(times: Int, events: pl.DataFrame) -> Int:
    """Times of a register that none of its events leaves out."""
    keep = np.ones(len(times), bool)
    spans = events.filter(pl.col("ts_end").is_not_null()).select(pl.col("ts", "ts_end").to_physical())
    for start, end in spans.iter_rows():
        keep[np.searchsorted(times, start) : np.searchsorted(times, end, side="right")] = False
    return times[keep]
