"""What `dagster dev -w workspace.yaml` and `dagster asset materialize -m energy_pipeline.definitions` load.

Next: `build.py`, which collects it.
"""

from energy_pipeline.build import build_definitions

defs = build_definitions()
