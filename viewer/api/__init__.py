"""The REST API: the same tables and functions as the pages, for scripts, spreadsheets and other systems.

Read-only by construction: it reaches the lake through `viewer.store.Store`, which cannot write. `router.py` composes,
`service.py` holds what every endpoint needs, the other modules hold one subject each. Description: docs/api.md.
"""

from viewer.api.router import add_api

__all__ = ["add_api"]
