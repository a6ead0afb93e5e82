"""One signal over one window: which level, which rows. Pure but for the store it reads from.

The level is the finest whose buckets number at most four times the points wanted; single readings where the window
is short. Used by the pages and by the REST API. A level of a signal is read, sorted and averaged once per version of
its table; a window is a run of its blocks (`series_blocks.py`). How they are thinned stands in `series_thinning.py`.
Next: `components/lod_chart.py` draws it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from viewer.series_blocks import Blocks, blocks_of, joined
from viewer.series_thinning import Columns, Thinned, thin
from viewer.store import Store
from viewer.wallclock import months_of

STEP_S = {"5min": 300, "15min": 900, "1h": 3600, "1d": 86_400}
RAW_SPAN_S = 26 * 3600
OVERSAMPLING = 4
DEFAULT_HOLD_S = 900.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UnknownSignal(LookupError):  # noqa: N818 - named as states
    """The device has no such signal; the message names the first of those that exist, `known` all."""

    def __init__(self, message: str, known: Sequence[str] = ()) -> None:
        self.known = list(known)
        super().__init__(message)


class EmptyWindow(ValueError):  # noqa: N818 - named as states
    """The window ends before it starts."""


@dataclass(frozen=True)
class SeriesResult:
    """A thinned series. `ts` is UTC in microseconds; a NaN in `mean` breaks the line at a gap.

    `made` are its points, or the blocks that are joined to them when somebody asks. `leads` are pairs of neighbouring
    readings with a border of the window between them and no gap: no points of the series, but where its line enters
    and leaves.
    """

    device: str
    signal: str
    unit: str
    kind: str
    resolution: str
    points_held: int
    start: datetime
    end: datetime
    made: Thinned | Blocks = field(compare=False, repr=False)
    leads: tuple[Columns, ...] = field(default=(), compare=False, repr=False)

    @cached_property
    def _points(self) -> Thinned:
        return joined(self.made) if isinstance(self.made, Blocks) else self.made

    @property
    def ts(self) -> np.ndarray:
        """Times of the points [µs, UTC]."""
        return self._points.ts

    @property
    def mean(self) -> np.ndarray:
        """Means weighted by time; single readings are themselves."""
        return self._points.mean

    @property
    def low(self) -> np.ndarray:
        """Smallest reading from a point to the next."""
        return self._points.low

    @property
    def high(self) -> np.ndarray:
        """Largest reading from a point to the next."""
        return self._points.high

    @property
    def edges(self) -> list[float]:
        """Values at which the line enters and leaves the window."""
        sides = to_us(self.start), to_us(self.end)
        return [
            float(np.interp(side, lead.ts, lead.mean))
            for lead in self.leads for side in sides if lead.ts[0] <= side <= lead.ts[1]
        ]

    @property
    def blocks(self) -> Blocks | None:
        """The blocks that the points come from, None where they come from none."""
        return self.made if isinstance(self.made, Blocks) else None

    @property
    def points_shown(self) -> int:
        """Points without those that stand for a gap."""
        return self.made.shown

    @property
    def gaps(self) -> int:
        """Gaps of the window, shown or not."""
        return self.made.gaps

    @property
    def count(self) -> int:
        """Points with those that stand for a gap."""
        return self.made.count

    @property
    def actual_start(self) -> datetime | None:
        """Time of the first point inside the window."""
        return from_us(int(self.made.first.ts[0])) if self.count else None

    @property
    def actual_end(self) -> datetime | None:
        """Time of the last point inside the window."""
        return from_us(int(self.made.last.ts[-1])) if self.count else None


def from_us(ts_us: int) -> datetime:
    """Return the aware UTC moment of microseconds."""
    return _EPOCH + timedelta(microseconds=ts_us)


def to_us(moment: datetime) -> int:
    """Return UTC microseconds of an aware moment."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def choose_level(span_s: float, max_points: int, kind: str = "gauge") -> str:
    """Return `raw` or the finest level whose buckets number at most `OVERSAMPLING` × `max_points`."""
    if span_s <= RAW_SPAN_S and kind != "interval":
        return "raw"
    for level, step in STEP_S.items():
        if span_s / step <= OVERSAMPLING * max_points:
            return level
    return "1d"


def load_series(
    store: Store,
    device: str,
    signal: str,
    start: datetime,
    end: datetime,
    max_points: int = 1600,
    level: str | None = None,
    zone: ZoneInfo | None = None,
) -> SeriesResult:
    """Read `signal` between two aware moments, thinned to about `max_points`.

    `level` overrides the choice. Raises `EmptyWindow`, `UnknownSignal`, `TableMissing` or `TableBroken`.
    """
    if end <= start:
        msg = f"the window ends ({end.isoformat()}) before it starts ({start.isoformat()}); swap the two"
        raise EmptyWindow(msg)
    info = signal_row(store, device, signal)
    chosen = level or choose_level((end - start).total_seconds(), max_points, info["kind"])
    leads: tuple[Columns, ...] = ()
    if chosen == "raw":
        hold = timedelta(seconds=max(info["max_hold_s"] or DEFAULT_HOLD_S, 1.0))
        gap_us = hold.total_seconds() * 1e6
        wide = _read_raw(store, device, signal, start - hold, end + hold, zone or ZoneInfo("UTC"))
        rows = tuple(int(i) for i in np.searchsorted(wide.ts, (to_us(start), to_us(end))))
        leads, held = _leads(wide, rows, gap_us), rows[1] - rows[0]
        made = thin(wide.window(*rows), max_points, gap_us)
    else:
        whole = _level(store, device, signal, chosen, info["kind"])
        rows = tuple(int(i) for i in np.searchsorted(whole.ts, (to_us(start), to_us(end))))
        gap_us = STEP_S[chosen] * (1.5e6 if chosen != "1d" else 1.1e6)
        held, room = rows[1] - rows[0], int((end - start).total_seconds()) // STEP_S[chosen] + 1
        made = (
            blocks_of(store, f"resolution_{chosen}", whole, rows, max_points, gap_us, room) if held
            else thin(whole.window(*rows), max_points, gap_us)
        )
    unit = "kW" if info["kind"] == "interval" else info["unit"]
    return SeriesResult(device, signal, unit, info["kind"], chosen, held, start, end, made, leads)


