"""Two sources of one energy: a planted difference is flagged, and a difference that means nothing has its reason."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from meter_rows import context, energy, gauge, quarters_of

from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.meter_balance import build_meter_balance
from energy_pipeline.compute.meter_findings import sources_that_disagree, standing_registers
from energy_pipeline.compute.site_balance import SiteMeter
from energy_pipeline.settings import MeterSettings

DAY = date(2024, 1, 9)
TIMES = quarters_of(DAY)
POWER = gauge("com_ap", TIMES, [8.0] * 96)
FINE = [1000 + 0.01 * k for k in range(96)]  # levels whose smallest step is 0.01 kWh


def balance(ctx: DeviceContext, *frames: pl.DataFrame, site: SiteMeter | None = None) -> pl.DataFrame:
    return build_meter_balance(ctx, "2024-01", pl.concat(frames), site)


def only(found: pl.DataFrame, comparison: str) -> dict[str, Any]:
    return found.row(by_predicate=pl.col("comparison") == comparison, named=True)


@pytest.mark.parametrize(("share", "flagged"), [(1.0, False), (0.99, False), (0.97, True), (1.03, True)])
def test_power_and_register_that_differ_by_more_than_two_percent_are_flagged(share: float, flagged: bool) -> None:
    found = balance(context("com_ap", "pos_ae"), POWER, energy("pos_ae", TIMES, [2.0 * share] * 96, levels=FINE))
    row = only(found, "power_and_register")
    assert (row["day"], row["a_kwh"], row["compared_h"]) == (DAY, 192, 24)
    assert row["b_kwh"] == pytest.approx(192 * share)
    assert row["difference_percent"] == pytest.approx(100 * (1 - share) / share)
    assert (row["flagged"], row["reason"]) == (flagged, None)
    assert sources_that_disagree(found).passed is not flagged


def test_a_day_with_little_energy_is_not_flagged() -> None:
    power = gauge("com_ap", TIMES, [0.02] * 96)
    found = balance(context("com_ap", "pos_ae"), power, energy("pos_ae", TIMES, [0.0025] * 96, levels=FINE))
    row = only(found, "power_and_register")
    assert (row["flagged"], row["reason"], row["difference_percent"]) == (False, "little_energy", None)


def test_a_difference_within_two_steps_of_the_register_is_not_flagged() -> None:
    steps = [1000 + 1.2 * (k // 20) for k in range(96)]
    power = gauge("com_ap", TIMES, [1.0] * 96)
    ctx = context("com_ap", "pos_ae")
    found = balance(ctx, power, energy("pos_ae", TIMES, [0.23] * 96, levels=steps))
    assert only(found, "power_and_register")["reason"] == "within_resolution"
    found = balance(ctx, power, energy("pos_ae", TIMES, [0.15] * 96, levels=steps))
    assert only(found, "power_and_register")["flagged"]


def test_half_a_day_of_power_is_too_little_to_flag() -> None:
    found = balance(
        context("com_ap", "pos_ae"), gauge("com_ap", TIMES[:48], [8.0] * 48),
        energy("pos_ae", TIMES, [1.0] * 96, levels=FINE),
    )  # fmt: skip
    row = only(found, "power_and_register")
    assert (row["flagged"], row["reason"], row["compared_h"]) == (False, "too_little_covered", 12)


@pytest.mark.parametrize(("share", "flagged"), [(1.0, False), (0.8, True)])
def test_an_hourly_register_is_compared_over_the_whole_day(share: float, flagged: bool) -> None:
    kwh = [2.0 * share] * 96
    register = energy("pos_ae", TIMES, kwh, estimated=kwh, covered_s=225.0, levels=FINE)
    row = only(balance(context("com_ap", "pos_ae"), POWER, register), "power_and_register")
    assert (row["compared_h"], row["flagged"], row["reason"]) == (24, flagged, None)
    register = register.with_columns(pl.when(pl.col("ts") == TIMES[0]).then(1).otherwise(0).cast(pl.Int32).alias("n"))
    row = only(balance(context("com_ap", "pos_ae"), POWER, register), "power_and_register")
    assert (row["flagged"], row["reason"]) == (False, "register_too_slow")


@pytest.mark.parametrize(("kind", "net", "agree"), [
    ("net_counter", 1.5, True), ("net_counter", 2.5, False), ("counter", 2.5, True), ("counter", 1.5, False),
])  # fmt: skip
def test_a_net_register_is_set_beside_import_and_export_as_its_kind_says(kind: str, net: float, agree: bool) -> None:
    found = balance(
        context("pos_ae", "neg_ae", "com_ae", net_kind=kind), energy("pos_ae", TIMES, [2.0] * 96, levels=FINE),
        energy("neg_ae", TIMES, [0.5] * 96, levels=FINE), energy("com_ae", TIMES, [net] * 96, levels=FINE),
    )  # fmt: skip
    assert only(found, "registers_and_net_register")["flagged"] is not agree


def test_registers_and_interval_rows_of_one_meter_are_compared() -> None:
    rows = energy("import_interval_a", TIMES, [1.9] * 96, levels=FINE)
    found = balance(context("pos_ae", "import_interval_a"), rows, energy("pos_ae", TIMES, [2.0] * 96, levels=FINE))
    row = only(found, "register_and_interval")
    assert (row["a_kwh"], row["flagged"]) == (192, True)
    assert row["b_kwh"] == pytest.approx(182.4)


def test_a_register_that_stands_still_while_power_flows_is_a_finding() -> None:
    kwh = [2.0 if k < 40 else 0.0 for k in range(96)]
    found = balance(context("com_ap", "pos_ae"), POWER, energy("pos_ae", TIMES, kwh, levels=FINE))
    row = only(found, "register_stands_still")
    assert (row["signal"], row["a_kwh"], row["b_kwh"], row["compared_h"]) == ("pos_ae", 112, 0, 14)
    finding = standing_registers(found)
    assert finding.failed["day"].to_list() == [DAY]


@pytest.mark.parametrize("case", ["moves", "no power", "power the other way", "coarse steps"])
def test_a_register_that_has_reason_to_rest_is_no_finding(case: str) -> None:
    kwh = {"moves": [2.0] * 96, "coarse steps": [24.0 if k % 12 == 11 else 0.0 for k in range(96)]}
    power = {"no power": 0.0, "power the other way": -8.0}.get(case, 8.0)
    levels = [1000 + 24.0 * (k // 12) for k in range(96)] if case == "coarse steps" else FINE
    register = energy("pos_ae", TIMES, kwh.get(case, [0.0] * 96), levels=levels)
    found = balance(context("com_ap", "pos_ae"), gauge("com_ap", TIMES, [power] * 96), register)
    assert standing_registers(found).passed


def test_the_limits_are_those_of_the_settings() -> None:
    loose = MeterSettings(balance_limit_percent=10, stands_still_kwh=500)
    kwh = [1.9 if k < 90 else 0.0 for k in range(96)]
    found = balance(context("com_ap", "pos_ae", meter=loose), POWER, energy("pos_ae", TIMES, [1.9] * 96, levels=FINE))
    assert not found["flagged"].any()
    found = balance(context("com_ap", "pos_ae", meter=loose), POWER, energy("pos_ae", TIMES, kwh, levels=FINE))
    assert standing_registers(found).passed


def test_a_meter_with_one_source_has_no_row() -> None:
    assert balance(context("com_ap"), POWER).is_empty()
    assert balance(context("pos_ae"), energy("pos_ae", TIMES, [2.0] * 96)).is_empty()


# A battery and the meter at its grid connection ----------------------------------------------------------------------

CHARGE = [40.0] * 48 + [-30.0] * 48
SOC = gauge("bms1_soc", TIMES, [10 + 1.5 * min(k, 48) - 1.4 * max(k - 48, 0) for k in range(96)])


def site_meter(powers: list[float]) -> SiteMeter:
    return SiteMeter(context("com_ap", device="m2"), gauge("com_ap", TIMES, powers))


@pytest.mark.parametrize(("file_sign", "share", "flagged"), [(1, 1.0, False), (-1, 1.0, False), (-1, 1.2, True)])
def test_an_inverter_is_compared_with_the_site_meter_in_the_direction_of_soc(
    file_sign: int, share: float, flagged: bool
) -> None:
    ctx = context("pcs1_p", "pcs1_dc_p", "bms1_soc", device="bess", site_meter="m2")
    inverter = gauge("pcs1_p", TIMES, [file_sign * p for p in CHARGE])
    found = balance(ctx, inverter, SOC, site=site_meter([share * p for p in CHARGE]))
    row = only(found, "site_meter_and_inverter")
    assert (row["signal"], row["b_kwh"]) == ("pcs1_p", pytest.approx(120))
    assert row["a_kwh"] == pytest.approx(120 * share)
    assert (row["flagged"], row["reason"]) == (flagged, None)


def test_a_meter_wired_the_wrong_way_is_flagged() -> None:
    ctx = context("pcs1_p", "bms1_soc", device="bess", site_meter="m2")
    found = balance(ctx, gauge("pcs1_p", TIMES, CHARGE), SOC, site=site_meter([-p for p in CHARGE]))
    assert only(found, "site_meter_and_inverter")["flagged"]


@pytest.mark.parametrize(("behind", "signals"), [(0.0, "pcs1_p"), (3.0, "pcs1_p, aux_m_com_ap")])
@pytest.mark.parametrize("file_sign", [1, -1])
def test_auxiliaries_are_added_where_they_hang_behind_the_meter(behind: float, signals: str, file_sign: int) -> None:
    ctx = context("pcs1_p", "aux_m_com_ap", "bms1_soc", device="bess", site_meter="m2")
    frames = (gauge("pcs1_p", TIMES, [file_sign * p for p in CHARGE]), gauge("aux_m_com_ap", TIMES, [3.0] * 96), SOC)
    row = only(balance(ctx, *frames, site=site_meter([p + behind for p in CHARGE])), "site_meter_and_inverter")
    assert (row["signal"], row["flagged"]) == (signals, False)
    assert row["difference_percent"] == pytest.approx(0)
    wrong = site_meter([p + 20 for p in CHARGE])
    assert only(balance(ctx, *frames, site=wrong), "site_meter_and_inverter")["flagged"]


def test_the_steps_of_all_registers_compared_count_as_resolution() -> None:
    steps = [1000 + 0.8 * (k // 30) for k in range(96)]
    found = balance(
        context("pos_ae", "neg_ae", "com_ae"), energy("pos_ae", TIMES, [0.2] * 96, levels=steps),
        energy("neg_ae", TIMES, [0.1] * 96, levels=steps), energy("com_ae", TIMES, [0.07] * 96, levels=steps),
    )  # fmt: skip
    row = only(found, "registers_and_net_register")  # 2.9 kWh apart: more than two steps of one, fewer than of three
    assert (row["flagged"], row["reason"]) == (False, "within_resolution")


def test_direct_current_is_shown_beside_the_site_meter_and_never_flagged() -> None:
    ctx = context("bms1_v", "bms1_c", "bms1_soc", device="bess", site_meter="m2")
    frames = (gauge("bms1_v", TIMES, [800.0] * 96), gauge("bms1_c", TIMES, [-p / 0.8 for p in CHARGE]), SOC)
    row = only(balance(ctx, *frames, site=site_meter([1.2 * p for p in CHARGE])), "site_meter_and_battery")
    assert (row["b_kwh"], row["flagged"], row["reason"]) == (pytest.approx(120), False, "losses_between")
    assert row["difference_percent"] == pytest.approx(100 * 24 / (1.2 * 840))


def test_without_soc_or_without_the_meter_the_reason_is_kept() -> None:
    inverter = gauge("pcs1_p", TIMES, CHARGE)
    ctx = context("pcs1_p", device="bess", site_meter="m2")
    assert only(balance(ctx, inverter, site=site_meter(CHARGE)), "site_meter_and_inverter")["reason"] == "sign_unknown"
    row = only(balance(ctx, inverter), "site_meter_and_inverter")
    assert (row["reason"], row["a_kwh"], row["flagged"]) == ("no_site_meter_data", None, False)


def test_two_days_are_two_rows() -> None:
    times = TIMES + quarters_of(DAY + timedelta(days=1))
    levels = [1000 + 0.01 * k for k in range(192)]
    found = balance(
        context("com_ap", "pos_ae"), gauge("com_ap", times, [8.0] * 192),
        energy("pos_ae", times, [2.0] * 96 + [1.0] * 96, levels=levels),
    )  # fmt: skip
    assert found.select("day", "flagged").rows() == [(DAY, False), (DAY + timedelta(days=1), True)]
