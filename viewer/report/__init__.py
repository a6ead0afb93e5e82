"""The evidence pack of a device: one HTML file with pictures, and the tables behind it as CSV.

`snapshot.py` reads the tables as they stood on a date, `content.py` and its neighbours say what the report holds,
`pack.py` writes it. The same versions of the tables give the same bytes: nothing here looks at the clock.
Next: `pack.py`.
"""
