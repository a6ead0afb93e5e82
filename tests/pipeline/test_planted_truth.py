"""A plant of 270 days with one drifting cell and one common step: exactly these two are found, and nothing else.

Three packs are enough for this. How often a sound cell among many is called so: `tests/score/`.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_pipeline.runner import RunSummary
from energy_pipeline.twin import make_plant, plan_preset
from tests.pipeline.conftest import Pipeline

pytestmark = pytest.mark.slow
SYSTEM = "ZHPESS232A230002"
PLAN = replace(plan_preset("planted_drift", meters=0), packs=3, cells_per_pack=18)
Truth = dict[str, Any]
Planted = tuple[Pipeline, RunSummary, Truth]


@pytest.fixture(scope="module")
def planted(
    tmp_path_factory: pytest.TempPathFactory, pipeline_of: Callable[[Path], Pipeline]
) -> Planted:
    folder = tmp_path_factory.mktemp("planted")
    make_plant(folder, PLAN)
    pipeline = pipeline_of(folder / "energy.toml")
    return pipeline, pipeline.run(), json.loads((folder / "truth.json").read_text(encoding="utf-8"))


def fault(truth: Truth, kind: str) -> dict[str, Any]:
    return next(f for f in truth["faults"] if f["kind"] == kind)


def cell_fits(pipeline: Pipeline) -> pl.DataFrame:
    fits = pipeline.read("degradation_fits", SYSTEM)
    return fits.filter((pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv"))


def test_the_drifting_cell_is_found_and_no_other_is_called_falling_or_rising(planted: Planted) -> None:
    pipeline, summary, truth = planted
    assert summary.ok
    drift = fault(truth, "drifting_offset")
    called = cell_fits(pipeline).filter(pl.col("verdict").is_in(["falling", "rising"]))
    assert called.select("pack", "cell", "verdict").rows() == [(drift["pack"], drift["cell"], "rising")]
    row = called.row(0, named=True)
    assert row["slope_low"] <= drift["mv_per_year"] <= row["slope_high"]
    assert row["slope_per_year"] == pytest.approx(drift["mv_per_year"], abs=4)


def test_every_cell_has_a_fit_with_an_interval(planted: Planted) -> None:
    fits = cell_fits(planted[0])
    planted_cells = {(pack + 1, cell + 1) for pack in range(PLAN.packs) for cell in range(PLAN.cells_per_pack)}
    assert set(fits.select("pack", "cell").iter_rows()) == planted_cells
    assert fits.height == len(planted_cells) == 54
    assert fits["slope_low"].null_count() == 0
    assert (fits["slope_low"] < fits["slope_high"]).all()


def test_the_common_step_is_a_dated_operating_regime_of_the_whole_system(planted: Planted) -> None:
    pipeline, _, truth = planted
    step = fault(truth, "regime_step")
    regimes = pipeline.read("regimes", SYSTEM).filter(pl.col("kind") == "operating_regime")
    assert regimes.height == 1
    row = regimes.row(0, named=True)
    assert row["scope"] == "system"
    assert row["step_mv"] == pytest.approx(step["mv"], abs=3)
    assert row["moved_share"] > 0.9
    planted_day = date.fromisoformat(truth["plan"]["start"]) + timedelta(days=step["day"])
    assert abs((row["day"] - planted_day).days) <= 3


def test_no_level_is_called_degrading_because_of_the_step(planted: Planted) -> None:
    fits = planted[0].read("degradation_fits", SYSTEM)
    above_cells = fits.filter(pl.col("level").is_in(["pack", "system"]) & (pl.col("quantity") != "capacity_percent"))
    assert above_cells.height > 0
    assert not above_cells["verdict"].is_in(["falling", "rising"]).any()
    index = fits.filter((pl.col("quantity") == "sat_index_percent") & (pl.col("verdict") == "falling"))
    assert index.is_empty()
    assert fits.filter(pl.col("verdict") != "falling")["quality_annual"].drop_nulls().is_in(["no_loss"]).all()


def test_the_accounting_closes_and_no_check_fails(planted: Planted) -> None:
    checks = planted[0].read("check_results")
    assert checks.height >= 5
    assert checks["passed"].all()
