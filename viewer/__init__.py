"""The viewer: pages in the browser over the tables of the lake.

Four roles: `selection.py` (what the user picked), `store.py` (read-only tables), `pages/` (one view each),
`app.py` (composition). It never writes to the lake and knows neither Dagster nor assets.
"""
