"""A file read in any parts gives the rows of the whole, refused ones included: many small files, without a lake.

The laws with a lake behind them are in `test_laws.py`; here the clock is tried: outages, swaps, late rows and midnights
around the nights on which clocks change.
"""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from energy_pipeline.compute.layout import DEFAULT_SOURCE, Layout
from energy_pipeline.compute.zones import NOTHING_BEFORE
from energy_pipeline.loading.files import ReadContext, peek_layout, read_file
from energy_pipeline.loading.plan import FileWork, LedgerEntry
from energy_pipeline.resources.raw_files import RawFile
from energy_pipeline.settings import Settings
from tests.conftest import NOW_S

pytestmark = pytest.mark.filterwarnings("error")

NIGHTS = {
    "Europe/Berlin": ("2024-10-26T21:00", "2024-10-26T23:30", "2024-03-30T23:00", "2024-06-01T12:00"),
    "America/Havana": ("2024-11-03T01:00", "2024-11-03T03:30", "2024-03-10T03:00"),
    "Australia/Lord_Howe": ("2024-04-06T12:00", "2024-04-06T14:30"),
    "Asia/Shanghai": ("2024-06-01T06:00", "2024-06-01T08:00"),
}
BROKEN = ("{t},text", "{t}", "bad,1", "", "1970-01-01 00:00:00,1", "9999-12-31 00:00:00,1", "{t},", "{t}Z,5")
LIMITS = (1_514_761_200_000_000, int((NOW_S + 86_400) * 1e6))


@st.composite
def logs(draw):
    """The lines of a logger that counts in UTC and writes a wall clock, with all that happens to such files."""
    name = draw(st.sampled_from(list(NIGHTS)))
    moment = datetime.fromisoformat(draw(st.sampled_from(NIGHTS[name]))).replace(tzinfo=UTC)
    step, count = draw(st.sampled_from([5, 10, 15, 15, 30, 60])), draw(st.integers(3, 40))
    rng = random.Random(draw(st.integers(0, 1 << 32)))  # noqa: S311
    outages = rng.choice([0.0, 0.1, 0.3])
    lines = []
    for i in range(count):
        moment += timedelta(minutes=rng.choice([step * 3, 60, 75, 200]) if rng.random() < outages else step)
        local = moment.astimezone(ZoneInfo(name))
        if local.hour == local.minute == 0 and rng.random() < 0.5:
            local -= timedelta(days=1)  # the date of the day that it ends
        lines.append(f"{local:%Y-%m-%d %H:%M:%S},{i}")
        if rng.random() < 0.05:
            lines.append(rng.choice(BROKEN).format(t=f"{local:%Y-%m-%d %H:%M:%S}"))
        if len(lines) > 2 and rng.random() < 0.08:
            j = rng.randrange(len(lines) - 1)
            lines.append(rng.choice([lines[j], lines.pop(j), *[f"{local:%Y-%m-%d} 00:00:00,{i}"] * 3]))
    midnight = draw(st.sampled_from(["auto", "reject", "next_day", "as_written"]))
    source = DEFAULT_SOURCE.model_copy(update={"midnight": midnight})
    return name, source, ("ts,com_ap\n" + "\n".join(lines) + "\n").encode()


def read(path, data, source, zone, age_s, entry):
    path.write_bytes(data)
    file = RawFile("raw/m1/a.csv", path, source, len(data), int((NOW_S - age_s) * 1e9))
    context = ReadContext(Settings(), ZoneInfo(zone), LIMITS, NOW_S)
    layout = peek_layout(file, context)
    if not isinstance(layout, Layout):
        return None, entry
    result = read_file(FileWork(file, entry.read_bytes if entry else 0, entry), layout, context)
    known = entry.end if entry else NOTHING_BEFORE
    after = LedgerEntry(
        file.path, result.status, file.size, file.mtime_ns, result.head, result.tail, result.read_bytes,
        result.lines_read, ("com_ap",), result.chunk.end if result.chunk else known, "", result.reason,
    )
    return result.chunk, after if after.read_bytes else entry


def content(chunks):
    """Accepted rows in file order, and refused ones."""
    found = [c for c in chunks if c is not None]
    rows = [(t, v) for c in found for t, v in zip(c.signals["com_ap"].ts, c.signals["com_ap"].value, strict=True)]
    refused = pl.concat([c.rejects for c in found]) if found else pl.DataFrame()
    return rows, refused.rows(), sum(c.signals["com_ap"].rows_read for c in found)


HAVANA = b"ts,com_ap\n2024-11-02 21:10:00,1\n2024-11-02 21:15:00,2\n2024-11-02 00:00:00,2\n2024-11-02 21:20:00,3\n"
MOVED = ("America/Havana", DEFAULT_SOURCE.model_copy(update={"midnight": "next_day"}), HAVANA)


@settings(max_examples=settings.default.max_examples)
@example(MOVED, 0, 0.5, False)  # a midnight that is moved into a repeated hour
@example(MOVED, 0, 1.0, False)
@given(logs(), st.integers(0, 1 << 32), st.sampled_from([0.05, 0.5, 1.0]), st.booleans())
def test_a_file_read_in_parts_gives_the_rows_of_the_whole(log, seed, share, half_lines):
    zone, source, data = log
    rng = random.Random(seed)  # noqa: S311
    cuts = [i + 1 for i, byte in enumerate(data) if byte == ord("\n") and rng.random() < share]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        chunks, entry = [], None
        for cut in cuts:
            end = cut - half_lines * rng.randrange(12)
            if end > (entry.size if entry else 0):
                chunk, entry = read(path, data[:end], source, zone, 1, entry)
                chunks.append(chunk)
        for age_s in (1, 4 * 3600):
            chunk, entry = read(path, data, source, zone, age_s, entry)
            chunks.append(chunk)
        assert entry.read_bytes == len(data)
        whole, _ = read(path, data, source, zone, 4 * 3600, None)
        assert content(chunks) == content([whole])
