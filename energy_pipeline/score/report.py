"""The score as tables: how often right, how often wrong, how sure. Next: `statistical.py`, which counts."""

from collections.abc import Iterable, Mapping
from typing import Any

from energy_pipeline.score.statistical import binomial_interval


def as_markdown(figures: Mapping[str, Any]) -> str:
    """Return the statistical score as Markdown: scenarios, noise classes, steps, time to detection, totals."""
    total = figures["total"]
    lines = [
        f"{total['healthy_verdicts']:,} verdicts on healthy cells, {total['false_alarms']} false alarms: "
        f"{total['per_1000']:.2f} per 1,000 (95 % interval {total['per_1000_low']:.2f} to "
        f"{total['per_1000_high']:.2f}). Coverage of the 95 % intervals: {100 * total['coverage']:.1f} %.",
        "",
        *_table(
            ("scenario", "days", "systems", "false alarms", "found", "recall", "95 % interval", "best possible",
             "error [mV/a]", "half width [mV/a]", "stable"),
            (_scenario(row) for row in figures["scenarios"]),
        ),
        "",
        *_table(
            ("noise class", "coverage", "recall, five bad cells, 9 months", "best possible"),
            (
                (name, f"{100 * share:.1f} %", _number(total["recall_by_noise"].get(name)),
                 _number(total["bound_by_noise"].get(name)))
                for name, share in total["coverage_by_noise"].items()
            ),
        ),
        "",
        *_coverage(total["coverage_by_length"]),
        "",
        *_table(("common step", "dated within 3 days", "95 % interval", "false steps per series"),
                _steps(figures["steps"])),
        "",
        *_table(
            ("months of data", "found", "share", "95 % interval"),
            ((str(m), *_counted(share, figures["detection"]["repeats"]))
             for m, share in figures["detection"]["found_share"].items()),
        ),
    ]
    return "\n".join(lines)


def cells_markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the recall of weak cells per size of the weakness as a Markdown table."""
    rows = list(rows)
    looks = list(rows[0]["found"])
    body = (
        (
            f"{100 * r['fraction']:.0f} %", str(r["planted"]), *(f"{r['found'][d] / r['planted']:.2f}" for d in looks),
            f"{r['recall_low']:.2f} to {r['recall_high']:.2f}", f"{r['false_alarms']} of {r['healthy']:,}",
        )
        for r in rows
    )
    head = ("capacity missing", "planted", *(f"found after {d} days" for d in looks), "95 % interval", "false alarms")
    return "\n".join(_table(head, body))


def plants_markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the summary of all plants, one row per kind of fault or total, as a Markdown table."""
    body = (
        (r["fault"], str(r["planted"]), str(r["found"]), _number(r["largest_error"]), r["unit"],
         "–" if r["days"] is None else str(r["days"]))
        for r in rows
    )
    head = ("planted or measured", "cases", "found or within target", "largest error", "unit", "found after [d]")
    return "\n".join(_table(head, body))


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
        f"{row['false_alarms']} of {row['healthy_verdicts']:,}", found, _number(row["recall"]), _interval(row),
        _number(row["recall_bound"]), _number(row["median_error_mv_per_year"]),
        _number(row["half_width_mv_per_year"]), f"{100 * row['stable_share']:.0f} %",
    )


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['recall_low']:.2f} to {row['recall_high']:.2f}" if row["bad_cells"] else "–"


def _steps(steps: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    for name, share in steps["found"].items():
        count, _, interval = _counted(share, steps["repeats"]) if share is not None else ("–", "–", "–")
        yield name, count, interval, _number(steps["false"][name])


def _counted(share: float, repeats: int) -> tuple[str, str, str]:
    """Return count, share and exact interval of a share of so many repeats."""
    found = round(share * repeats)
    low, high = binomial_interval(found, repeats)
    return f"{found} of {repeats}", f"{share:.2f}", f"{low:.2f} to {high:.2f}"


def _coverage(by_length: Mapping[int, Mapping[str, tuple[int, int]]]) -> list[str]:
    """Return the coverage of the 95 % intervals per length of the data and class of noise, with all counts behind."""
    names = list(next(iter(by_length.values())))
    body = []
    for days, counts in by_length.items():
        covered, n = (sum(c[k] for c in counts.values()) for k in (0, 1))
        cells = [f"{100 * a / b:.1f} %" if b else "–" for a, b in counts.values()]
        body.append((str(days), f"{100 * covered / n:.1f} %", *cells, f"{n:,}"))
    return _table(("coverage after days", "all", *names, "intervals"), body)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "–" if value is None else str(value)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {' | '.join(r)} |" for r in rows)]
