"""How files are read: `[[source]]` blocks with their columns, and `[[signal]]` entries. Next: `compute/layout.py`."""

import codecs
import re
from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from energy_pipeline.settings.base import Kind, Limits, Model, Name, Zone


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        msg = f"{text!r} is not a regular expression: {error}; write a backslash before a bracket that is meant as such"
        raise ValueError(msg) from error
    return text


def _not_zero(factor: float) -> float:
    if factor == 0:
        msg = "0 would turn every value into the offset; allowed is any other number, 1 leaves the values as they are"
        raise ValueError(msg)
    return factor


Pattern = Annotated[str, AfterValidator(_pattern)]
Factor = Annotated[float, AfterValidator(_not_zero)]
TIME_FORMATS = ("iso", "epoch_s", "epoch_ms")


class SignalRule(Model):
    """One entry of the dictionary of signals: a pattern and what a name that matches it means."""

    pattern: Pattern = Field(description="regular expression matched against the whole signal name, without case")
    quantity: str = Field(description="what is measured")
    unit: str = Field("", description="unit of the stored values")
    kind: Kind = "gauge"
    group: str = Field("other", description="battery, cells, pcs, auxiliary, environment, safety, meter or other")
    range: Limits | None = Field(None, description="values outside are refused as out_of_range")
    sentinels: tuple[float, ...] = Field((), description="values that mean `no value`, refused as sentinel")
    max_hold_s: float | None = Field(None, gt=0, description="longest time a reading is held [s]")
    p_max_kw: float | None = Field(None, gt=0, description="largest plausible power of a register [kW]")
    modulus: float | None = Field(None, gt=0, description="register rolls over at this value [kWh]")
    label_de: str = ""
    label_en: str = ""


class ColumnRule(Model):
    """How one column of a foreign file becomes one signal (or several, where `match` is a pattern)."""

    column: str | None = Field(None, description="exact name of the column (or the key's value in a long file)")
    match: Pattern | None = Field(None, description="pattern for several columns; groups are used in `signal` as {1}")
    signal: str = Field(description="name of the signal in the lake")
    factor: Factor = Field(1.0, description="stored = file × factor × sign + offset")
    offset: float = 0.0
    sign: Literal[1, -1] = 1
    sentinels: tuple[float, ...] = Field((), description="file values that mean `no value`, before factor and offset")
    range: Limits | None = Field(None, description="allowed stored values")
    quantity: str | None = None
    unit: str | None = None
    kind: Kind | None = None
    interval_s: float | None = Field(None, gt=0, description="length of an interval row [s]; default: of the source")

    @model_validator(mode="after")
    def _one_of(self) -> "ColumnRule":
        if (self.column is None) == (self.match is None):
            msg = f"give either `column` or `match` for signal {self.signal!r}"
            raise ValueError(msg)
        groups = re.compile(self.match).groups if self.match is not None else 0
        allowed = [f"{{{i}}}" for i in range(1, groups + 1)]
        unknown = [f"{{{name}}}" for name in _places(self.signal) if f"{{{name}}}" not in allowed]
        if unknown:
            source = "`match`" if self.match is not None else "`column` (only `match` has groups)"
            msg = (
                f"signal = {self.signal!r} uses {', '.join(unknown)}; allowed by {source}: "
                f"{', '.join(allowed) or 'none'}; put round brackets around the part of `match` that is meant"
            )
            raise ValueError(msg)
        return self


def _places(template: str) -> list[str]:
    """Names in curly brackets of a signal's name."""
    try:
        return [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        msg = f"signal = {template!r}: {error}; curly brackets are for groups of `match`, as in bms1_p1_v{{1}}"
        raise ValueError(msg) from error


class Source(Model):
    """A kind of file: where it lies and how to read it. Not needed for `ts,<signal>` files."""

    name: Name
    glob: str = Field(description="pattern relative to a data root, e.g. 'plant_a/*.csv'")
    device: Name | None = Field(None, description="device the files belong to; default: their folder's name")
    format: Literal["csv", "parquet"] = "csv"
    separator: str = Field(",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    time_column: str = "ts"
    time_format: str = Field("iso", description="iso, epoch_s, epoch_ms, or a strptime format")
    zone: Zone | None = Field(None, description="zone of naive times; default: the device's zone")
    label: Literal["start", "end"] = Field("start", description="does the time name the start or the end of a row?")
    interval_s: float | None = Field(None, gt=0, description="length of a row [s] of interval energy and of end labels")
    midnight: Literal["as_written", "next_day", "reject", "auto"] = Field(
        "auto",
        description="rows at 00:00 that carry the date of the day they end: move to the next day, refuse, or take as "
        "written; auto refuses them where the order of rows shows the fault",
    )
    zone_column: str | None = Field(
        None, description="column that names the zone of each row's naive time; such a file is always read as a whole"
    )
    key_column: str | None = Field(None, description="long files: column that names the signal")
    value_column: str | None = Field(None, description="long files: column with the value")
    factor_column: str | None = Field(None, description="long files: column with a factor per row")
    columns: tuple[ColumnRule, ...] = Field(
        (), description="columns to read (long files: keys); empty: every column but the time"
    )
    max_hold_s: float | None = Field(None, gt=0, description="longest time a reading of this source is held [s]")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError as error:
            msg = f"{value!r} is no encoding; allowed are Python's names, e.g. utf-8, latin-1, cp1252, utf-16"
            raise ValueError(msg) from error
        return value

    @field_validator("time_format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in TIME_FORMATS and "%" not in value:
            msg = (
                f"{value!r} is no time format; allowed are {', '.join(TIME_FORMATS)}, or a strptime format such as "
                f"'%d.%m.%Y %H:%M'"
            )
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "Source":
        if (self.key_column is None) != (self.value_column is None):
            msg = f"source {self.name!r}: a long file needs both `key_column` and `value_column`"
            raise ValueError(msg)
        if self.label == "end" and self.interval_s is None:
            msg = f"source {self.name!r}: label = 'end' needs `interval_s`, the length of a row in seconds"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _long(self) -> "Source":
        if self.key_column is None:
            return self
        patterns = [r.match for r in self.columns if r.match is not None]
        if patterns or not self.columns:
            found = f"match = {patterns[0]!r}" if patterns else "no `columns`"
            msg = (
                f"source {self.name!r}: a long file (key_column = {self.key_column!r}) names each of its keys; found "
                f"{found}, allowed: columns = [{{ column = \"<key>\", signal = \"<name>\" }}, ...], one entry per key"
            )
            raise ValueError(msg)
        return self
