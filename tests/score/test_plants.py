"""The plants of the score: they hold every fault of a battery, are judged without a hand, and the summary counts."""

import pytest

from energy_pipeline.score.plants import plans, summarise_plants
from energy_pipeline.score.report import plants_markdown
from energy_pipeline.score.whole import _plants
from energy_pipeline.twin import faults as f

WANTED = {
    f.WeakCapacity, f.RisingResistance, f.DriftingOffset, f.SelfDischarge, f.StuckSensor, f.SentinelSpikes,
    f.SensorOffsetStep, f.RegimeStep, f.PartialCharges, f.MissingDays, f.ZoneWrongHours, f.CurrentSignFlipped,
    f.WrongNameplate,
}


def test_at_least_five_plants_hold_every_fault_of_a_battery() -> None:
    found = plans()
    assert len(found) >= 5
    assert {type(x) for plan in found.values() for x in plan.faults} == WANTED
    assert not found["healthy"].faults


def test_the_summary_counts_what_was_found_and_keeps_the_largest_error() -> None:
    row = {"plant": "a", "place": "P1C1", "unit": "mV/year", "truth": 24.0}
    rows = summarise_plants([
        row | {"fault": "drift", "found": True, "estimate": 25.0, "days": 182},
        row | {"fault": "drift", "found": False, "estimate": 20.0, "days": None},
        row | {"fault": "register", "found": None, "estimate": None, "days": None},
    ])
    drift = {"fault": "drift", "planted": 2, "found": 1, "largest_error": -4.0, "unit": "mV/year", "days": 182}
    assert rows[0] == drift
    assert rows[1]["planted"] == 0
    assert "| drift | 2 | 1 | -4.00 | mV/year | 182 |" in plants_markdown(rows)


@pytest.mark.long
def test_a_clock_seven_hours_ahead_is_found_from_csv_by_the_whole_pipeline() -> None:
    said: list[str] = []
    text = _plants(7, True, said.append)
    assert len(said) == 2
    line = next(x for x in text.splitlines() if x.startswith("| zone_wrong_hours"))
    assert line.startswith("| zone_wrong_hours | 1 | 1 |")
