"""The proof of a proposed block: the rows that were read go through the reader itself, by this block alone.

What it refuses, and why, stands beside the block. Next: `doctor.py`.
"""

import io
import tomllib
from collections import Counter
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from energy_pipeline.compute.doctor.look import FileLook
from energy_pipeline.compute.layout import Layout, LayoutError, resolve_layout
from energy_pipeline.compute.reader import Columns, read_csv_chunk, read_parquet
from energy_pipeline.compute.rows import interpret
from energy_pipeline.settings import Settings

FAR_US = (0, 4_102_444_800_000_000)  # 1970 to 2100


def try_block(block: str, looks: list[FileLook], raws: list[object]) -> str:
    """Read the sampled rows by a block and say how many readings came out, and what was refused.

    Args:
        block: the text of the block.
        looks: the files as sampled.
        raws: per file the pieces of text, or the Parquet table.
    """
    settings = Settings.model_validate(tomllib.loads(block))
    source = settings.source[0]
    zone = ZoneInfo(settings.device[0].zone or settings.zone) if settings.device else ZoneInfo(settings.zone)
    read, reasons = 0, Counter[str]()
    for look, raw in zip(looks, raws, strict=True):
        try:
            layout = resolve_layout(look.columns, source, zone)
            chunks = [_parquet(raw, layout)] if isinstance(raw, pa.Table) else [
                read_csv_chunk(p, layout, 1) for p in _bodies(raw, look)]
        except LayoutError as error:
            return f"tried: FAILED on {look.path}: {error}"
        for columns in chunks:
            chunk = interpret(columns, layout, FAR_US)
            read += sum(s.rows_read for s in chunk.signals.values())
            reasons.update(chunk.rejects["reason"].to_list())
    refused = ", ".join(f"{n:,} {reason}" for reason, n in reasons.most_common()) or "none"
    return f"tried on the rows read: {read - sum(reasons.values()):,} of {read:,} readings accepted; refused: {refused}"


def _parquet(table: pa.Table, layout: Layout) -> Columns:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return read_parquet(sink.getvalue(), layout)


def _bodies(raw: object, look: FileLook) -> list[bytes]:
    """Pieces without the header."""
    pieces: list[bytes] = list(raw)  # type: ignore[call-overload]
    dialect = look.dialect
    if dialect is None or not pieces:
        return pieces
    lines = pieces[0].split(b"\n", dialect.header_line)
    rest = lines[dialect.header_line] if len(lines) > dialect.header_line else b""
    return [p for p in (rest, *pieces[1:]) if p.strip()]
