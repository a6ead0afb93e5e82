"""The words of the screen by subject: `key: (German, English)`. One key stands in one dictionary only.

`ONE` has other words for some of them, for where one thing is counted.
"""

from viewer.words import (
    battery,
    battery_life,
    checks,
    codes,
    common,
    meters,
    overview,
    packpulse,
    quality,
    report,
    singular,
)

PARTS = (
    common.WORDS,
    overview.WORDS,
    meters.WORDS,
    battery.WORDS,
    battery_life.WORDS,
    packpulse.WORDS,
    quality.WORDS,
    report.WORDS,
    codes.WORDS,
    checks.WORDS,
)
ALL: dict[str, tuple[str, str]] = {k: v for part in PARTS for k, v in part.items()}
ONE = singular.WORDS
