"""What a table is: its columns with type, unit and meaning, stated once.

Every table of the lake has one `Table` object. The pandera schema, the Delta schema, Dagster's column
metadata and the documentation are all derived from it. No table is described anywhere else.
Next: the tables themselves, in the modules beside this one; `schemas/__init__.py` lists them all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:  # pandera imports pandas: the methods that need it load it, so that nothing else waits for both
    import pandera.polars as pa

UTC_TS = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Column:
    """One column: name, polars type, unit (empty where it has none), meaning, and whether null is allowed."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    description: str
    unit: str = ""
    nullable: bool = True
    ge: float | None = None
    le: float | None = None

    def pandera(self) -> "pa.Column":
        """Return the pandera column with its bounds."""
        import pandera.polars as pa

        checks = []
        if self.ge is not None:
            checks.append(pa.Check.ge(self.ge))
        if self.le is not None:
            checks.append(pa.Check.le(self.le))
        return pa.Column(self.dtype, checks=checks, nullable=self.nullable, description=self.description)


@dataclass(frozen=True)
class Table:
    """One table of the lake: its grain in words, its key, its partition columns on disk and its columns.

    `counted`: the rows of this table, often too many for a look at all keys at once, are counted by a check of their
    own, which finds one that stands there twice.
    """

    name: str
    grain: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition_by: tuple[str, ...] = ("device",)
    counted: bool = False

    @cached_property
    def polars_schema(self) -> pl.Schema:
        """Column names and types in storage order."""
        return pl.Schema({c.name: c.dtype for c in self.columns})

    @cached_property
    def pandera_schema(self) -> "pa.DataFrameSchema":
        """Pandera schema that refuses unknown, missing, mistyped, null and out-of-bounds columns."""
        import pandera.polars as pa

        return pa.DataFrameSchema({c.name: c.pandera() for c in self.columns}, strict=True, name=self.name)

    @cached_property
    def file_schema(self) -> "pa.DataFrameSchema":
        """The same for the rows of one file: without the columns of the partition, and signals as categories."""
        import pandera.polars as pa

        columns = {c.name: c.pandera() for c in self.columns if c.name not in self.partition_by}
        columns["signal"] = pa.Column(pl.Categorical, nullable=False)
        return pa.DataFrameSchema(columns, strict=True, name=self.name)

    @property
    def column_names(self) -> list[str]:
        """Names of all columns in storage order."""
        return [c.name for c in self.columns]

    def column(self, name: str) -> Column:
        """Return the column called `name`; `KeyError` names what exists."""
        for c in self.columns:
            if c.name == name:
                return c
        msg = f"table {self.name} has no column {name!r}; it has {', '.join(self.column_names)}"
        raise KeyError(msg)

    def empty(self) -> pl.DataFrame:
        """Return a frame of this table without rows."""
        return pl.DataFrame(schema=self.polars_schema)

    @cached_property
    def _rules(self) -> dict[str, list[pl.Expr]]:
        """Per column, an expression per rule, true where it holds for all rows; none is true where pandera refuses."""
        rules: dict[str, list[pl.Expr]] = {}
        for c in self.columns:
            value, own = pl.col(c.name), []
            if not c.nullable:
                number = c.dtype in (pl.Float32, pl.Float64)
                own.append((value.is_not_null() & value.is_not_nan() if number else value.is_not_null()).all())
            own += [] if c.ge is None else [(value >= c.ge).all()]
            own += [] if c.le is None else [(value <= c.le).all()]
            rules[c.name] = [rule.alias(f"{c.name} {k}") for k, rule in enumerate(own)]
        return rules

    def _holds(self, frame: pl.DataFrame) -> bool:
        """True where every rule of the frame's columns holds, by one look of polars at all of them."""
        found = frame.select(rule for name in frame.columns for rule in self._rules[name])
        return not found.width or all(found.row(0))

    def validate_file(self, frame: pl.DataFrame) -> None:
        """Refuse rows of one file that break `file_schema` (raises `pandera.errors.SchemaError`)."""
        types = {c.name: c.dtype for c in self.columns if c.name not in self.partition_by} | {"signal": pl.Categorical}
        if dict(frame.schema) != types or not self._holds(frame):
            self.file_schema.validate(frame)

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Bring `frame` into this table's column order and types, and validate every value.

        One look of polars at all columns finds that every rule holds; where one does not, pandera says which. It asks
        column by column, which takes twenty times as long for a small table.

        Raises `pandera.errors.SchemaError` on nulls, bounds or types that do not fit, and
        `polars.exceptions.ColumnNotFoundError` on a missing column.
        """
        ordered = frame.select(pl.col(c.name).cast(c.dtype) for c in self.columns)
        if ordered.is_empty():
            return ordered  # the types hold by the cast, and there is no value to look at
        return ordered if self._holds(ordered) else self.pandera_schema.validate(ordered)


def columns(*groups: Column | Iterable[Column]) -> tuple[Column, ...]:
    """Flatten columns and groups of columns into one tuple."""
    flat: list[Column] = []
    for group in groups:
        flat.extend([group] if isinstance(group, Column) else group)
    return tuple(flat)


DEVICE = Column("device", pl.String, "name of the meter or battery system (its folder)", nullable=False)
MONTH = Column("month", pl.String, "month of the device's local calendar, YYYY-MM", nullable=False)
DAY = Column("day", pl.Date, "date of the device's local calendar", nullable=False)
SIGNAL = Column("signal", pl.String, "name in lower case, as in the file or as mapped by settings", nullable=False)
PACK = Column("pack", pl.Int16, "number of the pack, from 1; null above pack level")
CELL = Column("cell", pl.Int16, "number of the cell in its pack, from 1; null above cell level")
