"""The twin: a synthetic LFP plant with planted faults and their truth.

Only the demo, the tests and the benchmarks use it; nothing of the pipeline imports it.
Next: `plan.py` for what can be planted, `make.py` for how the files are made.
"""

from energy_pipeline.twin.make import make_plant
from energy_pipeline.twin.plan import PlantPlan
from energy_pipeline.twin.presets import plan_preset

__all__ = ["PlantPlan", "make_plant", "plan_preset"]
