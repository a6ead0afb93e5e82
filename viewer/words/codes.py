"""Words for the codes that tables hold. A code without a word is shown as it is.

Codes of the battery tables take their words from `energy_pipeline/compute/verdict_texts.py`, their only owner.
"""

from energy_pipeline.compute import verdict_texts as owner

_GROUPS = {
    "verdict": owner.VERDICTS,
    "fit_reason": owner.FIT_REASONS,
    "day_reason": owner.DAY_REASONS,
    "capacity_reason": owner.CAPACITY_REASONS,
    "quality.linearity": owner.QUALITY_LINEARITY,
    "quality.annual": owner.QUALITY_ANNUAL,
    "quality.cycle": owner.QUALITY_CYCLE,
    "regime_kind": owner.REGIME_KINDS,
    "finding": owner.FINDINGS,
    "factor": owner.EXPLAINED,
}
_OWN: dict[str, tuple[str, str]] = {
    "quantity.sat_offset_mv": ("Abstand zum System", "Distance to the system"),
    "quantity.sat_index_percent": ("SAT-Index", "SAT index"),
    "quantity.capacity_percent": ("Kapazität", "Capacity"),
    "source.power": ("Leistung", "power"),
    "source.register": ("Zählerstand", "register"),
    "source.interval": ("Intervallwerte", "interval values"),
    "comparison.power_and_register": ("Leistung und Zählerstand", "power and register"),
    "comparison.power_and_interval": ("Leistung und Intervallwerte", "power and interval values"),
    "comparison.register_and_interval": ("Zählerstand und Intervallwerte", "register and interval values"),
    "comparison.registers_and_net_register": ("Zählerstände und Saldozähler", "registers and net register"),
    "comparison.register_stands_still": ("Leistung, doch Zählerstand steht", "power, but register stands still"),
    "comparison.site_meter_and_inverter": ("Anschlusszähler und Umrichter", "site meter and inverter"),
    "comparison.site_meter_and_battery": ("Anschlusszähler und Batterie", "site meter and battery"),
    "balance_reason.too_little_covered": ("zu wenig abgedeckt", "too little covered"),
    "balance_reason.register_too_slow": ("Zählerstand zu selten gelesen", "register read too rarely"),
    "balance_reason.little_energy": ("wenig Energie", "little energy"),
    "balance_reason.within_resolution": ("innerhalb der Zählerauflösung", "within the register's resolution"),
    "balance_reason.losses_between": ("Verluste dazwischen", "losses between them"),
    "balance_reason.sign_unknown": ("Stromrichtung unbekannt", "direction of the current unknown"),
    "balance_reason.no_site_meter_data": ("keine Daten des Anschlusszählers", "no data of the site meter"),
    "file.read": ("gelesen", "read"),
    "file.pending": ("wartet", "pending"),
    "file.empty": ("leer", "empty"),
    "file.unreadable": ("nicht lesbar", "unreadable"),
    "file.vanished": ("verschwunden", "vanished"),
    "file.renamed": ("umbenannt", "renamed"),
    "event.dip": ("Einbruch", "dip"),
    "event.spike": ("Ausreißer", "spike"),
    "event.rollover": ("Überlauf", "rollover"),
    "event.reset": ("Rücksetzung", "reset"),
    "event.rebase": ("neuer Anfang", "rebase"),
    "event.jump": ("Sprung", "jump"),
    "reject.sentinel": ("Ersatzwert", "sentinel"),
    "reject.conflict": ("Konflikt: anderer Wert zur selben Zeit", "conflict: another value at the same time"),
    "reject.out_of_range": ("außerhalb des Bereichs", "out of range"),
    "reject.out_of_time_range": ("Zeit außerhalb des erlaubten Bereichs", "time outside the allowed range"),
    "reject.nonexistent_local_time": ("Uhrzeit gibt es nicht (Sommerzeit)", "local time does not exist (summer time)"),
    "reject.ambiguous_local_time": ("Uhrzeit ist mehrdeutig (Winterzeit)", "local time is ambiguous (winter time)"),
    "reject.midnight_label": ("Mitternacht mit falschem Datum", "midnight with the wrong date"),
    "reject.missing_value": ("Wert fehlt", "value missing"),
    "reject.not_finite": ("kein endlicher Wert", "not a finite value"),
    "reject.unparsable_time": ("Zeit nicht lesbar", "time cannot be read"),
    "reject.unparsable_value": ("Wert nicht lesbar", "value cannot be read"),
    "reject.wrong_field_count": ("falsche Zahl von Feldern", "wrong number of fields"),
    "reject.bad_encoding": ("falsche Zeichenkodierung", "wrong encoding"),
}
WORDS: dict[str, tuple[str, str]] = _OWN | {
    f"{group}.{code}": (text.de, text.en) for group, table in _GROUPS.items() for code, text in table.items()
}
