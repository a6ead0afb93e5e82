"""The block to paste: a `[[source]]` in TOML from what was found, with every open question as a comment.

What is certain stands as a setting, what is likely as a setting with its evidence, what cannot be told as a comment
that says so. The text is checked against the settings model before it is shown. Next: `energy_pipeline/show_doctor.py`.
"""

import json
import re
import tomllib
from dataclasses import dataclass, field

from energy_pipeline.settings import Settings


@dataclass
class ColumnPlan:
    """One line of `columns`: one column, or several by a pattern."""

    signal: str
    column: str | None = None
    match: str | None = None
    factor: float = 1.0
    offset: float = 0.0
    sign: int = 1
    sentinels: tuple[float, ...] = ()
    kind: str | None = None
    remark: str = ""


@dataclass
class SourcePlan:
    """Everything that a block needs; `remarks` become comments above the keys they belong to."""

    name: str
    glob: str
    device: str
    columns: list[ColumnPlan]
    format: str = "csv"
    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    time_column: str = "ts"
    time_format: str = "iso"
    zone: str | None = None
    label: str | None = None
    interval_s: float | None = None
    midnight: str | None = None
    key_column: str | None = None
    value_column: str | None = None
    factor_column: str | None = None
    device_zone: str | None = None
    signals: list[tuple[str, str, str]] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)


def name_of(text: str) -> str:
    """Return a name that settings accept: letters, digits, dot, underscore and hyphen."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "source"


def write_block(plan: SourcePlan) -> str:
    """Return the block as TOML, checked against the settings model.

    Raises:
        pydantic.ValidationError: never for a plan of the doctor; a defect of this program where it does.
    """
    lines = ["[[source]]", f"name = {_text(plan.name)}", f"glob = {_text(plan.glob)}", f"device = {_text(plan.device)}"]
    defaults = {"format": "csv", "separator": ",", "decimal": ".", "encoding": "utf-8", "time_format": "iso"}
    keys = ("format", "separator", "decimal", "encoding", "time_column", "time_format", "zone", "label", "interval_s",
            "midnight", "key_column", "value_column", "factor_column")
    for key in keys:
        value = getattr(plan, key)
        if key in plan.remarks:
            lines.append(f"# {key}: {_one_line(plan.remarks[key])}")
        if value is None or value == defaults.get(key):
            continue
        lines.append(f"{key} = {_number(value) if isinstance(value, float) else _text(value)}")
    lines.append("columns = [")
    for column in plan.columns:
        if column.remark:
            lines.append(f"  # {_one_line(column.remark)}")
        lines.append(f"  {_column(column)},")
    lines.append("]")
    if plan.device_zone:
        lines += ["", "[[device]]", f"name = {_text(plan.device)}", f"zone = {_text(plan.device_zone)}"]
    text = "\n".join(lines) + "\n" + "".join(_signal(*s) for s in plan.signals)
    Settings.model_validate(tomllib.loads(text))
    return text


def write_signal(pattern: str, kind: str, remark: str) -> str:
    """Return a `[[signal]]` entry that corrects the kind of a known register."""
    text = _signal(pattern, kind, remark)
    Settings.model_validate(tomllib.loads(text))
    return text


def _signal(pattern: str, kind: str, remark: str) -> str:
    return (
        f"\n# {_one_line(remark)}\n[[signal]]\npattern = {_text(pattern)}\nquantity = \"net_energy\"\nunit = \"kWh\"\n"
        f"kind = {_text(kind)}\ngroup = \"meter\"\n"
    )


def _column(plan: ColumnPlan) -> str:
    parts = [f"column = {_text(plan.column)}" if plan.column is not None else f"match = {_text(plan.match or '')}"]
    parts.append(f"signal = {_text(plan.signal)}")
    if plan.factor != 1.0:
        parts.append(f"factor = {_number(plan.factor)}")
    if plan.offset:
        parts.append(f"offset = {_number(plan.offset)}")
    if plan.sign != 1:
        parts.append(f"sign = {plan.sign}")
    if plan.sentinels:
        parts.append(f"sentinels = [{', '.join(_number(s) for s in plan.sentinels)}]")
    if plan.kind:
        parts.append(f"kind = {_text(plan.kind)}")
    return "{ " + ", ".join(parts) + " }"


def _text(value: str) -> str:
    """TOML text: literal where it holds a backslash (patterns), else quoted."""
    if "\\" in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    return repr(float(value)) if value != int(value) or abs(value) > 1e15 else str(int(value))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
