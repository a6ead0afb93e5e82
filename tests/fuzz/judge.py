"""Reads one case as a load would, and raises where the reader breaks a promise.

Promises: no exception, an answer in time, every row read is accepted, rejected, a duplicate or a conflict, every
refused row has a reason and a line, and a file read in two parts gives what the whole gives.
"""

import random
import time
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_pipeline.compute.layout import LayoutError
from energy_pipeline.compute.merge import merge_rows
from energy_pipeline.compute.reasons import REASONS
from energy_pipeline.compute.zones import NOTHING_BEFORE
from energy_pipeline.loading.files import FileResult, ReadContext, peek_layout, read_file
from energy_pipeline.loading.plan import FileWork, LedgerEntry
from energy_pipeline.resources.raw_files import RawFile
from energy_pipeline.settings import Settings
from tests.fuzz.mutate import Case

NOW_S = 1_736_899_200.0
SLOW_S = 5.0  # of the processor, so that a busy machine breaks no promise
CONTEXT = ReadContext(
    Settings(), ZoneInfo("Europe/Berlin"), (1_514_761_200_000_000, int((NOW_S + 86_400) * 1e6)), NOW_S
)


class BrokenPromiseError(AssertionError):
    """The reader did something that it says it never does."""


def judge(case: Case, folder: Path, rng: random.Random) -> Counter[str]:
    """Read a case and check it; return what became of it, by count."""
    path = folder / case.name
    path.write_bytes(case.data)
    file = RawFile(f"raw/m1/{case.name}", path, case.source, len(case.data), int((NOW_S - 1e6) * 1e9))
    started = time.process_time()
    layout = peek_layout(file, CONTEXT)
    if layout is None:
        return Counter(files_empty=1)
    if isinstance(layout, LayoutError):
        _demand(len(str(layout)) > 10, "a reason in words")
        return Counter(files_unreadable=1)
    result = read_file(FileWork(file), layout, CONTEXT)
    _demand(time.process_time() - started < SLOW_S, "an answer in time")
    found = Counter({f"files_{result.status}": 1})
    if result.chunk is None:
        return found
    found += _account(result, case)
    if not file.is_whole and result.read_bytes == len(case.data):
        _compare_parts(file, result, case, rng)
    return found


def _demand(fact: bool, promise: str) -> None:
    if not fact:
        raise BrokenPromiseError(promise)


def _account(result: FileResult, case: Case) -> Counter[str]:
    chunk, total = result.chunk, Counter()
    refused = chunk.rejects
    _demand(set(refused["reason"]) <= REASONS.keys(), f"known reasons, not {set(refused['reason'])}")
    lines = case.data.count(b"\n") + case.data.count(b"\r") + 1
    if not case.name.endswith((".gz", ".parquet")):
        _demand(refused["line"].is_between(1, lines).all(), "line numbers inside the file")
    for signal, part in chunk.signals.items():
        _demand(len(part.ts) == len(part.value), "as many times as values")
        _demand(bool(np.isfinite(part.value).all()), "finite values")
        inside = (part.ts >= CONTEXT.limits_us[0]) & (part.ts <= CONTEXT.limits_us[1])
        _demand(bool(inside.all()), "times inside the allowed ones")
        merged = merge_rows(part.ts, part.value)
        counted = len(merged.ts) + part.rows_rejected + merged.duplicates + len(merged.conflicts)
        _demand(part.rows_read == counted, f"rows read {part.rows_read} = rows accounted {counted}")
        own = refused.filter(pl.col("signal") == signal).height
        _demand(own == part.rows_rejected, f"rows rejected {part.rows_rejected} = rows in quarantine {own}")
        for position in merged.conflicts[:3]:
            part.lines.number(part.row(int(position)))
        total += Counter(read=part.rows_read, accepted=len(merged.ts), rejected=part.rows_rejected,
                         duplicates=merged.duplicates, conflicts=len(merged.conflicts))
    if not chunk.signals or all(p.rows_read == 0 for p in chunk.signals.values()):
        total["without_rows"] += 1
    return total


def _compare_parts(file: RawFile, whole: FileResult, case: Case, rng: random.Random) -> None:
    """Read the file up to a line's end and then the rest, as it would be after growing."""
    ends = [i + 1 for i, b in enumerate(case.data) if b == 10]
    if len(ends) < 3:
        return
    cut = rng.choice(ends[1:-1])
    file.location.write_bytes(case.data[:cut])
    # A file that still grows: its last rows wait for what tells their times.
    short = RawFile(file.path, file.location, file.source, cut, int((NOW_S - 60) * 1e9))
    first = read_file(FileWork(short), whole.layout, CONTEXT)
    if first.read_bytes == 0:
        return
    file.location.write_bytes(case.data)
    known = first.chunk
    entry = LedgerEntry(
        file.path, first.status, cut, file.mtime_ns, first.head, first.tail, first.read_bytes, first.lines_read, ("x",),
        known.end if known else NOTHING_BEFORE, "",
    )
    second = read_file(FileWork(file, first.read_bytes, entry), whole.layout, CONTEXT)
    chunks = [r.chunk for r in (first, second) if r.chunk is not None]
    for signal, part in whole.chunk.signals.items():
        pieces = [c.signals[signal] for c in chunks]
        _demand(sum(p.rows_read for p in pieces) == part.rows_read, "the same rows in parts as in one")
        rows = [(int(t), float(v)) for p in pieces for t, v in zip(p.ts, p.value, strict=True)]
        _demand(rows == list(zip(part.ts.tolist(), part.value.tolist(), strict=True)), "the same readings in parts")
    parts = pl.concat([c.rejects for c in chunks]).sort("signal", "line")
    _demand(parts.equals(whole.chunk.rejects.sort("signal", "line")), "the same refused rows in parts")
