"""Alarm timeline: planted flags come back with start, end and reason, also across the border of a month and a gap."""

from datetime import UTC, datetime, timedelta

import polars as pl
from plants import context, signals_table

from energy_pipeline.compute.alarms import build_alarm_events, build_alarm_spans
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.battery_energy import ALARM_EVENTS

FIRST = datetime(2024, 3, 29, tzinfo=UTC)
LAST = datetime(2024, 4, 3, tzinfo=UTC)


def readings(on: list[tuple[datetime, datetime, float]], gap: tuple[datetime, datetime] | None = None) -> pl.DataFrame:
    """A flag every ten minutes: `value` from start until before end, else 0; no rows within the gap."""
    ts = pl.datetime_range(FIRST, LAST, "10m", eager=True, time_unit="us", time_zone="UTC")
    frame = pl.DataFrame({"ts": ts}).with_columns(pl.lit(0.0).alias("value"), pl.lit("fa1_errcode").alias("signal"))
    for start, end, value in on:
        inside = (pl.col("ts") >= start) & (pl.col("ts") < end)
        frame = frame.with_columns(pl.when(inside).then(value).otherwise("value").alias("value"))
    return frame if gap is None else frame.filter(~pl.col("ts").is_between(*gap))


def ctx() -> DeviceContext:
    return context(signals_table({"fa1_errcode": "error_code"}, FIRST, LAST))


def events(frame: pl.DataFrame) -> pl.DataFrame:
    spans = [build_alarm_spans(ctx(), month, frame.lazy()) for month in ("2024-03", "2024-04")]
    return build_alarm_events(ctx(), pl.concat(spans))


def test_an_alarm_has_its_start_end_and_readings() -> None:
    start = FIRST + timedelta(hours=20)
    row = events(readings([(start, start + timedelta(hours=2), 7.0)])).to_dicts()
    assert len(row) == 1
    assert (row[0]["start_ts"], row[0]["end_ts"]) == (start, start + timedelta(hours=2))
    assert (row[0]["duration_s"], row[0]["readings"], row[0]["ended_by"]) == (7200.0, 12, "cleared")
    assert row[0]["value"] == 7.0
    assert not row[0]["ongoing"]
    assert str(row[0]["day"]) == "2024-03-29"


def test_an_alarm_across_the_border_of_a_month_is_one_event() -> None:
    start, end = datetime(2024, 3, 31, 18, tzinfo=UTC), datetime(2024, 4, 1, 9, tzinfo=UTC)
    rows = events(readings([(start, end, 3.0)])).to_dicts()
    assert [(r["start_ts"], r["end_ts"], r["readings"], r["ended_by"]) for r in rows] == [(start, end, 90, "cleared")]


def test_another_code_ends_one_event_and_begins_the_next() -> None:
    start = datetime(2024, 3, 30, 6, tzinfo=UTC)
    rows = events(readings([(start, start + timedelta(hours=1), 3.0),
                            (start + timedelta(hours=1), start + timedelta(hours=3), 4.0)]))
    assert rows.select("value", "ended_by", "duration_s").rows() == [(3.0, "changed", 3600.0), (4.0, "cleared", 7200.0)]


def test_a_gap_ends_an_event_as_not_known() -> None:
    start = datetime(2024, 3, 30, 6, tzinfo=UTC)
    gap = (start + timedelta(minutes=55), start + timedelta(hours=4))
    rows = events(readings([(start, start + timedelta(hours=6), 3.0)], gap)).to_dicts()
    assert [r["ended_by"] for r in rows] == ["no_data", "cleared"]
    assert rows[0]["end_ts"] == start + timedelta(minutes=50 + 15)


def test_an_alarm_of_the_last_reading_is_ongoing() -> None:
    rows = events(readings([(LAST - timedelta(hours=1), LAST + timedelta(hours=1), 1.0)]))
    assert rows["ongoing"].to_list() == [True]


def test_a_quiet_flag_has_no_event() -> None:
    assert events(readings([])).schema == ALARM_EVENTS.polars_schema
    assert events(readings([])).is_empty()
