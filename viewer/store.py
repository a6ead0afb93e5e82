"""Read-only tables of the lake: the only door between the pages and the disk.

A `Store` keeps one `DeltaTable` per table open, follows its versions, and caches what was read by table version
within a bound of bytes. It never writes. Next: `catalog.py` (devices and signals) and `series.py` (time series).
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings

RUN_COMMAND = "energy-pipeline run"
CACHE_BYTES = 512 * 2**20
RECHECK_S = 1.0


class TableMissing(LookupError):  # noqa: N818 - named as states
    """A table does not exist in the lake yet; `command` is what to run."""

    def __init__(self, table: str, lake: str) -> None:
        self.table, self.lake, self.command = table, lake, RUN_COMMAND
        super().__init__(f"table {table} does not exist in the lake yet; run `{RUN_COMMAND}`")


class TableBroken(RuntimeError):  # noqa: N818 - named as states
    """A table exists but cannot be read; the message says why and what to do."""

    def __init__(self, table: str, cause: str) -> None:
        self.table, self.cause, self.command = table, cause, RUN_COMMAND
        super().__init__(f"table {table} cannot be read: {cause}; run `{RUN_COMMAND}` to rebuild it")


@dataclass
class _Open:
    handle: DeltaTable
    checked: float


class Store:
    """Reads tables of one lake. Safe to use from several threads."""

    def __init__(self, settings: Settings, cache_bytes: int = CACHE_BYTES) -> None:
        self.lake = settings.lake
        self._options = dict(settings.storage_options) or None
        self._open: dict[str, _Open] = {}
        self._locks = {name: threading.Lock() for name in TABLES}
        self._cache: OrderedDict[tuple, pl.DataFrame] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._cache_bytes, self._held_bytes = cache_bytes, 0

    def location(self, table: str) -> str:
        """Return the folder or URL of `table`."""
        return f"{self.lake.rstrip('/')}/{table}"

    def version(self, table: str) -> int:
        """Return the present version of `table`; raise `TableMissing` or `TableBroken`."""
        return self._handle(table).version()

    def versions(self) -> dict[str, int | None]:
        """Return the version of every table, None where it does not exist or cannot be read."""
        found: dict[str, int | None] = {}
        for name in TABLES:
            try:
                found[name] = self.version(name)
            except (TableMissing, TableBroken):
                found[name] = None
        return found

    def frame(
        self,
        table: str,
        columns: Sequence[str] | None = None,
        *,
        where: Mapping[str, object] | None = None,
        months: tuple[str, str] | None = None,
        predicate: pl.Expr | None = None,
    ) -> pl.DataFrame:
        """Return rows of `table`, cached by table version.

        `where` holds equalities, `months` the first and last month of tables that have one; both prune files.
        `predicate` is for windows that are not worth caching: with it nothing is cached.
        """
        handle = self._handle(table)
        key = (table, handle.version(), tuple(columns or ()), tuple(sorted((where or {}).items())), months)
        if predicate is None and (cached := self._cached(key)) is not None:
            return cached
        try:
            lazy = _filtered(pl.scan_delta(handle), where or {}, months)
            lazy = lazy if predicate is None else lazy.filter(predicate)
            result = (lazy.select(columns) if columns else lazy).collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, DeltaError, OSError) as error:
            raise TableBroken(table, str(error).splitlines()[0]) from error
        if predicate is None:
            self._remember(key, result)
        return result

    def exists(self, table: str) -> bool:
        """Return whether `table` can be opened."""
        try:
            self._handle(table)
        except (TableMissing, TableBroken):
            return False
        return True

    def _handle(self, table: str) -> DeltaTable:
        with self._locks[table]:
            held = self._open.get(table)
            try:
                if held is None or self._vanished(table):
                    held = self._open[table] = _Open(self._new(table), time.monotonic())
                elif time.monotonic() - held.checked > RECHECK_S:
                    held.handle.update_incremental()
                    held.checked = time.monotonic()
            except TableNotFoundError as error:
                self._open.pop(table, None)
                raise TableMissing(table, self.lake) from error
            except (DeltaError, OSError) as error:
                self._open.pop(table, None)
                raise TableBroken(table, str(error).splitlines()[0]) from error
            return held.handle

    def _new(self, table: str) -> DeltaTable:
        if self._vanished(table):
            raise TableMissing(table, self.lake)
        return DeltaTable(self.location(table), storage_options=self._options)

    def _vanished(self, table: str) -> bool:
        where = self.location(table)
        return "://" not in where and not (Path(where) / "_delta_log").is_dir()

    def _cached(self, key: tuple) -> pl.DataFrame | None:
        with self._cache_lock:
            found = self._cache.get(key)
            if found is not None:
                self._cache.move_to_end(key)
            return found

    def _remember(self, key: tuple, frame: pl.DataFrame) -> None:
        size = int(frame.estimated_size())
        with self._cache_lock:
            if size > self._cache_bytes or key in self._cache:
                return
            self._cache[key] = frame
            self._held_bytes += size
            while self._held_bytes > self._cache_bytes:
                _, old = self._cache.popitem(last=False)
                self._held_bytes -= int(old.estimated_size())


def _filtered(lazy: pl.LazyFrame, where: Mapping[str, object], months: tuple[str, str] | None) -> pl.LazyFrame:
    for name, value in where.items():
        lazy = lazy.filter(pl.col(name) == value)
    if months is not None:
        lazy = lazy.filter((pl.col("month") >= months[0]) & (pl.col("month") <= months[1]))
    return lazy
