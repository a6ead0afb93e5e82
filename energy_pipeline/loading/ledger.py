"""The ledger's rows: which files were read, and the accounting of every signal.

Built beside the data and carried in the commit of `readings` itself, so that a crash between two commits loses
nothing: the next load finds the rows there and writes them. Next: `load.py`.
"""

import base64
import io
from dataclasses import dataclass, field

import polars as pl

from energy_pipeline.compute.layout import Target
from energy_pipeline.loading.files import FileResult
from energy_pipeline.loading.plan import MOVED, LoadPlan
from energy_pipeline.loading.problems import unnamed_keys
from energy_pipeline.schemas.ingest import SIGNALS, SOURCE_FILES

META_DEVICE, META_LOAD, META_FILES, META_SIGNALS = (
    "energy.device", "energy.load", "energy.source_files", "energy.signals",
)
_NOTHING = {"rows_read": 0, "rows_rejected": 0, "first_ts": None, "last_ts": None,
            "end_local_us": None, "end_ts": None, "end_clocks": None}


@dataclass
class SignalAccount:
    """Accounting of one signal in the making."""

    target: Target | None = None
    rows_read: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    rows_duplicate: int = 0
    rows_conflict: int = 0
    first_ts: int | None = None
    last_ts: int | None = None

    def saw(self, first: int, last: int) -> None:
        """Widen the span of accepted readings [µs]."""
        self.first_ts = first if self.first_ts is None else min(self.first_ts, first)
        self.last_ts = last if self.last_ts is None else max(self.last_ts, last)


