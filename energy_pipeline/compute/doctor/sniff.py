"""From the first bytes of a table to its encoding, separator, decimal sign, header and columns of text.

Nothing is guessed where the bytes do not say it: what was decided is returned with the reason in words, and a file
that is no table raises `NotATableError`. Next: `times.py` finds the time among the columns.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

SEPARATORS = {";": "semicolon", "\t": "tab", "|": "bar", ",": "comma"}  # in this order where several fit equally
SAMPLE_LINES = 400
NUMBER = re.compile(r"^[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$")
DATE_LIKE = re.compile(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?$|^\d{1,2}:\d{2}")
BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class NotATableError(ValueError):
    """The bytes are no table that the reader could be told to read; the message says what was found."""


@dataclass(frozen=True)
class Dialect:
    """How a table is written: what `[[source]]` must know to split it."""

    encoding: str
    separator: str
    decimal: str
    columns: tuple[str, ...]
    header_line: int
    preamble: int
    evidence: tuple[str, ...]


def find_encoding(data: bytes) -> tuple[str, str]:
    """Return (encoding, evidence) of the first bytes of a file."""
    for mark, name in BOMS:
        if data.startswith(mark):
            return name, f"byte-order mark of {name}"
    try:
        data[: data.rfind(b"\n") + 1 or None].decode("utf-8")
    except UnicodeDecodeError as error:
        return "cp1252", f"byte {data[error.start]:#04x} at {error.start} is not UTF-8; Western European assumed"
    return "utf-8", "plain ASCII" if data.isascii() else "valid UTF-8"


def find_dialect(data: bytes) -> Dialect:
    """Find encoding, separator, header and decimal sign from the first bytes of a file.

    Args:
        data: the first bytes; a last, incomplete line is left out.

    Raises:
        NotATableError: the bytes are empty, binary, of one column only, or have no header.
    """
    encoding, why = find_encoding(data)
    text = data.decode(encoding, errors="replace").lstrip("\ufeff")
    lines = text.splitlines()
    if len(lines) > 1 and not data.endswith(b"\n"):
        lines = lines[:-1]
    lines = lines[:SAMPLE_LINES]
    filled = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not filled:
        raise NotATableError("the file is empty")
    if "\x00" in text[:4096]:
        raise NotATableError("binary data, not a table of text")
    separator, rows = _best_separator([line for _, line in filled])
    width = Counter(len(r) for r in rows).most_common(1)[0][0]
    first = next(i for i, r in enumerate(rows) if len(r) == width)
    columns = tuple(cell.strip() for cell in rows[first])
    if sum(bool(NUMBER.match(c) or DATE_LIKE.match(c)) for c in columns) * 2 > len(columns):
        msg = f"no header: the first line of the table is {', '.join(columns)[:80]!r}; write a line of names above it"
        raise NotATableError(msg)
    decimal, said = _decimal(rows[first + 1 :], separator)
    evidence = [why, f"{SEPARATORS[separator]}: {width} fields in {_share(rows, width)} of the first lines", said]
    number = filled[first][0]
    if number > 1:
        evidence.append(f"the header is line {number}")
    return Dialect(encoding, separator, decimal, columns, number, first, tuple(evidence))


def _share(rows: list[list[str]], width: int) -> str:
    return f"{sum(len(r) == width for r in rows)} of {len(rows)}"


def _best_separator(lines: list[str]) -> tuple[str, list[list[str]]]:
    """Return the separator that splits most lines into the same number of fields, the header among them."""
    best: tuple[float, str, list[list[str]]] | None = None
    for separator in SEPARATORS:
        try:
            rows = list(csv.reader(lines, delimiter=separator))
        except csv.Error:
            continue
        width, count = Counter(len(r) for r in rows).most_common(1)[0]
        if width < 2:
            continue
        # A comma that only stands in numbers does not stand in the header.
        score = count / len(rows) - (0.5 if len(rows[0]) != width else 0.0)
        if best is None or score > best[0]:
            best = (score, separator, rows)
    if best is None:
        raise NotATableError("one column only: no separator (comma, semicolon, tab, bar) splits its lines")
    return best[1], best[2]


def _decimal(rows: Iterable[list[str]], separator: str) -> tuple[str, str]:
    commas = points = 0
    for row in rows:
        for cell in row:
            text = cell.strip()
            if NUMBER.match(text):
                commas += "," in text
                points += "." in text
    if commas > points:
        return ",", f"decimal comma in {commas} fields, decimal point in {points}"
    if points:
        return ".", f"decimal point in {points} fields, decimal comma in {commas}"
    note = "; a comma between whole numbers separates fields" if separator == "," else ""
    return ".", f"no decimal sign in the first lines{note}"


def as_plain(data: bytes, dialect: Dialect) -> tuple[bytes, Dialect]:
    """Return a first piece as the reader sees it: UTF-16 has become UTF-8, lone carriage returns are line ends."""
    if dialect.encoding == "utf-16":
        data = data.decode("utf-16", errors="ignore").lstrip("\ufeff").encode()
        dialect = replace(dialect, encoding="utf-8")
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    return data, dialect


def split_table(pieces: list[bytes], dialect: Dialect) -> tuple[pl.DataFrame, list[int]]:
    """Split pieces of a file (whole lines, the header left out) into columns of text.

    Returns:
        the table, with names made unique, and the row at which each piece begins.
    """
    names = unique_names(dialect.columns)
    frames, starts, at = [], [], 0
    for piece in pieces:
        text = piece.decode(dialect.encoding, errors="replace").strip("\r\n\ufeff")
        if not text.strip():
            continue
        try:
            frame = pl.read_csv(
                io.StringIO(text), separator=dialect.separator, has_header=False, infer_schema=False,
                truncate_ragged_lines=True, schema=dict.fromkeys(names, pl.String), ignore_errors=True,
                extra_columns="ignore", quote_char='"' if text.count('"') % 2 == 0 else None,
            )
        except pl.exceptions.PolarsError as error:
            msg = f"the rows cannot be split: {str(error).splitlines()[0]}"
            raise NotATableError(msg) from error
        frames.append(frame.with_columns(pl.all().fill_null("").str.strip_chars(" \t\r")))
        starts.append(at)
        at += frame.height
    if not frames:
        raise NotATableError("a header and no rows")
    return pl.concat(frames), starts


def unique_names(columns: tuple[str, ...]) -> list[str]:
    """Give repeated or empty names a number, as nobody can ask for them by name."""
    seen: Counter[str] = Counter()
    names = []
    for column in columns:
        seen[column] += 1
        names.append(column if column and seen[column] == 1 else f"{column}\x00{seen[column]}")
    return names


def as_numbers(texts: pl.Series, decimal: str) -> tuple[NDArray[np.float64], float]:
    """Return a column as numbers (NaN where it is none) and the share of its filled cells that are numbers."""
    filled = texts != ""
    if decimal == ",":
        texts = texts.str.replace(",", ".", literal=True)
    numbers = texts.cast(pl.Float64, strict=False)
    count = int(filled.sum())
    good = int((numbers.is_not_null() & filled).sum())
    return numbers.to_numpy().astype(np.float64), good / count if count else 0.0
