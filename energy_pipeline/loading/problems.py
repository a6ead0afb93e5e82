"""What a read file says about its settings: nothing was read by name, or most rows were refused for one reason.

A row that is refused is in quarantine; that most rows are is a wrong setting, and says so in words: the key, what
stands in the file, what is allowed. Next: `load.py`, which reports these sentences.
"""

import polars as pl

from energy_pipeline.compute.layout import Layout
from energy_pipeline.compute.rows import ParsedChunk
from energy_pipeline.loading.files import FileResult

MOST = 0.5  # share of a signal's rows that one reason may refuse without a word
SHOWN_KEYS = 8
TIMES = "allowed: iso, epoch_s, epoch_ms, or a strptime format such as '%d.%m.%Y %H:%M'"
# Per reason: the keys of a [[source]] block that may be wrong, and what they may be.
KEYS = {
    "unparsable_time": (("time_format", "zone_column"), TIMES),
    "out_of_time_range": (("time_format",), f"{TIMES}; rows before first_month and after tomorrow are refused"),
    "nonexistent_local_time": (("zone",), "allowed: a name of the IANA database, e.g. Etc/GMT-8"),
    "ambiguous_local_time": (("zone",), "allowed: a name of the IANA database, e.g. Etc/GMT-8"),
    "midnight_label": (("midnight",), "allowed: next_day, reject, as_written, auto"),
    "unparsable_value": (("decimal",), "allowed: '.' and ','"),
    "wrong_field_count": (("separator",), "allowed: one character"),
    "bad_encoding": (("encoding",), "allowed: Python's names, e.g. utf-8, latin-1, cp1252"),
}
COLUMN_KEYS = {
    "sentinel": "sentinels", "out_of_range": "range", "not_finite": "column", "missing_value": "column",
}


def file_problems(result: FileResult) -> list[str]:
    """Return a sentence per setting that does not fit the file; none for a file that fits."""
    if result.chunk is None or result.layout is None:
        return []
    found = []
    if result.work.entry is None and result.layout.is_long and not any(
        part.rows_read for part in result.chunk.signals.values()
    ):
        found.append(_no_key_found(result.chunk, result.layout))
    if len(result.chunk.rejects):
        found += _mostly_refused(result.chunk, result.layout)
    return [f"{result.work.file.path}: {text}" for text in found]


def unnamed_keys(chunk: ParsedChunk, layout: Layout) -> str:
    """Which keys of a long file no rule names, in words."""
    keys = [f"{key!r} ({rows:,} rows)" for key, rows in list(chunk.unnamed.items())[:SHOWN_KEYS]]
    more = len(chunk.unnamed) - len(keys)
    return (
        f"rows whose {layout.source.key_column} is named by no entry of source.columns: {', '.join(keys)}"
        + (f" and {more} more keys" if more > 0 else "")
    )


def _no_key_found(chunk: ParsedChunk, layout: Layout) -> str:
    source = layout.source
    found = ", ".join(map(repr, list(chunk.unnamed)[:SHOWN_KEYS])) or "none"
    named = ", ".join(repr(t.column) for t in layout.targets)
    return (
        f"no row was read: source {source.name!r} finds none of its keys in column {source.key_column!r}; keys found: "
        f"{found}; named: {named}; correct `column` in source.columns"
    )


def _mostly_refused(chunk: ParsedChunk, layout: Layout) -> list[str]:
    read = {signal: part.rows_read for signal, part in chunk.signals.items()}
    counts = chunk.rejects.drop_nulls("signal").group_by("reason", "signal", maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("line").first(), pl.col("raw").first()
    )
    texts = []
    for (reason,), group in counts.group_by("reason", maintain_order=True):
        most = [r for r in group.iter_rows(named=True) if r["rows"] > MOST * read[r["signal"]]]
        if most:
            texts.append(_sentence(str(reason), most, read, layout))
    return texts


def _sentence(reason: str, most: list[dict[str, object]], read: dict[str, int], layout: Layout) -> str:
    signals = [str(r["signal"]) for r in most]
    rows, of = sum(int(r["rows"]) for r in most), sum(read[s] for s in signals)  # type: ignore[call-overload]
    shown = ", ".join(signals[:SHOWN_KEYS]) + (f" and {len(signals) - SHOWN_KEYS} more" if len(signals) > 8 else "")
    text = f"{rows:,} of {of:,} rows of {shown} are refused as {reason}"
    if most[0]["raw"]:
        text += f"; line {most[0]['line']} reads {str(most[0]['raw'])[:80]!r}"
    return f"{text}; {_advice(reason, layout, signals[0])}; `energy-pipeline doctor` on this file proposes its settings"


def _advice(reason: str, layout: Layout, signal: str) -> str:
    source = layout.source
    if reason in KEYS:
        names, allowed = KEYS[reason]
        keys = [f"{n} = {getattr(source, n)!r}" for n in names if getattr(source, n) is not None or n == "zone"]
        return f"source {source.name!r} has {', '.join(keys)}; {allowed}"
    target = next(t for t in layout.targets if t.signal == signal)
    now = {"sentinels": list(target.sentinels), "range": target.limits, "column": target.column}[COLUMN_KEYS[reason]]
    return (
        f"source {source.name!r} has {COLUMN_KEYS[reason]} = {now!r}, factor = {target.factor:g}, "
        f"offset = {target.offset:g} for it; allowed: the range, factor and sentinels that the file's values need"
    )
