"""Loading raw files into `readings`: what must be read (`plan.py`), and one load of one device (`load.py`).

Plain Python without Dagster: the `ingest` asset calls `load_device`. Next: `plan.py`.
"""
