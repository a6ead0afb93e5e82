"""New rows between parsing and writing: in memory while they are few, on disk beyond that.

A load is one commit, and a commit must say beforehand which months it touches; so all rows are parsed before the
first is written. Next: `load.py`.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Int, Float = NDArray[np.int64], NDArray[np.float64]
MEMORY_BYTES = 256 << 20


class Spool:
    """Rows per signal, strictly increasing in time."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        """Hold up to `memory_bytes` in memory."""
        self._budget = memory_bytes
        self._held: dict[str, tuple[Int, Float]] = {}
        self._files: dict[str, Path] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.rows = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, signal: str, ts: Int, value: Float) -> None:
        """Add the rows of one signal, once."""
        if len(ts) == 0:
            return
        self.rows += len(ts)
        if self._budget >= ts.nbytes + value.nbytes:
            self._budget -= ts.nbytes + value.nbytes
            self._held[signal] = (ts, value)
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="energy-load-")
        path = Path(self._folder.name) / f"{len(self._files)}.arrow"
        batch = pa.record_batch({"ts": ts, "value": value})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        self._files[signal] = path

    def signals(self) -> list[str]:
        """Signals with rows, in order of name."""
        return sorted({*self._held, *self._files})

    def get(self, signal: str) -> tuple[Int, Float]:
        """Rows of a signal; empty where it has none."""
        if signal in self._held:
            return self._held[signal]
        if signal not in self._files:
            return np.empty(0, np.int64), np.empty(0)
        with pa.memory_map(str(self._files[signal])) as source:
            batch = pa.ipc.open_file(source).get_batch(0)
            return batch.column(0).to_numpy().copy(), batch.column(1).to_numpy().copy()

    def __iter__(self) -> Iterator[tuple[str, Int, Float]]:
        for signal in self.signals():
            yield signal, *self.get(signal)
