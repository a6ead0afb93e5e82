"""Every table of the lake, each described once. Start with `base.py` for what a table is.

The order is the order of the data's way, from the ledger of files to the fleet.
"""

from energy_pipeline.schemas import battery, ingest, meters, operation, resolution
from energy_pipeline.schemas.base import Column, Table

TABLES: dict[str, Table] = {
    t.name: t for t in (*ingest.TABLES, *resolution.TABLES, *meters.TABLES, *battery.TABLES, *operation.TABLES)
}

__all__ = ["TABLES", "Column", "Table"]
