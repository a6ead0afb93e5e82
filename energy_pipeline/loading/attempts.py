"""Files whose reading raises what nobody foresaw: tried three times, then set aside with a finding.

A load that meets one commits nothing but the number of attempts; all such files of a load are counted together. With
the third attempt the file becomes `unreadable` in the ledger, the rest of the device is loaded, and the check
`every_file_could_be_read` names it. A changed file, or changed settings, start from one. Next: `load.py`.
"""

import zlib
from collections.abc import Callable
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

    def judge(self, result: FileResult) -> FileResult | None:
        """Return a result as it goes into the ledger; None for a file that will be tried again."""
        if result.status != RAISED:
            return result
        file = result.work.file
        key = f"attempts:{self._device}:{file.path}:{file.size}:{file.mtime_ns}@{self._digest}"
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
