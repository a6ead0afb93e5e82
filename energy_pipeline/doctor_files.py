"""What the doctor reads of each file: the first and last few MB, small blocks between, and the nights of change.

Memory and time are bounded whatever the length of a file; `Sample.complete` says whether all of it was seen. Nothing
is judged here. Next: `doctor.py`.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

T = TypeVar("T")
PEEK = 64 * 1024
EDGE = 4 * 1024 * 1024  # bytes read at either end of a file
BLOCK, BLOCKS = 128 * 1024, 8  # small blocks between the ends
UNPACK_LIMIT = 512 * 1024 * 1024
PARQUET_WHOLE = 16 * 1024 * 1024
SUFFIXES = (".csv", ".txt", ".tsv", ".csv.gz", ".zip", ".parquet", ".gz")


class UnreadableError(ValueError):
    """A file cannot be opened as what its name says; the message says what was found."""


@dataclass
class Sample:
    """Pieces of a text file in order: the first begins at byte 0, each ends with a whole line."""

    pieces: list[bytes]
    complete: bool
    size: int
    offsets: list[int] = field(default_factory=list)


def is_candidate(path: Path) -> bool:
    """True for names that may hold a table."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def peek(path: Path) -> bytes:
    """Return the first 64 KiB of a file, unpacked.

    Raises:
        UnreadableError: it is no archive, holds several files, or cannot be opened.
    """
    return _guarded(path, lambda stream, _: stream.read(PEEK))


def read_sample(path: Path) -> Sample:
    """Read the ends of a file and small blocks between them.

    Raises:
        UnreadableError: it is no archive, holds several files, or cannot be opened.
    """
    return _guarded(path, _sample)


def _guarded(path: Path, read: Callable[[IO[bytes], int | None], T]) -> T:
    name = path.name.lower()
    try:
        if name.endswith(".gz"):
            with gzip.open(path) as stream:
                return read(stream, None)
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                members = [m for m in archive.infolist() if not m.is_dir()]
                if len(members) != 1:
                    msg = f"the zip holds {len(members)} files; the reader takes exactly one per zip"
                    raise UnreadableError(msg)
                with archive.open(members[0]) as stream:
                    return read(stream, None)
        with path.open("rb") as stream:
            return read(stream, path.stat().st_size)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        msg = f"cannot be opened: {error}"
        raise UnreadableError(msg) from error


def _sample(stream: IO[bytes], size: int | None) -> Sample:
    if size is None:
        return _stream_sample(stream)
    if size <= 2 * EDGE:
        return Sample([stream.read()], complete=True, size=size, offsets=[0])
    head = stream.read(EDGE)
    pieces, offsets = [_whole_lines(head, first=True)], [0]
    stride = (size - 2 * EDGE) // (BLOCKS + 1)
    for i in range(1, BLOCKS + 1):
        if stride > BLOCK:
            stream.seek(EDGE + i * stride)
            pieces.append(_whole_lines(stream.read(BLOCK)))
            offsets.append(EDGE + i * stride)
    stream.seek(size - EDGE)
    pieces.append(_whole_lines(stream.read(), last=True))
    offsets.append(size - EDGE)
    return Sample(pieces, complete=False, size=size, offsets=offsets)


def _stream_sample(stream: IO[bytes]) -> Sample:
    """Packed files can only be read from the start: keep the same pieces as they pass."""
    head = stream.read(2 * EDGE)
    size, tail, blocks = len(head), b"", []
    while size < UNPACK_LIMIT:
        part = stream.read(EDGE)
        if not part:
            break
        if tail:
            blocks.append(_whole_lines(tail[-BLOCK:]))
        size += len(part)
        tail = (tail + part)[-EDGE:]
    if not tail:
        return Sample([head], complete=True, size=size, offsets=[0])
    if size - len(head) <= EDGE:
        return Sample([head + tail], complete=True, size=size, offsets=[0])
    kept = blocks[:: max(1, len(blocks) // BLOCKS)]
    return Sample([_whole_lines(head, first=True), *kept, _whole_lines(tail, last=True)], complete=False, size=size)


def _whole_lines(data: bytes, *, first: bool = False, last: bool = False) -> bytes:
    start = 0 if first else data.find(b"\n") + 1
    end = len(data) if last else data.rfind(b"\n") + 1
    return data[start:end]


def block_at(path: Path, sample: Sample, time_of: Callable[[bytes], int | None], wanted: int) -> bytes:
    """Return whole lines around a time in a plain, ascending file that was not read whole; empty where not found.

    Args:
        path: the file.
        sample: what was read of it.
        time_of: the time of a line, None where it has none.
        wanted: the time that the block shall lie around.
    """
    low, high = EDGE, max(EDGE, sample.size - EDGE)
    with path.open("rb") as stream:
        while high - low > BLOCK // 4:
            middle = (low + high) // 2
            stream.seek(middle)
            lines = stream.read(4096).split(b"\n")[1:-1]
            found = next((t for t in map(time_of, lines) if t is not None), None)
            if found is None:
                return b""
            low, high = (middle, high) if found < wanted else (low, middle)
        stream.seek(max(0, low - 2 * BLOCK))
        return _whole_lines(stream.read(4 * BLOCK))


def parquet_names(path: Path) -> tuple[str, ...]:
    """Return the columns of a Parquet file without reading its rows.

    Raises:
        UnreadableError: it is no Parquet file.
    """
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        msg = f"not a readable Parquet file: {error}"
        raise UnreadableError(msg) from error


def read_parquet_sample(path: Path) -> tuple[pa.Table, bool, int]:
    """Return (table, complete, rows) of a Parquet file: all of it up to 16 MB, else its first and last row groups.

    Raises:
        UnreadableError: it is no Parquet file.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(path.read_bytes()) if path.stat().st_size <= PARQUET_WHOLE else path)
        if path.stat().st_size <= PARQUET_WHOLE or file.num_row_groups < 3:
            return file.read(), True, file.metadata.num_rows
        return file.read_row_groups([0, file.num_row_groups - 1]), False, file.metadata.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        msg = f"not a readable Parquet file: {error}"
        raise UnreadableError(msg) from error
