"""Rainflow and turning points: known counts, hysteresis, and months that join."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plants import START, context, signals_table

from energy_pipeline.compute.rainflow import build_rainflow, count_rainflow, join_points, turning_points
from energy_pipeline.schemas.battery_parts import SOC_TURNING_POINTS


def test_the_four_point_method_closes_inner_cycles_and_halves_the_residue() -> None:
    cycles = count_rainflow(np.array([0.0, 100.0, 40.0, 60.0, 0.0]))
    assert sorted(zip(cycles.depth.tolist(), cycles.count.tolist(), strict=True)) == [
        (20.0, 1.0), (100.0, 0.5), (100.0, 0.5)
    ]


def test_thirty_equal_cycles_count_thirty() -> None:
    cycles = count_rainflow(np.array([5.0, 95.0] * 30 + [5.0]))
    assert cycles.count.sum() == 30.0
    assert (cycles.depth * cycles.count).sum() == 30 * 90.0


def test_turns_below_the_hysteresis_do_not_count() -> None:
    value = np.array([50.0, 51.0, 50.0, 52.0, 90.0, 88.0, 91.0, 20.0, 22.0, 20.0])
    assert value[turning_points(value, 3.0)].tolist() == [50.0, 91.0, 20.0]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=60), st.data())
def test_months_join_to_the_same_turns_as_one_history(values: list[int], data: st.DataObject) -> None:
    value = np.array(values, dtype=float)
    cut = data.draw(st.integers(1, len(values) - 1))
    whole = value[turning_points(value, 3.0)]
    first, second = value[:cut], value[cut:]
    joined = np.concatenate([first[join_points(first, 3.0)], second[join_points(second, 3.0)]])
    again = joined[turning_points(joined, 3.0)]
    assert again[:-1].tolist() == whole[:-1].tolist()


def test_the_histogram_holds_every_cycle() -> None:
    ctx = context(signals_table({"bms1_soc": "soc"}, START, START))
    soc = [5.0, 95.0] * 10 + [5.0]
    points = pl.DataFrame({"ts": pl.Series(range(len(soc))).cast(pl.Datetime("us", "UTC")), "soc": soc})
    points = SOC_TURNING_POINTS.conform(points.with_columns(device=pl.lit("plant"), month=pl.lit("2024-01")))
    rows = build_rainflow(ctx, points)
    assert rows["cycles"].sum() == 10.0
    assert rows["equivalent_full_cycles"].sum() == pytest.approx(9.0)
    assert build_rainflow(ctx, points.clear()).is_empty()
