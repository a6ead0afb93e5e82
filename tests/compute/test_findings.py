"""Each check is green on sound tables and red with one planted fault, which it names."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from energy_pipeline.compute import findings
from energy_pipeline.schemas import TABLES
from energy_pipeline.schemas.base import UTC_TS

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
LATEST = datetime(2024, 6, 1, tzinfo=UTC)


def rows_of(table: str, **columns: list) -> pl.DataFrame:
    """Rows of a table with the given columns, everything else null."""
    schema = TABLES[table].polars_schema
    given = pl.DataFrame(columns, schema={k: schema[k] for k in columns})
    return given.with_columns(pl.lit(None, t).alias(c) for c, t in schema.items() if c not in columns)


@pytest.mark.parametrize("planted", [FIRST - timedelta(seconds=1), LATEST + timedelta(seconds=1)])
def test_one_reading_outside_the_allowed_years_is_named_with_its_signal(planted: datetime) -> None:
    sound = [FIRST, FIRST + timedelta(days=1), LATEST]
    frame = pl.DataFrame({"signal": ["soc"] * 3 + ["power"], "ts": [*sound, LATEST]})
    green = findings.times_out_of_range(frame.lazy(), FIRST, LATEST)
    assert green.passed
    assert green.checked_rows == 4
    fault = pl.DataFrame({"signal": ["power"], "ts": [planted]})
    red = findings.times_out_of_range(pl.concat([frame, fault]).lazy(), FIRST, LATEST)
    assert red.failed.select("signal", "outside").rows() == [("power", 1)]


def daily(hours: dict[str, dict[str, float]]) -> pl.DataFrame:
    """Rows of `resolution_1d`: per signal and month so many covered hours."""
    found = [(month, signal, 3600.0 * h) for signal, months in hours.items() for month, h in months.items()]
    return rows_of("resolution_1d", month=[f[0] for f in found], signal=[f[1] for f in found],
                   covered_s=[f[2] for f in found])


def signals(*names: str, kind: str = "gauge") -> pl.DataFrame:
    size = len(names)
    return rows_of("signals", signal=list(names), kind=[kind] * size, recognised=[True] * size,
                   first_ts=[FIRST] * size, last_ts=[datetime(2024, 3, 20, tzinfo=UTC)] * size)


def test_a_signal_that_falls_silent_for_most_of_a_month_is_named_with_the_month() -> None:
    months = {"2024-01": 700.0, "2024-02": 690.0, "2024-03": 400.0}
    sound = daily({"soc": months, "power": {**months, "2024-02": 400.0}})
    assert findings.poorly_covered(signals("soc", "power"), sound, 0.5).passed
    fault = daily({"soc": months, "power": {**months, "2024-02": 300.0}})
    red = findings.poorly_covered(signals("soc", "power"), fault, 0.5)
    assert red.failed.select("month", "signal").rows() == [("2024-02", "power")]


def test_a_signal_without_any_row_in_a_month_between_others_is_found_too() -> None:
    months = {"2024-01": 700.0, "2024-02": 690.0, "2024-03": 400.0}
    fault = daily({"soc": months, "power": {"2024-01": 700.0, "2024-03": 400.0}})
    red = findings.poorly_covered(signals("soc", "power"), fault, 0.5)
    assert red.failed.rows() == [("2024-02", "power", 0.0)]


def test_first_and_last_month_of_a_signal_and_flags_are_not_judged() -> None:
    months = {"2024-01": 700.0, "2024-02": 690.0, "2024-03": 400.0}
    short = daily({"soc": months, "power": {**months, "2024-01": 1.0, "2024-03": 1.0}})
    assert findings.poorly_covered(signals("soc", "power"), short, 0.5).passed
    silent = daily({"soc": months, "alarm": {**months, "2024-02": 1.0}})
    both = pl.concat([signals("soc"), signals("alarm", kind="flag")])
    assert findings.poorly_covered(both, silent, 0.5).passed


def test_cycle_counts_are_red_where_the_last_day_differs_by_more_than_the_limit() -> None:
    day = [date(2024, 1, 1), date(2024, 1, 2)]
    green = rows_of("capacity", day=day, efc_difference_percent=[9.0, 1.0], efc_flagged=[True, False])
    assert findings.cycle_counts_that_disagree(green, 5.0).passed
    red = rows_of("capacity", day=day, efc_difference_percent=[1.0, 9.0], efc_flagged=[False, True])
    assert findings.cycle_counts_that_disagree(red, 5.0).failed["day"].to_list() == [date(2024, 1, 2)]


def test_a_flat_health_is_red_and_a_day_without_one_is_not_looked_at() -> None:
    day = [date(2024, 1, 1), date(2024, 1, 2)]
    green = rows_of("capacity", day=day, soh_bms_percent=[99.0, None])
    assert findings.implausible_health(green).passed
    assert findings.implausible_health(green).checked_rows == 1
    red = rows_of("capacity", day=day, soh_bms_percent=[97.0, 97.0], soh_bms_finding=[None, "flat"])
    assert findings.implausible_health(red).failed["soh_bms_finding"].to_list() == ["flat"]


def test_a_contradicted_zone_is_red_and_an_open_question_is_not() -> None:
    open_question = rows_of("device_evidence", topic=["zone"], method=["schedule"], verdict=["cannot_tell"])
    assert findings.contradicted_settings(open_question).passed
    red = rows_of("device_evidence", topic=["zone"], method=["schedule"], verdict=["contradicts"])
    assert findings.contradicted_settings(red).failed["topic"].to_list() == ["zone"]


def full_rows(name: str) -> pl.DataFrame:
    """Two rows of a table with every column filled, within its bounds."""
    table = TABLES[name]

    def value(column: object) -> object:
        dtype = column.dtype
        if dtype == pl.String:
            return "2024-01" if column.name == "month" else "x"
        if dtype == pl.Boolean:
            return True
        if dtype == pl.Date:
            return date(2024, 1, 5)
        if isinstance(dtype, pl.Datetime):
            return FIRST
        return max(column.ge or 0, min(1, column.le if column.le is not None else 1))

    columns = {c.name: pl.Series([value(c)] * 2, dtype=c.dtype) if not isinstance(c.dtype, pl.List)
               else pl.Series([[], []], dtype=c.dtype) for c in table.columns}
    frame = pl.DataFrame(columns, schema=table.polars_schema)
    apart = next(c for c in table.key if c != "month" and frame.schema[c] in {pl.String, pl.Date, UTC_TS})
    other = {pl.String: "y", pl.Date: date(2024, 1, 6), UTC_TS: FIRST + timedelta(days=1)}[frame.schema[apart]]
    return frame.with_columns(pl.Series(apart, [frame[apart][0], other], frame.schema[apart]))


@pytest.mark.parametrize("name", sorted(TABLES))
def test_rows_of_every_table_are_green_and_one_broken_rule_of_each_kind_is_red(name: str) -> None:
    table, sound = TABLES[name], full_rows(name)
    assert findings.rows_unlike_schema(sound.lazy(), table).passed
    assert findings.rows_unlike_schema(table.empty().lazy(), table).passed

    def broken(frame: pl.DataFrame) -> list[tuple[str, str, int]]:
        return findings.rows_unlike_schema(frame.lazy(), table).failed.select("column", "rule", "rows").rows()

    first = pl.int_range(pl.len()) == 0
    for column in table.columns:
        if not column.nullable:
            planted = sound.with_columns(pl.when(~first).then(column.name).alias(column.name))
            assert broken(planted) == [(column.name, "null", 1)]
        for limit, step, word in ((column.ge, -1, "below"), (column.le, 1, "above")):
            if limit is not None:
                outside = pl.lit(limit + step).cast(column.dtype)
                planted = sound.with_columns(pl.when(first).then(outside).otherwise(column.name).alias(column.name))
                assert broken(planted) == [(column.name, f"{word} {limit:g}", 1)]
    last = table.columns[-1]
    assert broken(sound.drop(last.name)) == [(last.name, f"missing, wanted {last.dtype}", 2)]
    assert broken(sound.with_columns(pl.lit(1, pl.Int8).alias("added"))) == [("added", "unknown, found Int8", 2)]
    other = pl.String if last.dtype != pl.String else pl.Int64
    mistyped = sound.with_columns(pl.lit(None, other).alias(last.name))
    assert broken(mistyped) == [(last.name, f"type {other()}, wanted {last.dtype}", 2)]


@pytest.mark.parametrize("name", sorted(n for n, table in TABLES.items() if not table.counted))
def test_a_row_that_stands_twice_is_red_also_where_what_tells_it_apart_is_empty(name: str) -> None:
    table, sound = TABLES[name], full_rows(name)
    empty = sound.with_columns(pl.lit(None, sound.schema[c]).alias(c) for c in table.key if table.column(c).nullable)
    for rows in (sound, empty.unique(table.key)):
        assert findings.rows_unlike_schema(rows.lazy(), table).passed
        red = findings.rows_unlike_schema(pl.concat([rows, rows.head(1)]).lazy(), table)
        assert red.failed.select("column", "rule", "rows").rows() == [(", ".join(table.key), "as in another row", 1)]


def test_a_broken_rule_is_counted_per_month() -> None:
    sound = full_rows("resolution_1d")
    later = sound.with_columns(pl.lit("2024-02").alias("month"), pl.lit(None, pl.String).alias("signal"))
    red = findings.rows_unlike_schema(pl.concat([sound, later]).lazy(), TABLES["resolution_1d"])
    assert red.failed.rows() == [("2024-02", "signal", "null", 2)]
    assert red.checked_rows == 4


def test_a_sentinel_among_sat_voltages_is_red_and_a_full_cell_and_a_missing_one_are_not() -> None:
    columns = {"month": ["2024-01"] * 3, "signal": ["v1", "v2", "v3"]}
    green = rows_of("sat_voltage", **columns, sat_voltage_v=[3.45, 3.65, None])
    assert findings.sat_outside_chemistry(green, (2.8, 3.8)).passed
    assert findings.sat_outside_chemistry(green, (2.8, 3.8)).checked_rows == 2
    red = rows_of("sat_voltage", **columns, sat_voltage_v=[3.45, 65.535, 0.0])
    failed = findings.sat_outside_chemistry(red, (2.8, 3.8)).failed
    assert failed.select("signal", "sat_voltage_v").rows() == [("v2", 65.535), ("v3", 0.0)]


def test_a_second_battery_among_the_signals_is_red_and_two_temperatures_of_the_house_are_not() -> None:
    names = ["bms1_soc", "bms1_p1_v1", "bms1_p1_v2", "bms1_p2_v1", "bms1_p1_t1", "weather1_t", "weather2_t"]
    quantities = ["soc", *["cell_voltage"] * 3, "cell_temperature", *["outside_temperature"] * 2]
    places = {"pack": [None, 1, 1, 2, 1, None, None], "cell": [None, 1, 2, 1, 1, None, None]}
    green = rows_of("signals", signal=names, quantity=quantities, rows_accepted=[5] * 7, **places)
    assert findings.batteries_in_one_device(green).passed
    assert findings.batteries_in_one_device(green).checked_rows == 5
    second = green.head(2).with_columns(pl.col("signal").str.replace("bms1", "bms2"))
    red = findings.batteries_in_one_device(pl.concat([green, second]))
    assert red.failed.rows() == [
        ("cell_voltage", 1, 1, "bms1_p1_v1", "bms2_p1_v1"), ("soc", None, None, "bms1_soc", "bms2_soc"),
    ]
    silent = second.with_columns(pl.lit(0, pl.Int64).alias("rows_accepted"))
    assert findings.batteries_in_one_device(pl.concat([green, silent])).passed


def test_a_cell_without_slope_and_without_reason_is_red_and_one_with_either_is_not() -> None:
    cells = pl.DataFrame({"pack": [1, 1, 1], "cell": [1, 2, 3]}, schema={"pack": pl.Int16, "cell": pl.Int16})
    fits = {"level": ["cell"] * 2, "pack": [1, 1], "cell": [1, 2]}
    answered = rows_of("degradation_fits", **fits, slope_per_year=[-0.3, None], reason=[None, "too few days"])
    assert findings.cells_without_fit(cells.head(2), answered).passed
    assert findings.cells_without_fit(cells, answered).failed.rows() == [(1, 3)]  # no row at all
    silent = rows_of("degradation_fits", **fits, slope_per_year=[-0.3, None], reason=[None, None])
    assert findings.cells_without_fit(cells.head(2), silent).failed.rows() == [(1, 2)]
    of_the_pack = rows_of("degradation_fits", level=["pack"], pack=[1], slope_per_year=[1.0])
    assert findings.cells_without_fit(cells.head(1), of_the_pack).failed.rows() == [(1, 1)]


def test_an_account_that_does_not_close_is_named_and_one_that_does_is_not() -> None:
    ledger = rows_of("signals", signal=["soc"], rows_read=[10], rows_accepted=[7], rows_rejected=[1],
                     rows_duplicate=[1], rows_conflict=[1])
    refused = pl.DataFrame({"signal": ["soc"], "rejected": [1], "conflicts": [1]})
    stored = pl.DataFrame({"signal": ["soc"], "accepted": [7]})
    assert findings.open_accounts(ledger, stored, refused).passed
    lost = pl.DataFrame({"signal": ["soc"], "accepted": [6]})
    assert findings.open_accounts(ledger, lost, refused).failed["signal"].to_list() == ["soc"]


def test_a_day_that_says_other_than_its_five_minutes_is_red() -> None:
    known = {"n": [2, 3], "covered_s": [600.0, 900.0], "integral": [1.0, 2.0], "min": [0.0, 1.0], "max": [5.0, 6.0]}
    fine = rows_of("resolution_5min", signal=["p", "p"], increase=[0.5, 0.25], **known)
    day = {"signal": ["p"], "n": [5], "covered_s": [1500.0], "integral": [3.0], "min": [0.0], "max": [6.0]}
    assert findings.coarse_unlike_fine(fine.lazy(), rows_of("resolution_1d", increase=[0.75], **day).lazy()).passed
    red = findings.coarse_unlike_fine(fine.lazy(), rows_of("resolution_1d", increase=[0.8], **day).lazy())
    assert red.failed["signal"].to_list() == ["p"]


def test_an_unreadable_and_a_vanished_file_are_red_and_an_empty_one_is_not() -> None:
    green = rows_of("source_files", path=["a", "b"], status=["read", "empty"])
    assert findings.unfinished_files(green).passed
    red = rows_of("source_files", path=["a", "b", "c"], status=["read", "vanished", "unreadable"])
    assert findings.unfinished_files(red).failed["path"].to_list() == ["b", "c"]


NOW = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "newest_hours", "state"),
    [
        (47, 0, None), (49, 0, "late"), (97, 0, "overdue"), (24 * 40, 0, "overdue"),
        (24 * 40, 24 * 31, None),  # the whole lake is an archive
        (None, 0, None),  # a device without readings has none to be late
    ],
)
def test_silence_is_late_then_overdue_and_not_asked_of_an_archive(
    hours: float | None, newest_hours: float, state: str | None
) -> None:
    last = None if hours is None else NOW - timedelta(hours=hours)
    finding = findings.overdue_readings(last, NOW - timedelta(hours=newest_hours), NOW, (48.0, 96.0), 30.0)
    assert finding.failed["state"].to_list() == ([state] if state else [])
