"""Writes the tables of docs/settings.md from the models in `energy_pipeline.settings`; `--check` only compares.

Only the part between the two markers is written; the text around it is by hand. A setting that no code reads is marked
as such, found by looking for its name in the sources.
"""

import argparse
import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from energy_pipeline import settings as s

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "settings.md"
COMMAND = ".venv/bin/python scripts/settings_tables.py"
BEGIN, END = "<!-- settings tables: begin -->", "<!-- settings tables: end -->"
SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("Top level", "Keys at the top of the settings file.", s.Settings),
    ("`[[device]]`", "One block per device that differs from the site.", s.Device),
    ("`[[source]]`", "One block per kind of file that is not `ts,<signal>`.", s.Source),
    ("`columns` of a source", "One entry per column, or per pattern of columns.", s.ColumnRule),
    ("`[[signal]]`", "Entries in front of the shipped dictionary of signals.", s.SignalRule),
    ("`[[event]]`", "A person's decision on one event of a register.", s.EventRule),
    ("`[operation]`", "How the site is watched; nothing here shapes a table.", s.OperationSettings),
    ("`[meter]`", "Thresholds of the meter figures.", s.MeterSettings),
    ("`[tariff]`", "Prices; without this block no cost is computed or shown.", s.Tariff),
    ("`[[tariff.window]]`", "A price for part of the day.", s.TariffWindow),
    ("`[battery]` and `[device.battery]`", "Thresholds of the battery figures.", s.BatterySettings),
)
# What the models leave to the name alone. A setting without words in either place stops this script.
MEANINGS = {
    "Settings.battery": "thresholds of all batteries that have no block of their own",
    "Settings.meter": "thresholds of all meters",
    "Settings.operation": "block `[operation]`: alerts, freshness and the sensor",
    "Settings.device": "blocks `[[device]]`",
    "Settings.source": "blocks `[[source]]`; the first whose `glob` matches a file describes it",
    "Settings.signal": "blocks `[[signal]]`",
    "Settings.event": "blocks `[[event]]`",
    "Device.name": "name of the device",
    "Device.battery": "replaces the whole `[battery]` block for this device: what it leaves out has its default",
    "Source.name": "name of the block, kept in `source_files.source`",
    "Source.format": "format of the files; names that end in `.parquet` are Parquet anyway",
    "Source.separator": "character between fields",
    "Source.decimal": "decimal sign",
    "Source.encoding": "encoding of the text; UTF-16 with a mark is found by itself",
    "Source.time_column": "column with the time; without a block also timestamp, time, datetime or date",
    "ColumnRule.offset": "added after factor and sign",
    "ColumnRule.sign": "-1 turns the values round",
    "ColumnRule.quantity": "what is measured, where the dictionary does not know",
    "ColumnRule.unit": "unit of the stored values, where the dictionary does not know",
    "ColumnRule.kind": "kind, where the dictionary says another",
    "SignalRule.kind": "gauge: held and weighted by time; flag: 0 is fine; counter: register that only rises; "
    "net_counter: register that may fall; interval: a row is an energy",
    "SignalRule.label_de": "German name on screen",
    "SignalRule.label_en": "English name on screen",
    "EventRule.device": "device of the register",
    "EventRule.signal": "signal of the register",
    "MeterSettings.peak_coverage": "share of a quarter hour (and of a day, for daily figures) that must be covered [1]",
    "MeterSettings.power_factor_limit": "a power factor below this is low [1]",
    "MeterSettings.balance_limit_percent": "power against register: difference to be flagged [%]",
    "BatterySettings.chemistry": "sets the three voltages below that are not given",
    "BatterySettings.delta_offset_mv_per_year": "tolerance of a cell's drift [mV/year]",
    "BatterySettings.delta_index_percent_per_year": "tolerance of the SAT index [%/year]",
    "BatterySettings.delta_capacity_percent_per_year": "tolerance of the capacity [%/year]",
    "BatterySettings.regime_min_step_mv": "smaller steps of the system are only suspected [mV]",
    "BatterySettings.regime_min_days": "qualified days that a level needs [d]",
    "BatterySettings.offset_min_instants": "common instants that an offset needs",
    "BatterySettings.qualified_readings": "readings of the cell in the window of a qualified charge",
    "BatterySettings.qualified_coverage": "share of the window covered by the cell's readings [1]",
    "BatterySettings.baseline_days": "first qualified days behind the baseline [d]",
    "BatterySettings.baseline_min_days": "with fewer there is no baseline and no index [d]",
    "BatterySettings.slope_min_span_days": "days from first to last before a slope is shown [d]",
    "BatterySettings.verdict_min_span_days": "days from first to last before a verdict is given [d]",
    "BatterySettings.false_discovery_rate": "share of false verdicts allowed over all cells of a system [1]",
    "BatterySettings.bootstrap_seed": "seed of the block bootstrap",
    "BatterySettings.bootstrap_block_days": "length of its blocks [d]",
    "BatterySettings.capacity_days": "days behind the median of capacity [d]",
    "BatterySettings.capacity_min_values": "values that this median needs",
    "BatterySettings.capacity_soc_points": "change of SOC that capacity by SOC needs [points]",
    "BatterySettings.round_trip_efc": "equivalent full cycles that a round-trip window holds at least [1]",
    "BatterySettings.efc_difference_percent": "difference of the three cycle counts to be flagged [%]",
    "BatterySettings.outlier_z": "robust standard deviations beyond which a day stands out",
    "BatterySettings.outlier_mv": "and at least this far from the cell's own course [mV]",
    "BatterySettings.outlier_median_days": "days behind the cell's own course [d]",
    "BatterySettings.resistance_delay_s": "longest time from a step to the voltage after it [s]",
    "BatterySettings.resistance_min_steps": "steps that a week and SOC bin needs",
}
UNIT = re.compile(r"\s*\[([^\[\]]+)\]\s*$|\s*\[([^\[\]]+)\](?=[,;])")
SUFFIX = (("_mv_per_year", "mV/year"), ("_percent_per_year", "%/year"), ("_percent", "%"), ("_days", "d"),
          ("_mv", "mV"), ("_kw", "kW"), ("_s", "s"), ("_v", "V"), ("_h", "h"), ("_k", "K"))
