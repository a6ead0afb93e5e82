"""Findings about cells: outliers that leave their own course, static offsets, ranks, ends of charge and discharge."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from plants import START, Charger, SatPlant, cell_names, context, signals_table

from energy_pipeline.compute.cell_ends import build_cell_ends, lead_times
from energy_pipeline.compute.cell_health import build_cell_health
from energy_pipeline.compute.cell_months import build_cell_months
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.degradation_fits import build_degradation_fits
from energy_pipeline.compute.regimes import build_regimes
from energy_pipeline.compute.sat_voltage import build_sat_voltage
from energy_pipeline.schemas.battery import CAPACITY, CELL_HEALTH, CHARGE_CYCLES, DEGRADATION_FITS, SAT_DAILY
from energy_pipeline.schemas.battery_parts import CELL_ENDS
from energy_pipeline.schemas.resolution import RESOLUTIONS
from energy_pipeline.settings import BatterySettings

DAILY = RESOLUTIONS["1d"].empty()
QUICK = BatterySettings(bootstrap_samples=0)


def health(plant: SatPlant) -> pl.DataFrame:
    days = plant.frame()
    fits = build_degradation_fits(
        plant.ctx, days, build_regimes(plant.ctx, days), CAPACITY.empty(), CHARGE_CYCLES.empty()
    )
    return build_cell_health(plant.ctx, days, CHARGE_CYCLES.empty(), CELL_ENDS.empty(), fits, DAILY)


def _renamed(names: list[str], plant: SatPlant, ctx_places: list[tuple[int | None, int | None]]) -> pl.DataFrame:
    """Health of a plant whose cells have other names and places; one that falls behind is the second."""
    old = cell_names(plant.packs, plant.cells)
    number = dict(zip(old, range(len(old)), strict=True))
    first = plant.ctx.signals["first_ts"][0]
    signals = signals_table(dict.fromkeys(old, "cell_voltage"), first, plant.ctx.signals["last_ts"][0])
    place = pl.DataFrame(ctx_places, schema={"pack": pl.Int16, "cell": pl.Int16}, orient="row")
    signals = signals.with_columns(pl.Series("signal", names), place["pack"], place["cell"])
    days = plant.frame()
    at = days["signal"].replace_strict(number, return_dtype=pl.Int64)
    days = days.with_columns(
        pl.Series("signal", [names[k] for k in at]), pl.Series("pack", [ctx_places[k][0] for k in at], pl.Int16),
        pl.Series("cell", [ctx_places[k][1] for k in at], pl.Int16),
    )
    ctx = replace(plant.ctx, signals=signals)
    regimes = build_regimes(ctx, days)
    fits = build_degradation_fits(ctx, days, regimes, CAPACITY.empty(), CHARGE_CYCLES.empty())
    cells = fits.filter((pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv"))
    assert sorted(cells["signal"].to_list()) == sorted(names)
    return build_cell_health(ctx, days, CHARGE_CYCLES.empty(), CELL_ENDS.empty(), fits, DAILY)


@pytest.mark.parametrize(
    ("names", "places"),
    [
        ([f"bms{b}_p1_v{c}" for b in (1, 2) for c in range(1, 9)], [(1, c) for _ in (1, 2) for c in range(1, 9)]),
        ([f"zelle_{k}" for k in range(16)], [(None, None)] * 16),
    ],
    ids=["two BMS with equal numbers", "no numbers"],
)
def test_cells_whose_pack_and_number_are_not_unique_keep_one_row_each_and_their_own_trend(
    names: list[str], places: list[tuple[int | None, int | None]]
) -> None:
    plant = SatPlant(days=300, packs=1, cells=16, slopes={9: -40.0}, cell_steps={3: (150, 20.0)}, battery=QUICK)
    rows = _renamed(names, plant, places)
    assert sorted(rows["signal"].to_list()) == sorted(names)
    falling = rows.filter(pl.col("verdict") == "falling")
    assert falling["signal"].to_list() == [names[9]]
    assert rows.filter(pl.col("finding") == "offset_falling")["signal"].to_list() == [names[9]]
    assert abs(rows.filter(pl.col("signal") == names[3])["offset_slope_per_year"][0]) < 5.0


def test_sensors_with_equal_numbers_multiply_no_row() -> None:
    plant = Charger(days=3)
    names = dict(zip(plant.ctx.signals["signal"], plant.ctx.signals["quantity"], strict=True))
    ctx = context(signals_table(names | {"bms1_p1_t1": "cell_temperature", "bms2_t": "cell_temperature"}, START, START))
    twice = pl.when(pl.col("signal") == "bms2_t")
    signals = ctx.signals.with_columns(twice.then(1).otherwise("pack").cast(pl.Int16).alias("pack"),
                                       twice.then(1).otherwise("cell").cast(pl.Int16).alias("cell"))
    ctx = replace(ctx, signals=signals)
    frame = plant.frame()
    second = frame.filter(pl.col("signal") == "bms1_p1_t1").with_columns(
        pl.lit("bms2_t").alias("signal"), pl.col("value") + 3
    )
    readings = pl.concat([frame, second]).lazy()
    cycles = build_charge_cycles(ctx, "2024-03", readings)
    assert len(build_cell_months(ctx, "2024-03", readings)) == 6
    sat = build_sat_voltage(ctx, "2024-03", readings, cycles)
    assert len(sat) == 3 * 6
    assert sat.filter(pl.col("cell") == 1)["temperature_end_c"].unique().to_list() == [26.5]


def test_a_cell_that_jumps_is_an_outlier_with_its_date_and_the_others_are_not() -> None:
    plant = SatPlant(days=200, packs=1, cells=30, cell_steps={4: (190, 14.0)}, battery=QUICK)
    rows = health(plant)
    assert rows.filter("outlier")["cell"].to_list() == [5]
    assert str(rows.filter("outlier")["outlier_since"][0]) == "2024-07-13"  # five days beyond, from day 190 on


def test_a_static_difference_is_listed_and_never_an_alarm() -> None:
    plant = SatPlant(days=200, packs=1, cells=30, cell_steps={4: (0, 40.0)}, battery=QUICK)
    row = health(plant).filter(pl.col("cell") == 5).to_dicts()[0]
    assert row["finding"] == "offset"
    assert not row["outlier"]


def test_a_drifting_cell_is_the_weakest_and_named_as_rising() -> None:
    plant = SatPlant(days=300, packs=1, cells=30, slopes={7: 24.0}, battery=QUICK)
    row = health(plant).sort("weakness_rank").to_dicts()[0]
    assert (row["cell"], row["finding"], row["weakness_rank_high"]) == (8, "offset_rising", 1)


def test_a_cell_that_falls_behind_is_weak_as_well() -> None:
    plant = SatPlant(days=300, packs=1, cells=30, slopes={7: -60.0}, battery=QUICK)
    row = health(plant).sort("weakness_rank").to_dicts()[0]
    assert (row["cell"], row["finding"]) == (8, "offset_falling")
    assert row["offset_slope_per_year"] < 0


def test_offsets_at_both_ends_and_at_rest_come_from_the_readings() -> None:
    plant = Charger(days=6, offsets_mv={2: 12.0})
    readings = plant.readings()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    ends = build_cell_ends(plant.ctx, "2024-03", readings, cycles)
    assert set(ends["kind"]) == {"charge_end", "discharge_end", "rest"}
    third = ends.filter(pl.col("cell") == 3).group_by("kind").agg(pl.col("offset_mv").median()).sort("kind")
    assert third["offset_mv"].to_list() == pytest.approx([12.0, 12.0, 12.0], abs=1.6)
    rows = build_cell_health(plant.ctx, SAT_DAILY.empty(), cycles, ends, DEGRADATION_FITS.empty(), DAILY)
    assert rows["pack_spread_rest_mv"].unique().to_list() == pytest.approx([12.0], abs=0.1)
    assert rows["imbalance"].unique().to_list() == ["ok"]
    assert rows.filter(pl.col("cell") == 3)["offset_rest_mv"][0] == pytest.approx(12.0, abs=0.1)


def test_a_cell_that_runs_empty_first_is_weak_and_one_with_a_sensor_offset_is_not() -> None:
    plant = Charger(days=8, packs=1, cells=30, soc_low=3.0, offsets_mv={4: -20.0}, cell_step_s=60.0, noise_mv=0.5)
    weak = Charger(days=8, packs=1, cells=30, soc_low=3.0, capacity_ah=280.0, cell_step_s=60.0, noise_mv=0.5)
    hours = weak.hours(60.0, (13 + 7 * 9) % 60.0)
    lost = np.round(plant.voltage_at(hours) - 0.03 * np.clip(20 - plant.soc_at(hours), 0, 20) / 17, 3)
    frame = plant.frame()
    ninth = frame.filter(pl.col("signal") == "bms1_p1_v10").with_columns(pl.Series("value", lost))
    readings = pl.concat([frame.filter(pl.col("signal") != "bms1_p1_v10"), ninth]).lazy()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    ends = build_cell_ends(plant.ctx, "2024-03", readings, cycles)
    rows = build_cell_health(plant.ctx, SAT_DAILY.empty(), cycles, ends, DEGRADATION_FITS.empty(), DAILY)
    assert dict(rows.drop_nulls("finding").select("cell", "finding").iter_rows()) == {5: "offset", 10: "weak_cell"}


def test_the_energy_that_a_weak_cell_locks_in_comes_back_beside_what_is_usable() -> None:
    plant = Charger(days=10, packs=1, cells=20, soc_low=6.0, cell_step_s=30.0, current_step_s=30.0)
    missing = 3.0  # points of SOC that cell 10 lacks at the end of discharge
    hours = plant.hours(30.0, (13 + 7 * 9) % 30.0)
    soc = plant.soc_at(hours)
    soc = soc - missing * (97.0 - soc) / 91.0
    volts = (
        3.30 + 0.0004 * (soc - 50) + 0.11 * np.exp((soc - 97) / 1.5) - 0.30 * np.exp((5 - soc) / 2.0)
        + 0.00025 * plant.current_at(hours)
    )
    frame = plant.frame()
    tenth = frame.filter(pl.col("signal") == "bms1_p1_v10").with_columns(pl.Series("value", np.round(volts, 3)))
    readings = pl.concat([frame.filter(pl.col("signal") != "bms1_p1_v10"), tenth]).lazy()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    ends = build_cell_ends(plant.ctx, "2024-03", readings, cycles)
    rows = build_cell_health(plant.ctx, SAT_DAILY.empty(), cycles, ends, DEGRADATION_FITS.empty(), DAILY)
    step = plant.hours(30.0, 0)
    power = plant.voltage_at(step) * 20 * plant.current_at(step) / 1000
    usable = -np.minimum(power, 0).sum() / 120 / 10
    lost = missing / 100 * 280 * plant.voltage_at(step)[plant.current_at(step) < 0].mean() * 20 / 1000
    known = rows.drop_nulls("energy_lost_kwh").to_dicts()
    assert [r["cell"] for r in known] == [10]
    assert known[0]["energy_usable_kwh"] == pytest.approx(usable, rel=0.01)
    assert known[0]["energy_lost_kwh"] == pytest.approx(lost, rel=0.06)
    assert known[0]["energy_recoverable_kwh"] == pytest.approx(usable + lost, rel=0.01)
    assert rows["energy_recoverable_kwh"].count() == 1


def test_the_lead_of_a_weak_cell_is_measured_in_time() -> None:
    end = np.array([0])
    instants = np.arange(0, -1200, -60, dtype=np.int64)[None] * 1_000_000
    seconds = instants[0] / 1e6
    healthy = 3.10 - 0.0002 * (seconds + 1200)
    weak = 3.10 - 0.0002 * (seconds + 1200 + 250)
    levels = np.stack([healthy, healthy, healthy + 0.001, weak])[:, None, :]
    assert lead_times(levels, instants, end, 0.8)[:, 0].tolist() == pytest.approx([0.0, 0.0, 0.0, 250.0])


def test_every_value_stays_with_its_own_cell_among_many() -> None:
    plant = Charger(days=2, packs=5, cells=40, offsets_mv={k: float(k) for k in range(0, 200, 7)}, cell_step_s=300.0)
    readings = plant.readings()
    ends = build_cell_ends(plant.ctx, "2024-03", readings, build_charge_cycles(plant.ctx, "2024-03", readings))
    rest = ends.filter(pl.col("kind") == "rest").group_by("signal").agg(pl.col("offset_mv").median())
    found = dict(rest.iter_rows())
    for k, name in enumerate(plant.names):
        assert found[name] == pytest.approx(plant.offsets_mv.get(k, 0.0), abs=1.1)


def test_without_cells_there_is_an_empty_table_and_without_tables_there_are_nulls() -> None:
    meter = context(signals_table({"com_ap": "active_power"}, START, START))
    args = (SAT_DAILY.empty(), CHARGE_CYCLES.empty(), CELL_ENDS.empty(), DEGRADATION_FITS.empty(), DAILY)
    assert build_cell_health(meter, *args).schema == CELL_HEALTH.polars_schema
    cells = context(signals_table({"bms1_p1_v1": "cell_voltage"}, START, START))
    row = build_cell_health(cells, *args).to_dicts()[0]
    assert row["finding"] is None
    assert row["weakness_rank"] is None
    assert row["stuck"] is False


@pytest.mark.parametrize(("spread", "state"), [(2.0, "ok"), (5.0, "warn"), (8.5, "critical")])
def test_a_spread_of_temperatures_is_judged_by_its_limits(spread: float, state: str) -> None:
    plant = Charger(days=3)
    names = dict(zip(plant.ctx.signals["signal"], plant.ctx.signals["quantity"], strict=True))
    ctx = context(signals_table(names | {"bms1_p1_t2": "cell_temperature"}, START, START))
    days = [
        {"device": "plant", "month": "2024-03", "signal": f"bms1_p1_t{k}", "ts": START.replace(day=d), "n": 1,
         "covered_s": 100.0, "integral": 100.0 * (25.0 + spread * (k == 2))} for k in (1, 2) for d in (2, 3)
    ]
    daily = RESOLUTIONS["1d"].conform(pl.DataFrame(days, schema=RESOLUTIONS["1d"].polars_schema))
    ends = build_cell_ends(ctx, "2024-03", plant.readings(), build_charge_cycles(ctx, "2024-03", plant.readings()))
    rows = build_cell_health(ctx, SAT_DAILY.empty(), CHARGE_CYCLES.empty(), ends, DEGRADATION_FITS.empty(), daily)
    assert rows["temperature_spread_k"].unique().to_list() == [pytest.approx(spread)]
    assert rows["temperature_state"].unique().to_list() == [state]
    blind = build_cell_health(ctx, SAT_DAILY.empty(), CHARGE_CYCLES.empty(), ends, DEGRADATION_FITS.empty(), DAILY)
    assert blind["temperature_state"].null_count() == len(blind)


def test_rest_after_a_discharge_does_not_hide_that_a_cell_was_empty_first() -> None:
    rng = np.random.default_rng(1)
    rows = []
    for k in range(10):
        for kind, soc, low in (("discharge_end", 3.0, -60.0), ("rest", 3.0, -130.0), ("rest", 97.0, 0.0)):
            offset = 1.5 * rng.standard_normal(30)
            offset[4] += low
            ts = START.replace(day=1 + k, hour=10 if soc > 50 else 20)
            rows += [
                {"device": "plant", "month": "2024-03", "day": ts.date(), "ts": ts, "kind": kind, "pack": 1,
                 "signal": f"bms1_p1_v{c + 1}", "cell": c + 1, "voltage_v": 3.0, "offset_mv": o, "soc": soc}
                for c, o in enumerate(offset)
            ]
    ends = CELL_ENDS.conform(pl.DataFrame(rows, schema=CELL_ENDS.polars_schema))
    names = {f"bms1_p1_v{c}": "cell_voltage" for c in range(1, 31)}
    ctx = context(signals_table(names, START, START))
    table = build_cell_health(ctx, SAT_DAILY.empty(), CHARGE_CYCLES.empty(), ends, DEGRADATION_FITS.empty(), DAILY)
    assert table.filter(pl.col("finding") == "weak_cell")["cell"].to_list() == [5]
    assert abs(table.filter(pl.col("cell") == 5)["offset_rest_mv"][0]) < 3
