"""The day ledger: one charge a day, reasons, baseline, and missing cell-days that stay missing."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from plants import Charger, context, signals_table

from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.sat_daily import build_sat_daily
from energy_pipeline.compute.sat_voltage import build_sat_voltage
from energy_pipeline.schemas.battery import CHARGE_CYCLES, SAT_DAILY, SAT_VOLTAGE
from energy_pipeline.schemas.resolution import RESOLUTIONS


def charges(rows: list[dict[str, object]], cells: int = 3) -> pl.DataFrame:
    """`sat_voltage` rows for charges given by day offset and conditions, equal for all cells."""
    out = []
    for r in rows:
        end = datetime(2024, 1, 1, 13, tzinfo=UTC) + timedelta(days=int(r["day"]), hours=float(r.get("hour", 0)))
        row = {
            "device": "plant", "month": end.strftime("%Y-%m"), "day": end.date(), "charge_end_ts": end, "pack": 1,
            "sat_voltage_v": r.get("sat", 3.43), "method": "supported", "readings": r.get("readings", 20),
            "sampling_s": 60.0, "sat_offset_mv": 0.0, "offset_instants": 5, "refused_readings": r.get("refused", 0),
            "current_end_a": 100.0, "soc_end": r.get("soc", 97.0),
            "delta_soc": None if r.get("soc", 97.0) is None else r.get("delta", 90.0),
            "temperature_end_c": 25.0, "duration_s": 7200.0, "coverage": r.get("coverage", 1.0),
        }
        out.extend(row | {"signal": f"bms1_p1_v{c}", "cell": c} for c in range(1, cells + 1))
    return SAT_VOLTAGE.conform(pl.DataFrame(out, schema=SAT_VOLTAGE.polars_schema))


def ledger(rows: list[dict[str, object]], days: int = 40, daily: pl.DataFrame | None = None) -> pl.DataFrame:
    first = datetime(2024, 1, 1, 12, tzinfo=UTC)
    names = {f"bms1_p1_v{c}": "cell_voltage" for c in (1, 2, 3)}
    ctx = context(signals_table(names, first, first + timedelta(days=days - 1)))
    return build_sat_daily(ctx, charges(rows), CHARGE_CYCLES.empty(), daily)


def test_every_day_from_first_to_last_has_a_row_per_cell_and_a_reason_where_it_does_not_qualify() -> None:
    rows = ledger([{"day": k} for k in range(40) if k not in (3, 4)])
    assert len(rows) == 3 * 40
    assert rows.filter(~pl.col("qualified"))["day"].unique().sort().to_list() == [date(2024, 1, 4), date(2024, 1, 5)]
    assert rows.filter(~pl.col("qualified"))["reason"].unique().to_list() == ["no_charge"]
    assert rows.filter("qualified")["reason"].null_count() == 38 * 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"soc": 70.0, "delta": 60.0}, "partial_charge"),
        ({"delta": 15.0}, "partial_charge"),
        ({"sat": 3.37}, "partial_charge"),
        ({"readings": 2}, "few_readings"),
        ({"readings": 0, "sat": 3.43, "coverage": 0.0}, "gap"),
        ({"readings": 2, "refused": 8}, "sentinel"),
        ({"coverage": 0.5}, "gap"),
    ],
)
def test_a_day_that_does_not_qualify_says_why(change: dict[str, object], reason: str) -> None:
    rows = ledger([{"day": k} | (change if k == 20 else {}) for k in range(40)])
    bad = rows.filter(~pl.col("qualified"))
    assert bad["day"].unique().to_list() == [date(2024, 1, 21)]
    assert bad["reason"].unique().to_list() == [reason]


def test_the_days_charge_is_the_one_with_the_highest_soc_then_the_largest_rise_then_the_latest() -> None:
    rows = ledger(
        [
            {"day": 1, "hour": -5, "soc": 97.0, "delta": 60.0, "sat": 3.41},
            {"day": 1, "hour": -3, "soc": 97.0, "delta": 90.0, "sat": 3.42},
            {"day": 1, "hour": 0, "soc": 97.0, "delta": 90.0, "sat": 3.43},
            {"day": 1, "hour": 5, "soc": 96.0, "delta": 95.0, "sat": 3.44},
        ]
    )
    assert rows.filter("qualified")["sat_voltage_v"].to_list() == [3.43] * 3


def test_the_baseline_is_the_median_of_the_first_thirty_days_and_never_the_first_alone() -> None:
    rows = ledger([{"day": k, "sat": 3.39 if k == 0 else 3.43} for k in range(40)])
    assert rows["baseline_v"].unique().to_list() == [3.43]
    assert rows.filter(pl.col("day") == date(2024, 1, 1))["sat_index_percent"][0] == pytest.approx(100 * 3.39 / 3.43)


def test_without_soc_a_day_qualifies_at_the_usual_level_and_its_method_says_so() -> None:
    rows = ledger([{"day": k, "soc": None, "sat": 3.40 if k in (7, 8) else 3.43 + 0.002 * (k % 3)} for k in range(40)])
    assert rows["method"].unique().to_list() == ["daily_plateau"]
    bad = rows.filter(~pl.col("qualified"))
    assert bad["day"].unique().sort().to_list() == [date(2024, 1, 8), date(2024, 1, 9)]
    assert bad["reason"].unique().to_list() == ["partial_charge"]


def test_a_charge_whose_soc_is_missing_is_judged_by_its_level_among_others_that_have_it() -> None:
    def reasons(sat: float) -> list[str | None]:
        rows = ledger([{"day": k} | ({"soc": None, "sat": sat} if k == 20 else {}) for k in range(40)])
        return rows.filter(pl.col("day") == date(2024, 1, 21))["reason"].unique().to_list()

    assert reasons(3.432) == [None]
    assert reasons(3.39) == ["partial_charge"]


def test_thirteen_qualified_days_give_no_baseline() -> None:
    assert ledger([{"day": k} for k in range(13)])["sat_index_percent"].null_count() == 3 * 40
    assert ledger([{"day": k} for k in range(14)])["sat_index_percent"].null_count() < 3 * 40


def test_weeks_of_partial_charges_stay_unqualified_but_keep_their_voltage() -> None:
    rows = ledger([{"day": k, "soc": 60.0, "delta": 50.0, "sat": 3.35} if k < 15 else {"day": k} for k in range(40)])
    weeks = rows.filter(pl.col("day") < date(2024, 1, 16))
    assert weeks["reason"].unique().to_list() == ["partial_charge"]
    assert weeks["sat_voltage_v"].unique().to_list() == [3.35]
    assert weeks["sat_index_percent"].null_count() == len(weeks)


def test_a_day_without_readings_is_told_from_a_day_without_a_charge_by_the_daily_table() -> None:
    first = datetime(2024, 1, 1, tzinfo=UTC) - timedelta(hours=1)
    seen = [k for k in range(40) if k != 9]
    daily = pl.DataFrame(
        {
            "signal": ["bms1_p1_v1", "bms1_p1_v2", "bms1_p1_v3"] * len(seen), "n": [10] * 3 * len(seen),
            "ts": [first + timedelta(days=k) for k in seen for _ in range(3)],
        },
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )
    rows = ledger([{"day": k} for k in range(40) if k not in (8, 9)], daily=daily)
    assert rows.filter(pl.col("day") == date(2024, 1, 9))["reason"].unique().to_list() == ["no_charge"]
    assert rows.filter(pl.col("day") == date(2024, 1, 10))["reason"].unique().to_list() == ["no_data"]


def test_a_missing_cell_day_stays_missing_from_readings_to_ledger() -> None:
    plant = Charger(days=4)
    day3 = pl.col("ts").dt.convert_time_zone("Europe/Berlin").dt.day() == 3
    readings = plant.frame().filter(~((pl.col("signal") == "bms1_p1_v2") & day3)).lazy()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    rows = build_sat_daily(plant.ctx, build_sat_voltage(plant.ctx, "2024-03", readings, cycles), cycles)
    gone = rows.filter((pl.col("signal") == "bms1_p1_v2") & (pl.col("day") == date(2024, 3, 3)))
    assert gone["qualified"].to_list() == [False]
    assert gone["sat_voltage_v"].null_count() == gone["sat_offset_mv"].null_count() == 1
    assert rows.filter(pl.col("day") == date(2024, 3, 3))["qualified"].sum() == 5


def test_without_cells_or_charges_there_is_no_error() -> None:
    first = datetime(2024, 1, 1, 12, tzinfo=UTC)
    meter = context(signals_table({"com_ap": "active_power"}, first, first))
    assert build_sat_daily(meter, SAT_VOLTAGE.empty(), CHARGE_CYCLES.empty()).is_empty()
    cells = context(signals_table({"bms1_p1_v1": "cell_voltage"}, first, first + timedelta(days=2)))
    rows = build_sat_daily(cells, SAT_VOLTAGE.empty(), CHARGE_CYCLES.empty())
    assert rows["reason"].to_list() == ["no_charge"] * 3
    assert RESOLUTIONS["1d"].empty().is_empty()
    assert rows.schema == SAT_DAILY.polars_schema
