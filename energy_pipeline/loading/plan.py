"""What has to be read of a device's files, decided by comparing them with the ledger.

Grown files are read from where the last load stopped; anything else that changed means that its signals are rebuilt
from all their files. Nothing is parsed here. Next: `load.py` carries a plan out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from energy_pipeline.compute.zones import Before
from energy_pipeline.resources.raw_files import RawFile, head_digest, open_bytes, tail_digest

YOUNG_S = 5.0
MOVED = "moved"
NOBODY: Mapping[str, str] = {}
LAST_LINE = "the last line is not complete yet"
OPEN_END = "the last rows are understood by what follows them: a repeated hour, or a row at midnight"
HOUR_OPEN_S = 3 * 3600.0  # so long is waited for what tells the times of a file's last rows


@dataclass(frozen=True)
class LedgerEntry:
    """What the ledger says of one file, all its signals together."""

    path: str
    status: str
    size: int
    mtime_ns: int
    head: str | None
    tail: str | None
    read_bytes: int
    lines_read: int
    signals: tuple[str, ...]
    end: Before
    settings: str
    reason: str | None = None


@dataclass(frozen=True)
class FileWork:
    """One file to be read, from byte `start` on; `entry` is what is known of it where it has grown."""

    file: RawFile
    start: int = 0
    entry: LedgerEntry | None = None


@dataclass
class LoadPlan:
    """Work of one load: files to read, signals to rebuild from scratch, and entries that only change their name.

    `renamed` maps the path in the ledger to the file as it lies now; a file that came back keeps its path. `moved` maps
    the path of a file that the settings have given to another device to that device: its rows are there now.
    """

    read: list[FileWork] = field(default_factory=list)
    rebuild: set[str] = field(default_factory=set)
    forget: set[str] = field(default_factory=set)
    renamed: dict[str, RawFile] = field(default_factory=dict)
    vanished: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """True where a load would change nothing."""
        return not (self.read or self.rebuild or self.forget or self.renamed or self.vanished or self.moved)


def ledger_entries(ledger: pl.DataFrame) -> dict[str, LedgerEntry]:
    """Return the ledger of a device (rows of `source_files`) by file."""
    entries: dict[str, LedgerEntry] = {}
    for row in ledger.with_columns(pl.col("end_ts").to_physical()).iter_rows(named=True):
        signals = (row["signal"],) if row["signal"] is not None else ()
        if row["path"] in entries:
            known = entries[row["path"]]
            entries[row["path"]] = replace(known, signals=known.signals + signals)
            continue
        entries[row["path"]] = LedgerEntry(
            row["path"], row["status"], row["size_bytes"], row["mtime_ns"], row["head_digest"], row["tail_digest"],
            row["read_bytes"], row["lines_read"], signals, _end_of(row), row["settings_digest"], row["reason"],
        )
    return entries


def _end_of(row: dict[str, Any]) -> Before:
    """What the ledger remembers of a file's last rows; earlier versions kept the last one alone."""
    written, utc = row["end_local_us"], row["end_ts"]
    if row["end_clocks"] is not None:
        return Before(tuple(int(c) for c in row["end_clocks"].split()), utc, written)
    return Before((), utc, written) if written is None else Before((written,), utc, written)


def plan_load(
    files: list[RawFile], entries: dict[str, LedgerEntry], settings_digest: str, now_s: float, wait: bool = False,
    owners: Mapping[str, str] = NOBODY,
) -> LoadPlan:
    """Compare files with the ledger.

    Args:
        files: the device's files as they lie on disk.
        entries: the ledger by file.
        settings_digest: digest of the settings that shape readings; another one means reading again.
        now_s: the present time [s since 1970].
        wait: leave files alone that changed less than five seconds ago (they are listed as `waiting`).
        owners: whose each file is (`owners.py`); one of the ledger that is another device's by now leaves this one.
    """
    plan = LoadPlan()
    present = {f.path: f for f in files}
    fresh: list[RawFile] = []
    for file in files:
        entry = entries.get(file.path)
        if wait and file.age_s(now_s) < YOUNG_S and (entry is None or _changed(file, entry)):
            plan.waiting.append(file.path)
        elif entry is None or entry.status == MOVED:
            fresh.append(file)
        elif entry.status == "vanished" and _is_same_file(file, entry, settings_digest):
            plan.renamed[file.path] = file  # away and back, as on a network folder: nothing to read
        elif entry.settings != settings_digest:
            _rebuild(plan, file, entry)
        elif entry.status == "vanished" or _changed(file, entry) or _pending_is_due(file, entry, now_s):
            _judge_change(plan, file, entry)
    gone = {p: e for p, e in entries.items() if p not in present and e.status != MOVED}
    plan.moved = {path: owners[path] for path in gone if path in owners}
    for path in plan.moved:
        plan.rebuild.update(gone.pop(path).signals)
    _match_renames(plan, fresh, gone, settings_digest)
    plan.vanished = sorted(p for p, e in gone.items() if p not in plan.renamed and e.status != "vanished")
    _complete_rebuilds(plan, files, entries)
    plan.read.sort(key=lambda w: w.file.path)
    return plan


