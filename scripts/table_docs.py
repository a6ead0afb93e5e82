"""Writes docs/tables.md from the table objects in `energy_pipeline.schemas`; `--check` fails where it is out of date.

The text is a function of the schemas alone, so two runs give the same bytes. Nothing else describes the columns.
"""

import argparse
import sys
from pathlib import Path

import polars as pl

from energy_pipeline.schemas import TABLES, Column, Table

TARGET = Path(__file__).resolve().parents[1] / "docs" / "tables.md"
COMMAND = ".venv/bin/python scripts/table_docs.py"
HEAD = f"""# Tables

This file is generated from `energy_pipeline/schemas/` by `{COMMAND}`; change the schemas, not this text.

Every table is a folder of the lake, in [Delta](https://delta.io) format, named as the table. The same objects give the
pandera schema, the Delta schema and the column list in the Dagster UI.

- **Grain**: what one row is. **Key**: the columns that name a row; a key holds once.
- **Partition on disk**: folders by which a reader skips files. A table without one is small and replaced whole.
- `ts` and every other timestamp is UTC. `day` and `month` are those of the device's local calendar.
- A column is null where the fact is not known. Columns marked *required* are never null.
- `1` as a unit means a share between 0 and 1 or a plain count. Where the unit is `unit`, it is that of the signal or of
  the quantity in the row.

What the numbers mean is in [metrics.md](metrics.md); which asset writes which table is in
[architecture.md](architecture.md#assets).
"""
TYPES = {
    pl.String: "text", pl.Float64: "float64", pl.Int64: "int64", pl.Int32: "int32", pl.Int16: "int16",
    pl.Int8: "int8", pl.Boolean: "boolean", pl.Date: "date",
}


def type_name(dtype: pl.DataType | type[pl.DataType]) -> str:
    """Return a column's type in one word."""
    if isinstance(dtype, pl.Datetime):
        return "timestamp"
    for kind, name in TYPES.items():
        if dtype == kind:
            return name
    msg = f"type {dtype} has no name here; add it to TYPES"
    raise KeyError(msg)


def cell(text: str) -> str:
    """Return text that may stand in a cell of a Markdown table."""
    return text.replace("|", "\\|")


def bounds(column: Column) -> str:
    """Return what a column's values must keep to, in words."""
    parts = [] if column.nullable else ["required"]
    parts += [f"≥ {column.ge:g}"] if column.ge is not None else []
    parts += [f"≤ {column.le:g}"] if column.le is not None else []
    return ", ".join(parts)


def section(table: Table) -> str:
    """Return the section of one table."""
    partition = ", ".join(f"`{c}`" for c in table.partition_by) or "none"
    lines = [
        f"## {table.name}", "", table.description, "",
        f"- Grain: {table.grain}",
        f"- Key: {', '.join(f'`{c}`' for c in table.key)}",
        f"- Partition on disk: {partition}", "",
        "| column | type | unit | meaning | rule |", "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{c.name}` | {type_name(c.dtype)} | {cell(c.unit)} | {cell(c.description)} | {bounds(c)} |"
        for c in table.columns
    ]
    return "\n".join(lines) + "\n"


def overview() -> str:
    """Return the list of all tables."""
    lines = ["## All tables", "", "| table | one row is | columns |", "| --- | --- | ---: |"]
    lines += [f"| [{t.name}](#{t.name}) | {t.grain.removeprefix('one row per ')} | {len(t.columns)} |"
              for t in TABLES.values()]
    return "\n".join(lines) + "\n"


def render() -> str:
    """Return the whole file."""
    return "\n".join([HEAD, overview(), *(section(t) for t in TABLES.values())])


def main() -> int:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description="Write docs/tables.md from the schemas.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the file is out of date")
    wanted = render()
    if not parser.parse_args().check:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write(f"docs/tables.md is out of date: run `{COMMAND}`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
