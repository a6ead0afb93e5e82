"""A window as blocks of its level: whole blocks are thinned once and kept, only the pieces at both ends are made anew.

Blocks begin at fixed rows and are thinned by a ratio of few steps: a picture that is moved keeps its points, and what
is made of a block (its texts in `api/points.py`) serves every window that covers it. Pure but for the store.
Next: `series_thinning.py` for what happens inside a block.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from viewer.series_thinning import Columns, Thinned, thin
from viewer.store import Store

BLOCKS_PER_WINDOW = 12  # at least, where its rows allow it: what lies in pieces of blocks at its ends is made anew
LEAST_ROWS = 64
BLOCKS_PER_BOOK = 64  # kept together
POINT_BYTES = 32  # four arrays
STEPS = 8  # ratios of rows to points per doubling: at most a twelfth fewer points than were wanted


@dataclass(frozen=True)
class Block:
    """Points of some rows. `number` is its place in the level, None for a piece of a block that nobody keeps.

    `after_gap` tells that a gap lies between its first row and the row before, which belongs to the window as well.
    """

    points: Thinned
    number: int | None
    after_gap: bool


@dataclass(frozen=True)
class Blocks:
    """The blocks of a window, in order, and what their kept products are named by."""

    table: str
    serial: int
    step: int
    size: int
    parts: list[Block]

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


def rows_of_block(rows: int) -> int:
    """Return how many rows a block has in a window of `rows`: a power of two, the same over a wide range of windows."""
    return max(LEAST_ROWS, 2 ** (max(rows // BLOCKS_PER_WINDOW, 1).bit_length() - 1))


def blocks_of(
    store: Store, table: str, whole: Columns, rows: tuple[int, int], max_points: int, gap_us: float
) -> Blocks:
    """Return the rows from the first up to the second number of a level, thinned to about `max_points`."""
    first, stop = rows
    step = ratio_step(stop - first, max_points)
    size, ratio = rows_of_block(stop - first), 2 ** (step / STEPS)
    found = Blocks(table, whole.serial, step, size, [])
    book_of = found.books(store, ("points",), POINT_BYTES)

    def made(low: int, high: int) -> Thinned:
        wanted = max(int(high / ratio) - int(low / ratio), 1) if step else high - low
        points = thin(whole.window(low, high), wanted, gap_us)
        for array in (points.ts, points.mean, points.low, points.high):
            array.setflags(write=False)
        return points

    def block(low: int, high: int) -> Block:
        after_gap = bool(low > first and whole.ts[low] - whole.ts[low - 1] > gap_us)
        number = low // size
        if low % size or high != min(low + size, whole.ts.size):
            return Block(made(low, high), None, after_gap)
        book = book_of(number)
        points = book.get(number)
        if points is None:
            points = book[number] = made(low, high)
        return Block(points, number, after_gap)

    edges = [first, *range((first // size + 1) * size, stop, size), stop]
    found.parts.extend(block(a, b) for a, b in pairwise(edges) if b > a)
    return found


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
    return Thinned(before.ts[-1:] + 1, nan, nan, nan, 1, 0)