def _pending_is_due(file: RawFile, entry: LedgerEntry, now_s: float) -> bool:
    """True where the unread end of an unchanged file will get no better by waiting."""
    if entry.status != "pending" or file.age_s(now_s) < YOUNG_S:
        return False
    return entry.reason != OPEN_END or file.age_s(now_s) >= HOUR_OPEN_S


def _changed(file: RawFile, entry: LedgerEntry) -> bool:
    return file.size != entry.size or file.mtime_ns != entry.mtime_ns


def _rebuild(plan: LoadPlan, file: RawFile, entry: LedgerEntry) -> None:
    plan.rebuild.update(entry.signals)
    plan.forget.update((entry.path, file.path))
    plan.read.append(FileWork(file))


def _judge_change(plan: LoadPlan, file: RawFile, entry: LedgerEntry) -> None:
    """Grown, or a pending last line that is now old enough: read on. Anything else: rebuild."""
    if entry.status in {"empty", "unreadable"} and entry.read_bytes == 0:
        plan.forget.add(file.path)  # nothing of it stands in the tables, so nothing has to be rebuilt
        plan.read.append(FileWork(file))
        return
    grown = file.size > entry.size or (entry.status == "pending" and not _changed(file, entry))
    readable = entry.signals and entry.read_bytes > 0 and not file.is_whole
    try:
        goes_on = grown and readable and same_start(file, entry) and _line_was_complete(file, entry)
    except OSError:  # gone or locked since it was listed: what is stored stays, the next load looks again
        plan.waiting.append(file.path)
        return
    if goes_on:
        plan.read.append(FileWork(file, entry.read_bytes, entry))
    else:
        _rebuild(plan, file, entry)


def same_start(file: RawFile, entry: LedgerEntry) -> bool:
    """True where a file begins with what was read of an entry; of a compressed file its first block says so."""
    if file.is_whole:
        return head_digest(file, file.size) == entry.head
    return head_digest(file, entry.read_bytes) == entry.head and tail_digest(file, entry.read_bytes) == entry.tail


def _line_was_complete(file: RawFile, entry: LedgerEntry) -> bool:
    """True where the last read byte ended a line; an unterminated line that went on must be read again."""
    return open_bytes(file, entry.read_bytes - 1, entry.read_bytes) == b"\n"


def _match_renames(
    plan: LoadPlan, fresh: list[RawFile], gone: dict[str, LedgerEntry], settings_digest: str
) -> None:
    for file in fresh:
        for path, entry in sorted(gone.items()):
            if path not in plan.renamed and _is_same_file(file, entry, settings_digest):
                plan.renamed[path] = file
                break
        else:
            plan.read.append(FileWork(file))


def _is_same_file(file: RawFile, entry: LedgerEntry, settings_digest: str) -> bool:
    """True where a file holds exactly what the ledger says was read of an entry that has gone."""
    read_whole = entry.status in {"read", "vanished"} and 0 < entry.read_bytes == entry.size
    if not read_whole or entry.size != file.size or entry.settings != settings_digest:
        return False
    try:
        return same_start(file, entry)
    except OSError:
        return False


def _complete_rebuilds(plan: LoadPlan, files: list[RawFile], entries: dict[str, LedgerEntry]) -> None:
    """A rebuilt signal is read from all its files; so are the other signals of those files, and so on."""
    by_path = {f.path: f for f in files} | plan.renamed
    changed = True
    while changed:
        changed = False
        for path, entry in entries.items():
            if path in plan.forget or not plan.rebuild & set(entry.signals) or path not in by_path:
                continue
            file = by_path[path]
            plan.read = [w for w in plan.read if w.file.path != file.path]
            plan.renamed.pop(path, None)
            _rebuild(plan, file, entry)
            changed = True
    # Rows of a file that has gone cannot be read again: its signals keep what they have and take the rest in anew.
    away = {p for p, e in entries.items() if e.status == "vanished" and p not in by_path and p not in plan.moved}
    lost = {s for p in away.union(plan.vanished) for s in entries[p].signals}
    plan.rebuild -= lost
