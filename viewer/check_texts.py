"""The verdicts of checks in the language of the page: their sentences and what to do.

What the table holds stands where no word is known. Next: `words/checks.py`.
"""

import re

import polars as pl

from viewer.texts import Texts
from viewer.words import ALL
from viewer.words.checks import LIMITS


def check_sentence(check: str, t: Texts) -> str:
    """Return the sentence that holds where the check is green."""
    return t(f"check.{check}") if f"check.{check}" in ALL else check.replace("_", " ")


def check_advice(check: str, advice: str | None, t: Texts) -> str:
    """Return what to do where it is red; in English as the table has it, which may name more."""
    return t(f"advice.{check}") if (t.lang == "de" or not advice) and f"advice.{check}" in ALL else advice or ""


def check_limit(limit: str | None, t: Texts) -> str:
    """Return what the check allows; in German where the sentence is known."""
    if limit is None or t.lang != "de":
        return limit or ""
    for pattern, german in LIMITS:
        if found := re.fullmatch(pattern, limit):
            return german.format(*(_number(text) for text in found.groups()))
    return limit


def _number(text: str) -> str:
    return text.replace(".", ",") if re.fullmatch(r"[\d.e+-]+", text) and text.count("-") < 2 else text


def with_words(checks: pl.DataFrame, t: Texts) -> pl.DataFrame:
    """Return rows of `check_results` with check, limit and advice in words."""
    pairs = checks.select("check", "advice").rows()
    return checks.with_columns(
        pl.Series("check", [check_sentence(c, t) for c, _ in pairs], pl.String),
        pl.Series("limit", [check_limit(limit, t) for limit in checks["limit"]], pl.String),
        pl.Series("advice", [check_advice(c, a, t) for c, a in pairs], pl.String),
    )
