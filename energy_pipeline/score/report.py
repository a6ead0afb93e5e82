"""The score as tables: how often right, how often wrong, how sure. Next: `statistical.py`, which counts."""

from collections.abc import Iterable, Mapping
from typing import Any


def as_markdown(figures: Mapping[str, Any]) -> str:
    """Return the statistical score as Markdown: scenarios, noise classes, steps, time to detection, totals."""
    total = figures["total"]
    lines = [
        f"{total['healthy_verdicts']:,} verdicts on healthy cells, {total['false_alarms']} false alarms: "
        f"{total['per_1000']:.2f} per 1,000 (95 % interval {total['per_1000_low']:.2f} to "
        f"{total['per_1000_high']:.2f}). Coverage of the 95 % intervals: {100 * total['coverage']:.1f} %.",
        "",
        *_table(
            ("scenario", "days", "systems", "false alarms", "found", "recall", "best possible", "error [mV/a]",
             "half width [mV/a]", "stable"),
            (_scenario(row) for row in figures["scenarios"]),
        ),
        "",
        *_table(("noise class", "coverage"),
                ((name, f"{100 * share:.1f} %") for name, share in total["coverage_by_noise"].items())),
        "",
        *_table(("common step", "dated within 3 days", "false steps per series"), _steps(figures["steps"])),
        "",
        *_table(("months of data", "share found"),
                ((str(m), f"{share:.2f}") for m, share in figures["detection"]["found_share"].items())),
    ]
    return "\n".join(lines)


def plant_markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the score of one plant against its truth as a Markdown table."""
    words = {True: "yes", False: "no", None: "not from these tables"}
    body = (
        (r["fault"], r["place"], words[r["found"]], _number(r["estimate"]), _number(r["truth"]), r["unit"])
        for r in rows
    )
    return "\n".join(_table(("planted", "place", "found", "estimate", "truth", "unit"), body))


def _scenario(row: Mapping[str, Any]) -> tuple[str, ...]:
    found = f"{row['found']} of {row['bad_cells']}" if row["bad_cells"] else "–"
    return (
        row["scenario"], str(row["days"]), str(row["systems"]),
        f"{row['false_alarms']} of {row['healthy_verdicts']:,}", found, _number(row["recall"]),
        _number(row["recall_bound"]), _number(row["median_error_mv_per_year"]),
        _number(row["half_width_mv_per_year"]), f"{100 * row['stable_share']:.0f} %",
    )


def _steps(steps: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    for name, share in steps["found"].items():
        yield name, _number(share), _number(steps["false"][name])


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "–" if value is None else str(value)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {' | '.join(r)} |" for r in rows)]
