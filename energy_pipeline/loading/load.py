"""One load of one device: everything new in its files becomes readings, rejected rows and a ledger, in that order.

A load has a number. Its commits are rejected_readings → readings → counter_events → signals → source_files; the
commit of `readings` carries the numbers of the months to recompute and the ledger itself, so that a crash anywhere
is repaired by the next load without parsing again. Next: `commit.py` for the writing, `due_months.py` for which months
change.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import polars as pl
from deltalake.exceptions import CommitFailedError
from numpy.typing import NDArray

from energy_pipeline.compute import zones
from energy_pipeline.compute.layout import Layout, LayoutError
from energy_pipeline.compute.merge import merge_rows
from energy_pipeline.compute.rows import REJECT_SCHEMA, SignalRows
from energy_pipeline.loading import files as reading
from energy_pipeline.loading.attempts import Attempts, guarded
from energy_pipeline.loading.commit import LoadCommit, repair_ledger, write_ledger
from energy_pipeline.loading.due_months import DueMonths, MonthIndex, neighbours, not_ignored
from energy_pipeline.loading.events import NOTHING, events_are_current, judge_events, stored_rows
from energy_pipeline.loading.ledger import Ledger, SignalAccount
from energy_pipeline.loading.plan import NOBODY, FileWork, LoadPlan, ledger_entries, plan_load
from energy_pipeline.loading.problems import file_problems
from energy_pipeline.loading.spool import Spool
from energy_pipeline.memory import give_back
from energy_pipeline.parallel import ordered_map
from energy_pipeline.resources.commits import numbers_of
from energy_pipeline.resources.lake import ATTEMPTS, Lake
from energy_pipeline.resources.lake_errors import LakeBusyError
from energy_pipeline.resources.raw_files import RawFile
from energy_pipeline.settings import Settings

Int, Float = NDArray[np.int64], NDArray[np.float64]
Progress = Callable[[int, int, str], None]


@dataclass
class LoadReport:
    """What a load did; `load` is 0 where there was nothing to do."""

    device: str
    load: int = 0
    files: int = 0
    bytes_parsed: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    months_due: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unrecognised: list[str] = field(default_factory=list)
    repaired: bool = False


def load_device(
    lake: Lake, settings: Settings, device: str, files: list[RawFile], now_s: float | None = None,
    progress: Progress | None = None, *, careful: bool = False, owners: Mapping[str, str] = NOBODY,
) -> LoadReport:
    """Load everything that is new in a device's files.

    Args:
        lake: where the tables are.
        settings: roots, zones, sources and limits.
        device: name of the device.
        files: its files as discovered.
        now_s: the present time [s since 1970]; default: the clock.
        progress: called with (bytes done, bytes in all, what).
        careful: an earlier attempt failed or was killed: read one file after the other, and note each (`attempts.py`).
        owners: the device of every file on disk: rows of a file that has become another device's are taken out.

    Raises:
        LakeBusyError: another process kept loading the same device.
        FilesFailedError: reading a file raised what nobody foresaw; the third time it is set aside instead.
    """
    for _ in range(ATTEMPTS):
        now = time.time() if now_s is None else now_s
        try:
            repaired = repair_ledger(lake, settings, device)
            report = _Load(lake, settings, device, files, now, progress, owners, careful=careful).run()
        except (CommitFailedError, _LedgerBehindError):
            continue
        report.repaired = repaired
        return report
    msg = f"device {device}: another process loaded it {ATTEMPTS} times in between; run one loader per device"
    raise LakeBusyError(msg)


def load_is_due(
    lake: Lake, settings: Settings, device: str, files: list[RawFile], now_s: float,
    owners: Mapping[str, str] = NOBODY,
) -> bool:
    """True where a load of this device would do anything."""
    key = f"load:{device}"
    if lake.number("readings", key) != lake.number("source_files", key):
        return True
    entries = ledger_entries(lake.read("source_files", device))
    if not events_are_current(lake, settings, device):
        return True
    return not plan_load(files, entries, settings.reading_digest(device), now_s, wait=True, owners=owners).is_empty


class _LedgerBehindError(Exception):
    """Another load has committed its readings and not its ledger yet: what it read would be read again."""


class _Load:
    """The state of one attempt at a load."""

    def __init__(
        self, lake: Lake, settings: Settings, device: str, files: list[RawFile], now_s: float,
        progress: Progress | None, owners: Mapping[str, str], *, careful: bool,
    ) -> None:
        self.careful = careful
        self.lake, self.settings, self.device, self.now_s = lake, settings, device, now_s
        self.progress = progress or (lambda *_: None)
        self.handle = lake.open("readings")  # before anything is read: a concurrent load makes our commit fail
        refused_handle = lake.open("rejected_readings")
        key = f"load:{device}"
        self.number = numbers_of(self.handle, [key])[key] + 1
        if lake.number("source_files", key) != self.number - 1:  # asked before the ledger is read: it may only be newer
            raise _LedgerBehindError(device)
        self.zone = settings.zone_of(device)
        first = zones.month_bounds(self.zone, settings.first_month)[0]
        latest = int((now_s + 86_400) * zones.SECOND)
        self.context = reading.ReadContext(settings, self.zone, (first, latest), now_s)
        self.index = MonthIndex.of(self.zone, first, latest)
        stored_files = lake.read("source_files", device)
        self.stored_signals = lake.read("signals", device)
        self.ledger = Ledger.of(device, self.number, stored_files, self.stored_signals)
        self.digest = settings.reading_digest(device)
        self.plan: LoadPlan = plan_load(files, ledger_entries(stored_files), self.digest, now_s, owners=owners)
        self.accounts: dict[str, SignalAccount] = {}
        self.attempts = Attempts(lake, device, self.digest)
        self.out = LoadCommit(
            lake, device, self.number, self.plan, self.index, self.handle, refused_handle
        )
        self.report = LoadReport(device)
        self.fresh_registers: dict[str, tuple[Int, Float]] = {}
        self.conflicts: dict[str, tuple[Int, Float]] | None = None

    def run(self) -> LoadReport:
        if self.plan.is_empty and events_are_current(self.lake, self.settings, self.device):
            return self.report
        self.ledger.apply_plan(self.plan)
        self.report.load = self.number
        with Spool() as spool:
            self._parse_all(spool)
            self.attempts.stop_if_any()
            give_back()
            due = self._due_months(spool)
            self._commit(spool, due)
        for account in self.accounts.values():
            for name in ("read", "accepted", "rejected", "duplicate", "conflict"):
                self.report.rows[name] += getattr(account, f"rows_{name}")
        self.report.months_due = sorted(due.months)
        return self.report

    # Parsing ---------------------------------------------------------------------------------------------------

    def _parse_all(self, spool: Spool) -> None:
        work: list[tuple[FileWork, Layout]] = []
        for item in self.plan.read:
            layout = guarded(item, partial(reading.peek_layout, item.file, self.context))
            if isinstance(layout, reading.FileResult):
                self._record(layout)
            elif isinstance(layout, reading.HeaderPendingError):
                self._record(reading.header_pending(item, str(layout)))
            elif isinstance(layout, LayoutError):
                self._record(reading.failed(item, str(layout)))
            elif layout is None:
                self._record(reading.empty(item, "the file is empty"))
            else:
                work.append((item, layout))
        work.sort(key=lambda w: (min((t.signal for t in w[1].targets), default=""), w[0].file.path))
        layouts = {item.file.path: layout for item, layout in work}
        remaining = Counter(t.signal for _, layout in work for t in layout.targets)
        pieces: dict[str, list[tuple[str, SignalRows]]] = {}
        total = sum(w.file.size - w.start for w, _ in work) or 1
        done = 0
        for result in self._read_in_order(work):
            self._record(result)
            done += result.work.file.size - result.work.start
            self.progress(done, total, result.work.file.path)
            for target in layouts[result.work.file.path].targets:
                if result.chunk is not None:
                    pieces.setdefault(target.signal, []).append(
                        (result.work.file.path, result.chunk.signals[target.signal])
                    )
                remaining[target.signal] -= 1
                if remaining[target.signal] == 0:
                    self._merge(target.signal, pieces.pop(target.signal, []), spool)

    def _read_in_order(self, work: list[tuple[FileWork, Layout]]) -> Iterator[reading.FileResult]:
        if self.careful:
            return self._read_one_by_one(work)
        return ordered_map(
            lambda w: guarded(w[0], partial(reading.read_file, w[0], w[1], self.context)), work, self.settings.workers
        )

    def _read_one_by_one(self, work: list[tuple[FileWork, Layout]]) -> Iterator[reading.FileResult]:
        self.attempts.blame_noted(item for item, _ in work)
        for item, layout in work:
            result = self.attempts.killed_too_often(item)
            if result is None:
                self.attempts.note(item)
                result = guarded(item, partial(reading.read_file, item, layout, self.context))
            yield result
        self.attempts.done_reading()

    def _record(self, read: reading.FileResult) -> None:
        result = self.attempts.judge(read)
        if result is None:
            return
        self.ledger.record_file(result, self.digest)
        self.report.files += 1
        self.report.bytes_parsed += result.bytes_parsed
        if result.status in {"unreadable", "empty"}:
            self.report.problems.append(f"{result.work.file.path}: {result.reason}")
        self.report.problems += file_problems(result)
        if result.chunk is not None and len(result.chunk.rejects):
            path = pl.lit(result.work.file.path).alias("path")
            self.out.refused.append(result.chunk.rejects.with_columns(path))

    # Merging ---------------------------------------------------------------------------------------------------

    def _merge(self, signal: str, pieces: list[tuple[str, SignalRows]], spool: Spool) -> None:
        if not pieces:
            return
        account = SignalAccount(pieces[0][1].target)
        account.rows_read = sum(p.rows_read for _, p in pieces)
        account.rows_rejected = sum(p.rows_rejected for _, p in pieces)
        self.accounts[signal] = account
        if not account.target.info.recognised and account.target.info.rule.quantity == "unknown":
            self.report.unrecognised.append(signal)
        one = len(pieces) == 1
        ts = pieces[0][1].ts if one else np.concatenate([p.ts for _, p in pieces])
        value = pieces[0][1].value if one else np.concatenate([p.value for _, p in pieces])
        if len(ts) == 0:
            return
        known = self._known(signal, int(ts.min()), int(ts.max()))
        merged = merge_rows(ts, value, known, self._lost(signal) if len(known[0]) else NOTHING)
        account.rows_duplicate = merged.duplicates
        account.rows_conflict = len(merged.conflicts) + len(merged.displaced_ts)
        account.rows_accepted = len(merged.ts) - len(merged.displaced_ts)
        if len(merged.conflicts):
            self._reject_conflicts(signal, pieces, merged.conflicts, ts, value)
        if len(merged.displaced_ts):
            self._reject_displaced(signal, merged.displaced_ts, merged.displaced_value)
        if len(merged.ts):
            account.saw(int(merged.ts[0]), int(merged.ts[-1]))
            spool.add(signal, merged.ts, merged.value)
            if account.target.info.rule.kind == "counter":
                self._remember_register(signal, merged.ts, merged.value)

    def _stored(self, signal: str) -> dict[str, object] | None:
        return None if signal in self.plan.rebuild else self.ledger.signals.get(signal)

    def _known(self, signal: str, low: int, high: int) -> tuple[Int, Float]:
        stored = self._stored(signal)
        if stored is None or stored["last_ts"] is None or low > stored["last_ts"]:  # type: ignore[operator]
            return NOTHING
        return stored_rows(self.handle, self.device, signal, self.index.between(low, high), (low, high))

    def _lost(self, signal: str) -> tuple[Int, Float]:
        if self.conflicts is None:
            frame = (
                self.lake.scan("rejected_readings", self.device)
                .filter((pl.col("reason") == "conflict") & (pl.col("load") < self.number))
                .select("signal", pl.col("ts").to_physical(), "value")
                .collect()
            )
            self.conflicts = {
                str(name): (part["ts"].to_numpy(), part["value"].to_numpy())
                for (name,), part in frame.group_by("signal")
            }
        return self.conflicts.get(signal, NOTHING)

    def _reject_conflicts(
        self, signal: str, pieces: list[tuple[str, SignalRows]], positions: Int, ts: Int, value: Float
    ) -> None:
        starts = np.cumsum([0, *(len(p.ts) for _, p in pieces)])
        which = np.searchsorted(starts, positions, side="right") - 1
        records = []
        for position, piece in zip(positions.tolist(), which.tolist(), strict=True):
            path, rows = pieces[piece]
            row = rows.row(position - int(starts[piece]))
            records.append((signal, rows.lines.number(row), int(ts[position]), float(value[position]),
                            rows.lines.text(row), "conflict", path))
        self.out.refused.append(pl.DataFrame(records, schema={**REJECT_SCHEMA, "path": pl.String}, orient="row"))

    def _reject_displaced(self, signal: str, ts: Int, value: Float) -> None:
        self.out.displaced[signal] = ts
        frame = pl.DataFrame({"ts": ts, "value": value}).select(
            pl.lit(signal).alias("signal"), pl.lit(None, pl.Int64).alias("line"), "ts", "value",
            pl.lit(None, pl.String).alias("raw"), pl.lit("conflict").alias("reason"),
            pl.lit(None, pl.String).alias("path"),
        )
        self.out.refused.append(frame)

    def _remember_register(self, signal: str, ts: Int, value: Float) -> None:
        stored = self._stored(signal)
        if stored is not None and stored["last_ts"] is not None:
            old_ts, old_value = stored_rows(self.handle, self.device, signal)
            keep = ~np.isin(old_ts, ts)
            ts, value = np.concatenate([old_ts[keep], ts]), np.concatenate([old_value[keep], value])
            order = np.argsort(ts, kind="stable")
            ts, value = ts[order], value[order]
        self.fresh_registers[signal] = (ts, value)

    # Committing ------------------------------------------------------------------------------------------------

    def _due_months(self, spool: Spool) -> DueMonths:
        for signal, account in self.accounts.items():
            self.ledger.record_signal(signal, account, self.settings.max_hold_s)
        due = DueMonths(self.index)
        known_events = self.lake.read("counter_events", self.device)
        fresh = dict.fromkeys(self.plan.rebuild, NOTHING) | self.fresh_registers
        self.events = judge_events(self.handle, self.settings, self.device, self.ledger.signals_frame(), fresh)

        def usable(signal: str) -> Int:
            of_signal = pl.col("signal") == signal
            ignoring = pl.concat([known_events.filter(of_signal), self.events.filter(of_signal)])
            return not_ignored(self._times(signal), ignoring)

        for signal, ts, _ in spool:
            row = self.ledger.signals[signal]
            if row["kind"] in {"counter", "net_counter"}:
                due.add_register(ts, neighbours(usable(signal), int(ts[0]), int(ts[-1])))
            else:
                hold = max(float(row["max_hold_s"]), float(row["interval_s"] or 0.0))  # type: ignore[arg-type]
                due.add_gauge(ts, round(hold * zones.SECOND))
        for signal in self.plan.rebuild:
            old = self.stored_signals.filter(pl.col("signal") == signal)
            if old.height and old["first_ts"][0] is not None:
                first, last = (int(old[c].to_physical()[0]) for c in ("first_ts", "last_ts"))
                due.add_span(first, last + round(float(old["max_hold_s"][0]) * zones.SECOND))
        due.add_events(known_events, self.events, usable)
        return due

    def _times(self, signal: str) -> Int:
        """Times of all readings of a register as they are after this load, as far as they matter here [µs]."""
        if signal in self.fresh_registers:
            return self.fresh_registers[signal][0]
        return NOTHING[0] if signal in self.plan.rebuild else stored_rows(self.handle, self.device, signal)[0]

    def _commit(self, spool: Spool, due: DueMonths) -> None:
        self.out.write_refused()
        numbers = {f"load:{self.device}": self.number}
        numbers |= {f"{self.device}|{m}": self.number for m in due.months}
        self.out.write_readings(spool, numbers, self.ledger.metadata())
        self.out.keep_refused()
        write_ledger(
            self.lake, self.settings, self.device, self.number, self.ledger.files_frame(),
            self.ledger.signals_frame(), self.events,
        )
