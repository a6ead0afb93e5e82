"""What every endpoint needs: known devices, windows of time, and answers cached per table version.

`Api.respond` turns an endpoint's tables and a function into an answer with ETag, 304, format and gzip. The clock of the
data is the device's zone. Next: the modules with the endpoints, `series.py` first.
"""

import hashlib
import math
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import polars as pl
from fastapi import Depends, Request, Response

import viewer.store
from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings
from viewer.api.errors import InvalidParameter, NoData, TooLarge, UnknownDevice, UnknownPart
from viewer.api.formats import (
    GZIP_FROM,
    GZIP_MAGIC,
    MEDIA,
    Answer,
    Format,
    accepts_gzip,
    encode,
    negotiate,
    squeeze,
)
from viewer.api.gate import Gate
from viewer.api.params import CellVoltageQuery, DaysQuery, FormatQuery, WindowQuery
from viewer.catalog import Catalog, DeviceInfo
from viewer.series import EmptyWindow
from viewer.store import Store
from viewer.wallclock import day_start, local_to_utc

YEARS = (1970, 2199)
LONG = 10**6  # rows: more than the server's loop may work on
ZIP_ROWS = 16  # from here on an answer in pieces is larger than what is sent as it is


@dataclass(frozen=True)
class Limits:
    """Bounds of the API. `ready` requests are let in beyond those that run: a thread that is done has its next one."""

    rows: int = 400_000
    cache_bytes: int = 96 * 2**20
    running: int = max(2, os.cpu_count() or 2)
    ready: int = 2
    waiting_per_client: int = 64
    waiting: int = 512
    patience_s: float = 30.0


class ByteCache:
    """Finished answers by key, the least recently used leave first. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Return what is kept under `key`, None where nothing is."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: str, body: bytes) -> None:
        """Keep `body`, unless it alone takes more than a quarter of the room."""
        with self._lock:
            if key in self._kept or len(body) > self._most // 4:
                return
            self._kept[key] = body
            self._held += len(body)
            while self._held > self._most:
                self._held -= len(self._kept.popitem(last=False)[1])


class Lately:
    """What was found within the last second, made by one thread at a time: a flood of questions costs one answer."""

    def __init__(self) -> None:
        self._found: tuple[float, bytes] = (-math.inf, b"")
        self._lock = threading.Lock()

    @property
    def body(self) -> bytes | None:
        """The answer, None where it is older than the store lets its tables be."""
        made, body = self._found
        return body if time.monotonic() - made < viewer.store.RECHECK_S else None

    def make(self, build: Callable[[], bytes]) -> bytes:
        """Return the answer, made anew where it is too old."""
        with self._lock:
            body = self.body
            if body is None:
                begun, body = time.monotonic(), build()
                self._found = (begun, body)
            return body


class Api:
    """Store, settings, catalog and bounds behind the endpoints."""

    def __init__(self, store: Store, settings: Settings, token: str | None, limits: Limits) -> None:
        self.store, self.settings, self.token, self.limits = store, settings, token, limits
        self.catalog = Catalog(store, settings)
        self.gate = Gate(limits.running + limits.ready, limits.waiting_per_client, limits.waiting, limits.patience_s)
        self.workers = ThreadPoolExecutor(limits.running, thread_name_prefix="api")
        self.health = Lately()
        self._cache = ByteCache(limits.cache_bytes)
        # A lake that is built anew counts its versions from 0 again: tags of another run of the server never match.
        self._devices: tuple[int, list[DeviceInfo]] = (-1, [])
        self._run = secrets.token_hex(8)

    def devices(self) -> list[DeviceInfo]:
        """Return all devices, found once per version of the table `signals`."""
        version = self.store.version("signals")
        if self._devices[0] != version:
            self.store.spend(LONG)
            self._devices = (version, self.catalog.devices())
        return self._devices[1]

    def device(self, name: str, *, bess: bool = False) -> DeviceInfo:
        """Return a device; `UnknownDevice` names those that exist."""
        known = [d for d in self.devices() if d.is_bess or not bess]
        found = next((d for d in known if d.name == name), None)
        if found is None:
            names, what = [d.name for d in known], "battery system" if bess else "device"
            raise UnknownDevice(f"no {what} {name!r}; there are {', '.join(names[:12]) or 'none'}", names)
        return found

    def cells(self, system: str, pack: int | None = None, cell: int | None = None) -> pl.DataFrame:
        """Return the cell voltage signals (signal, pack, cell) in numeric order; `UnknownPart` names what exists."""
        rows = self.store.derived(
            "signals", ("cells", system), lambda: self._cells(system), lambda f: int(f.estimated_size())
        )
        for column, value in (("pack", pack), ("cell", cell)):
            if value is None:
                continue
            known = rows[column].unique().sort().to_list()
            rows = rows.filter(pl.col(column) == value)
            if rows.is_empty():
                raise UnknownPart(f"{system} has no {column} {value}; it has {_span(known)}", known)
        return rows

    def _cells(self, system: str) -> pl.DataFrame:
        rows = self.store.frame("signals", where={"device": system}).filter(pl.col("quantity") == "cell_voltage")
        return rows.select("signal", "pack", "cell").drop_nulls().sort("pack", "cell")

    def window(self, device: DeviceInfo, query: WindowQuery | CellVoltageQuery) -> tuple[datetime, datetime]:
        """Return start and end (UTC, end excluded).

        Without `start` from the local midnight before the first reading, so that the bucket of that reading counts;
        without `end` to just after the last reading.
        """
        start = moment(query.start, device.zone, "start") if query.start else None
        if start is None and device.first is not None:
            start = day_start(device.first.astimezone(device.zone).date(), device.zone)
        end = moment(query.end, device.zone, "end") if query.end else None
        if end is None and device.last is not None:
            end = device.last + timedelta(seconds=1)
        if start is None or end is None:
            raise NoData(f"{device.name} has no readings")
        if end <= start:
            zone = device.zone
            shown = f"end {end.astimezone(zone).isoformat()} is not after start {start.astimezone(zone).isoformat()}"
            raise EmptyWindow(f"{shown}; the readings reach from {device.first} to {device.last}")
        return start, end

    def respond(
        self, request: Request, query: FormatQuery, tables: Sequence[str], build: Callable[[], Answer]
    ) -> Response:
        """Return the answer of `build`, from the cache where `tables` have not changed, or 304.

        Raises:
            TooLarge: the answer has more rows than one answer may have.
        """
        chosen = negotiate(query.format, request.headers.get("accept"))
        versions = ",".join(f"{t}:{self.store.edition(t)}" for t in tables)
        key = f"{request.url.path}|{query.model_dump_json()}|{chosen}|{versions}|{self._run}"
        tag = f'W/"{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}"'
        headers = {"etag": tag, "cache-control": "private, no-cache", "vary": "accept, accept-encoding, authorization"}
        if _matches(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
        body = self._body(tag, accepts_gzip(request.headers.get("accept-encoding")), chosen, query.decimal, build)
        if body.startswith(GZIP_MAGIC):
            headers["content-encoding"] = "gzip"
        if chosen != "json":
            headers["content-disposition"] = f'attachment; filename="{_file_name(request.url.path, chosen)}"'
        return Response(body, media_type=MEDIA[chosen], headers=headers)

    def _body(self, tag: str, may_zip: bool, chosen: Format, decimal: str, build: Callable[[], Answer]) -> bytes:
        """Return the bytes to send; none of the formats begins like a gzip, so its magic tells which it is."""
        kept = self._cache.get(f"{tag}{may_zip}")
        if kept is not None:
            return kept
        answer = build()
        if answer.rows > self.limits.rows:
            raise TooLarge(
                f"the answer would have {answer.rows} rows, {self.limits.rows} are the most of one answer; "
                "take a shorter time (start, end), one pack (pack), a coarser resolution or fewer points"
            )
        if may_zip and chosen == "json" and answer.gzip is not None and answer.rows >= ZIP_ROWS:
            body = answer.gzip()
        else:
            self.store.spend(LONG)
            body = encode(answer, chosen, decimal)
            body = squeeze(body) if may_zip and len(body) >= GZIP_FROM else body
        self._cache.put(f"{tag}{may_zip}", body)
        return body

    def rows(self, table: str, device: str, columns: Sequence[str]) -> pl.DataFrame:
        """Return columns of a device's rows; a column that an older table does not have yet is null."""
        rows, known = self.store.frame(table, where={"device": device}), self.schema(table)
        absent = (pl.lit(None, known[c]).alias(c) for c in columns if c not in rows.columns)
        return rows.with_columns(absent).select(columns)

    @staticmethod
    def schema(table: str) -> pl.Schema:
        """Return names and types of a table's columns."""
        return TABLES[table].polars_schema


