"""Pure finders of `energy-pipeline doctor`: what files that nobody has described seem to hold, with the evidence.

`sniff` finds separator and columns, `times` the time and its format, `clock` sampling, label and zone, `values`
ranges, sentinels and kinds, `relations` what one signal says of another, `names` what a name means, `proposal` the
block to paste. No file is opened here. Next: `energy_pipeline/doctor.py`.
"""
