"""The whole score, part by part: verdicts on simulated systems, weak cells, plants from CSV. Next: `report.py`.

Each part says how long it took and on which machine; deterministic for a seed but for these times.
"""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from energy_pipeline.score.plants import plans, run_plants, summarise_plants
from energy_pipeline.score.report import as_markdown, cells_markdown, plants_markdown
from energy_pipeline.score.statistical import run_statistical_score
from energy_pipeline.score.variants import score_variants, variants_markdown
from energy_pipeline.score.weak_cells import score_weak_cells

PARTS = ("verdicts", "cells", "plants", "variants")
USUAL = PARTS[:3]
FRACTIONS = (0.03, 0.02, 0.01)
SYSTEMS, QUICK_SYSTEMS, VARIANT_SYSTEMS = 12, 1, 120
QUICK_DAYS = 45


def score_parts(
    wanted: Sequence[str], seed: int, quick: bool, tell: Callable[[str], None]
) -> Iterator[str]:
    """Yield the Markdown of each wanted part (the usual three where none is named) as soon as it is there."""
    make = {"verdicts": _verdicts, "cells": _cells, "plants": _plants, "variants": _variants}
    for part in PARTS:
        if part in (wanted or USUAL):
            tell(f"score: {part}")
            begin = time.monotonic()
            text = make[part](seed, quick, tell)
            machine = f"{platform.machine()}, Python {platform.python_version()}"
            yield f"{text}\n\n{part}: seed {seed}, {time.monotonic() - begin:.0f} s, {machine}."


def _verdicts(seed: int, quick: bool, tell: Callable[[str], None]) -> str:
    del tell
    return as_markdown(run_statistical_score(seed, quick))


def _cells(seed: int, quick: bool, tell: Callable[[str], None]) -> str:
    del tell
    systems = QUICK_SYSTEMS if quick else SYSTEMS
    return cells_markdown(score_weak_cells(seed + k, systems, fraction) for k, fraction in enumerate(FRACTIONS))


def _variants(seed: int, quick: bool, tell: Callable[[str], None]) -> str:
    del tell
    return variants_markdown(score_variants(seed, 2 if quick else VARIANT_SYSTEMS))


def _plants(seed: int, quick: bool, tell: Callable[[str], None]) -> str:
    del seed
    chosen = plans()
    if quick:
        chosen = {"clock": replace(chosen["clock"], days=QUICK_DAYS, faults=chosen["clock"].faults[:1])}
    return plants_markdown(summarise_plants(run_plants(chosen, tell)))
