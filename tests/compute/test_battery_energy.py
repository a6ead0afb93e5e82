"""AC side, auxiliaries, availability: planted efficiency, sign and faults come back; gaps have a reason."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from meter_rows import context as meter_context
from meter_rows import energy, gauge
from plants import START, Charger, context, microseconds, signals_table

from energy_pipeline.assets.fleet import READS
from energy_pipeline.compute.auxiliary_fit import build_auxiliary_fit
from energy_pipeline.compute.auxiliary_meters import meter_of
from energy_pipeline.compute.battery_days import build_battery_days
from energy_pipeline.compute.battery_energy import build_battery_energy
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.fleet import build_fleet_row
from energy_pipeline.compute.site_balance import SiteMeter
from energy_pipeline.schemas import TABLES
from energy_pipeline.schemas.battery_energy import BATTERY_ENERGY
from energy_pipeline.schemas.resolution import RESOLUTIONS

DAILY = RESOLUTIONS["1d"].empty()
CONVERSION = 0.93
UTC_ZONE = ZoneInfo("UTC")


def series(name: str, hours: np.ndarray, value: np.ndarray) -> pl.DataFrame:
    us = microseconds(START) + np.round(hours * 3600).astype(np.int64) * 1_000_000
    ts = pl.Series(us).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame({"signal": [name] * len(us), "value": value.astype(float), "ts": ts})


def with_more(plant: Charger, extra: dict[str, tuple[str, pl.DataFrame]]) -> tuple[DeviceContext, pl.LazyFrame]:
    names = dict(zip(plant.ctx.signals["signal"], plant.ctx.signals["quantity"], strict=True))
    names |= {name: quantity for name, (quantity, _) in extra.items()}
    ctx = context(signals_table(names, START, START + timedelta(days=plant.days)), plant.battery)
    return ctx, pl.concat([plant.frame(), *(f for _, f in extra.values())]).lazy()


def days_of(ctx: DeviceContext, readings: pl.LazyFrame) -> pl.DataFrame:
    return build_battery_days(ctx, "2024-03", readings, build_charge_cycles(ctx, "2024-03", readings))


def inverter(plant: Charger, sign: int, standby_kw: float = 0.0) -> tuple[pl.DataFrame, float]:
    """AC power of the plant behind a conversion of 93 % each way, and the true AC round trip of whole days [%]."""
    h = plant.hours(60, 9)
    dc = plant.voltage_at(h) * plant.cells * plant.current_at(h) / 1000
    ac = np.where(dc > 0, dc / CONVERSION, dc * CONVERSION) + standby_kw * (dc == 0)
    true = 100 * -np.minimum(ac, 0).sum() / np.maximum(ac, 0).sum()
    return series("pcs1_p", h, sign * ac), true


@pytest.mark.parametrize("sign", [1, -1])
def test_the_ac_round_trip_comes_back_whatever_the_sign_of_the_inverter(sign: int) -> None:
    plant = Charger(days=20, soc_low=2.0)
    power, true = inverter(plant, sign, standby_kw=0.02)
    ctx, readings = with_more(plant, {"pcs1_p": ("pcs_power", power)})
    table = build_battery_energy(ctx, days_of(ctx, readings), DAILY)
    known = table.drop_nulls("round_trip_ac_percent")
    assert len(known) >= 10
    assert known["round_trip_ac_percent"].to_list() == pytest.approx([true] * len(known), abs=0.3)
    assert known["window_efc"].min() >= ctx.battery.round_trip_efc
    assert known["round_trip_ac_aux_percent"].null_count() == len(known)
    assert table["auxiliary_reason"].unique().to_list() == ["no_auxiliary_meter"]
    assert table["ac_reason"][0] == "no_closed_window"


def test_auxiliaries_count_as_energy_put_in() -> None:
    plant = Charger(days=20, soc_low=2.0)
    power, _ = inverter(plant, 1)
    more = {"pcs1_p": ("pcs_power", power), "aux_m_pos_ae": ("auxiliary_energy", power.head(0))}
    ctx, readings = with_more(plant, more)
    starts = [datetime(2024, 3, 1, tzinfo=START.tzinfo) + timedelta(days=k) for k in range(20)]
    daily = RESOLUTIONS["1d"].conform(pl.DataFrame(
        [{"device": "plant", "month": "2024-03", "signal": "aux_m_pos_ae", "ts": t.astimezone(UTC), "n": 5,
          "covered_s": 86400.0, "increase": 2.0} for t in starts], schema=RESOLUTIONS["1d"].polars_schema,
    ))
    row = build_battery_energy(ctx, days_of(ctx, readings), daily).drop_nulls("round_trip_ac_percent").to_dicts()[-1]
    days = (row["day"] - row["window_start"]).days + 1
    into = row["ac_in_kwh"] * days
    expected = row["round_trip_ac_percent"] * into / (into + 2.0 * days)
    assert row["round_trip_ac_aux_percent"] == pytest.approx(expected, rel=2e-3)
    assert row["auxiliary_kwh"] == 2.0
    assert row["auxiliary_source"] == "register"
    assert row["auxiliary_share_percent"] == pytest.approx(200.0 / row["ac_in_kwh"])


# --- several auxiliary meters --------------------------------------------------------------------------------------


def auxiliary_days(increases: dict[str, list[float | None]], powers: dict[str, list[float | None]]) -> pl.DataFrame:
    """Days of registers by their increase [kWh] and of powers by their mean [kW]; None: no data on that day."""
    rows = []
    for name, values in (increases | powers).items():
        for k, value in enumerate(values):
            if value is not None:
                ts = (datetime(2024, 3, 1, tzinfo=START.tzinfo) + timedelta(days=k)).astimezone(UTC)
                kind = {"increase": value} if name in increases else {"integral": value * 86400.0}
                rows.append({"device": "plant", "month": "2024-03", "signal": name, "ts": ts, "n": 5,
                             "covered_s": 86400.0} | kind)
    return RESOLUTIONS["1d"].conform(pl.DataFrame(rows, schema=RESOLUTIONS["1d"].polars_schema))


def energy_with(
    increases: dict[str, list[float | None]], powers: dict[str, list[float | None]] | None = None
) -> pl.DataFrame:
    plant = Charger(days=3)
    names = dict.fromkeys(increases, "auxiliary_energy") | dict.fromkeys(powers or {}, "auxiliary_power")
    nothing = series("x", np.empty(0), np.empty(0))
    ctx, readings = with_more(plant, {n: (q, nothing) for n, q in names.items()})
    return build_battery_energy(ctx, days_of(ctx, readings), auxiliary_days(increases, powers or {})).sort("day")


def test_the_auxiliaries_are_the_sum_over_all_meters() -> None:
    table = energy_with({"aux_m1_pos_ae": [3.0] * 3, "aux_m2_pos_ae": [5.0] * 3})
    assert table["auxiliary_kwh"].to_list() == [8.0] * 3
    assert table["auxiliary_meters"].to_list() == [2] * 3
    assert table["auxiliary_reason"].null_count() == 3


def test_a_day_without_one_of_the_meters_has_no_sum_and_names_the_meter() -> None:
    table = energy_with({"aux_m1_pos_ae": [3.0, 3.0, None], "aux_m2_pos_ae": [5.0, None, None]})
    assert table["auxiliary_kwh"].to_list() == [8.0, None, None]
    assert table["auxiliary_reason"].to_list() == [None, "auxiliary_meter_missing", "no_data"]
    assert table["auxiliary_missing"].to_list() == [None, "aux_m2", None]
    assert table["auxiliary_share_percent"].is_not_null().to_list() == [True, False, False]


def test_registers_and_power_of_one_meter_hold_the_same_energy_and_are_not_added_up() -> None:
    one = energy_with({"aux_m_com_ae": [3.0] * 3, "aux_m_pos_ae": [3.0, None, 3.0]}, {"aux_m_com_ap": [0.125] * 3})
    assert one["auxiliary_kwh"].to_list() == [3.0] * 3
    assert one["auxiliary_meters"].to_list() == [1] * 3
    assert one["auxiliary_source"].to_list() == ["register", "power", "register"]
    two = energy_with({"aux_m1_pos_ae": [3.0] * 3}, {"hvac_power_kw": [5.0 / 24.0] * 3})
    assert two["auxiliary_kwh"].to_list() == pytest.approx([8.0] * 3)
    assert two["auxiliary_source"].unique().to_list() == ["mixed"]


def test_a_signal_belongs_to_the_meter_whose_name_it_bears() -> None:
    names = ("aux_m_com_ap", "aux_m1_pos_ae", "aux2_m_com_ae", "HVAC_Energy_kWh", "pumps", "power")
    assert [meter_of(n) for n in names] == ["aux_m", "aux_m1", "aux2_m", "HVAC", "pumps", "power"]


# --- the meter at the grid connection ------------------------------------------------------------------------------


def behind_meter(
    plant: Charger, zone: ZoneInfo = UTC_ZONE, flip: int = 1, standby_kw: float = 0.01
) -> tuple[SiteMeter, float]:
    """The meter in front of the plant, with its registers per quarter hour, and the true round trip at it [%]."""
    h = plant.hours(60, 0)
    dc = plant.voltage_at(h) * plant.cells * plant.current_at(h) / 1000
    ac = np.where(dc > 0, dc / CONVERSION, dc * CONVERSION) + standby_kw
    minutes = flip * ac[: len(ac) // 15 * 15].reshape(-1, 15)
    times = [START.astimezone(UTC) + k * timedelta(minutes=15) for k in range(len(minutes))]
    into, out = (np.maximum(s * minutes, 0).sum(axis=1) / 60 for s in (1, -1))
    quarter = pl.concat([energy("pos_ae", times, into.tolist()), energy("neg_ae", times, out.tolist())])
    meter = replace(meter_context("pos_ae", "neg_ae", device="m2"), zone=zone)
    return SiteMeter(meter, quarter), 100 * float(out.sum() / into.sum())


def at_site(plant: Charger, site: SiteMeter | None, *, name: str | None = "m2", shared: bool = False) -> pl.DataFrame:
    ctx = replace(plant.ctx, site_meter=name, site_meter_shared=shared)
    return build_battery_energy(ctx, days_of(ctx, plant.readings()), DAILY, site)


@pytest.mark.parametrize("zone", [UTC_ZONE, ZoneInfo("Asia/Shanghai")])
def test_the_round_trip_at_the_site_meter_comes_back_with_all_that_is_lost_behind_it(zone: ZoneInfo) -> None:
    plant = Charger(days=20, soc_low=2.0)
    site, true = behind_meter(plant, zone)
    table = at_site(plant, site)
    known = table.drop_nulls("round_trip_site_percent")
    assert len(known) >= 10
    assert known["round_trip_site_percent"].to_list() == pytest.approx([true] * len(known), abs=0.3)
    assert known["site_window_efc"].min() >= plant.battery.round_trip_efc
    assert known["site_meter"].unique().to_list() == ["m2"]
    assert table["site_reason"][0] == "no_closed_window"
    assert table["round_trip_ac_percent"].null_count() == len(table)  # no inverter is measured: a boundary of its own


def test_registers_read_now_and_then_lose_nothing_and_power_stands_in_where_there_are_none() -> None:
    plant = Charger(days=20, soc_low=2.0)
    site, true = behind_meter(plant)
    late = site.quarter.with_columns(pl.col("increase").alias("increase_estimated"), pl.lit(300.0).alias("covered_s"))
    known = at_site(plant, replace(site, quarter=late))["round_trip_site_percent"].drop_nulls()
    assert known.to_list() == pytest.approx([true] * len(known), abs=0.3)
    assert len(known) >= 10
    net = site.quarter.pivot("signal", index="ts", values="increase").sort("ts")
    power = gauge("com_ap", net["ts"].to_list(), (4 * (net["pos_ae"] - net["neg_ae"])).to_list())
    by_power = at_site(plant, SiteMeter(meter_context("com_ap", device="m2"), power))
    assert by_power["round_trip_site_percent"].drop_nulls().to_list() == pytest.approx([true] * len(known), abs=1.0)


def test_a_site_window_is_never_closed_over_a_day_that_the_meter_does_not_cover() -> None:
    plant = Charger(days=12, soc_low=2.0)
    site, _ = behind_meter(plant)
    hole = START.astimezone(UTC) + timedelta(days=5)
    holed = site.quarter.filter(~pl.col("ts").is_between(hole, hole + timedelta(hours=3)))
    table = at_site(plant, replace(site, quarter=holed))
    assert at_site(plant, site)["round_trip_site_percent"].count() > 0
    assert table["round_trip_site_percent"].count() == 0


@pytest.mark.parametrize("case", ["wired the wrong way", "sees half"])
def test_a_meter_that_contradicts_the_dc_terminals_gives_a_reason_and_no_figure(case: str) -> None:
    plant = Charger(days=20, soc_low=2.0)
    site, _ = behind_meter(plant, flip=-1 if case == "wired the wrong way" else 1)
    if case == "sees half":
        site = replace(site, quarter=site.quarter.with_columns(pl.col("increase") / 2))
    table = at_site(plant, site)
    assert table["round_trip_site_percent"].count() == 0
    assert table["site_reason"][-2] == "site_meter_disagrees"


def test_without_a_meter_of_its_own_the_reason_says_so() -> None:
    plant = Charger(days=12, soc_low=2.0)
    site, _ = behind_meter(plant)
    reasons = [
        at_site(plant, s, name=n, shared=b)["site_reason"].unique().to_list()
        for s, n, b in ((None, None, False), (replace(site, quarter=site.quarter.head(0)), "m2", False),
                        (site, "m2", True))
    ]
    assert reasons == [["no_site_meter"], ["no_site_meter_data"], ["site_meter_shared"]]


def test_a_window_is_never_closed_over_a_missing_day() -> None:
    plant = Charger(days=12, soc_low=2.0)
    power, _ = inverter(plant, 1)
    ctx, readings = with_more(plant, {"pcs1_p": ("pcs_power", power)})
    days = days_of(ctx, readings)
    holed = days.filter(pl.col("day") != date(2024, 3, 6))
    assert build_battery_energy(ctx, days, DAILY)["round_trip_ac_percent"].count() > 0
    assert build_battery_energy(ctx, holed, DAILY)["round_trip_ac_percent"].count() == 0


def test_without_an_inverter_the_reason_says_so() -> None:
    plant = Charger(days=12, soc_low=2.0)
    readings = plant.readings()
    table = build_battery_energy(plant.ctx, days_of(plant.ctx, readings), DAILY)
    assert table["ac_reason"].unique().to_list() == ["no_inverter_power"]
    assert table["availability_reason"].unique().to_list() == ["no_alarm_signal"]
    assert build_battery_energy(plant.ctx, days_of(plant.ctx, readings).head(0), DAILY).schema == (
        BATTERY_ENERGY.polars_schema
    )


def test_availability_is_time_without_a_fault_over_time_with_data() -> None:
    plant = Charger(days=2)
    h = np.arange(0, 48, 1 / 6)
    fault = ((h >= 4) & (h < 7)).astype(float)
    ctx, readings = with_more(plant, {"fa1_smokeflag": ("alarm_flag", series("fa1_smokeflag", h, fault))})
    begin = START.astimezone(UTC)
    silent = pl.col("ts").is_between(begin + timedelta(hours=6), begin + timedelta(hours=12))
    holed = readings.filter(~((pl.col("signal") == "bms1_soc") & silent))
    table = build_battery_energy(ctx, days_of(ctx, holed), DAILY)
    valid = 24.0 - 6.0 + 0.25  # the last value holds for a quarter of an hour
    assert table["data_share"][0] == pytest.approx(valid / 24.0, abs=2e-3)
    assert table["availability"][0] == pytest.approx(1 - 2.25 / valid, abs=3e-3)
    assert table["availability"][1] == 1.0


def test_the_fleet_shows_availability_of_the_last_days_and_open_alarms() -> None:
    plant = Charger(days=2)
    h = np.arange(0, 48, 1 / 6)
    flag = ("alarm_flag", series("fa1_smokeflag", h, ((h >= 12) & (h < 24)).astype(float)))
    ctx, readings = with_more(plant, {"fa1_smokeflag": flag})
    tables = {n: TABLES[n].empty() for n in READS} | {"battery_days": days_of(ctx, readings)}
    row = build_fleet_row(ctx, tables).to_dicts()[0]
    assert row["availability_30d"] == pytest.approx(0.75, abs=2e-3)
    assert row["alarms_open"] == 0


# --- what the auxiliaries depend on --------------------------------------------------------------------------------


def energy_days(days: int, seed: int = 3, swing_k: float = 12.0, noise: float = 1.0) -> pl.DataFrame:
    """Days whose auxiliaries take 20 kWh, 1.5 kWh per K above 15 °C, 0.5 per K below, and 3 % of the throughput."""
    rng = np.random.default_rng(seed)
    k = np.arange(days)
    warmth = 12.0 + swing_k * np.sin(2 * np.pi * k / 365) + 2.0 * rng.standard_normal(days)
    moved = 400.0 * rng.uniform(0.2, 1.0, days)
    kwh = 20 + 1.5 * np.maximum(warmth - 15, 0) + 0.5 * np.maximum(15 - warmth, 0) + 0.03 * moved
    frame = pl.DataFrame({
        "day": [date(2024, 1, 1) + timedelta(days=int(x)) for x in k], "outside_mean_c": warmth,
        "auxiliary_kwh": kwh + noise * rng.standard_normal(days), "dc_in_kwh": moved / 2, "dc_out_kwh": moved / 2,
    }).with_columns(pl.lit("plant").alias("device"))
    return BATTERY_ENERGY.conform(
        frame.with_columns(pl.lit(None).alias(c) for c in BATTERY_ENERGY.column_names if c not in frame.columns)
    )


def aux_ctx(quantity: str = "outside_temperature") -> DeviceContext:
    return context(signals_table({"env1_outside_t": quantity, "bms1_soc": "soc"}, START, START))


def test_what_the_auxiliaries_depend_on_comes_back_with_its_interval() -> None:
    truth = {"base": 20.0, "warm": 1.5, "cold": 0.5, "throughput": 0.03}
    inside = 0
    for seed in range(10):
        rows = {r["factor"]: r for r in build_auxiliary_fit(aux_ctx(), energy_days(365, seed)).to_dicts()}
        assert rows["warm"]["coefficient"] == pytest.approx(1.5, abs=0.15)
        assert rows["throughput"]["coefficient"] == pytest.approx(0.03, abs=0.003)
        inside += sum(r["coefficient_low"] <= truth[f] <= r["coefficient_high"] for f, r in rows.items())
    assert inside >= 34


def test_a_factor_that_hardly_varied_has_a_reason_and_no_number() -> None:
    few = build_auxiliary_fit(aux_ctx(), energy_days(40))
    assert few["reason"].unique().to_list() == ["few_days"]
    assert few["coefficient"].null_count() == 4
    winter = build_auxiliary_fit(aux_ctx(), energy_days(365, swing_k=0.0)).to_dicts()
    assert {r["factor"]: r["reason"] for r in winter}["warm"] == "does_not_vary"
    unseen = energy_days(365).with_columns(pl.lit(None, pl.Float64).alias("outside_mean_c"))
    blind = build_auxiliary_fit(aux_ctx("other"), unseen)
    assert blind["reason"].unique().to_list() == ["no_outside_temperature"]
    assert build_auxiliary_fit(aux_ctx(), BATTERY_ENERGY.empty()).is_empty()