LOW, HIGH = {"gt": ">", "ge": "≥"}, {"lt": "<", "le": "≤"}


def type_words(kind: Any) -> str:
    """Return a type in words."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return " or ".join(type_words(k) for k in inside if k is not type(None))
    if hasattr(kind, "__metadata__"):
        return type_words(kind.__origin__)
    if origin is Literal:
        return "one of " + ", ".join(f"`{v}`" for v in inside)
    if origin is tuple:
        if inside[-1] is Ellipsis:
            return f"list of {type_words(inside[0])}"
        return f"{len(inside)} × {type_words(inside[0])}"
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return "table of text"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "block"
    return {str: "text", int: "integer", float: "number", bool: "boolean"}[kind]


def bounds_words(field: FieldInfo) -> str:
    """Return the bounds of a number."""
    parts = [f"{sign} {getattr(m, key):g}" for m in field.metadata for key, sign in (LOW | HIGH).items()
             if getattr(m, key, None) is not None]
    return f" ({', '.join(parts)})" if parts else ""


def default_words(field: FieldInfo) -> str:
    """Return the default of a setting."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ((), "", {}):
        return "–"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{v}"' if isinstance(v, str) else f"{v:.12g}" for v in value) + "]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:.12g}`"


def meaning_and_unit(model: type[BaseModel], name: str, field: FieldInfo) -> tuple[str, str]:
    """Return what a setting means, and its unit."""
    text = field.description or MEANINGS.get(f"{model.__name__}.{name}")
    if text is None:
        msg = f"{model.__name__}.{name} has no description; give it one there, or in MEANINGS here"
        raise KeyError(msg)
    found = UNIT.search(text)
    if found and text.count("[") == 1:
        return UNIT.sub("", text, count=1), found.group(1) or found.group(2)
    words = type_words(field.annotation)
    number = "number" in words or "integer" in words
    return text, next((unit for end, unit in SUFFIX if number and name.endswith(end)), "")


def unread(names: set[str]) -> set[str]:
    """Return the settings whose name no source reads."""
    files = [p for folder in ("energy_pipeline", "viewer") for p in sorted((ROOT / folder).rglob("*.py"))]
    text = "\n".join(p.read_text(encoding="utf-8") for p in files)
    return {n for n in names if not re.search(rf"\.{n}\b|\"{n}\"", text)}


def section(title: str, words: str, model: type[BaseModel], idle: set[str]) -> str:
    """Return the table of one model."""
    lines = [f"### {title}", "", words, "", "| setting | type | unit | default | meaning |",
             "| --- | --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        text, unit = meaning_and_unit(model, name, field)
        text += " **(no code reads it yet)**" if name in idle else ""
        kind = type_words(field.annotation) + bounds_words(field)
        text = text.replace("|", "\\|")
        lines.append(f"| `{name}` | {kind} | {unit} | {default_words(field)} | {text} |")
    return "\n".join(lines) + "\n"


def render() -> str:
    """Return everything between the markers."""
    idle = unread({n for _, _, model in SECTIONS for n in model.model_fields})
    return "\n".join(section(*part, idle) for part in SECTIONS)


def main() -> int:
    """Write the tables, or check them."""
    parser = argparse.ArgumentParser(description="Write the tables of docs/settings.md from the settings' models.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the file is out of date")
    now = TARGET.read_text(encoding="utf-8")
    before, _, rest = now.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{BEGIN}\n\n{render()}\n{END}{after}"
    if not parser.parse_args().check:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if now == wanted:
        return 0
    sys.stderr.write(f"docs/settings.md is out of date: run `{COMMAND}`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
