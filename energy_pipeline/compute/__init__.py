"""The mathematics of the product: pure functions over frames and arrays.

Nothing here imports Dagster, Panel, the environment or the clock, prints, or writes. A function takes frames whose
columns are described in `energy_pipeline.schemas` and returns such a frame. Next: one module per table.
"""
