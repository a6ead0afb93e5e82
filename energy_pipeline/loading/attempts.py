"""Files whose reading raises what nobody foresaw: tried three times, then set aside with a finding.

A load that meets one commits nothing but the number of attempts; all such files of a load are counted together. With
the third attempt the file becomes `unreadable` in the ledger, the rest of the device is loaded, and the check
`every_file_could_be_read` names it. A changed file, or changed settings, start from one.

A file that ends the whole process (memory runs out) raises nothing. A load that is tried again is therefore `careful`:
it reads one file after the other, and notes each before it is read; the next one finds the note and counts it as an
attempt. The first run that was killed left no note, so the second note sets the file aside. Rejected: a note in every
load, which would be one commit per file for what almost never happens. Next: `load.py`.
"""

import zlib
from collections.abc import Callable, Iterable
from typing import TypeVar

import polars as pl
import pyarrow as pa

from energy_pipeline.loading.files import FileResult, failed
from energy_pipeline.loading.plan import FileWork
from energy_pipeline.resources.commits import commit_numbers
from energy_pipeline.resources.lake import Lake

MOST_ATTEMPTS = 3
RAISED = "raised"
# Named, because an interrupt or the end of the process is none of a file's doing.
UNFORESEEN = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, RuntimeError, TypeError,
    ValueError, zlib.error, pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException,
)
T = TypeVar("T")


class FilesFailedError(RuntimeError):
    """Reading some files raised an error that nobody foresaw; the message names file, error and attempt."""


def guarded(work: FileWork, read: Callable[[], T]) -> T | FileResult:
    """Return what `read` returns, or a result with the status `raised` and the error in words."""
    try:
        return read()
    except UNFORESEEN as error:
        return FileResult(work, RAISED, f"{type(error).__name__}: {error}", None, None, 0, 0, 0)


class Attempts:
    """Counts the attempts at the files of one load."""

    def __init__(self, lake: Lake, device: str, digest: str) -> None:
        """`digest` is that of the settings that shape readings."""
        self._lake, self._device, self._digest = lake, device, digest
        self._counted: dict[str, int] = {}
        self._words: list[str] = []

    def note(self, work: FileWork) -> None:
        """Note in the lake that a file is about to be read; `done_reading` takes the note away."""
        commit_numbers(self._lake.open("source_files"), {self._noted: _fingerprint(work)})

    def done_reading(self) -> None:
        """Take the note away: what ends the process now is none of the files' doing."""
        if self._lake.number("source_files", self._noted):
            commit_numbers(self._lake.open("source_files"), {self._noted: 0})

    def blame_noted(self, work: Iterable[FileWork]) -> None:
        """Count an attempt at the file in which an earlier load ended without a word; to be called before any note."""
        noted = self._lake.number("source_files", self._noted)
        for item in work:
            if noted and _fingerprint(item) == noted:
                key = self._key(item, "killed")
                count = self._lake.number("source_files", key) + 1
                commit_numbers(self._lake.open("source_files"), {key: count, self._noted: 0})

    def killed_too_often(self, work: FileWork) -> FileResult | None:
        """Return the result of a file that is set aside because process after process ended while it was read."""
        count = self._lake.number("source_files", self._key(work, "killed")) + 1  # the first left no note
        if count < MOST_ATTEMPTS:
            return None
        return failed(
            work, f"set aside: {count} times the process ended while it was read (memory may have run out); split or "
            f"mend the file; any change of it is tried again",
        )

    @property
    def _noted(self) -> str:
        return f"reading:{self._device}@{self._digest}"

    def _key(self, work: FileWork, what: str = "attempts") -> str:
        file = work.file
        return f"{what}:{self._device}:{file.path}:{file.size}:{file.mtime_ns}@{self._digest}"

    def judge(self, result: FileResult) -> FileResult | None:
        """Return a result as it goes into the ledger; None for a file that will be tried again."""
        if result.status != RAISED:
            return result
        file = result.work.file
        key = self._key(result.work)
        count = self._lake.number("source_files", key) + 1
        if count >= MOST_ATTEMPTS:
            reason = (
                f"set aside: reading it failed {count} times with {result.reason}; mend the file, or report it "
                f"with this message; any change of the file is tried again"
            )
            return failed(result.work, reason)
        self._counted[key] = count
        self._words.append(f"{file.path}: {result.reason} (attempt {count} of {MOST_ATTEMPTS})")
        return None

    def stop_if_any(self) -> None:
        """Remember the attempts, and raise where a file has to be tried again."""
        if not self._counted:
            return
        commit_numbers(self._lake.open("source_files"), self._counted)
        msg = (
            f"device {self._device}: reading failed unexpectedly, nothing was loaded; after {MOST_ATTEMPTS} attempts "
            f"the file is set aside: {'; '.join(self._words)}"
        )
        raise FilesFailedError(msg)


def _fingerprint(work: FileWork) -> int:
    """A number for a file as it is now, above 0."""
    return zlib.crc32(repr((work.file.path, work.file.size, work.file.mtime_ns)).encode()) + 1
