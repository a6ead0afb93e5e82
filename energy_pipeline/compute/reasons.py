"""Why a row is refused: the reasons, what they mean, and their codes in arrays of rows.

Here are only the words; `row_times.py` and `rows.py` decide. Next: docs/data-path.md, which says what to do.
"""

REASONS = {
    "unparsable_time": "the time, or the zone that stands beside it, could not be read",
    "nonexistent_local_time": "the local time falls into the hour that spring skips",
    "ambiguous_local_time": "the local time falls into the repeated hour and nothing tells which pass it is",
    "out_of_time_range": "earlier than first_month, or more than a day ahead of the clock",
    "midnight_label": "a row at 00:00 carries the date of the day that it ends (setting `midnight` moves it)",
    "missing_value": "the value is empty",
    "unparsable_value": "the value is not a number",
    "not_finite": "the value is NaN or infinite",
    "sentinel": "the value is one that means `no value`",
    "out_of_range": "the value lies outside the signal's range",
    "wrong_field_count": "the row has more or fewer fields than the header",
    "bad_encoding": "the row is not text in the file's encoding",
    "conflict": "another reading of the same signal and time has a smaller value",
}
CODES = ["", *REASONS]
