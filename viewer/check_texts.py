"""Verdicts of checks, and why files were not read, in the language of the page.

What the table holds stands where no word is known. Next: `words/checks.py`, `words/files.py`.
"""

import re
from collections.abc import Callable, Iterable

import polars as pl

from viewer.texts import Texts
from viewer.words import ALL
from viewer.words.checks import LIMITS
from viewer.words.files import REASONS


def check_sentence(check: str, t: Texts) -> str:
    """Return the sentence that holds where the check is green."""
    return t(f"check.{check}") if f"check.{check}" in ALL else check.replace("_", " ")


def check_advice(check: str, advice: str | None, t: Texts) -> str:
    """Return what to do where it is red; in English as the table has it, which may name more."""
    return t(f"advice.{check}") if (t.lang == "de" or not advice) and f"advice.{check}" in ALL else advice or ""


def check_limit(limit: str | None, t: Texts) -> str:
    """Return what the check allows; in German where the sentence is known."""
    return _in_german(limit, LIMITS, _number) if limit and t.lang == "de" else limit or ""


def file_reason(reason: str | None, t: Texts) -> str | None:
    """Return why a file was not read, in German where the sentence is known; None where it was."""
    return _in_german(reason, REASONS, str) if reason and t.lang == "de" else reason


def _in_german(text: str, known: Iterable[tuple[str, str]], written: Callable[[str], str]) -> str:
    for pattern, german in known:
        if found := re.fullmatch(pattern, text, re.DOTALL):
            return german.format(*(written(part) for part in found.groups()))
    return text


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
