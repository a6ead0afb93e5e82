"""Every code has a German and an English text, in the words of METRICS."""

import pytest

from energy_pipeline.compute import (
    alarms,
    auxiliary_fit,
    capacity_findings,
    device_evidence,
    regimes,
    verdicts,
)
from energy_pipeline.compute.sat_daily import REASONS
from energy_pipeline.compute.verdict_texts import GROUPS, text


def test_the_words_of_the_seed_are_kept() -> None:
    assert text("verdict", "falling", "de") == "fällt"
    assert text("verdict", "no_established_trend", "de") == "kein gesicherter Trend"
    assert text("verdict", "insufficient_data", "de") == "Daten reichen nicht"
    assert text("quality_linearity", "very_linear", "de") == "Sehr linear"
    assert text("quality_annual", "no_loss", "de") == "kein Verlust"
    assert text("verdict", None, "de") == ""


def test_every_code_that_the_tables_use_has_both_languages() -> None:
    used = {
        "verdict": (verdicts.FALLING, verdicts.RISING, verdicts.STABLE, verdicts.NO_TREND, verdicts.INSUFFICIENT),
        "day_reason": REASONS,
        "regime": (regimes.OPERATING, regimes.SUSPECTED, regimes.CELL_STEP),
        "alarm_end": (alarms.CLEARED, alarms.CHANGED, alarms.NO_DATA),
        "auxiliary": auxiliary_fit.UNITS,
        "health_finding": (capacity_findings.OUT_OF_RANGE, capacity_findings.JUMP, capacity_findings.FLAT,
                           capacity_findings.DIFFERS),
        "evidence_verdict": (device_evidence.FITS, device_evidence.CONTRADICTS, device_evidence.CANNOT),
        "resistance_reason": ("not_positive", "few_weeks", "short_span", "preliminary", "common_change",
                              "system_falls"),
        "energy_reason": ("no_inverter_power", "sign_unknown", "no_soc", "no_closed_window", "no_auxiliary_meter",
                          "auxiliary_meter_missing", "no_site_meter", "no_site_meter_data", "site_meter_shared",
                          "site_meter_disagrees", "no_alarm_signal",
                          "no_data", "few_days", "does_not_vary", "not_separable"),
        "boundary": ("dc", "ac", "ac_aux", "site"),
        "efc_reason": ("one_count", "few_cycles"),
        "comparison_reason": ("left_out",),
    }
    for group, codes in used.items():
        for code in codes:
            assert text(group, code, "de") and text(group, code, "en", long=True)
    assert all(t.de and t.en for group in GROUPS.values() for t in group.values())


def test_an_unknown_code_says_what_is_known() -> None:
    with pytest.raises(KeyError, match="falling"):
        text("verdict", "declining", "en")
