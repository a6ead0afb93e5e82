"""How an answer leaves: JSON, Arrow IPC or CSV, by `format` or by `Accept`; and what a gzip is worth.

Times carry the offset of the device's zone in all formats. Missing values are null in JSON and Arrow, empty in CSV.
"""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from isal import igzip_lib
from pydantic_core import to_json

from viewer.api.errors import NotAcceptable
from viewer.api.pieces import QUICK, WINDOW_BITS, Piece, plain, zipped

Format = Literal["json", "arrow", "arrow_stream", "csv"]
MEDIA: dict[str, str] = {
    "json": "application/json",
    "arrow": "application/vnd.apache.arrow.file",
    "arrow_stream": "application/vnd.apache.arrow.stream",
    "csv": "text/csv; charset=utf-8",
}
_WILD = {"*/*", "application/*"}
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.f%:z"
GZIP_FROM, GZIP_MAGIC = 1024, b"\x1f\x8b"
GZIP_THOROUGH = 5  # of zlib, for what is large: it is sent often and kept
GZIP_LARGE = 2 * 2**20


@dataclass(frozen=True)
class Answer:
    """What an endpoint found, once as JSON and once as a table; each is made only when it is asked for."""

    json: Callable[[], bytes]
    frame: Callable[[], pl.DataFrame]
    rows: int
    gzip: Callable[[], bytes] | None = None  # the JSON compressed, where that takes less than compressing it anew


def rows_answer(meta: dict[str, Any], key: str, frame: pl.DataFrame) -> Answer:
    """Return the answer whose JSON is `meta` with the rows of `frame` under `key`."""
    frame = without_nan(frame)
    return Answer(lambda: spliced(meta, key, frame.write_json().encode()), lambda: frame, frame.height)


def pieces_answer(pieces: Callable[[], list[Piece]], frame: Callable[[], pl.DataFrame], rows: int) -> Answer:
    """Return the answer whose JSON is strung together from pieces."""
    return Answer(lambda: plain(pieces()), frame, rows, lambda: zipped(pieces()))


def one_row_answer(values: dict[str, Any]) -> Answer:
    """Return the answer whose JSON is an object and whose table is one row."""
    return Answer(
        lambda: dump(values), lambda: without_nan(pl.DataFrame([values], infer_schema_length=None)), 1
    )


def dump(value: object) -> bytes:
    """Return compact JSON; what is not a number becomes null."""
    return to_json(value, inf_nan_mode="null")


def spliced_pieces(meta: dict[str, Any], key: str, ready: list[Piece]) -> list[Piece]:
    """Return the JSON of `meta`, which is not empty, with pieces of JSON put in under `key`."""
    return [Piece(dump(meta)[:-1] + b',"%s":' % key.encode()), *ready, Piece(b"}")]


def spliced(meta: dict[str, Any], key: str, ready: bytes) -> bytes:
    """Return the JSON of `meta` with JSON that is ready put in under `key`."""
    head = dump(meta)[:-1]
    return b"".join((head, b"," if len(head) > 1 else b"", b'"%s":' % key.encode(), ready, b"}"))


def without_nan(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with null for every NaN."""
    return frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))


def in_zone(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Return the frame with all its times in `zone` (the same instants)."""
    names = [n for n, t in frame.schema.items() if isinstance(t, pl.Datetime) and t.time_zone]
    return frame.with_columns(pl.col(n).dt.convert_time_zone(zone) for n in names)


def encode(answer: Answer, chosen: Format, decimal: str) -> bytes:
    """Return the bytes of an answer."""
    if chosen == "json":
        return answer.json()
    frame, out = answer.frame(), io.BytesIO()
    if chosen == "csv":
        flat = frame.select(c for c, t in frame.schema.items() if not t.is_nested())
        comma = decimal == ","
        flat.write_csv(out, datetime_format=TIME_FORMAT, decimal_comma=comma, separator=";" if comma else ",")
    elif chosen == "arrow":
        frame.write_ipc(out, compat_level=pl.CompatLevel.oldest())
    else:
        frame.write_ipc_stream(out, compat_level=pl.CompatLevel.oldest())
    return out.getvalue()


def negotiate(wanted: Format | None, accept: str | None) -> Format:
    """Return the format: what `format` says, else the best of `Accept`, else JSON.

    Raises:
        NotAcceptable: `Accept` names none of the formats.
    """
    if wanted is not None:
        return wanted
    if not accept or not accept.strip():
        return "json"
    weights = _weights(accept)
    offers: list[tuple[float, Format]] = []
    for name in ("json", "arrow", "arrow_stream", "csv"):
        media = MEDIA[name].partition(";")[0]
        exact = weights.get(media)
        general = max((weights[w] for w in (*_WILD, "text/*") if w in weights and _covers(w, media)), default=0.0)
        offers.append((exact if exact is not None else general, name))
    best, name = max(offers, key=lambda o: o[0])  # the first of equals: JSON
    if best <= 0:
        raise NotAcceptable("Accept names none of the formats of this endpoint", [*MEDIA.values()])
    return name


def accepts_gzip(header: str | None) -> bool:
    """Return whether `Accept-Encoding` allows gzip."""
    weights = _weights(header or "")
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def squeeze(body: bytes) -> bytes:
    """Return the body compressed; equal bodies give equal bytes.

    ISA-L takes a quarter of the time of zlib's quickest level for a smaller size.
    """
    if len(body) >= GZIP_LARGE:
        return gzip.compress(body, GZIP_THOROUGH, mtime=0)
    return igzip_lib.compress(body, QUICK, flag=igzip_lib.COMP_GZIP, hist_bits=WINDOW_BITS)


def _covers(wild: str, media: str) -> bool:
    return wild == "*/*" or media.startswith(wild[:-1])


def _weights(header: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in header.split(","):
        name, _, parameters = part.partition(";")
        q = 1.0
        for parameter in parameters.split(";"):
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                try:
                    q = float(value)
                except ValueError:
                    q = 0.0
        found[name.strip().lower()] = q if 0 <= q <= 1 else 0.0
    return found
