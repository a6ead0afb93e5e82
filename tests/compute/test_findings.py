"""Each check is green on sound tables and red with one planted fault, which it names."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from energy_pipeline.compute import findings
from energy_pipeline.schemas import TABLES

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
