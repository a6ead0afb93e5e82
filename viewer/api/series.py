"""Series, bundles and the figures of a window: `/series`, `/bundle`, `/kpis`, `/bess_kpis`.

Gauges come from `viewer.series.load_series`, registers from `energy.py`, figures from the functions of the pages.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

import polars as pl
from fastapi import Query, Request, Response

from viewer import figures_of_bess, figures_of_meters
from viewer.api.energy import REGISTERS, load_energy
from viewer.api.errors import InvalidParameter, TooLarge
from viewer.api.formats import Answer, dump, in_zone, one_row_answer, pieces_answer, spliced_pieces, without_nan
from viewer.api.models import BessKpis, Bundle, Kpis, Series
from viewer.api.params import MAX_SIGNALS, BundleQuery, SeriesQuery, WindowQuery
from viewer.api.pieces import Piece
from viewer.api.points import points_frame, points_json
from viewer.api.responses import table_responses
from viewer.api.route import from_memory, table_router
from viewer.api.service import LONG, Api, ApiDep
from viewer.api.table_models import CAPACITY_LAST, ENERGY_LAST, FLEET_BATTERY
from viewer.catalog import DeviceInfo
from viewer.series import SeriesResult, load_series, signal_row
from viewer.store import Store

LEVELS = tuple(f"resolution_{level}" for level in ("5min", "15min", "1h", "1d"))
SERIES_TABLES = ("signals", "readings", *LEVELS)
BESS_TABLES = (
    "signals", "fleet_summary", "capacity", "charge_cycles", "battery_energy", "battery_days", "alarm_events",
    "resolution_5min", "resolution_1h",
)  # fmt: skip
MAIN_GROUPS = ("meter", "battery", "pcs", "auxiliary")

router = table_router(tag="series and figures")


@dataclass(frozen=True)
class OneSeries:
    """What is said about a series, and its rows as a table and as JSON; each is made only when it is asked for."""

    meta: dict[str, Any]
    frame: Callable[[], pl.DataFrame]
    rows: Callable[[], list[Piece]]

    def json(self, **more: object) -> list[Piece]:
        """Return the series as JSON with the rows under `data`."""
        return spliced_pieces({**self.meta, **more}, "data", self.rows())

    def answer(self, **more: object) -> Answer:
        """Return the answer with what more is said in its JSON."""
        return pieces_answer(lambda: self.json(**more), self.frame, self.meta["count"])


@router.get("/series", response_model=Series, responses=table_responses(), summary="One signal over a window")
@from_memory
def series(api: ApiDep, request: Request, query: Annotated[SeriesQuery, Query()]) -> Response:
    """Means weighted by time with the smallest and largest reading beside them, thinned so that no peak is lost.

    Energy registers come as energy per bucket, not thinned: the sum of `value` is the rise of the register.
    """
    device = api.device(query.name)
    start, end = api.window(device, query)
    signal_row(api.store, device.name, query.signal)
    level = None if query.resolution == "auto" else query.resolution

    def build() -> Answer:
        return one_series(api, device, query.signal, start, end, query.max_points, level).answer()

    return api.respond(request, query, SERIES_TABLES, build)


@router.get("/bundle", response_model=Bundle, responses=table_responses(), summary="Several signals over one window")
def bundle(api: ApiDep, request: Request, query: Annotated[BundleQuery, Query()]) -> Response:
    """Each series as `/series` gives it. CSV and Arrow: one row per signal and point."""
    device = api.device(query.name)
    start, end = api.window(device, query)
    names = _wanted_signals(api, device, query.signals)

    def build() -> Answer:
        found = {n: one_series(api, device, n, start, end, query.max_points, None) for n in names}
        rows = sum(part.meta["count"] for part in found.values())
        head = {"device": device.name, "start": _at(start, device), "end": _at(end, device), "count": rows}
        return pieces_answer(
            lambda: spliced_pieces(head, "series", _bundle_json(found)), lambda: _bundle_table(found), rows
        )

    return api.respond(request, query, SERIES_TABLES, build)


@router.get("/kpis", response_model=Kpis, responses=table_responses(), summary="Figures of a meter")
def kpis(api: ApiDep, request: Request, query: Annotated[WindowQuery, Query()]) -> Response:
    """Energy, peaks and power of the window: whole days from table `meter_daily`, parts of days from quarter hours."""
    device = api.device(query.name)
    start, end = api.window(device, query)
    tables = ("signals", "meter_daily", "resolution_15min", "resolution_5min")
    return api.respond(request, query, tables, lambda: one_row_answer(_kpis(api, device, start, end)))


@router.get("/bess_kpis", response_model=BessKpis, responses=table_responses(), summary="Figures of a battery system")
def bess_kpis(api: ApiDep, request: Request, query: Annotated[WindowQuery, Query()]) -> Response:
    """Energy, cycles, auxiliaries and alarms of the window; state, capacity and verdicts as the tables hold them."""
    device = api.device(query.name, bess=True)
    start, end = api.window(device, query)
    return api.respond(request, query, BESS_TABLES, lambda: one_row_answer(_bess_kpis(api, device, start, end)))


def one_series(
    api: Api, device: DeviceInfo, signal: str, start: datetime, end: datetime, max_points: int, level: str | None
) -> OneSeries:
    """Return a series in the device's zone, null where there is no value.

    Raises:
        TooLarge: a register has more buckets at the given level than points are wanted.
    """
    info = signal_row(api.store, device.name, signal)
    if info["kind"] not in REGISTERS:
        result = load_series(api.store, device.name, signal, start, end, max_points, level, device.zone)
        return _gauge(api.store, result, device)
    api.store.spend(LONG)
    energy = load_energy(api.store, device.name, signal, start, end, max_points, device.zone, level)
    if energy.rows.height > max_points:
        raise TooLarge(
            f"{energy.rows.height} buckets of {energy.resolution}, max_points is {max_points}: a register is not "
            "thinned; take a coarser resolution (or auto), more points or a shorter window"
        )
    rows = without_nan(in_zone(energy.rows, device.zone.key))
    meta = {
        "device": device.name, "signal": signal, "unit": "kWh", "kind": info["kind"], "resolution": energy.resolution,
        "start": _at(start, device), "end": _at(end, device),
        "actual_start": rows["timestamp"][0] if rows.height else None, "actual_end": _at(energy.actual_end, device),
        "points_held": energy.held, "gaps": 0, "total": energy.total_kwh, "count": rows.height,
    }  # fmt: skip
    return OneSeries(meta, lambda: rows, lambda: [Piece(rows.write_json().encode())])


def _gauge(store: Store, result: SeriesResult, device: DeviceInfo) -> OneSeries:
    meta = {
        "device": result.device, "signal": result.signal, "unit": result.unit, "kind": result.kind,
        "resolution": result.resolution, "start": _at(result.start, device), "end": _at(result.end, device),
        "actual_start": _at(result.actual_start, device), "actual_end": _at(result.actual_end, device),
        "points_held": result.points_held, "gaps": result.gaps, "total": None, "count": int(result.count),
    }  # fmt: skip
    zone = device.zone.key
    return OneSeries(meta, lambda: points_frame(result, zone), lambda: points_json(store, result, zone))


def _bundle_json(found: dict[str, OneSeries]) -> list[Piece]:
    pieces = [Piece(b"{")]
    for number, (name, part) in enumerate(found.items()):
        pieces += [Piece((b"," if number else b"") + dump(name) + b":"), *part.json()]
    return [*pieces, Piece(b"}")]


def _bundle_table(found: dict[str, OneSeries]) -> pl.DataFrame:
    frames = [part.frame().insert_column(0, pl.lit(name).alias("signal")) for name, part in found.items()]
    return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()


def _wanted_signals(api: Api, device: DeviceInfo, text: str | None) -> list[str]:
    if text is None:
        rows = api.catalog.signals(device.name).filter(pl.col("group").is_in(MAIN_GROUPS))
        return rows["signal"].head(MAX_SIGNALS).to_list()
    names = list(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))
    if not 1 <= len(names) <= MAX_SIGNALS:
        raise InvalidParameter(f"signals names {len(names)} signals; give 1 to {MAX_SIGNALS}")
    for name in names:
        signal_row(api.store, device.name, name)
    return names


def _at(moment: datetime | None, device: DeviceInfo) -> datetime | None:
    return None if moment is None else moment.astimezone(device.zone)


def _kpis(api: Api, device: DeviceInfo, start: datetime, end: datetime) -> dict[str, Any]:
    first, last = figures_of_meters.local_days(start, end, device.zone)
    days = figures_of_meters.window_days(api.store, api.settings, device, start, end)
    figures = figures_of_meters.meter_figures(days.rows, partial=days.partial)
    power = api.catalog.signals(device.name).filter(pl.col("quantity") == "active_power")["signal"].to_list()
    own = figures_of_meters.signal_figures(api.store, device.name, power[0], start, end) if power else None
    known = asdict(figures)
    known["peak_ts"] = _at(figures.peak_ts, device)
    return {
        "device": device.name, "start": _at(start, device), "end": _at(end, device), "first_day": first,
        "last_day": last, **known, "mean_kw": own and own.mean, "min_kw": own and own.minimum,
        "max_kw": own and own.maximum, "power_coverage": own and own.coverage(start, end),
    }  # fmt: skip


def _bess_kpis(api: Api, device: DeviceInfo, start: datetime, end: datetime) -> dict[str, Any]:
    signals = api.catalog.signals(device.name)
    found = figures_of_bess.battery_figures(api.store, device, signals, start, end)
    day, capacity = _last_capacity(api, device.name)
    return {
        "device": device.name, "start": _at(start, device), "end": _at(end, device),
        "charge_kwh": found.charged_kwh, "discharge_kwh": found.discharged_kwh, "charge_count": found.charges,
        "discharge_count": found.discharges, "auxiliary_kwh": found.auxiliary_kwh,
        "alarm_hours": figures_of_bess.alarm_hours(api.store, device.name, signals, start, end),
        "capacity_day": day, **capacity, **_last_energy(api, device.name), **_fleet(api, device.name),
    }  # fmt: skip


def _last_capacity(api: Api, device: str) -> tuple[Any, dict[str, Any]]:
    """Return the last day of the table, and per figure its last value."""
    if not api.store.exists("capacity"):
        return None, dict.fromkeys(CAPACITY_LAST)
    rows = api.rows("capacity", device, ("day", *CAPACITY_LAST)).sort("day")
    last = {c: known[-1] if len(known := rows[c].drop_nulls()) else None for c in CAPACITY_LAST}
    return rows["day"].max(), last


def _last_energy(api: Api, device: str) -> dict[str, Any]:
    """Return the last round trip per AC boundary, and the site meter."""
    if not api.store.exists("battery_energy"):
        return dict.fromkeys(ENERGY_LAST)
    rows = api.rows("battery_energy", device, ("day", *ENERGY_LAST)).sort("day")
    return {c: known[-1] if len(known := rows[c].drop_nulls()) else None for c in ENERGY_LAST}


def _fleet(api: Api, device: str) -> dict[str, Any]:
    if not api.store.exists("fleet_summary"):
        return dict.fromkeys(FLEET_BATTERY)
    rows = api.rows("fleet_summary", device, FLEET_BATTERY)
    return rows.row(0, named=True) if rows.height else dict.fromkeys(FLEET_BATTERY)
