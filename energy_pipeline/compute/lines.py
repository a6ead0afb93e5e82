"""Where the rows of a chunk stand in their file: line numbers and texts, looked up only for rows that are asked for.

Next: `reader.py`, which makes them; `rows.py`, which asks for those of refused rows.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

RAW_LENGTH = 200
BLOCK = 1 << 16  # bytes of text in which line ends are counted


def is_blank(data: bytes) -> bool:
    """True where there is nothing but white space; looks no further than the first other byte."""
    return not data or data.isspace()


@dataclass
class Lines:
    """Where rows stand in the file: row index of a chunk → line number and text.

    `is_dense` says that no line is blank; then a row is found by counting line ends block by block, and only the
    block that holds it is looked at. Otherwise all lines are indexed, once.
    """

    data: bytes
    first_line: int
    is_dense: bool = False
    _starts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _numbers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _last_block: tuple[int, NDArray[np.int64]] = field(default_factory=lambda: (-1, np.empty(0, np.int64)))

    @cached_property
    def _ends_before(self) -> NDArray[np.int64]:
        """Line ends before each block of the data, and in all of it; small blocks stay in the processor's cache."""
        text = np.frombuffer(self.data, np.uint8)
        counts = [np.count_nonzero(text[i : i + BLOCK] == ord("\n")) for i in range(0, len(text), BLOCK)]
        return np.cumsum([0, *counts])

    @property
    def ends(self) -> int:
        """Number of line ends, and of a last line that has none."""
        return int(self._ends_before[-1]) + (bool(self.data) and not self.data.endswith(b"\n"))

    def _index(self) -> None:
        """Find where the lines begin that hold anything but carriage returns; once, and only where it is asked for."""
        if len(self._starts) or not self.data:
            return
        text = np.frombuffer(self.data, np.uint8)
        breaks = np.flatnonzero(text == ord("\n"))
        starts, ends = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(text)]])
        filled = ends > starts
        for i in np.flatnonzero(filled & (text[np.minimum(starts, len(text) - 1)] == ord("\r"))):
            filled[i] = bool(self.data[starts[i] : ends[i]].strip(b"\r"))
        self._starts = starts[filled]
        self._numbers = np.flatnonzero(filled) + self.first_line

    def count(self) -> int:
        """Number of lines that are not blank."""
        self._index()
        return len(self._starts)

    def start(self, row: int) -> int:
        """Byte at which a row begins."""
        if not self.is_dense:
            self._index()
            return int(self._starts[row])
        if row == 0:
            return 0
        block = int(np.searchsorted(self._ends_before, row)) - 1
        if self._last_block[0] != block:  # rows are asked for in order: the next one is mostly in the same block
            text = np.frombuffer(self.data[block * BLOCK : (block + 1) * BLOCK], np.uint8)
            self._last_block = block, np.flatnonzero(text == ord("\n"))
        return block * BLOCK + int(self._last_block[1][row - int(self._ends_before[block]) - 1]) + 1

    def number(self, row: int) -> int:
        """Line number in the file, from 1."""
        if self.is_dense:
            return self.first_line + row
        self._index()
        return int(self._numbers[row])

    def text(self, row: int) -> str:
        """The line as it stands in the file, at most 200 characters."""
        start = self.start(row)
        end = self.data.find(b"\n", start)
        line = self.data[start : end if end >= 0 else len(self.data)].rstrip(b"\r")
        return line[: 4 * RAW_LENGTH].decode("utf-8", errors="backslashreplace")[:RAW_LENGTH]


@dataclass
class RowNumbers(Lines):
    """Lines of a Parquet file: there is no text, and the number is that of the row."""

    def number(self, row: int) -> int:
        """Row number, from 1."""
        return row + self.first_line

    def text(self, row: int) -> str:  # noqa: ARG002
        """Parquet rows have no text."""
        return ""
