"""Read-only tables of the lake: the only door between the pages and the disk.

A `Store` keeps one `DeltaTable` per table open, follows its versions, and caches what was read, and what was derived
from it, by table version within one bound of bytes. It never writes.
Next: `catalog.py` (devices and signals) and `series.py` (time series).
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings

RUN_COMMAND = "energy-pipeline run"
CACHE_BYTES = 512 * 2**20
RECHECK_S = 1.0
SETTLED_NS = 2 * 10**9  # a folder changed so recently may change again without a later time of change

Derived = TypeVar("Derived")


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


class NotAtHand(RuntimeError):  # noqa: N818 - named as states
    """Something has to be read from the lake or takes long to make, and the caller may not wait (`Store.at_hand`)."""


@dataclass
class _Open:
    handle: DeltaTable
    checked: float
    folder: int | None  # number of the log's folder, None for a remote lake
    log: tuple[int, int] | None  # what the folder of the log was like when the handle was brought up to date


class Store:
    """Reads tables of one lake. Safe to use from several threads."""

    def __init__(self, settings: Settings, cache_bytes: int = CACHE_BYTES) -> None:
        self.lake = settings.lake
        self._options = dict(settings.storage_options) or None
        self._open: dict[str, _Open] = {}
        self._editions = dict.fromkeys(TABLES, 0)
        self._locks = {name: threading.Lock() for name in TABLES}
        self._cache: OrderedDict[tuple, tuple[Any, int]] = OrderedDict()  # what is kept, and its size [bytes]
        self._cache_lock = threading.Lock()
        self._cache_bytes, self._held_bytes = cache_bytes, 0
        self._hurry = threading.local()

    @contextmanager
    def at_hand(self, effort: int) -> Iterator[None]:
        """Let this thread have what lies in memory alone: `NotAtHand` is raised where the lake would be read.

        `effort` is how many rows may be worked on (`spend`). For the server's loop, which may not wait.
        """
        self._hurry.left = effort
        try:
            yield
        finally:
            self._hurry.left = None

    def spend(self, effort: int) -> None:
        """Say that so many rows are about to be worked on; raise `NotAtHand` where the caller cannot wait for it."""
        left = getattr(self._hurry, "left", None)
        if left is None:
            return
        if effort > left:
            raise NotAtHand
        self._hurry.left = left - effort

    @property
    def _may_not_wait(self) -> bool:
        return getattr(self._hurry, "left", None) is not None

    def _wait(self) -> None:
        if self._may_not_wait:
            raise NotAtHand

    def location(self, table: str) -> str:
        """Return the folder or URL of `table`."""
        return f"{self.lake.rstrip('/')}/{table}"

    def version(self, table: str) -> int:
        """Return the present version of `table`; raise `TableMissing` or `TableBroken`."""
        return self._handle(table).version()

    def edition(self, table: str) -> str:
        """Return what tells the present content of `table` from any other that this store has seen."""
        try:
            return f"{self.version(table)}.{self._editions[table]}"
        except TableMissing:
            return "missing"
        except TableBroken:
            return "broken"

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
        keep: bool = True,
    ) -> pl.DataFrame:
        """Return rows of `table`, cached by table version.

        `where` holds equalities, `months` the first and last month of tables that have one; both prune files.
        `predicate` is for windows that are not worth caching: with it nothing is cached. `keep=False` is for rows of
        which something else is kept (`derived`).
        """
        handle = self._handle(table)
        key = (table, handle.version(), tuple(columns or ()), tuple(sorted((where or {}).items())), months)
        if predicate is None and (cached := self._cached(key)) is not None:
            return cached
        self._wait()
        try:
            lazy = _filtered(_completed(pl.scan_delta(handle), table), where or {}, months)
            lazy = lazy if predicate is None else lazy.filter(predicate)
            result = (lazy.select(columns) if columns else lazy).collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, DeltaError, OSError) as error:
            raise TableBroken(table, str(error).splitlines()[0]) from error
        if predicate is None and keep:
            self._remember(key, result, int(result.estimated_size()))
        return result

    def derived(self, table: str, key: tuple, build: Callable[[], Derived], size: Callable[[Derived], int]) -> Derived:
        """Return what `build` makes of `table`, made once per version of the table; the same object for all callers.

        `key` names it (hashable), `size` gives its bytes; it lies in the cache of the frames, within the same bound.
        Nobody may change it. Two callers who come first at the same time may both build it.
        Raises what `build` raises, `TableMissing` or `TableBroken`.
        """
        full = (table, self.version(table), "derived", *key)
        kept = self._cached(full)
        if kept is None:
            if build is not dict:
                self._wait()
            kept = build()
            self._remember(full, kept, size(kept))
        return kept

    def book(self, table: str, key: tuple, nbytes: int) -> dict[int, Any]:
        """Return a dictionary that all callers share and fill, kept per version of the table; `nbytes` is room for it.

        For what is small and asked for by the dozen: `derived` takes two locks each time, where threads wait for one
        another.
        """
        return self.derived(table, ("book", *key), dict, lambda _: nbytes)

    def exists(self, table: str) -> bool:
        """Return whether `table` can be opened."""
        try:
            self._handle(table)
        except (TableMissing, TableBroken):
            return False
        return True

    def _handle(self, table: str) -> DeltaTable:
        held = self._open.get(table)
        if held is not None and time.monotonic() - held.checked <= RECHECK_S:
            return held.handle
        if self._may_not_wait:
            try:
                log = self._log(table)
            except OSError as error:
                raise NotAtHand from error
            if held is None or log is None or log != held.log or log[1] != held.folder:
                raise NotAtHand
            held.checked = time.monotonic()
            return held.handle
        with self._locks[table]:
            held = self._open.get(table)
            try:
                if held is not None and time.monotonic() - held.checked <= RECHECK_S:
                    return held.handle
                log = self._log(table)
                if held is not None and held.folder != (log and log[1]):
                    self._forget(table)
                    held = None
                if held is None:
                    held = self._open[table] = _Open(self._new(table), time.monotonic(), log and log[1], None)
                else:
                    if log is None or log != held.log:
                        held.handle.update_incremental()
                        held.log = log if log is not None and time.time_ns() - log[0] > SETTLED_NS else None
                    held.checked = time.monotonic()
            except TableNotFoundError as error:
                self._open.pop(table, None)
                raise TableMissing(table, self.lake) from error
            except (DeltaError, OSError) as error:
                self._open.pop(table, None)
                raise TableBroken(table, str(error).splitlines()[0]) from error
            return held.handle

    def _forget(self, table: str) -> None:
        """Let go of a table that was removed; one that is made anew counts its versions from 0 again."""
        self._open.pop(table, None)
        self._editions[table] += 1
        with self._cache_lock:
            for key in [k for k in self._cache if k[0] == table]:
                self._held_bytes -= self._cache.pop(key)[1]

    def _new(self, table: str) -> DeltaTable:
        if self._is_local(table) and self._log(table) is None:
            raise TableMissing(table, self.lake)
        return DeltaTable(self.location(table), storage_options=self._options)

    def _is_local(self, table: str) -> bool:
        return "://" not in self.location(table)

    def _log(self, table: str) -> tuple[int, int] | None:
        """Return time of change [ns] and number of the log's folder, None where there is none or the lake is remote.

        Every version adds a file to it; looking there costs a hundredth of asking the table.
        """
        try:
            found = (Path(self.location(table)) / "_delta_log").stat() if self._is_local(table) else None
        except FileNotFoundError:
            return None
        return None if found is None else (found.st_mtime_ns, found.st_ino)

    def _cached(self, key: tuple) -> Any:
        with self._cache_lock:
            found = self._cache.get(key)
            if found is None:
                return None
            self._cache.move_to_end(key)
            return found[0]

    def _remember(self, key: tuple, kept: object, size: int) -> None:
        with self._cache_lock:
            if size > self._cache_bytes or key in self._cache:
                return
            self._cache[key] = (kept, size)
            self._held_bytes += size
            while self._held_bytes > self._cache_bytes:
                self._held_bytes -= self._cache.popitem(last=False)[1][1]


def _completed(lazy: pl.LazyFrame, table: str) -> pl.LazyFrame:
    """Return the table with every column that its schema has and that may be null: a lake of before may lack one."""
    held = set(lazy.collect_schema().names())
    absent = [c for c in TABLES[table].columns if c.nullable and c.name not in held]
    return lazy.with_columns(pl.lit(None, c.dtype).alias(c.name) for c in absent) if absent else lazy


def _filtered(lazy: pl.LazyFrame, where: Mapping[str, object], months: tuple[str, str] | None) -> pl.LazyFrame:
    for name, value in where.items():
        lazy = lazy.filter(pl.col(name) == value)
    if months is not None:
        lazy = lazy.filter((pl.col("month") >= months[0]) & (pl.col("month") <= months[1]))
    return lazy
