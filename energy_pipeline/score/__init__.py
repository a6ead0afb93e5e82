"""Scores: how often the verdicts are right where the truth is known.

`statistical.py` enters at the level of `sat_daily` with simulated systems; the twin enters with whole plants from CSV.
Only demo, tests, benchmarks and the documentation use this package.
"""
