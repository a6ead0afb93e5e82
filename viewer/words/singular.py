"""Texts for one of what is counted: they stand in for the text of the same key where its `n` is 1."""

WORDS: dict[str, tuple[str, str]] = {
    "overview.all_green": ("Die Prüfung ist bestanden.", "The check passed."),
    "overview.meters": ("und {n} Zähler", "and {n} meter"),
    "overview.no_sub_meters": ("{n} Zähler, ohne {left_out} Unterzähler", "{n} meter, without {left_out} behind it"),
    "overview.open_now": ("{n} steht an", "{n} set now"),
    "overview.efc_so_far": ("{n} Vollzyklus seit Beginn", "{n} full cycle since the start"),
    "status.failed_checks": ("{n} Prüfung offen", "{n} check failed"),
    "status.cells_falling": ("{n} Zelle fällt", "{n} cell falling"),
    "status.finding_cells": ("{n} auffällig", "{n} stands out"),
    "status.findings": ("{n} Zelle auffällig", "{n} cell stands out"),
    "status.alarms_open": ("{n} Meldung steht an", "{n} alarm set"),
    "status.ended_early": ("endet {n} Tag vor den anderen", "ends {n} day before the others"),
    "card.days": ("{n} Tag", "{n} day"),
    "meter.table_note": (
        "{n} Zeile, Auflösung {level}. Der Download enthält sie ungerundet.",
        "{n} row, resolution {level}. The download holds it unrounded.",
    ),
    "bess.charges": ("{n} Ladung", "{n} charge"),
    "bess.alarm_spans": ("{n} Abschnitt", "{n} span"),
    "capacity.measured": ("von {n} Tag", "of {n} day"),
    "chart.points": ("{n} Punkt", "{n} point"),
    "quality.signals": ("{n} Signal", "{n} signal"),
    "quality.conflicts": ("dazu {n} Konflikt", "and {n} conflict"),
    "pack.sat_note": ("letzter gültiger Tag", "last qualified day"),
    "sat.no_findings_text": ("{n} Zelle geprüft.", "{n} cell looked at."),
    "verdict.days": ("{n} gültiger Tag in {span}", "{n} qualified day in {span}"),
    "report.of_cells": ("von {n} Zelle", "of {n} cell"),
    "report.few_capacity": (
        "Gemessen an {n} Tag; ein Median braucht {least} Werte in {days} Tagen, so viele kamen nie zusammen.",
        "Measured on {n} day; a median takes {least} values within {days} days, and there never were as many.",
    ),
    "report.events": (
        "{n} Ereignis an einem Zählerstand, in counter_events.csv.",
        "{n} register event, in counter_events.csv.",
    ),
}
