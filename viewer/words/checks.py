"""Words of the checks: the sentence that holds where a check is green, what to do where it is red, states of files.

Keys are the names and sentences that the tables hold; what the pipeline may write more of is shown as it stands there.
"""

_CHECKS: dict[str, tuple[str, str, str]] = {
    "rows_read_are_accepted_rejected_duplicate_or_conflict": (
        "Gelesene Zeilen sind angenommen, abgelehnt, doppelt oder im Konflikt",
        "Eine Tabelle wurde von Hand geändert oder ein Schreiber ging verloren: die Zeilen des Geräts aus source_files "
        "entfernen, dann wird es neu gelesen",
        "a table was changed by hand or a writer was lost: remove the device's rows from source_files to read it again",
    ),
    "times_lie_between_first_month_and_tomorrow": (
        "Zeiten liegen zwischen first_month und morgen",
        "Der Leser lehnt solche Zeilen ab: eine Tabelle wurde von Hand geändert oder first_month angehoben; das Gerät "
        "neu laden",
        "the reader refuses such rows: a table was changed by hand, or first_month was raised; load the device anew",
    ),
    "every_file_could_be_read": (
        "Jede Datei war lesbar",
        "Den Grund lesen; die Datei mit einem Block [[source]] beschreiben oder zurücklegen",
        "read the reason; describe the file by a [[source]] block, or put it back",
    ),
    "every_decision_meets_an_event": (
        "Jede Entscheidung trifft ein Ereignis",
        "Signal und ts (UTC) aus counter_events in den Block [[event]] übernehmen oder ihn entfernen",
        "copy signal and ts (UTC) from counter_events into the [[event]] block, or remove it",
    ),
    "each_device_is_one_battery": (
        "Jedes Gerät ist eine Batterie",
        "Jeder Batterie ein eigenes Gerät geben: je ein Block [[source]] mit `glob` und `device`; siehe "
        "docs/settings.md",
        "give each battery a device of its own: a [[source]] block with `glob` and `device` per battery; see "
        "docs/settings.md",
    ),
    "days_equal_five_minutes": (
        "Tage gleichen ihren Fünf-Minuten-Werten",
        "Den Monat neu materialisieren; bleibt es dabei, mit den gezeigten Zeilen melden",
        "materialise the month again; if it stays, report it with the rows shown",
    ),
    "increases_sum_to_the_registers_difference": (
        "Zuwächse ergeben die Differenz des Zählerstands",
        "Die Monate neu materialisieren; bleibt es dabei, mit den gezeigten Zeilen melden",
        "materialise the months again; if it stays, report it with the rows shown",
    ),
    "signals_have_data_in_most_of_the_month": (
        "Signale haben im größten Teil des Monats Daten",
        "Nachsehen, ob der Fühler oder seine Aufzeichnung ausgefallen ist; max_hold_s anheben, wo er selten meldet",
        "look whether the sensor or its recording has failed; raise the signal's max_hold_s where it reports rarely",
    ),
    "registers_move_while_power_flows": (
        "Zählerstände bewegen sich, während Leistung fließt",
        "Zähler und Ablesung ansehen; stimmt der Zählerstand, meter.stands_still_kwh anheben",
        "look at the meter and its reading; where the register is right, raise meter.stands_still_kwh",
    ),
    "two_sources_of_one_energy_agree": (
        "Zwei Quellen einer Energie stimmen überein",
        "Einheiten, Vorzeichen und Wandlerfaktor beider vergleichen; siehe docs/meters.md",
        "compare units, signs and the ratio of the transformers of both; see docs/meters.md",
    ),
    "sat_voltages_lie_within_the_chemistry": (
        "SAT-Spannungen liegen im Bereich der Zellchemie",
        "Ersatzwerte oder Zellchemie dieses Geräts in den Einstellungen setzen (signal.sentinels, battery.chemistry)",
        "set the sentinels or the chemistry of this device in the settings (signal.sentinels, battery.chemistry)",
    ),
    "every_cell_has_a_fit_or_a_reason": (
        "Jede Zelle hat einen Trend oder einen Grund",
        "Die Tabellen des Geräts neu materialisieren (device_job); bleibt es dabei, die gezeigten Zellen melden",
        "materialise the device's tables again (device_job); if it stays, report the cells shown",
    ),
    "three_ways_of_counting_cycles_agree": (
        "Drei Zählweisen der Zyklen stimmen überein",
        "Vorzeichen und Faktor des Stroms, Nennkapazität und SOC des BMS mit der Anlage vergleichen "
        "(battery.nameplate_ah)",
        "compare the current's sign and factor, the nameplate and the BMS's SOC with the plant (battery.nameplate_ah)",
    ),
    "the_health_that_the_bms_reports_is_plausible": (
        "Der SOH laut BMS ist plausibel",
        "Sich bei diesem Gerät nicht auf den SOH des BMS verlassen; die gemessene Kapazität steht daneben",
        "do not rely on the BMS's state of health of this device; the measured capacity stands beside it",
    ),
    "data_fit_the_declared_zone_and_sign": (
        "Daten passen zu Zeitzone und Vorzeichen der Einstellungen",
        "`zone` des Geräts, `battery.current_sign` oder `battery.nameplate_ah` setzen oder die Uhr des Schreibers "
        "stellen lassen",
        "set `zone` of the device, `battery.current_sign` or `battery.nameplate_ah` in the settings, or have the "
        "recorder's clock set right",
    ),
    "new_readings_come_in_time": (
        "Neue Messwerte kommen rechtzeitig",
        "Nachsehen, ob der Datenschreiber läuft und seine Dateien noch im Datenordner ankommen",
        "look whether the logger runs and its files still arrive in the data root",
    ),
    "rows_fit_the_schema": (
        "Zeilen passen zum Schema",
        "Die Tabelle wurde von Hand oder von einer anderen Version geändert: neu materialisieren (was der Ingest "
        "schreibt: das Gerät neu lesen)",
        "the table was changed by hand or by another version: materialise it again (what ingest writes: read the "
        "device again)",
    ),
}
# What a check allows, as `check_results.limit` says it; groups are its numbers.
LIMITS: tuple[tuple[str, str], ...] = (
    (
        r"rows read = accepted \+ rejected \+ duplicates \+ conflicts, for every signal",
        "gelesen = angenommen + abgelehnt + doppelt + im Konflikt, je Signal",
    ),
    (r"equal counts and extremes; sums within (\S+)", "Anzahlen und Extreme gleich; Summen auf {} genau"),
    (r"every cell with readings has a slope or a reason", "jede Zelle mit Werten hat eine Steigung oder einen Grund"),
    (
        r"one signal per quantity of the battery and per place of a cell",
        "ein Signal je Größe der Batterie und je Platz einer Zelle",
    ),
    (r"(\S+) to (\S+) V", "{} bis {} V"),
    (
        r"counts by charge, energy and SOC within (\S+) %",
        "Zählung nach Ladung, Energie und SOC auf {} % gleich",
    ),
    (
        r"between 0 and 100 %, without jumps, moving with use, as the measured capacity moves",
        "zwischen 0 und 100 %, ohne Sprünge, bewegt sich mit der Nutzung und wie die gemessene Kapazität",
    ),
    (
        r"signs, zone of the clock and nameplate as the data show them",
        "Vorzeichen, Zeitzone der Uhr und Nennwert, wie die Daten sie zeigen",
    ),
    (r"from (\S+) to one day ahead of the clock", "von {} bis einen Tag nach der Uhrzeit"),
    (
        r"data in at least (\S+)% of the time that any signal of the month has \(operation\.coverage_poor\)",
        "Daten in mindestens {} % der Zeit, in der irgendein Signal des Monats welche hat (operation.coverage_poor)",
    ),
    (r"every file of the device is read or empty", "jede Datei des Geräts ist gelesen oder leer"),
    (
        r"columns, types, nulls, bounds and one row per key as the table's schema says \(docs/tables\.md\)",
        "Spalten, Typen, Nullwerte, Grenzen und eine Zeile je Schlüssel wie im Schema der Tabelle (docs/tables.md)",
    ),
    (
        r"a reading within (\S+) h, overdue after (\S+) h; not asked of an archive, whose newest reading is older than "
        r"(\S+) days",
        "ein Messwert binnen {} h, überfällig nach {} h; nicht verlangt von einem Archiv, dessen neuester Messwert "
        "älter als {} Tage ist",
    ),
    (
        r"at every level Σ increase = R\(end\) − R\(start\) within the rounding of (\S+) kWh, and equal at all; "
        r"no register has energy",
        "auf jeder Stufe Σ Zuwachs = R(Ende) − R(Anfang) bis auf die Rundung von {} kWh, überall gleich; kein Zähler "
        "hat Energie",
    ),
    (
        r"at every level Σ increase = R\(end\) − R\(start\) within the rounding of (\S+) kWh, and equal at all; "
        r"largest difference found (\S+) kWh",
        "auf jeder Stufe Σ Zuwachs = R(Ende) − R(Anfang) bis auf die Rundung von {} kWh, überall gleich; größte "
        "gefundene Abweichung {} kWh",
    ),
    (
        r"a register moves before `meter\.stands_still_kwh` \(or three of its own steps\) have flowed by power",
        "ein Zähler bewegt sich, bevor der Leistung nach `meter.stands_still_kwh` (oder drei eigene Schritte) "
        "geflossen sind",
    ),
    (
        r"two sources of one energy differ by at most `meter\.balance_limit_percent`",
        "zwei Quellen einer Energie weichen höchstens um `meter.balance_limit_percent` ab",
    ),
    (r"every \[\[event\]\] of the settings names an event", "jedes [[event]] der Einstellungen nennt ein Ereignis"),
)
WORDS: dict[str, tuple[str, str]] = {
    **{f"check.{name}": (german, name.replace("_", " ")) for name, (german, _, _) in _CHECKS.items()},
    **{f"advice.{name}": (german, english) for name, (_, german, english) in _CHECKS.items()},
}