def signal_row(store: Store, device: str, signal: str) -> dict:
    """Return the row of the `signals` table, shared by all callers; `UnknownSignal` names what exists."""
    return store.derived("signals", ("row", device, signal), lambda: _find_row(store, device, signal), lambda _: 4096)


def _find_row(store: Store, device: str, signal: str) -> dict:
    rows = store.frame("signals", where={"device": device})
    found = rows.filter(pl.col("signal") == signal)
    if found.is_empty():
        known = ", ".join(rows["signal"].head(12).to_list()) or "none"
        msg = f"device {device!r} has no signal {signal!r}; it has {known}{' …' if rows.height > 12 else ''}"
        raise UnknownSignal(msg, rows["signal"].to_list())
    return found.row(0, named=True)


def envelope_runs(result: SeriesResult, bins: int = 600) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the envelope as one (ts, low, high) per run between gaps, in at most about `bins` steps in all."""
    if result.ts.size < 2:
        return []
    width = max((to_us(result.end) - to_us(result.start)) // bins, 1)
    broken = ~np.isfinite(result.low) & ~np.isfinite(result.high)
    runs, out = np.split(np.arange(result.ts.size), np.flatnonzero(broken)), []
    for run in runs:
        rows = run[~broken[run]]
        if rows.size < 2:
            continue
        ts = result.ts[rows]
        slot = (ts - ts[0]) // width
        first = np.flatnonzero(np.concatenate(([True], np.diff(slot) > 0)))
        low, high = np.fmin.reduceat(result.low[rows], first), np.fmax.reduceat(result.high[rows], first)
        out.append((np.append(ts[first], ts[-1]), np.append(low, low[-1]), np.append(high, high[-1])))
    return out


def _leads(wide: Columns, rows: tuple[int, int], gap_us: float) -> tuple[Columns, ...]:
    """Return the steps over both ends of the rows; none over a gap."""
    steps = {(first, first + 2) for first in (rows[0] - 1, rows[1] - 1) if first >= 0 and first + 2 <= wide.ts.size}
    found = [wide.window(*step) for step in sorted(steps)]
    return tuple(c for c in found if np.diff(c.ts)[0] <= gap_us and np.isfinite(c.mean).all())


def _read_raw(store: Store, device: str, signal: str, start: datetime, end: datetime, zone: ZoneInfo) -> Columns:
    window = (pl.col("ts") >= start) & (pl.col("ts") < end)
    rows = store.frame(
        "readings",
        ["ts", "value"],
        where={"device": device, "signal": signal},
        months=months_of(start, end, zone),
        predicate=window,
    ).sort("ts")
    value = rows["value"].to_numpy()
    return Columns(_us(rows["ts"]), value, value, value)


def _level(store: Store, device: str, signal: str, level: str, kind: str) -> Columns:
    """Return the whole level in time order, read-only arrays, made once per version of its table."""
    return store.derived(
        f"resolution_{level}",
        ("columns", device, signal, kind),
        lambda: _read_level(store, device, signal, level, kind),
        lambda columns: columns.nbytes,
    )


def _read_level(store: Store, device: str, signal: str, level: str, kind: str) -> Columns:
    names = ["ts", "covered_s", "integral", "min", "max", "last", "increase"]
    where = {"device": device, "signal": signal}
    rows = store.frame(f"resolution_{level}", names, where=where, keep=False).sort("ts")
    mean = _mean(rows, kind, STEP_S[level])
    low, high = rows["min"].to_numpy(), rows["max"].to_numpy()
    if kind == "interval":
        low, high = mean, mean
    made = Columns(_us(rows["ts"]), mean, np.fmin(low, mean), np.fmax(high, mean))
    for array in (made.ts, made.mean, made.low, made.high):
        array.setflags(write=False)
    return made


def _mean(rows: pl.DataFrame, kind: str, step_s: int) -> np.ndarray:
    if kind == "interval":
        expr = pl.col("increase") * (3600.0 / step_s)
    elif kind in {"counter", "net_counter"}:
        expr = pl.col("last")
    else:
        expr = pl.when(pl.col("covered_s") > 0).then(pl.col("integral") / pl.col("covered_s")).otherwise(pl.col("last"))
    return rows.select(expr.cast(pl.Float64).alias("mean"))["mean"].to_numpy()


def _us(ts: pl.Series) -> np.ndarray:
    return ts.cast(pl.Int64).to_numpy()
