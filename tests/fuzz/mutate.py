"""Base files of every layout and the ways in which they are broken; everything follows from one seed.

`make_case` gives bytes, the name of the file and the settings block that describes it. Next: `judge.py`, which reads
a case and checks it.
"""

import gzip
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import polars as pl

from energy_pipeline.compute.layout import DEFAULT_SOURCE
from energy_pipeline.settings import Source

TOKENS = (
    b'"', b"'", b"\r", b"\r\n", b"\n", b"\n\n", b"\x00", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff", b"\xc3", b",", b",,",
    b";", b"\t", b" ", b"nan", b"inf", b"-inf", b"1e999", b"-", b"+", b"--1", b"0x1", b"null", b"NA", b"1,5", b"1.5.2",
    b"9" * 400, b'""', b'"a\nb"', "ä".encode(), "٣".encode(), b"T", b"Z", b"+02:00", b"-99:99", b".999999999",
    b"0000-00-00 00:00:00", b"0001-01-01 00:00:00", b"9999-12-31 23:59:59", b"2024-03-31 02:30:00",
    b"2024-10-27 02:30:00", b"2024-02-30 00:00:00", b"2024-06-01 24:00:00", b"1e18", b"-9223372036854775808",
    b"9223372036854775807", b"1717200000", b"ts", b"com_ap", b"#", b"\\", b"{1}", b"=1+1",
)


@dataclass(frozen=True)
class Case:
    """A file to be read: its name, its content and the settings block for it."""

    name: str
    data: bytes
    source: Source


def _times(start: str, step_s: int, count: int, style: str) -> list[str]:
    first = datetime.fromisoformat(start)
    return [(first + timedelta(seconds=i * step_s)).strftime(style) for i in range(count)]


@cache
def bases() -> tuple[Case, ...]:
    """Good files of all layouts, a few dozen rows each."""
    iso = "%Y-%m-%d %H:%M:%S"
    times = _times("2024-06-01 00:00:00", 600, 30, iso)
    autumn = [*_times("2024-10-27 00:00:00", 900, 12, iso), *_times("2024-10-27 02:00:00", 900, 12, iso)]
    columns = [{"column": "P", "signal": "com_ap", "factor": 0.5, "sentinels": [255]},
               {"match": "E(.)", "signal": "e_{1}"}]
    minutes = _times("2024-06-01 00:00:00", 60, 30, "%d.%m.%Y %H:%M")
    wide = Source(name="wide", glob="*", separator=";", decimal=",", columns=columns, time_format="%d.%m.%Y %H:%M")
    long = Source(name="long", glob="*", key_column="what", value_column="v", factor_column="f",
                  columns=[{"column": "P", "signal": "com_ap"}, {"column": "E", "signal": "pos_ae"}])
    epoch = Source(name="epoch", glob="*", time_format="epoch_ms", label="end", interval_s=600.0, time_column="t")
    table = pl.DataFrame({"ts": times, "com_ap": range(30)}).with_columns(pl.col("ts").str.to_datetime(iso))
    parquet = io.BytesIO()
    table.write_parquet(parquet)

    def lines(head: str, rows: list[str], end: str = "\n") -> bytes:
        return (head + end + "".join(r + end for r in rows)).encode()

    plain = lines("ts,com_ap", [f"{t},{i / 4}" for i, t in enumerate(times)])
    return (
        Case("a.csv", plain, DEFAULT_SOURCE),
        Case("a.csv", lines("ts,com_ap", [f"{t},{i}" for i, t in enumerate(autumn)], "\r\n"), DEFAULT_SOURCE),
        Case("a.csv", lines("ts,com_ap,pf,bms1_p1_v1", [f"{t},{i},0.9,3.3" for i, t in enumerate(times)]),
             DEFAULT_SOURCE),
        Case("a.csv", lines("ts;P;note;E1;E2", [f'{t};{i},5;"say ""{i}""";{i};' for i, t in enumerate(minutes)]), wide),
        Case("a.csv", lines("ts,what,v,f", [f"{t},{'PE'[i % 2]},{i},0.1" for i, t in enumerate(times)]), long),
        Case("a.csv", lines("t,com_ap", [f"{1717192800000 + i * 600000},{i}" for i in range(30)]), epoch),
        Case("a.csv", lines("ts,com_ap", [f"{t}Z,{i}" for i, t in enumerate(times)]), DEFAULT_SOURCE),
        Case("a.csv", plain.decode().encode("utf-16"), DEFAULT_SOURCE),
        Case("a.csv.gz", gzip.compress(plain, mtime=0), DEFAULT_SOURCE),
        Case("a.parquet", parquet.getvalue(), DEFAULT_SOURCE.model_copy(update={"format": "parquet"})),
    )


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _digit(data: bytearray, rng: random.Random) -> None:
    places = [i for i in range(len(data)) if 48 <= data[i] <= 57]
    for i in rng.sample(places, min(len(places), rng.randint(1, 3))):
        data[i] = rng.choice(b"0123456789-")


def _token(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at : at + rng.choice((0, 0, 1, 4, 19))] = rng.choice(TOKENS)


def _field(data: bytearray, rng: random.Random) -> None:
    lines = bytes(data).split(b"\n")
    i = rng.randrange(len(lines))
    for separator in (b",", b";"):
        fields = lines[i].split(separator)
        if len(fields) > 1:
            fields[rng.randrange(len(fields))] = rng.choice(TOKENS)
            lines[i] = separator.join(fields)
            break
    data[:] = b"\n".join(lines)


def _delete(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 2, 5, 30, 200))]


def _repeat(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    piece = data[at : at + rng.choice((1, 10, 60, 300))]
    data[at:at] = piece * rng.choice((1, 1, 2, 20))


def _shuffle(data: bytearray, rng: random.Random) -> None:
    lines = bytes(data).split(b"\n")
    if rng.random() < 0.5 and len(lines) > 3:
        i = rng.randrange(1, len(lines) - 1)
        lines[i], lines[i - 1] = lines[i - 1], lines[i]
    else:
        rng.shuffle(lines)
    data[:] = b"\n".join(lines)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _digit, _digit, _token, _token, _field, _field, _delete, _repeat, _shuffle, _cut,
)


def make_case(seed: int, number: int) -> Case:
    """Return case `number` of a run: a base with one to five mutations."""
    rng = random.Random(f"{seed}-{number}")  # noqa: S311
    base = rng.choice(bases())
    packed = base.name.endswith((".gz", ".parquet"))
    unpack = base.name.endswith(".gz") and rng.random() < 0.7
    data = bytearray(gzip.decompress(base.data) if unpack else base.data)
    for _ in range(rng.choice((1, 1, 2, 3, 5)) if not packed or unpack else rng.choice((1, 2))):
        if data:
            rng.choice(MUTATIONS)(data, rng)
    return Case(base.name, gzip.compress(bytes(data), mtime=0) if unpack else bytes(data), base.source)
