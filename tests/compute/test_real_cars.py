"""Two real electric cars (NMC, wide files) pass through the battery functions with settings alone."""

import os
import zipfile
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from plants import context, signals_table

from energy_pipeline.compute.capacity import build_capacity
from energy_pipeline.compute.cell_ends import build_cell_ends
from energy_pipeline.compute.cell_health import build_cell_health
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.degradation_fits import build_degradation_fits
from energy_pipeline.compute.regimes import build_regimes
from energy_pipeline.compute.sat_daily import build_sat_daily
from energy_pipeline.compute.sat_voltage import build_sat_voltage
from energy_pipeline.schemas.resolution import RESOLUTIONS
from energy_pipeline.settings import BatterySettings

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "baticm_MIT"
ZONE = ZoneInfo("Asia/Shanghai")
pytestmark = pytest.mark.realdata


def car(name: str, cells: int) -> tuple[DeviceContext, pl.LazyFrame]:
    """Readings of a car as the source settings would give them: sentinels refused, names mapped."""
    if not (FOLDER / f"{name}.zip").is_file():
        if os.environ.get("CI") == "true":
            pytest.fail("the real data sets are missing")
        pytest.skip("the real data sets are not beside the project")
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
        wide = pl.read_csv(archive.read(archive.namelist()[0]), infer_schema_length=None)
    stamp = pl.col("tboxTime").str.to_datetime().dt.replace_time_zone(ZONE.key).dt.convert_time_zone("UTC")
    wide = wide.with_columns(stamp.dt.cast_time_unit("us").alias("ts")).unique("ts", keep="first").sort("ts")
    columns = {
        "BMSBatteryVoltage": ("bms1_v", "system_voltage"), "BMSBatteryCurrent": ("bms1_c", "system_current"),
        "vehBMSPackSOC": ("bms1_soc", "soc"), "T_1": ("bms1_p1_t1", "cell_temperature"),
    } | {f"V_{k}": (f"bms1_p1_v{k}", "cell_voltage") for k in range(1, cells + 1)}
    long = wide.select("ts", *[pl.col(c).cast(pl.Float64).alias(s) for c, (s, _) in columns.items()]).unpivot(
        index="ts", variable_name="signal"
    )
    cell, heat = pl.col("signal").str.contains("_v\\d"), pl.col("signal").str.contains("_t\\d")
    good = pl.when(cell).then(pl.col("value").is_between(0.5, 5.0)).when(heat).then(pl.col("value") < 120)
    readings = long.drop_nulls().filter(good.otherwise(pl.lit(value=True)))
    signals = signals_table(dict(columns.values()), wide["ts"].min(), wide["ts"].max())
    return context(signals, BatterySettings(chemistry="NMC", nameplate_ah=150.0), ZONE), readings.lazy()


def test_the_car_that_only_drives_has_discharges_no_qualified_charge_and_its_low_cell_found() -> None:
    ctx, readings = car("car2", 88)
    months = ["2019-04", "2019-05", "2019-06", "2019-07"]
    cycles = pl.concat([build_charge_cycles(ctx, m, readings) for m in months])
    assert cycles["kind"].unique().to_list() == ["discharge"]
    assert cycles["file_sign"].unique().to_list() == [-1]
    assert not cycles["sign_contradiction"].any()
    sat = build_sat_voltage(ctx, months[0], readings, cycles)
    days = build_sat_daily(ctx, sat, cycles)
    assert days["qualified"].sum() == 0
    ends = pl.concat([build_cell_ends(ctx, m, readings, cycles.filter(month=m)) for m in months])
    regimes, daily = build_regimes(ctx, days), RESOLUTIONS["1d"].empty()
    capacity = build_capacity(ctx, cycles, sat, daily)
    assert capacity["q_anchor_ah"].null_count() == len(capacity)
    fits = build_degradation_fits(ctx, days, regimes, capacity, cycles)
    assert fits["verdict"].unique().to_list() == ["insufficient_data"]
    weakest = build_cell_health(ctx, days, cycles, ends, fits, daily).sort("weakness_rank").to_dicts()[0]
    assert weakest["cell"] == 82
    assert -100.0 < weakest["offset_rest_mv"] < -30.0


def test_the_car_that_charges_has_its_charges_directed_by_soc_and_qualified_with_nmc_settings() -> None:
    ctx, readings = car("car1", 96)
    cycles = build_charge_cycles(ctx, "2021-05", readings)
    charges = cycles.filter(pl.col("kind") == "charge")
    assert len(charges) >= 1
    assert cycles["file_sign"].unique().to_list() == [-1]
    sat = build_sat_voltage(ctx, "2021-05", readings, cycles)
    days = build_sat_daily(ctx, sat, cycles)
    assert days["qualified"].sum() >= 96
    assert sat["sat_voltage_v"].max() <= 4.2
    assert sat["sat_offset_mv"].drop_nulls().abs().max() < 120
