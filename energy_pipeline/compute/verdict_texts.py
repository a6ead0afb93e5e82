"""German and English words for every code that the battery tables use: verdicts, reasons, quality, findings.

The tables hold codes, never sentences; screens, reports and the API take their words from here and nowhere else.
Terms follow METRICS G and the seed's tables. A code without a text is a defect that a test finds.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Language = Literal["de", "en"]


class Text(NamedTuple):
    """One code in both languages: a short word and a sentence that explains it."""

    de: str
    en: str
    de_long: str = ""
    en_long: str = ""


VERDICTS = {
    "falling": Text(
        "fällt", "falling",
        "Der Rückgang ist gesichert: Er liegt außerhalb der Toleranz, auch wenn alle Zellen gemeinsam geprüft werden.",
        "The fall is established: it lies outside the tolerance, even with all cells tested together.",
    ),
    "rising": Text(
        "steigt", "rising",
        "Der Anstieg ist gesichert. Ein Anstieg ist kein Verlust, aber eine Zelle, die davonläuft, ist ein Befund.",
        "The rise is established. A rise is no loss, but a cell that runs away is a finding.",
    ),
    "stable": Text(
        "stabil", "stable",
        "Das 90-%-Intervall der Steigung liegt ganz innerhalb der Toleranz.",
        "The 90 % interval of the slope lies entirely inside the tolerance.",
    ),
    "no_established_trend": Text(
        "kein gesicherter Trend", "no established trend",
        "Weder Trend noch Stabilität sind belegt. Die kleinste Steigung, die diese Daten zeigen könnten, steht dabei.",
        "Neither a trend nor stability is shown. The smallest slope that these data could show is given.",
    ),
    "insufficient_data": Text(
        "Daten reichen nicht", "insufficient data",
        "Für ein Urteil fehlen qualifizierte Tage oder Zeitspanne.",
        "Qualified days or time span are missing for a verdict.",
    ),
    "preliminary": Text(
        "vorläufig", "preliminary",
        "Steigung und Intervall sind gerechnet, für ein Urteil ist es zu früh.",
        "Slope and interval are computed, but it is too early for a verdict.",
    ),
}
FIT_REASONS = {
    "no_data": Text("keine qualifizierten Tage", "no qualified days"),
    "no_baseline": Text("noch kein Ausgangswert (14 qualifizierte Tage)", "no baseline yet (14 qualified days)"),
    "no_capacity": Text("keine Kapazität zwischen voll und leer gemessen", "no capacity between full and empty"),
    "few_days": Text("zu wenige qualifizierte Tage", "too few qualified days"),
    "short_span": Text("Zeitspanne zu kurz", "time span too short"),
}
DAY_REASONS = {
    "no_charge": Text("keine Ladung", "no charge"),
    "partial_charge": Text("Teilladung", "partial charge"),
    "few_readings": Text("zu wenige Messwerte", "too few readings"),
    "gap": Text("Lücke", "gap"),
    "sentinel": Text("Ersatzwerte", "sentinel values"),
    "no_data": Text("keine Daten", "no data"),
}
CAPACITY_REASONS = {
    "no_segment": Text("keine Ladung oder Entladung", "no charge or discharge"),
    "no_current": Text("kein Strom gemessen", "no current measured"),
    "no_cells": Text("keine Zellspannungen", "no cell voltages"),
    "no_anchored_end": Text("weder voll noch leer", "neither full nor empty"),
    "no_full_end": Text("nicht voll geladen", "not fully charged"),
    "no_empty_end": Text("nicht leer entladen", "not fully discharged"),
    "way_not_covered": Text("Weg zwischen voll und leer unvollständig", "way between full and empty incomplete"),
}
QUALITY_LINEARITY = {
    "very_linear": Text("Sehr linear", "Very linear"),
    "linear": Text("Linear", "Linear"),
    "not_linear": Text("Nicht linear", "Not linear"),
}
QUALITY_ANNUAL = {
    "low": Text("Niedrig", "Low"),
    "moderate": Text("Moderat", "Moderate"),
    "high": Text("Hoch", "High"),
    "no_loss": Text("kein Verlust", "no loss"),
}
QUALITY_CYCLE = {
    "very_good": Text("Sehr gut", "Very good"),
    "moderate": Text("Moderat", "Moderate"),
    "high": Text("Hoch", "High"),
    "no_loss": Text("kein Verlust", "no loss"),
}
REGIME_KINDS = {
    "operating_regime": Text(
        "Betriebsregime", "operating regime",
        "Alle Zellen haben sich gemeinsam verschoben: Betrieb, keine Alterung.",
        "All cells moved together: operation, not ageing.",
    ),
    "suspected": Text(
        "vermuteter Sprung", "suspected step",
        "Zu klein, zu kurz oder zu wenige Zellen: Trends werden hier nicht getrennt.",
        "Too small, too short or too few cells: trends are not cut here.",
    ),
    "cell_step": Text(
        "Sprung einer Zelle", "step of one cell",
        "Nur diese Zelle hat sich verschoben: Sensor, Balancierung oder Reparatur.",
        "Only this cell moved: sensor, balancing or repair.",
    ),
}
FINDINGS = {
    "stuck_sensor": Text("Sensor steht", "sensor stuck"),
    "outlier": Text("weicht vom eigenen Verlauf ab", "leaves its own course"),
    "offset_falling": Text("Abweichung fällt", "offset falling"),
    "offset_rising": Text("Abweichung steigt", "offset rising"),
    "weak_cell": Text("zuerst leer: schwache Kapazität", "first empty: weak capacity"),
    "resistance_high": Text("hoher Widerstand", "high resistance"),
    "offset": Text("feste Abweichung", "static offset"),
}
IMBALANCE = {
    "ok": Text("in Ordnung", "ok"),
    "warn": Text("Warnung", "warning"),
    "critical": Text("kritisch", "critical"),
}
SAT_METHODS = {
    "supported": Text("gestützter Höchstwert", "supported maximum"),
    "median3": Text("Median aus drei Werten", "median of three readings"),
    "daily_plateau": Text("Tageshöchstwert mit Plateau", "daily maximum with a plateau"),
}
EXPLAINED = {
    "current": Text("Strom am Ladeende", "end current"),
    "temperature": Text("Temperatur", "temperature"),
    "soc": Text("Ladezustand am Ende", "state of charge at the end"),
    "regime": Text("Sollwert (Regime)", "set point (regime)"),
    "remainder": Text("Rest", "remainder"),
    "total": Text("Unterschied zum Ausgangswert", "difference from baseline"),
    "few_days": Text("zu wenige Tage", "too few days"),
    "does_not_vary": Text("ändert sich zu wenig", "does not vary enough"),
    "not_separable": Text("von anderen Einflüssen nicht zu trennen", "cannot be told from other factors"),
    "not_measured": Text("nicht gemessen", "not measured"),
}
ALARM_ENDS = {
    "cleared": Text("beendet", "cleared"),
    "changed": Text("anderer Code", "another code"),
    "no_data": Text("danach keine Daten", "no data after it"),
}
ENERGY_REASONS = {
    "no_inverter_power": Text("keine Leistung des Umrichters gemessen", "no power of the inverter measured"),
    "sign_unknown": Text("Vorzeichen der Leistung unbekannt", "sign of the power not known"),
    "no_soc": Text("kein Ladezustand gemessen", "no state of charge measured"),
    "no_closed_window": Text(
        "kein lückenloses Zeitfenster mit gleichem Ladezustand und genug Zyklen",
        "no window without gaps that closes at equal state of charge with enough cycles",
    ),
    "no_auxiliary_meter": Text("Hilfsbetriebe nicht gemessen", "auxiliaries not measured"),
    "auxiliary_meter_missing": Text(
        "einer der Zähler der Hilfsbetriebe hat keine Daten", "one of the auxiliary meters has no data"
    ),
    "no_site_meter": Text("kein Anschlusszähler eingestellt", "no site meter is set"),
    "no_site_meter_data": Text("keine Daten des Anschlusszählers", "no data of the site meter"),
    "site_meter_shared": Text(
        "Anschlusszähler misst mehrere Systeme", "the site meter measures several systems"
    ),
    "site_meter_disagrees": Text(
        "Anschlusszähler widerspricht den DC-Klemmen", "the site meter contradicts the DC terminals"
    ),
    "no_outside_temperature": Text("keine Außentemperatur gemessen", "no outside temperature measured"),
    "no_alarm_signal": Text("kein Meldesignal vorhanden", "no alarm signal"),
    "no_data": Text("keine Daten", "no data"),
    "few_days": Text("zu wenige Tage", "too few days"),
    "not_measured": Text("nicht gemessen", "not measured"),
    "does_not_vary": Text("ändert sich zu wenig", "does not vary enough"),
    "not_separable": Text("von anderen Einflüssen nicht zu trennen", "cannot be told from other factors"),
}
AUXILIARY_FACTORS = {
    "base": Text("Grundlast", "base"),
    "warm": Text("Wärme", "warm days"),
    "cold": Text("Kälte", "cold days"),
    "throughput": Text("Durchsatz", "throughput"),
}
BOUNDARIES = {
    "dc": Text("DC-Klemmen der Batterie", "DC terminals of the battery"),
    "ac": Text("AC am Umrichter", "AC at the inverter"),
    "ac_aux": Text(
        "AC mit Hilfsbetrieben", "AC with auxiliaries",
        "Energie heraus / (Energie hinein + Hilfsbetriebe).", "Energy out / (energy in + auxiliaries).",
    ),
    "site": Text(
        "AC am Anschlusszähler", "AC at the site meter",
        "Eingespeist / bezogen am Zähler vor dem System; alles, was dahinter verloren geht, ist darin.",
        "Fed in / drawn at the meter in front of the system; all that is lost behind it is in it.",
    ),
}
RESISTANCE_REASONS = {
    "few_weeks": Text("zu wenige Wochen", "too few weeks"),
    "common_change": Text(
        "viele Zellen ändern sich gemeinsam: Bedingungen oder das ganze System, nicht eine Zelle",
        "many cells change together: conditions or the whole system, not a cell",
    ),
    "system_falls": Text(
        "der Widerstand des Systems fiele: Bedingungen haben sich geändert",
        "the system's resistance would fall: conditions have changed",
    ),
    "not_positive": Text(
        "Median nicht positiv: Die Spannung läuft an den Sprüngen von selbst",
        "median not positive: the voltage moves by itself at the steps",
    ),
    "short_span": Text("Zeitspanne zu kurz", "time span too short"),
    "preliminary": Text("vorläufig", "preliminary"),
}
EFC_REASONS = {
    "one_count": Text("nur eine Zählung möglich", "only one way of counting"),
    "few_cycles": Text("zu wenige Zyklen", "too few cycles"),
}
ROUND_TRIP_REASONS = {
    "no_segment": Text("keine Ladung oder Entladung", "no charge or discharge"),
    "no_energy": Text("keine Energie gemessen", "no energy measured"),
    "no_soc": Text("kein Ladezustand gemessen", "no state of charge measured"),
    "few_cycles": Text("zu wenige Zyklen bei gleichem Ladezustand", "too few cycles at equal state of charge"),
    "gap": Text("Lücke in den Messwerten des Zeitfensters", "a gap in the readings of the window"),
}
HEALTH_FINDINGS = {
    "out_of_range": Text("außerhalb von 0 bis 100 %", "outside 0 to 100 %"),
    "jump": Text("Sprung von einem Tag zum anderen", "jump from one day to the next"),
    "flat": Text("steht still, obwohl die Batterie arbeitet", "stands still although the battery works"),
    "differs": Text("weicht von der gemessenen Kapazität ab", "differs from the measured capacity"),
}
COMPARISON_REASONS = {"left_out": Text("in den Einstellungen abgeschaltet", "left out by the settings")}
END_OF_LIFE_REASONS = {
    "no_cycles": Text("keine Zyklen gemessen", "no cycles measured"),
    "no_established_fall": Text("kein gesicherter Rückgang der Kapazität", "no established fall of capacity"),
    "outside_data": Text("außerhalb des Datenbereichs", "outside the range of the data"),
}
EVIDENCE_VERDICTS = {
    "fits": Text("passt", "fits"),
    "contradicts": Text("widerspricht", "contradicts"),
    "cannot_tell": Text("nicht zu erkennen", "cannot be told"),
}
# Sentences with the columns of `device_evidence` in braces.
EVIDENCE = {
    "current_sign.soc": Text(
        "Vorzeichen des Stroms", "sign of the current",
        "In {estimate:.1%} der Zeit von {n} Abschnitten steigt der Ladezustand mit dem Vorzeichen {found}.",
        "In {estimate:.1%} of the time of {n} segments the state of charge rises with the sign {found}.",
    ),
    "power_sign.current": Text(
        "Vorzeichen der Umrichterleistung", "sign of the inverter's power",
        "An {estimate:.1%} von {n} Tagen lädt der Umrichter mit dem Vorzeichen {found}.",
        "On {estimate:.1%} of {n} days the inverter charges with the sign {found}.",
    ),
    "zone.outside_temperature": Text(
        "wärmste Stunde des Tages", "warmest hour of the day",
        "An {n} Tagen ist es um {found} Ortszeit am wärmsten. Die Uhr geht gegen den Nachmittag um {estimate:+.1f} h "
        "({low:+.1f} bis {high:+.1f} h) vor.",
        "On {n} days it is warmest at {found} of the place's clock. Against the afternoon the clock is ahead by "
        "{estimate:+.1f} h ({low:+.1f} to {high:+.1f} h).",
    ),
    "zone.schedule": Text(
        "Zeitplan an Umstellungsnächten", "schedule on nights of change",
        "Umstellungsnächte von {found}: {n}. Der Beginn der ersten Ladung springt dort um {estimate:+.1f} h.",
        "Nights of change of {found}: {n}. The start of the first charge jumps there by {estimate:+.1f} h.",
    ),
    "nameplate.anchors": Text(
        "gemessene Kapazität gegen Nennkapazität", "measured capacity against nameplate",
        "Zwischen Spannungsankern fließen {found} je 100 Punkte Ladezustand, eingestellt sind {declared}: "
        "Verhältnis {estimate:.3f} ({low:.3f} bis {high:.3f}) aus {n} Wegen.",
        "Between voltage anchors {found} flow per 100 points of state of charge, the settings say {declared}: "
        "ratio {estimate:.3f} ({low:.3f} to {high:.3f}) from {n} ways.",
    ),
    "nameplate.anchors_only": Text(
        "gemessene Kapazität gegen Nennkapazität", "measured capacity against nameplate",
        "Zwischen Spannungsankern fließen {found}, eingestellt sind {declared}: Verhältnis {estimate:.3f} "
        "({low:.3f} bis {high:.3f}) aus {n} Wegen. Weniger kann auch heißen, dass die Anker nicht die ganze Zelle "
        "umfassen.",
        "Between voltage anchors {found} flow, the settings say {declared}: ratio {estimate:.3f} ({low:.3f} to "
        "{high:.3f}) from {n} ways. Less may also mean that the anchors do not span the whole cell.",
    ),
}
EVIDENCE_REASONS = {
    "few_anchored": Text("zu wenige Wege zwischen Spannungsankern", "too few ways between voltage anchors"),
    "less_than_nameplate": Text(
        "Entweder stimmt die Nennkapazität der Einstellungen nicht, oder so viel fehlte der Batterie schon am Anfang",
        "either the nameplate of the settings is wrong, or the battery lacked as much from the start",
    ),
    "no_current": Text("kein Strom gemessen", "no current measured"),
    "no_soc": Text("kein Ladezustand gemessen", "no state of charge measured"),
    "no_inverter_power": Text("keine Leistung des Umrichters gemessen", "no power of the inverter measured"),
    "sign_changes": Text("das Vorzeichen wechselt", "the sign changes"),
    "no_outside_temperature": Text("keine Außentemperatur gemessen", "no outside temperature measured"),
    "few_days": Text("zu wenige Tage", "too few days"),
    "no_charge": Text("keine Ladung", "no charge"),
    "no_night_of_change": Text("keine Umstellungsnacht mit Ladungen davor und danach",
                               "no night of change with charges before and after it"),
    "schedule_in_summer_time": Text("Der Zeitplan folgt der Sommerzeit, die Uhr nicht",
                                    "the schedule follows summer time, the clock does not"),
    "clock_in_summer_time": Text("Die Uhr folgt der Sommerzeit, der Zeitplan nicht",
                                 "the clock follows summer time, the schedule does not"),
}
NOTES = {
    "r2": Text(
        "R² misst Signal gegen Rauschen, nicht die Linearität; dafür steht der quadratische Term.",
        "R² measures signal against noise, not linearity; the quadratic term stands for that.",
    ),
    "sat_index": Text(
        "Echte SAT-Indizes fallen praktisch nie um mehr als 2 %: Die Kapazität braucht ihren eigenen Nachweis.",
        "Real SAT indices practically never fall by more than 2 %: capacity needs its own evidence.",
    ),
    "naive": Text(
        "Erster gegen letzten Tag: Zwei Werte entscheiden, ein Anstieg zählt als Verlust, Sprünge im Betrieb auch.",
        "First against last day: two values decide, a rise counts as a loss, and so do steps of operation.",
    ),
    "extrapolation": Text("außerhalb des Datenbereichs", "outside the range of the data"),
    "bms": Text("hängt vom BMS ab", "depends on the BMS"),
    "nameplate": Text("Nennkapazität angenommen", "nameplate assumed"),
    "lifetime": Text("Prognose für Lebensdauer: nur aus der Kapazität", "Projection of lifetime: from capacity only"),
}
GROUPS: dict[str, dict[str, Text]] = {
    "verdict": VERDICTS, "fit_reason": FIT_REASONS, "day_reason": DAY_REASONS, "capacity_reason": CAPACITY_REASONS,
    "quality_linearity": QUALITY_LINEARITY, "quality_annual": QUALITY_ANNUAL, "quality_cycle": QUALITY_CYCLE,
    "regime": REGIME_KINDS, "finding": FINDINGS, "imbalance": IMBALANCE, "sat_method": SAT_METHODS,
    "explained": EXPLAINED, "note": NOTES, "alarm_end": ALARM_ENDS, "energy_reason": ENERGY_REASONS,
    "auxiliary": AUXILIARY_FACTORS, "boundary": BOUNDARIES, "resistance_reason": RESISTANCE_REASONS,
    "round_trip_reason": ROUND_TRIP_REASONS,
    "efc_reason": EFC_REASONS, "health_finding": HEALTH_FINDINGS, "comparison_reason": COMPARISON_REASONS,
    "end_of_life_reason": END_OF_LIFE_REASONS, "evidence_verdict": EVIDENCE_VERDICTS, "evidence": EVIDENCE,
    "evidence_reason": EVIDENCE_REASONS,
}


def evidence_text(row: Mapping[str, Any], language: Language) -> str:
    """Return a row of `device_evidence` as a sentence, or the reason why it cannot be told.

    Raises `KeyError` naming what exists where topic, method or reason are unknown.
    """
    if row["verdict"] == "cannot_tell":
        return text("evidence_reason", row["reason"], language)
    sentence = text("evidence", f"{row['topic']}.{row['method']}", language, long=True).format(**row)
    why = text("evidence_reason", row["reason"], language)
    return f"{sentence} {why}." if why else sentence


def text(group: str, code: str | None, language: Language, *, long: bool = False) -> str:
    """Return the word (or sentence) for a code; empty for None.

    Raises `KeyError` naming what exists where group or code are unknown.
    """
    if code is None:
        return ""
    try:
        entry = GROUPS[group][code]
    except KeyError as error:
        known = GROUPS.get(group)
        msg = f"no text for {code!r} in {group!r}; known: {', '.join(known if known is not None else GROUPS)}"
        raise KeyError(msg) from error
    word = entry.de if language == "de" else entry.en
    sentence = entry.de_long if language == "de" else entry.en_long
    return (sentence or word) if long else word
