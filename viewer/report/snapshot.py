"""Tables of a lake as they stood at the end of a date, from their logs. Read-only.

Next: `content.py`, which asks for them.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import unquote, urlparse

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings
from viewer.store import TableBroken


class SnapshotGone(LookupError):  # noqa: N818 - named as states
    """The tables of that date cannot be read any more, or not yet; the message says which dates can."""


@dataclass(frozen=True)
class Version:
    """A version of a table and when it was written."""

    number: int
    written: datetime


def _commits(table: DeltaTable) -> list[tuple[int, datetime]]:
    """Return (version, when it was written) of every commit that the log still names, in order."""
    return sorted((c["version"], datetime.fromtimestamp(c["timestamp"] / 1000, UTC)) for c in table.history())


class Snapshot:
    """All tables at one moment: the newest version of each that was written by then."""

    def __init__(self, settings: Settings, as_of: date | None = None) -> None:
        """Find the versions of the end of `as_of` (UTC); of the present where it is None.

        Raises:
            SnapshotGone: no table had been written by then.
            TableBroken: the log of a table cannot be read.
        """
        self.settings, self.as_of = settings, as_of
        self._options = dict(settings.storage_options) or None
        self.versions: dict[str, Version] = {}
        self._tables: dict[str, DeltaTable] = {}
        earliest: list[datetime] = []
        for name in TABLES:
            try:
                table = DeltaTable(f"{settings.lake.rstrip('/')}/{name}", storage_options=self._options)
                commits = _commits(table)
            except TableNotFoundError:
                continue
            except (DeltaError, OSError) as error:
                raise TableBroken(name, str(error).splitlines()[0]) from error
            earliest += [written for _, written in commits[:1]]
            known = [c for c in commits if as_of is None or c[1].date() <= as_of]
            if known:
                self.versions[name] = Version(*known[-1])
                self._tables[name] = table
        if not self.versions:
            if not earliest:
                msg = f"there are no tables in {settings.lake} yet; run `energy-pipeline run`"
            else:
                msg = f"no table was written by {as_of}; the log begins on {min(earliest).date()}"
            raise SnapshotGone(msg)

    @property
    def written(self) -> datetime:
        """When the newest of these versions was written."""
        return max(v.written for v in self.versions.values())

    def devices(self) -> list[str]:
        """Devices with signals at that moment, in order of name."""
        table = self._at("signals")
        return [] if table is None else sorted({p["device"] for p in table.partitions()})

    def _at(self, name: str) -> DeltaTable | None:
        """A table at its version; None where it did not exist."""
        if name not in self.versions:
            return None
        table = self._tables[name]
        if table.version() != self.versions[name].number:
            table.load_as_version(self.versions[name].number)
        return table

    def read(self, name: str, device: str) -> pl.DataFrame:
        """Return a device's rows of a table in the order of its key; none where the table did not exist.

        Raises:
            SnapshotGone: files of that version are no longer there.
            TableBroken: they are there, of the present version, and cannot be read.
        """
        schema = TABLES[name]
        try:
            table = self._at(name)
            if table is None:
                return schema.empty()
            self._check_files(name, table, device)
            rows = pl.scan_delta(table).filter(pl.col("device") == device).collect()
        except FileNotFoundError as error:
            raise SnapshotGone(self._gone(name)) from error
        except (DeltaError, OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            if self.as_of is None:
                raise TableBroken(name, str(error).splitlines()[0]) from error
            raise SnapshotGone(self._gone(name)) from error
        known = [c for c in schema.column_names if c in rows.columns]
        missing = [pl.lit(None, schema.polars_schema[c]).alias(c) for c in schema.column_names if c not in known]
        rows = rows.with_columns(missing).select(schema.column_names)
        return rows.sort(list(schema.key), nulls_last=False)

    def _check_files(self, name: str, table: DeltaTable, device: str) -> None:
        if "://" in self.settings.lake:
            return
        by_device = "device" in TABLES[name].partition_by
        for uri in table.file_uris(file_pruning_predicate=[("device", "=", device)] if by_device else None):
            if not Path(unquote(urlparse(uri).path)).exists():
                raise FileNotFoundError(uri)

    def _gone(self, name: str) -> str:
        version = self.versions[name]
        return (
            f"version {version.number} of table {name} ({version.written.date()}) is no longer kept: the nightly "
            f"maintenance removes files that no version of the last seven days uses; choose a later date, or keep the "
            f"report of each week (`energy-pipeline report`)"
        )
