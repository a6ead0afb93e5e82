"""Measured speed and memory: what `energy-pipeline bench` runs.

Nothing here is used by the pipeline. Figures are medians of CPU time over alternating runs in fresh processes, and
ratios to the floor, `pyarrow.csv` alone on the same files. Next: `measure.py`.
"""
