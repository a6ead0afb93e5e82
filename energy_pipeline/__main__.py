"""`python -m energy_pipeline` is the command `energy-pipeline`."""

from energy_pipeline.cli import main

main()
