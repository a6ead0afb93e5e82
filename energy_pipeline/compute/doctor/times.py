"""Which columns hold the time, and how it is written: ISO, epoch, or day, month and year in some order.

Several columns may (an epoch beside a naive clock is the best evidence for a zone). Day-first and month-first are told
apart by days beyond 12, else by the order of rows; where neither says it, both are named. Next: `clock.py`.
"""

import re
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_pipeline.compute import fields
from energy_pipeline.compute.doctor.sniff import as_numbers
from energy_pipeline.compute.fields import ISO

EPOCH_S = (9.4e8, 2.3e9)  # 1999 to 2042
TIME_WORD = re.compile(r"(?<![a-z])(ts|time|epoch|moment|date|datetime|unix|stamp|timestamp|zeit|datum|t)(?![a-z])"
                       r"|time|moment|datum|stamp|zeit", re.IGNORECASE)
UTC_WORD = re.compile(r"(?<![A-Za-z])(utc|gmt|zulu)(?![A-Za-z])", re.IGNORECASE)
CLOCKS = ("%H:%M:%S", "%H:%M")
DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d.%m.%y", "%d-%b-%Y", "%Y.%m.%d")
FORMATS = (
    *(f"{d} {c}" for d in DATES for c in CLOCKS), *(f"{d} %I:%M:%S %p" for d in DATES[1:3]),
    *(f"{d} %I:%M %p" for d in DATES[1:3]), "%Y%m%d %H:%M:%S", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S", "%Y%m%d%H%M",
)
SWAPPED = {"%d/%m": "%m/%d", "%d-%m": "%m-%d", "%m/%d": "%d/%m", "%m-%d": "%d-%m"}
PROBE_ROWS = 2000


@dataclass
class TimeColumn:
    """One column of times as read: UTC where `is_utc`, else a wall clock [µs]; `ok` where it could be read."""

    name: str
    format: str
    time_us: NDArray[np.int64]
    ok: NDArray[np.bool_]
    is_utc: bool
    evidence: str
    offsets: dict[str, int]

    @property
    def is_epoch(self) -> bool:
        """True where the column counts from 1970."""
        return self.format.startswith("epoch")


def parse_times(texts: pl.Series, style: str) -> tuple[NDArray[np.int64], NDArray[np.bool_], bool]:
    """Read texts by a format of `[[source]]`; (time [µs], readable, is UTC), exactly as the reader does."""
    time_us, ok, utc = fields.parse_times(texts, style)
    return time_us, ok, bool(len(utc) and utc[ok].any()) or style.startswith("epoch")


def find_times(table: pl.DataFrame, decimal: str) -> tuple[list[TimeColumn], list[str]]:
    """Find the columns that hold times, the best first.

    Returns:
        the columns, and remarks on what looks like a time but cannot be used (a date without its hour).
    """
    found, remarks = [], []
    for name in table.columns:
        column = table[name]
        filled = column.filter(column != "")
        if filled.is_empty():
            continue
        hit = _format_of(name, filled, decimal)
        if hit is None:
            if filled.head(200).str.contains(r"^\d{1,2}:\d{2}(:\d{2})?$").all():
                remarks.append(f"{name!r} holds a time of day only; a source reads date and time from one column")
            continue
        style, why = hit
        time_us, ok, utc = parse_times(column, style)
        if ok.mean() < 0.8:
            continue
        if not style.startswith("epoch") and ok.sum() > 3 and (time_us[ok] % 86_400_000_000 == 0).all() \
                and len(np.unique(time_us[ok])) < 0.7 * ok.sum():
            remarks.append(f"{name!r} holds dates without an hour, repeated; not used as the time")
            continue
        offsets = _written_offsets(column) if style == "iso" and utc else {}
        found.append(TimeColumn(name, style, time_us, ok, utc, why, offsets))
    # Instants before wall clocks: an epoch or an offset leaves nothing to guess.
    found.sort(key=lambda t: (not t.is_utc, not TIME_WORD.search(t.name), table.columns.index(t.name)))
    return found, remarks


def _format_of(name: str, filled: pl.Series, decimal: str) -> tuple[str, str] | None:
    probe = pl.concat([filled.head(PROBE_ROWS // 2), filled.tail(PROBE_ROWS // 2)])
    numbers, share = as_numbers(probe, decimal)
    if share > 0.95:
        epoch = _epoch_of(name, numbers[np.isfinite(numbers)])
        if epoch:
            return epoch
    if share <= 0.95 and (probe.str.contains(ISO).mean() or 0) > 0.9:
        return "iso", f"ISO 8601, e.g. {probe[0]!r}"
    fits = []
    for style in FORMATS:
        if len(str(probe[0])) < 8 or (share > 0.95 and not style.startswith("%Y%m%d")):
            continue
        parsed = probe.str.to_datetime(style, strict=False, time_unit="us")
        good = 1 - parsed.null_count() / len(parsed)
        if good > 0.9:
            fits.append((style, good, parsed.drop_nulls()))
    if not fits:
        return None
    top = max(good for _, good, _ in fits)
    best = [f for f in fits if f[1] > top - 1e-9]
    if share > 0.95 and not (TIME_WORD.search(name) and best):
        return None
    return _choose(best, filled, str(probe[0]))


def _choose(fits: list[tuple[str, float, pl.Series]], filled: pl.Series, example: str) -> tuple[str, str]:
    style = fits[0][0]
    other = next((style.replace(a, b) for a, b in SWAPPED.items() if a in style), None)
    if other is None:
        return style, f"e.g. {example!r}"
    rivals = {s: filled.str.to_datetime(s, strict=False, time_unit="us") for s in (style, other)}
    unread = {s: times.null_count() for s, times in rivals.items()}
    if unread[style] != unread[other]:
        style = min(unread, key=lambda s: unread[s])
        return style, f"{max(unread.values()) - min(unread.values())} dates fit only this order, e.g. {example!r}"
    jumps = {s: int((times.diff().dt.total_days().abs() > 1).sum()) for s, times in rivals.items()}
    if jumps[style] != jumps[other]:
        style = min(jumps, key=lambda s: jumps[s])
        return style, f"in this order the rows follow each other, in the other {max(jumps.values())} jump"
    return style, f"e.g. {example!r}; DAY-FIRST OR MONTH-FIRST CANNOT BE TOLD: no day beyond 12, check it"


def _epoch_of(name: str, numbers: NDArray[np.float64]) -> tuple[str, str] | None:
    if len(numbers) == 0 or np.ptp(numbers) == 0:
        return None
    for style, scale in (("epoch_s", 1.0), ("epoch_ms", 1e3)):
        low, high = EPOCH_S[0] * scale, EPOCH_S[1] * scale
        if ((numbers >= low) & (numbers <= high)).mean() > 0.99:
            steps = np.diff(numbers) / scale
            steady = np.median(np.abs(steps)) if len(steps) else 0.0
            # A register may lie in the same range: without a name that speaks of time, its steps must be steady.
            regular = len(steps) > 5 and steady >= 1 and (np.abs(steps - steady) < 0.1 * steady).mean() > 0.8
            if TIME_WORD.search(name) or regular:
                return style, f"numbers from {numbers.min():.0f} to {numbers.max():.0f} count from 1970"
    return None


def _written_offsets(column: pl.Series) -> dict[str, int]:
    found = column.str.extract(r"(Z|z|[+-]\d{2}(?::?\d{2})?)$").drop_nulls().value_counts()
    return {str(k): int(n) for k, n in found.iter_rows()}


def says_utc(name: str) -> bool:
    """True where a column's name says that its clock is UTC."""
    return UTC_WORD.search(name) is not None
