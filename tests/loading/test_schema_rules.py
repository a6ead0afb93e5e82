"""The quick look at rows before they are written lets nothing through that the table's pandera schema refuses."""

import random
from datetime import UTC, date, datetime

import polars as pl
import pytest
from pandera.errors import SchemaError

from energy_pipeline.schemas import TABLES
from energy_pipeline.schemas.base import Column, Table

MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
NAN, INF = float("nan"), float("inf")
PLAIN = {pl.String: "x", pl.Boolean: True, pl.Date: date(2024, 1, 1), pl.Datetime: MOMENT}


def sound(column: Column) -> object:
    """A value that the column allows."""
    kind = column.dtype.base_type()
    if kind in PLAIN:
        return PLAIN[kind]
    value = column.ge if column.ge is not None else column.le if column.le is not None else 0
    return float(value) if kind.is_float() else int(value)


def refused(frame: pl.DataFrame, look: object) -> str:
    try:
        look(frame)
    except SchemaError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_spoilt_value_is_refused_exactly_where_pandera_refuses_it(table: Table) -> None:
    rows = [{c.name: sound(c) for c in table.columns} for _ in range(3)]
    assert not refused(pl.DataFrame(rows, schema=table.polars_schema), table.conform)
    rng = random.Random(table.name)  # noqa: S311
    bounded = [c for c in table.columns if c.ge is not None or c.le is not None]
    for column in {*rng.sample(table.columns, 2), *rng.sample(bounded, min(2, len(bounded)))}:
        kind = column.dtype.base_type()
        others = [NAN, -1e12, 1e12, INF, -INF] if kind.is_float() else [-100, 100] if kind.is_integer() else []
        for value in (None, *rng.sample(others, min(2, len(others)))):
            spoilt = [rows[0], rows[1] | {column.name: value}, rows[2]]
            frame = pl.DataFrame(spoilt, schema=table.polars_schema)
            wanted = refused(frame, table.pandera_schema.validate)
            assert refused(frame, table.conform) == wanted, (column.name, value)
            assert wanted or column.nullable or value is not None


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({}, ""), ({"value": None}, "value"), ({"value": NAN}, "value"), ({"signal": None}, "signal"),
        ({"ts": None}, "ts"), ({"more": 1}, "more"), ({"value": "text"}, "value"),
    ],
)
def test_the_rows_of_a_file_of_readings_are_refused_with_the_name_of_the_column(
    spoilt: dict[str, object], words: str
) -> None:
    row = {"signal": "com_ap", "ts": MOMENT, "value": 1.0} | spoilt
    frame = pl.DataFrame([row]).cast({"signal": pl.Categorical, "ts": pl.Datetime("us", "UTC")})
    said = refused(frame, TABLES["readings"].validate_file)
    assert said == refused(frame, TABLES["readings"].file_schema.validate)
    assert bool(said) == bool(words)
    assert words in said