@dataclass
class Ledger:
    """The rows of `source_files` and `signals` after a load, by key."""

    device: str
    load: int
    files: dict[str, dict[str | None, dict[str, object]]] = field(default_factory=dict)
    signals: dict[str, dict[str, object]] = field(default_factory=dict)

    @classmethod
    def of(cls, device: str, load: int, files: pl.DataFrame, signals: pl.DataFrame) -> "Ledger":
        """Start from the stored rows."""
        ledger = cls(device, load)
        for row in files.with_columns(pl.col("first_ts", "last_ts", "end_ts").to_physical()).iter_rows(named=True):
            ledger.files.setdefault(row["path"], {})[row["signal"]] = row
        for row in signals.with_columns(pl.col("first_ts", "last_ts").to_physical()).iter_rows(named=True):
            ledger.signals[row["signal"]] = row
        return ledger

    def apply_plan(self, plan: LoadPlan) -> None:
        """Forget what is rebuilt, rename, and mark files that have gone."""
        for path in plan.forget:
            self.files.pop(path, None)
        moved = {old: self.files.pop(old) for old in plan.renamed}
        for old, file in plan.renamed.items():
            now = {"path": file.path, "mtime_ns": file.mtime_ns, "status": "read", "reason": None, "load": self.load}
            self.files[file.path] = {s: {**row, **now} for s, row in moved[old].items()}
        for path in plan.vanished:
            for row in self.files.get(path, {}).values():
                row.update(status="vanished", reason="the file is gone; its rows are kept", load=self.load)
        for path, device in plan.moved.items():
            row = next(iter(self.files[path].values()))
            self.files[path] = {None: {**row, **_NOTHING, "signal": None, "status": MOVED, "load": self.load,
                                       "reason": f"the file belongs to {device}, which has its rows now"}}
        for signal in plan.rebuild:
            self.signals.pop(signal, None)

    def record_file(self, result: FileResult, settings_digest: str) -> None:
        """Write or update the rows of one file."""
        file = result.work.file
        common: dict[str, object] = {
            "device": self.device, "path": file.path, "load": self.load, "status": result.status,
            "reason": result.reason, "source": file.source.name, "size_bytes": file.size, "mtime_ns": file.mtime_ns,
            "head_digest": result.head, "tail_digest": result.tail, "read_bytes": result.read_bytes,
            "lines_read": result.lines_read, "settings_digest": settings_digest,
        }
        known = self.files.get(file.path, {}) if result.work.entry is not None else {}
        rows: dict[str | None, dict[str, object]] = {}
        for target in result.layout.targets if result.layout else ():
            row = {**_NOTHING, **known.get(target.signal, {}), **common, "signal": target.signal}
            self._add_chunk(row, result, target.signal)
            rows[target.signal] = row
        if result.layout is not None and result.chunk is not None and (
            None in known or result.chunk.unnamed or result.chunk.torn
        ):
            rows[None] = self._of_no_signal({**_NOTHING, **known.get(None, {}), **common, "signal": None}, result)
        if result.layout is None and known:  # the rest could not be read: what was read before still stands
            keep = {"read_bytes", "lines_read", "head_digest", "tail_digest"}
            rows = {s: {**row, **{k: v for k, v in common.items() if k not in keep}} for s, row in known.items()}
        if not rows:
            rows[None] = {**_NOTHING, **common, "signal": None}
        self.files[file.path] = rows

    def _of_no_signal(self, row: dict[str, object], result: FileResult) -> dict[str, object]:
        """Rows of a long file that belong to no signal: counted, so that nothing is lost without a word."""
        chunk = result.chunk
        if chunk is None or result.layout is None:
            return row
        self._add_chunk(row, result, "")
        row["rows_read"] = int(row["rows_read"]) + sum(chunk.unnamed.values()) + chunk.torn  # type: ignore[call-overload]
        row["rows_rejected"] = int(row["rows_rejected"]) + chunk.torn  # type: ignore[call-overload]
        if chunk.unnamed and row["reason"] is None:
            row["reason"] = unnamed_keys(chunk, result.layout)
        return row

    def _add_chunk(self, row: dict[str, object], result: FileResult, signal: str) -> None:
        chunk = result.chunk
        if chunk is None:
            return
        row["end_local_us"], row["end_ts"] = chunk.end.written, chunk.end.utc
        row["end_clocks"] = " ".join(map(str, chunk.end.clocks))
        part = chunk.signals.get(signal)
        if part is None:
            return
        row["rows_read"] = int(row["rows_read"]) + part.rows_read  # type: ignore[call-overload]
        row["rows_rejected"] = int(row["rows_rejected"]) + part.rows_rejected  # type: ignore[call-overload]
        if len(part.ts):
            low, high = int(part.ts.min()), int(part.ts.max())
            row["first_ts"] = low if row["first_ts"] is None else min(int(row["first_ts"]), low)  # type: ignore[call-overload]
            row["last_ts"] = high if row["last_ts"] is None else max(int(row["last_ts"]), high)  # type: ignore[call-overload]

    def record_signal(self, signal: str, account: SignalAccount, default_hold_s: float) -> None:
        """Add this load's accounting of a signal to what is stored."""
        if account.target is None:
            return
        info, rule = account.target.info, account.target.info.rule
        stored = self.signals.get(signal, {})

        def plus(name: str, value: int) -> int:
            return int(stored.get(name, 0)) + value  # type: ignore[call-overload]

        bounds = [v for v in (stored.get("first_ts"), account.first_ts) if v is not None]
        ends = [v for v in (stored.get("last_ts"), account.last_ts) if v is not None]
        self.signals[signal] = {
            "device": self.device, "signal": signal, "quantity": rule.quantity, "unit": rule.unit, "kind": rule.kind,
            "group": rule.group, "pack": info.pack, "cell": info.cell, "recognised": info.recognised,
            "max_hold_s": rule.max_hold_s or default_hold_s, "interval_s": account.target.interval_s,
            "rows_read": plus("rows_read", account.rows_read),
            "rows_accepted": plus("rows_accepted", account.rows_accepted),
            "rows_rejected": plus("rows_rejected", account.rows_rejected),
            "rows_duplicate": plus("rows_duplicate", account.rows_duplicate),
            "rows_conflict": plus("rows_conflict", account.rows_conflict),
            "first_ts": min(bounds) if bounds else None,  # type: ignore[type-var]
            "last_ts": max(ends) if ends else None,  # type: ignore[type-var]
            "load": self.load,
        }

    def files_frame(self) -> pl.DataFrame:
        """Rows of `source_files`."""
        rows = [row for by_signal in self.files.values() for row in by_signal.values()]
        return _frame(SOURCE_FILES, rows).sort("path", "signal")

    def signals_frame(self) -> pl.DataFrame:
        """Rows of `signals`."""
        return _frame(SIGNALS, list(self.signals.values())).sort("signal")

    def metadata(self) -> dict[str, str]:
        """The ledger as commit metadata of `readings`."""
        return {
            META_DEVICE: self.device, META_LOAD: str(self.load),
            META_FILES: pack(self.files_frame()), META_SIGNALS: pack(self.signals_frame()),
        }


def _frame(table: object, rows: list[dict[str, object]]) -> pl.DataFrame:
    columns = table.columns  # type: ignore[attr-defined]
    schema = {c.name: pl.Int64 if isinstance(c.dtype, pl.Datetime) else c.dtype for c in columns}
    frame = pl.DataFrame([{c.name: row.get(c.name) for c in columns} for row in rows], schema=schema)
    times = [c.name for c in columns if isinstance(c.dtype, pl.Datetime)]
    frame = frame.with_columns(pl.from_epoch(t, time_unit="us").dt.replace_time_zone("UTC") for t in times)
    return table.conform(frame)  # type: ignore[attr-defined,no-any-return]


def pack(frame: pl.DataFrame) -> str:
    """A frame as text that fits into a commit."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="zstd")
    return base64.b64encode(buffer.getvalue()).decode()


def unpack(text: str) -> pl.DataFrame:
    """The frame that `pack` made."""
    return pl.read_ipc(io.BytesIO(base64.b64decode(text)))
