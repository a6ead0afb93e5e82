"""The score of weak cells: planted cells are found, an impossible test is not passed, and other rules are compared."""

import numpy as np
import pytest

from energy_pipeline.compute.verdicts import benjamini_hochberg
from energy_pipeline.score.report import cells_markdown
from energy_pipeline.score.statistical import binomial_interval
from energy_pipeline.score.variants import RULES, score_variants, two_stage, variants_markdown
from energy_pipeline.score.weak_cells import cell_ends_of, score_weak_cells
from energy_pipeline.settings import BatterySettings
from energy_pipeline.twin.faults import WeakCapacity
from energy_pipeline.twin.plan import PlantPlan


def test_weak_cells_are_found_and_no_other_is_called_weak() -> None:
    row = score_weak_cells(3, 1, days=14)
    assert row["planted"] == 4
    assert row["found"] == {7: 4, 14: 4}
    assert row["false_alarms"] == 0
    assert "| 3 % | 4 |" in cells_markdown([row])


def test_a_cell_that_lacks_nothing_is_not_found() -> None:
    assert score_weak_cells(3, 1, fraction=0.0, days=14)["recall"] == 0.0


def test_the_weak_cell_is_low_at_the_end_of_discharge_and_not_at_rest() -> None:
    plan = PlantPlan(days=4, packs=1, cells_per_pack=30, faults=(WeakCapacity(1, 9, 0.03),))
    ends, _ = cell_ends_of(plan, BatterySettings(), np.random.default_rng(1))
    medians = {kind: part["offset_mv"].median() for (kind,), part in ends.filter(ends["cell"] == 9).group_by("kind")}
    assert medians["discharge_end"] < -30
    assert abs(medians["rest"]) < 6


def test_the_interval_of_a_share_is_exact() -> None:
    assert binomial_interval(0, 10) == pytest.approx((0.0, 0.30850), abs=1e-5)
    assert binomial_interval(56, 60) == pytest.approx((0.8380, 0.9815), abs=2e-4)


@pytest.mark.slow
def test_every_rule_is_compared_on_the_same_systems() -> None:
    rows = score_variants(5, 2)
    assert [r["rule"] for r in rows] == list(RULES)
    assert {r["healthy"] for r in rows} == {2 * 255}
    assert all(0.9 <= r["coverage"] <= 1.0 for r in rows)
    by_rule = {r["rule"]: r["found"] for r in rows}
    assert by_rule["averaged over the tolerance"] >= by_rule["in use"]
    assert variants_markdown(rows).count("\n") == len(RULES) + 1


def test_the_two_stage_rate_rejects_more_where_much_is_false_and_nothing_where_nothing_is() -> None:
    rng = np.random.default_rng(1)
    mixed = np.concatenate([rng.uniform(0, 1e-3, 60), rng.uniform(0, 1, 40)])
    assert two_stage(mixed, 0.05).sum() >= benjamini_hochberg(mixed, 0.05).sum() >= 60
    assert not two_stage(np.linspace(0.2, 1.0, 50), 0.05).any()
