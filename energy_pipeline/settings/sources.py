"""How files are read: `[[source]]` blocks with their columns, and `[[signal]]` entries. Next: `compute/layout.py`."""

from typing import Literal

from pydantic import Field, model_validator

from energy_pipeline.settings.base import Kind, Model, Name, Zone


class SignalRule(Model):
    """One entry of the dictionary of signals: a pattern and what a name that matches it means."""

    pattern: str = Field(description="regular expression matched against the whole signal name, without case")
    quantity: str = Field(description="what is measured")
    unit: str = Field("", description="unit of the stored values")
    kind: Kind = "gauge"
    group: str = Field("other", description="battery, cells, pcs, auxiliary, environment, safety, meter or other")
    range: tuple[float, float] | None = Field(None, description="values outside are refused as out_of_range")
    sentinels: tuple[float, ...] = Field((), description="values that mean `no value`, refused as sentinel")
    max_hold_s: float | None = Field(None, gt=0, description="longest time a reading is held [s]")
    p_max_kw: float | None = Field(None, gt=0, description="largest plausible power of a register [kW]")
    modulus: float | None = Field(None, gt=0, description="register rolls over at this value [kWh]")
    label_de: str = ""
    label_en: str = ""


class ColumnRule(Model):
    """How one column of a foreign file becomes one signal (or several, where `match` is a pattern)."""

    column: str | None = Field(None, description="exact name of the column (or the key's value in a long file)")
    match: str | None = Field(None, description="pattern for several columns; groups are used in `signal` as {1}")
    signal: str = Field(description="name of the signal in the lake")
    factor: float = Field(1.0, description="stored = file × factor × sign + offset")
    offset: float = 0.0
    sign: Literal[1, -1] = 1
    sentinels: tuple[float, ...] = Field((), description="file values that mean `no value`, before factor and offset")
    range: tuple[float, float] | None = Field(None, description="allowed stored values")
    quantity: str | None = None
    unit: str | None = None
    kind: Kind | None = None
    interval_s: float | None = Field(None, gt=0, description="length of an interval row [s]; default: of the source")

    @model_validator(mode="after")
    def _one_of(self) -> "ColumnRule":
        if (self.column is None) == (self.match is None):
            msg = f"give either `column` or `match` for signal {self.signal!r}"
            raise ValueError(msg)
        return self


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
    key_column: str | None = Field(None, description="long files: column that names the signal")
    value_column: str | None = Field(None, description="long files: column with the value")
    factor_column: str | None = Field(None, description="long files: column with a factor per row")
    columns: tuple[ColumnRule, ...] = Field((), description="columns to read; empty: every column but the time")
    max_hold_s: float | None = Field(None, gt=0, description="longest time a reading of this source is held [s]")

    @model_validator(mode="after")
    def _consistent(self) -> "Source":
        if (self.key_column is None) != (self.value_column is None):
            msg = f"source {self.name!r}: a long file needs both `key_column` and `value_column`"
            raise ValueError(msg)
        if self.label == "end" and self.interval_s is None:
            msg = f"source {self.name!r}: label = 'end' needs `interval_s`, the length of a row in seconds"
            raise ValueError(msg)
        return self
