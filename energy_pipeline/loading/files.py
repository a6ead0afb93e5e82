"""One raw file to parsed rows: header, complete lines, and what the ledger must remember of it.

Everything that is wrong with a whole file becomes a status and a reason, never an exception, so that one bad file
cannot stop its device. Next: `load.py` merges what this returns.
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from energy_pipeline.compute.layout import IntervalLengthError, Layout, LayoutError, resolve_layout, split_header
from energy_pipeline.compute.lines import is_blank
from energy_pipeline.compute.reader import parquet_columns, read_csv_chunk, read_parquet
from energy_pipeline.compute.row_times import settled_rows
from energy_pipeline.compute.rows import ParsedChunk, interpret
from energy_pipeline.compute.zones import DAY, NOTHING_BEFORE, SECOND
from energy_pipeline.loading.plan import HOUR_OPEN_S, LAST_LINE, OPEN_END, YOUNG_S, FileWork
from energy_pipeline.resources.raw_files import RawFile, head_digest, open_bytes, tail_digest
from energy_pipeline.settings import Settings, Source

UTF16 = (b"\xff\xfe", b"\xfe\xff")
HEADER_BYTES = 256 * 1024


class HeaderPendingError(LayoutError):
    """The file is so young that not even its header line is complete."""


@dataclass(frozen=True)
class ReadContext:
    """What reading needs besides the file: settings, the device's clock, allowed times [µs] and the present [s]."""

    settings: Settings
    zone: ZoneInfo
    limits_us: tuple[int, int]
    now_s: float


@dataclass
class FileResult:
    """Outcome of reading one file, or the rest of a grown one."""

    work: FileWork
    status: str
    reason: str | None
    layout: Layout | None
    chunk: ParsedChunk | None
    read_bytes: int
    lines_read: int
    bytes_parsed: int
    head: str | None = None
    tail: str | None = None


def peek_layout(file: RawFile, context: ReadContext) -> Layout | LayoutError | None:
    """Return the plan of a file by its header, the reason why it cannot be read, or None for an empty file."""
    try:
        head = open_bytes(file) if file.is_whole or file.is_parquet else open_bytes(file, 0, HEADER_BYTES)
        if file.is_parquet:
            body = head
            return resolve_layout(parquet_columns(head), file.source, context.zone, context.settings.signal)
        if b"\n" not in head and _is_young(file, context) and not file.is_whole:
            msg = "the header line is not complete yet"
            raise HeaderPendingError(msg)
        source = _source_as_read(head, file.source)
        line, body, _ = _split_off_header(_plain(head, file.source), source)
        if line is None:
            return None
        return resolve_layout(split_header(line, source), source, context.zone, context.settings.signal)
    except IntervalLengthError as error:
        return LayoutError(f"{error}{_steps_of(body, error.layout, is_parquet=file.is_parquet)}")
    except LayoutError as error:
        return error
    except OSError as error:
        return LayoutError(f"cannot read {file.path}: {error.strerror}; check its permissions")


def _steps_of(body: bytes, layout: Layout, *, is_parquet: bool) -> str:
    """How far apart the first rows of a file stand, as the end of a sentence."""
    columns = read_parquet(body, layout) if is_parquet else read_csv_chunk(body, layout, 1)
    steps = np.diff(columns.time_us[columns.time_ok])
    steps = steps[(steps > 0) & (steps < DAY)]
    if len(steps) == 0:
        return ""
    found, counts = np.unique(steps, return_counts=True)
    usual = f"{found[counts.argmax()] / SECOND:g}"
    return f'; its rows are {usual} s apart ({counts.max()} of {len(steps)} steps): if that is so, interval_s = {usual}'


def read_file(work: FileWork, layout: Layout, context: ReadContext) -> FileResult:
    """Read a file, or the rest of a grown one, by its layout."""
    try:
        if work.file.is_parquet:
            return _read_parquet(work, layout, context)
        return _read_csv(work, layout, context)
    except LayoutError as error:
        return failed(work, str(error))
    except OSError as error:
        return failed(work, f"cannot read {work.file.path}: {error.strerror}; check its permissions")


def _is_young(file: RawFile, context: ReadContext) -> bool:
    return file.age_s(context.now_s) < YOUNG_S


def failed(work: FileWork, reason: str) -> FileResult:
    """Result of a file that cannot be read as a whole."""
    return FileResult(work, "unreadable", reason, None, None, 0, 0, 0)


def header_pending(work: FileWork, reason: str) -> FileResult:
    """Result of a file whose header is still being written."""
    return FileResult(work, "pending", reason, None, None, 0, 0, 0)