async def get_api(request: Request) -> Api:
    """Return the API of the server that got the request."""
    return request.app.state.api


ApiDep = Annotated[Api, Depends(get_api)]


def moment(text: str, zone: ZoneInfo, name: str) -> datetime:
    """Return the UTC moment of ISO 8601 text; a time without offset is on the device's clock.

    Raises:
        InvalidParameter: the text is no moment, or lies outside the years that are allowed.
    """
    if len(text) > 6 and text[-6] == " " and text[-3] == ":" and "T" in text.upper():
        text = f"{text[:-6]}+{text[-5:]}"  # a plus that was not escaped in the URL arrives as a blank
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        hint = "write 2024-07-01, 2024-07-01T12:30 or 2024-07-01T12:30+02:00"
        raise InvalidParameter(f"{name}={text!r} is no time; {hint}") from error
    if not YEARS[0] <= found.year <= YEARS[1]:
        raise InvalidParameter(f"{name}={text!r} lies outside the years {YEARS[0]} to {YEARS[1]}", YEARS)
    return local_to_utc(found, zone) if found.tzinfo is None else found.astimezone(UTC)


def in_days(frame: pl.DataFrame, query: DaysQuery, column: str = "day") -> pl.DataFrame:
    """Return the rows of the local days that the query asks for, both ends included."""
    first, last = query.start or date.min, query.end or date.max
    return frame.filter((pl.col(column) >= first) & (pl.col(column) <= last))


def _span(known: list[int]) -> str:
    if known == list(range(known[0], known[-1] + 1)) if known else False:
        return f"{known[0]} to {known[-1]}"
    return ", ".join(str(k) for k in known[:12]) or "none"


def _matches(header: str | None, tag: str) -> bool:
    if not header:
        return False
    return header.strip() == "*" or tag in (t.strip() for t in header.split(","))


def _file_name(path: str, chosen: str) -> str:
    return f"{path.strip('/').replace('/', '_')}.{'csv' if chosen == 'csv' else chosen}"
