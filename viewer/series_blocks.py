"""A window as blocks of its level: each is thinned once and kept, a window that ends inside one takes a part of it.

Blocks begin at fixed rows and are thinned by a ratio of few steps: a picture that is moved keeps its points, and what
is made of a block (its texts in `api/points.py`) serves every window that touches it. A point stands for the rows up to
the next one; only the few rows whose point lies outside the window are thinned anew. Pure but for the store.
Next: `series_thinning.py` for what happens inside a block.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from viewer.series_thinning import GAP_POINT_US, Columns, Thinned, thin
from viewer.store import Store

BLOCKS_PER_WINDOW = 12  # of a window with many points, up to twice as many: its ends lie inside a block
POINTS_PER_BLOCK = 256  # about, where there are fewer: to make and to find a block costs as much as its points
LEAST_ROWS = 64
BLOCKS_PER_BOOK = 64  # kept together
POINT_BYTES = 32  # four arrays
STEPS = 8  # ratios of rows to points per doubling: at most a twelfth fewer points than were wanted
FULL = 0.8  # of the rows that a window has room for: up to here it is thinned as if none were missing


@dataclass(frozen=True)
class Block:
    """Points of some rows. `number` is its place in the level, None for rows that nobody keeps.

    `kept` are all points of the block in the level, `cut` the places of `points` among them, None where it is whole.
    `after_gap` tells that a gap lies between its first row and the row before, which belongs to the window as well.
    """

    points: Thinned
    after_gap: bool
    number: int | None = None
    kept: Thinned | None = None
    cut: tuple[int, int] | None = None


@dataclass(frozen=True)
class Blocks:
    """The blocks of a window, in order, and what their kept products are named by."""

    table: str
    serial: int
    step: int
    size: int
    parts: list[Block]

    @property
    def count(self) -> int:
        """Points with those that stand for a gap."""
        return sum(b.points.ts.size + b.after_gap for b in self.parts)

    @property
    def gaps(self) -> int:
        """Gaps of the window, shown or not."""
        return sum(b.points.gaps + b.after_gap for b in self.parts)

    @property
    def shown(self) -> int:
        """Points without those that stand for a gap."""
        return sum(b.points.shown for b in self.parts)

    @property
    def first(self) -> Thinned:
        """The points of the first block."""
        return self.parts[0].points

    @property
    def last(self) -> Thinned:
        """The points of the last block."""
        return self.parts[-1].points

    def books(self, store: Store, name: tuple, point_bytes: int) -> Callable[[int], dict[int, Any]]:
        """Return what gives the book in which something is kept of a block, by the block's number."""
        room = int(BLOCKS_PER_BOOK * self.size / 2 ** (self.step / STEPS)) * point_bytes
        open_books: dict[int, dict[int, Any]] = {}

        def book(number: int) -> dict[int, Any]:
            volume = number // BLOCKS_PER_BOOK
            if volume not in open_books:
                key = (*name, self.serial, self.step, self.size, volume)
                open_books[volume] = store.book(self.table, key, room)
            return open_books[volume]

        return book


def ratio_step(rows: int, max_points: int) -> int:
    """Return the number of the smallest ratio that brings `rows` to at most `max_points`; 0 leaves every row."""
    return max(0, math.ceil(STEPS * math.log2(rows / max_points))) if rows > max_points else 0