def empty(work: FileWork, reason: str, layout: Layout | None = None) -> FileResult:
    """Result of a file without rows."""
    return FileResult(work, "empty", reason, layout, None, 0, 0, 0)


def _read_parquet(work: FileWork, layout: Layout, context: ReadContext) -> FileResult:
    data = open_bytes(work.file)
    columns = read_parquet(data, layout)
    if len(columns) == 0:
        return empty(work, "the file holds no rows", layout)
    chunk = interpret(columns, layout, context.limits_us)
    result = FileResult(work, "read", None, layout, chunk, work.file.size, len(columns), len(data))
    return _with_digests(result)


def _read_csv(work: FileWork, layout: Layout, context: ReadContext) -> FileResult:
    file, entry = work.file, work.entry
    raw = open_bytes(file, work.start, None if file.is_whole else file.size)
    # The rest of a grown file has no mark of its own: what looks like one there is a broken row.
    data = raw if work.start else _plain(raw, file.source)
    # Neither can be continued at a byte: rows that name their zone are judged beside all others of that zone.
    recoded = data is not raw or layout.source.zone_column is not None
    pending = False
    if not data.endswith(b"\n") and not file.is_whole and _is_young(file, context):
        pending = True
        data = data[: data.rfind(b"\n") + 1]
    body, first_line = data, (entry.lines_read + 1 if entry else 1)
    if work.start == 0:
        _, body, first_line = _split_off_header(data, layout.source)
    previous = entry.end if entry is not None else NOTHING_BEFORE
    columns = read_csv_chunk(body, layout, first_line)
    reason = LAST_LINE if pending else None
    if not recoded and not file.is_whole and file.age_s(context.now_s) < HOUR_OPEN_S:
        rows = settled_rows(columns, layout, context.limits_us, previous)
        if rows < len(columns):
            kept = columns.lines.start(rows)
            pending, reason = True, OPEN_END
            data, body = data[: len(data) - len(body) + kept], body[:kept]
            columns = read_csv_chunk(body, layout, first_line)
    lines = first_line - 1 + columns.lines.ends
    # A recoded file cannot be continued by bytes: no read position means that growth reads it again.
    end = 0 if recoded else file.size if file.is_whole else work.start + len(data)
    if is_blank(body):
        if entry is None and not pending:
            return empty(work, "header only: the file holds no rows", layout)
        chunk = None
    else:
        chunk = interpret(columns, layout, context.limits_us, previous)
    status = "pending" if pending else "read"
    return _with_digests(FileResult(work, status, reason, layout, chunk, end, lines, len(body)))


def _with_digests(result: FileResult) -> FileResult:
    file = result.work.file
    result.head = head_digest(file, result.read_bytes if not file.is_whole else file.size)
    result.tail = tail_digest(file, result.read_bytes)
    return result


def _is_wide(data: bytes, source: Source) -> bool:
    """True for encodings of two bytes per character and more."""
    return data.startswith(UTF16) or source.encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32"))


def _source_as_read(data: bytes, source: Source) -> Source:
    """The settings block as the reader sees it: wide encodings have become UTF-8 before (see `_plain`)."""
    return source.model_copy(update={"encoding": "utf-8"}) if _is_wide(data, source) else source


def _plain(data: bytes, source: Source) -> bytes:
    """UTF-16 becomes UTF-8, and lone carriage returns become line ends; anything else stays the same object."""
    if _is_wide(data, source):
        encoding = "utf-16" if data.startswith(UTF16) else source.encoding
        try:
            data = data.decode(encoding).lstrip("\ufeff").encode()
        except UnicodeDecodeError as error:
            msg = f"the file is described as or starts like {encoding.upper()} but is not: {error}; save it as UTF-8"
            raise LayoutError(msg) from error
    if b"\r" in data[:HEADER_BYTES] and b"\n" not in data[:HEADER_BYTES]:
        return data.replace(b"\r", b"\n")
    return data


def _split_off_header(data: bytes, source: Source) -> tuple[str | None, bytes, int]:
    """Return the header line, the rest, and the number of the line after the header."""
    position, number = 0, 1
    while position < len(data):
        end = data.find(b"\n", position)
        end = len(data) if end < 0 else end
        line = data[position:end].strip(b"\r")
        position = end + 1
        if line.strip():
            try:
                text = line.decode("utf-8-sig" if source.encoding.lower() == "utf-8" else source.encoding)
            except UnicodeDecodeError as error:
                msg = (
                    f"the header is not {source.encoding}: {error}; "
                    f"set `encoding` in a [[source]] block, e.g. 'latin-1'"
                )
                raise LayoutError(msg) from error
            return text, data[position:], number + 1
        number += 1
    return None, b"", number
