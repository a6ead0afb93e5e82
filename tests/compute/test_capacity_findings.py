"""Contradictions in capacity: counts of cycles that differ, a BMS health that cannot be true, an unknown zero."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from plants import Charger
from test_capacity import capacity

from energy_pipeline.compute.anchors import anchored_charges, mark_anchors, rolling_capacity, with_true_charge
from energy_pipeline.compute.capacity_findings import cycle_difference, health_findings
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.findings import cycle_counts_that_disagree, implausible_health
from energy_pipeline.settings import BatterySettings

SETTINGS = BatterySettings()


def counts(ah: float, energy: float | None, soc: float | None) -> dict[str, object]:
    values = {"efc_ah": [ah], "efc_energy": [energy], "efc_soc": [soc]}
    frame = pl.DataFrame(values, schema=dict.fromkeys(values, pl.Float64))
    return frame.select(cycle_difference(SETTINGS)).to_dicts()[0]


def test_counts_that_differ_by_more_than_five_percent_are_flagged() -> None:
    near, far = counts(100.0, 102.0, 104.0), counts(100.0, 102.0, 110.0)
    assert near["efc_difference_percent"] == pytest.approx(100 * 4 / 102)
    assert (near["efc_flagged"], far["efc_flagged"]) == (False, True)
    assert counts(100.0, None, None)["efc_reason"] == "one_count"
    assert counts(2.0, 1.0, None)["efc_reason"] == "few_cycles"
    assert counts(2.0, 1.0, None)["efc_flagged"] is None


def test_a_current_sensor_that_reads_ten_percent_too_much_is_flagged_in_the_counts() -> None:
    good = capacity(Charger(days=20, soc_low=2.0)).to_dicts()[-1]
    assert good["efc_flagged"] is False
    assert good["efc_difference_percent"] < 1.0


def test_the_last_day_decides_whether_the_counts_of_a_device_disagree() -> None:
    day = {"day": date(2024, 5, 1), "efc_ah": 100.0, "efc_energy": 101.0, "efc_soc": 110.0}
    wrong = day | {"efc_difference_percent": 9.6, "efc_flagged": True}
    right = wrong | {"day": date(2024, 5, 2), "efc_difference_percent": 4.0, "efc_flagged": False}
    assert len(cycle_counts_that_disagree(pl.DataFrame([wrong]), 5.0).failed) == 1
    assert cycle_counts_that_disagree(pl.DataFrame([wrong, right]), 5.0).passed
    rows = pl.DataFrame({"day": [date(2024, 5, 1)] * 2, "soh_bms_percent": [99.0, 101.0],
                         "soh_first_percent": [None, None], "soh_bms_finding": [None, "out_of_range"]})
    assert len(implausible_health(rows).failed) == 1
    assert implausible_health(rows.head(1)).passed


def health(soh: list[float | None], first: list[float | None] | None = None, per_day: float = 1.0) -> list[str | None]:
    n = len(soh)
    frame = pl.DataFrame({
        "day": [date(2024, 1, 1) + timedelta(days=k) for k in range(n)], "soh_bms_percent": soh,
        "efc_ah": [per_day * k for k in range(n)], "efc_energy": [None] * n,
        "soh_first_percent": first or [None] * n, "q_anchor_error_ah": [0.5] * n, "q_anchor_median_ah": [270.0] * n,
    }, schema_overrides=dict.fromkeys(("soh_bms_percent", "efc_energy", "soh_first_percent"), pl.Float64))
    return health_findings(frame, SETTINGS).to_list()


def test_a_health_that_stands_still_in_use_is_flat_and_an_idle_one_is_not() -> None:
    assert health([100.0] * 300)[268:272] == [None, None, "flat", "flat"]
    assert set(health([100.0] * 300, per_day=0.1)) == {None}
    falling = [100.0 - k // 100 for k in range(300)]
    assert set(health(falling)) == {None}


def test_a_jump_and_a_value_above_a_hundred_are_named() -> None:
    assert health([98.0, 98.0, 93.0, 93.0]) == [None, None, "jump", None]
    assert health([98.0, 101.0, 98.0, 0.0])[1::2] == ["out_of_range", "out_of_range"]
    assert health([98.0, None, None, None, None, None, None, None, None, None, 90.0])[-1] is None
    assert health([None, None]) == [None, None]


def test_a_health_that_falls_while_the_measured_capacity_stays_differs() -> None:
    falling = [100.0 - 0.05 * k for k in range(200)]
    stays = health(falling, [100.0] * 200)
    assert stays[20] is None
    assert stays[-1] == "differs"
    assert set(health(falling, falling)) == {None}


def test_the_error_grows_where_no_zero_was_read_at_rest() -> None:
    plant = Charger(days=12, soc_low=2.0)
    cycles = with_true_charge(build_charge_cycles(plant.ctx, "2024-03", plant.readings()))
    cycles = cycles.with_columns(pl.col("cell_max_end_v").alias("top_v"))
    blind = cycles.with_columns(pl.lit(None, pl.Float64).alias("zero_current_a"))

    def last(frame: pl.DataFrame, kinds: tuple[str, ...]) -> dict[str, float]:
        values = anchored_charges(mark_anchors(frame, SETTINGS), SETTINGS).filter(pl.col("kind").is_in(kinds))
        return rolling_capacity(values, SETTINGS).to_dicts()[-1]

    both, one = ("charge", "discharge"), ("charge",)
    assert last(cycles, both)["q_anchor_zero_known"] == 1.0
    assert last(blind, both)["q_anchor_zero_known"] == 0.0
    assert last(blind, one)["q_anchor_error_ah"] > last(cycles, one)["q_anchor_error_ah"] + 1.0
    # One ampere over the hours of one direction; in the mean of both it cancels where they last equally long.
    hours = 0.95 * 280 / 140
    assert last(blind, one)["q_anchor_error_ah"] == pytest.approx(SETTINGS.zero_unknown_a * hours, rel=0.05)
    assert last(blind, both)["q_anchor_error_ah"] < 0.2
    assert np.isfinite(last(cycles, both)["q_anchor_error_ah"])
