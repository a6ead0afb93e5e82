"""Quarter hours and contexts of meters, planted by hand: what the tests of meter tables are made from."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.meters import build_meter_daily
from energy_pipeline.compute.zones import day_start, from_us
from energy_pipeline.schemas.resolution import RESOLUTIONS
from energy_pipeline.settings import BatterySettings, MeterSettings, Tariff

BERLIN = ZoneInfo("Europe/Berlin")
QUANTITY = {
    "com_ap": ("active_power", "gauge"),
    "pos_ae": ("import_energy", "counter"),
    "neg_ae": ("export_energy", "counter"),
    "com_ae": ("net_energy", "net_counter"),
    "pf": ("power_factor", "gauge"),
    "import_interval_a": ("import_interval_energy", "interval"),
    "import_interval_b": ("import_interval_energy", "interval"),
    "import_interval_c": ("import_interval_energy", "interval"),
    "bms1_soc": ("soc", "gauge"),
    "bms1_v": ("system_voltage", "gauge"),
    "bms1_c": ("system_current", "gauge"),
    "aux_m_com_ap": ("auxiliary_power", "gauge"),
    "pcs1_p": ("pcs_power", "gauge"),
    "pcs1_dc_p": ("pcs_power", "gauge"),
}
PHASES = ("import_interval_a", "import_interval_b", "import_interval_c")


def context(
    *signals: str, interval_s: float = 600.0, net_kind: str = "net_counter", device: str = "m1",
    tariff: Tariff | None = None, site_meter: str | None = None, meter: MeterSettings | None = None,
) -> DeviceContext:  # fmt: skip
    rows = [
        {
            "signal": s,
            "quantity": QUANTITY[s][0],
            "kind": net_kind if s == "com_ae" else QUANTITY[s][1],
            "interval_s": interval_s if QUANTITY[s][1] == "interval" else None,
        }
        for s in signals
    ]
    schema = {"signal": pl.String, "quantity": pl.String, "kind": pl.String, "interval_s": pl.Float64}
    signals_table = pl.DataFrame(rows, schema=schema)
    return DeviceContext(device, BERLIN, BatterySettings(), meter or MeterSettings(), signals_table, site_meter, tariff)


def quarters_of(day: date) -> list[datetime]:
    """UTC starts of the quarter hours of a day in Berlin."""
    start, end = (from_us(day_start(BERLIN, d)) for d in (day, day + timedelta(days=1)))
    return [start + k * timedelta(minutes=15) for k in range(round((end - start) / timedelta(minutes=15)))]


def gauge(signal: str, times: list[datetime], values: list[float], covered_s: float = 900.0) -> pl.DataFrame:
    """Quarter hours in which a gauge held one value."""
    v = pl.Series(values, dtype=pl.Float64)
    return _rows(signal, times, covered_s, integral=v * covered_s, level=v, increase=None, estimated=None)


def energy(
    signal: str, times: list[datetime], kwh: list[float], *, start: float = 1000.0,
    estimated: list[float] | None = None, covered_s: float = 900.0, levels: list[float] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Quarter hours of a register (or of interval rows) with their increase."""
    e = pl.Series(kwh, dtype=pl.Float64)
    level = pl.Series(levels, dtype=pl.Float64) if levels else start + e.cum_sum() - e
    return _rows(signal, times, covered_s, None, level, e, pl.Series(estimated or [0.0] * len(e), dtype=pl.Float64))


def _rows(
    signal: str, times: list[datetime], covered_s: float, integral: pl.Series | None, level: pl.Series,
    increase: pl.Series | None, estimated: pl.Series | None,
) -> pl.DataFrame:  # fmt: skip
    frame = pl.DataFrame(
        {
            "ts": pl.Series(times, dtype=pl.Datetime("us", "UTC")), "min": level, "max": level, "first": level,
            "last": level, "integral": integral, "increase": increase, "increase_estimated": estimated,
        }
    )  # fmt: skip
    return RESOLUTIONS["15min"].conform(
        frame.with_columns(
            device=pl.lit("m1"), month=pl.lit("2024-01"), signal=pl.lit(signal), n=1, covered_s=covered_s,
            integral_sq=None,
        )
    )  # fmt: skip


def days_from(quarter: pl.DataFrame) -> pl.DataFrame:
    """The day rows that follow from quarter hours."""
    day = pl.col("ts").dt.convert_time_zone("Europe/Berlin").dt.date()
    sums = [
        pl.when(pl.col(c).count() > 0).then(pl.col(c).sum()).alias(c)
        for c in ("integral", "integral_sq", "increase", "increase_estimated")
    ]
    frame = quarter.sort("ts").group_by("device", "month", "signal", day.alias("day")).agg(
        pl.col("n").sum(), pl.col("covered_s").sum(), pl.col("min").min(), pl.col("max").max(),
        pl.col("first").first(), pl.col("last").last(), *sums,
    )  # fmt: skip
    starts = [from_us(day_start(BERLIN, d)) for d in frame["day"]]
    return RESOLUTIONS["1d"].conform(frame.with_columns(pl.Series("ts", starts, dtype=pl.Datetime("us", "UTC"))))


def build(ctx: DeviceContext, *frames: pl.DataFrame) -> pl.DataFrame:
    quarter = pl.concat(frames)
    return build_meter_daily(ctx, "2024-01", quarter, days_from(quarter))