def rows_of_block(rows: int, step: int) -> int:
    """Return how many rows a block has in a window of `rows`: a power of two, the same over a wide range of windows."""
    wanted = max(rows // BLOCKS_PER_WINDOW, int(POINTS_PER_BLOCK * 2 ** (step / STEPS)))
    return max(LEAST_ROWS, 2 ** (max(min(wanted, rows // 2), 1).bit_length() - 1))


def as_if(rows: int, room: int) -> int:
    """Return for how many rows a window is thinned that has `rows`, and room for `room` where none is missing.

    A few rows more or less must not change the ratio: windows of one length would not share their blocks, and a picture
    that is moved over a gap would change. At most a fifth fewer points are shown than fit.
    """
    missing = math.log(rows / room) / math.log(FULL) if 0 < rows < room else 0.0
    return max(rows, int(room * FULL ** int(missing)))


def blocks_of(
    store: Store, table: str, whole: Columns, rows: tuple[int, int], max_points: int, gap_us: float, room: int = 0
) -> Blocks:
    """Return the rows from the first up to the second number of a level, thinned to about `max_points`.

    `room` is how many rows the window has where none is missing. All rows are shown where there is a point for each.
    """
    first, stop = rows
    even = as_if(stop - first, room) if stop - first > max_points else stop - first
    step = ratio_step(even, max_points)
    size = rows_of_block(even, step)
    found = Blocks(table, whole.serial, step, size, [])
    if stop <= first:
        return found
    inner = range((first // size + 1) * size, stop, size)
    cutter = _Cutter(store, whole, gap_us, size, 2 ** (step / STEPS), found.books(store, ("points",), POINT_BYTES))
    gaps = (whole.ts[inner.start : stop : size] - whole.ts[inner.start - 1 : stop - 1 : size] > gap_us).tolist()
    for (low, high), gap in zip(pairwise([first, *inner, stop]), [False, *gaps], strict=True):
        found.parts.extend(cutter.blocks(low, high, gap))
    return found


@dataclass(frozen=True)
class _Cutter:
    """Gives the points of rows that lie in one block."""

    store: Store
    whole: Columns
    gap_us: float
    size: int
    ratio: float
    book_of: Callable[[int], dict[int, Any]]

    def blocks(self, low: int, high: int, after_gap: bool) -> list[Block]:
        """Return the rows as the block that they are, or as at most three parts of it."""
        number = low // self.size
        begin, end = number * self.size, min((number + 1) * self.size, self.whole.ts.size)
        book = self.book_of(number)
        points = book.get(number)
        if points is None:
            self.store.spend(end - begin)
            points = book[number] = self._thinned(begin, end)
        if low == begin and high == end:
            return [Block(points, after_gap, number, points)]
        places = _places(self.whole.ts, points.ts, low, high)
        if places is None:
            return [Block(self._thinned(low, high), after_gap)]
        one, two, head, tail = places
        found = []
        if head > low:
            found.append(Block(self._thinned(low, head), after_gap))
            after_gap = self._gaps(head - 1, head) > 0
        if two > one:
            part = _cut(points, one, two, self._gaps(head, min(tail, high - 1)))
            found.append(Block(part, after_gap, number, points, (one, two)))
            after_gap = False  # the part ends with a gap point where one is due
        if high > tail:
            found.append(Block(self._thinned(tail, high), after_gap))
        return found

    def _gaps(self, first: int, last: int) -> int:
        ts = self.whole.ts
        return int(np.count_nonzero(ts[first + 1 : last + 1] - ts[first:last] > self.gap_us))

    def _thinned(self, low: int, high: int) -> Thinned:
        wanted = high - low if self.ratio == 1 else max(int(high / self.ratio) - int(low / self.ratio), 1)
        points = thin(self.whole.window(low, high), wanted, self.gap_us)
        for array in (points.ts, points.mean, points.low, points.high):
            array.setflags(write=False)
        return points


def _places(rows: np.ndarray, points: np.ndarray, low: int, high: int) -> tuple[int, int, int, int] | None:
    """Return which points of a block stand for rows from `low` up to `high` alone, and the rows they begin and end at.

    None where no point lies among the rows. The last row is always a point of the window: where it is none of the
    block, the rows from the point before it are left to be thinned anew.
    """
    one, two = int(points.searchsorted(rows[low])), int(points.searchsorted(rows[high - 1], "right"))
    if two > one and points[two - 1] - points[two - 2] == GAP_POINT_US:
        two -= 1  # says that a gap follows the point before, which may lie behind the window
    if two == one:
        return None
    head, tail = (int(rows.searchsorted(points[i])) for i in (one, two - 1))
    if tail == high - 1 and (two == points.size or points[two] == rows[high]):
        return one, two, head, high
    return one, two - 1, head, tail


def _cut(points: Thinned, one: int, two: int, gaps: int) -> Thinned:
    ts = points.ts[one:two]
    marks = int(np.count_nonzero(ts[1:] - ts[:-1] == GAP_POINT_US))
    return Thinned(ts, points.mean[one:two], points.low[one:two], points.high[one:two], gaps, ts.size - marks)


def joined(blocks: Blocks) -> Thinned:
    """Return the points of all blocks, with a gap point where a gap lies between two of them."""
    parts: list[Thinned] = []
    for block in blocks.parts:
        if block.after_gap:
            parts.append(gap_point(parts[-1]))
        parts.append(block.points)
    if len(parts) == 1:
        return parts[0]
    arrays = [np.concatenate([getattr(p, name) for p in parts]) for name in ("ts", "mean", "low", "high")]
    return Thinned(*arrays, sum(p.gaps for p in parts), sum(p.shown for p in parts))


def gap_point(before: Thinned) -> Thinned:
    """Return the point that breaks a line behind the last point of `before`."""
    nan = np.full(1, np.nan)
    return Thinned(before.ts[-1:] + GAP_POINT_US, nan, nan, nan, 1, 0)
