"""What a wall clock betrays of itself: sampling and gaps, the label of a row, and the zone, each with its evidence.

A zone is told by what happens to the clock on the nights of change (an hour that is missing or written twice), by an
epoch beside a naive clock, or by words in the file. Zones with the same nights cannot be told apart, and where no night
is covered the answer is that it cannot be told. Next: `values.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from energy_pipeline.compute import zones
from energy_pipeline.compute.zones import DAY, HOUR, SECOND, Transition

Int = NDArray[np.int64]
# One zone for all that change on the same nights at the same hour of the wall clock; the others are named beside it.
FAMILIES: dict[str, tuple[str, ...]] = {
    "Europe/Berlin": ("Europe/Paris", "Europe/Amsterdam", "Europe/Rome", "Europe/Madrid", "Europe/Vienna"),
    "Europe/London": ("Europe/Dublin", "Europe/Lisbon"),
    "Europe/Helsinki": ("Europe/Athens", "Europe/Bucharest", "Europe/Kyiv"),
    "America/New_York": ("America/Chicago", "America/Denver", "America/Los_Angeles"),
    "Australia/Sydney": ("Australia/Melbourne",),
}
STEADY = ("UTC", "Asia/Shanghai", "Asia/Seoul", "Asia/Kolkata", "Australia/Brisbane")
NIGHTS = ("missing", "filled", "repeated", "once")


@dataclass(frozen=True)
class Sampling:
    """Steps between neighbouring rows [s], and what breaks their order."""

    rows: int
    first_us: int
    last_us: int
    median_s: float
    p95_s: float
    longest_s: float
    gaps: int
    backward: int
    repeated: int


@dataclass(frozen=True)
class Guess:
    """An answer with the evidence for it; `value` is None where the files do not tell."""

    value: str | None
    evidence: str


def steps_of(times: Int, starts: Sequence[int]) -> Int:
    """Steps between neighbouring rows [µs], none across the pieces of a file that was not read whole."""
    steps = np.diff(times)
    keep = np.ones(len(steps), bool)
    keep[[s - 1 for s in starts if 0 < s <= len(steps)]] = False
    return steps[keep]


def find_sampling(times: Int, starts: Sequence[int] = ()) -> Sampling | None:
    """Describe the steps of one file in file order; None where there are fewer than two rows."""
    steps = steps_of(move_old_midnights(times), starts)
    # A file out of order is measured in order of time, unless parts of it were not read.
    ordered = np.diff(np.unique(move_old_midnights(times))) if len(starts) < 2 and (steps < 0).any() else steps
    forward = ordered[ordered > 0]
    if len(forward) == 0:
        return None
    median = float(np.median(forward))
    return Sampling(
        len(times), int(times.min()), int(times.max()), median / SECOND, float(np.percentile(forward, 95)) / SECOND,
        float(forward.max()) / SECOND, int((forward > 5 * median).sum()), int((steps < 0).sum()),
        int(len(times) - len(np.unique(times))),
    )


def count_old_midnights(local: Int) -> int:
    """Rows at 00:00 that carry the date of the day that they end: back by over half a day, then on by over one."""
    return len(_old_midnights(local))


def move_old_midnights(local: Int) -> Int:
    """Return the times with such rows a day later, where they belong."""
    wrong = _old_midnights(local)
    if len(wrong) == 0:
        return local
    moved = local.copy()
    moved[wrong] += DAY
    return moved


def _old_midnights(local: Int) -> Int:
    at = np.flatnonzero(local % DAY == 0)
    at = at[at > 0]
    if len(at) == 0:
        return at
    before = local[at] - local[at - 1]
    following = np.where(at + 1 < len(local), local[np.minimum(at + 1, len(local) - 1)] - local[at], DAY)
    return at[(before <= -DAY // 2) & (before > -DAY) & (following >= DAY)]


def find_label(local: Int, step_s: float) -> Guess:
    """Tell whether a row of interval values is named by the start or the end of its interval.

    Midnight rows with the old date are proof of the end. Else the edges of the file: from 00:00 to a last row one step
    before midnight speaks for the start, from one step after midnight to 00:00 for the end.
    """
    wrong = count_old_midnights(local)
    if wrong:
        return Guess("end", f"{wrong} rows at 00:00 carry the date of the day that they end")
    step = round(step_s * SECOND)
    if step <= 0 or DAY % step:
        return Guess(None, "the step is no part of a day")
    first, last = int(local.min()) % DAY, int(local.max()) % DAY
    if first == 0 and last == DAY - step:
        return Guess("start", f"the file begins at 00:00 and ends one step before midnight ({last / HOUR:.2f} h)")
    if first == step and last == 0:
        return Guess("end", "the file begins one step after midnight and ends at 00:00")
    return Guess(None, "the file neither begins nor ends at a day's edge")


def judge_night(local: Int, change: Transition, step_s: float) -> str | None:
    """Say what the clock did in a night of change: one of `NIGHTS`, None where the rows around it are not there.

    `local` is the wall clock [µs], sorted: only the number of rows counts, not their order.
    """
    shift = abs(change.after - change.before)
    low, high = change.at + min(change.before, change.after), change.at + max(change.before, change.after)
    expected = shift / (step_s * SECOND) if step_s else 0.0
    if expected < 2:
        return None

    def rows(start: int, end: int) -> int:
        return int(np.searchsorted(local, end) - np.searchsorted(local, start))

    inside, before, after = rows(low, high), rows(low - shift, low), rows(high, high + shift)
    around = (before + after) / 2
    if min(before, after) < 0.5 * expected:
        return None
    if change.after > change.before:
        return "missing" if inside == 0 else "filled" if inside > 0.5 * around else None
    return "repeated" if inside > 1.6 * around else "once" if 0.5 * around < inside < 1.3 * around else None


def family_changes(first_us: int, last_us: int) -> dict[str, list[Transition]]:
    """Nights of change of each family of zones between two wall-clock times."""
    return {name: zones.transitions(ZoneInfo(name), first_us - DAY, last_us + DAY) for name in FAMILIES}


def find_zone(clocks: Sequence[tuple[Int, float]]) -> Guess:
    """Tell the zone of naive wall clocks by their nights of change.

    Args:
        clocks: wall clock [µs] in file order and median step [s] of each file of one device.
    """
    tallies: dict[str, Counter[str]] = {}
    ordered = [(np.sort(local), step) for local, step in clocks]
    for name in FAMILIES:
        tally: Counter[str] = Counter()
        for local, step in ordered:
            if len(local):
                for change in zones.transitions(ZoneInfo(name), int(local[0]) - DAY, int(local[-1]) + DAY):
                    verdict = judge_night(local, change, step)
                    if verdict:
                        tally[verdict] += 1
        tallies[name] = tally
    return _weigh(tallies)


def _weigh(tallies: dict[str, Counter[str]]) -> Guess:
    seen = {n: t for n, t in tallies.items() if t}
    if not seen:
        return Guess(None, "cannot be told from these files: no night of change with rows on both sides")
    fits = {n: t for n, t in seen.items() if t["missing"] + t["repeated"] and not t["filled"] + t["once"]}
    if len(fits) == 1:
        name, tally = next(iter(fits.items()))
        against = "" if tally["repeated"] else "; a gap in that hour would look the same"
        return Guess(name, f"{_nights(tally)} as in {name}{against} ({_peers(name)} have the same nights)")
    if len(fits) > 1:
        return Guess(None, f"cannot be told from these files: the nights fit {', '.join(fits)} alike")
    torn = {n: t for n, t in seen.items() if t["missing"] + t["repeated"]}
    if torn:
        said = "; ".join(f"{n}: {_nights(t)}" for n, t in torn.items())
        return Guess(None, f"cannot be told from these files: the nights contradict each other ({said})")
    alike: dict[str, list[str]] = {}
    for name, tally in seen.items():
        alike.setdefault(_nights(tally), []).append(name)
    said = "; ".join(f"{nights} where {', '.join(names)} change" for nights, names in alike.items())
    unseen = [n for n in tallies if n not in seen]
    if unseen:
        return Guess(None, f"cannot be told from these files: not {', '.join(seen)} ({said}), and no night of change "
                           f"of {', '.join(unseen)} has rows on both sides")
    return Guess(None, f"cannot be told from these files, but there is no summer time in them ({said}): a steady clock "
                       f"such as {', '.join(STEADY)}")


def _nights(tally: Counter[str]) -> str:
    words = {"missing": "spring hour missing", "filled": "spring hour filled", "repeated": "autumn hour twice",
             "once": "autumn hour once"}
    return ", ".join(f"{words[k]} {tally[k]}×" for k in NIGHTS if tally[k])


def _peers(name: str) -> str:
    return ", ".join(p.split("/")[1].replace("_", " ") for p in FAMILIES[name])


def compare_clocks(utc: Int, local: Int) -> tuple[Guess, dict[float, int]]:
    """Tell the zone of a naive clock by an epoch in the same rows.

    Returns:
        the zone, and the offsets [h] with their number of rows.
    """
    offset = local - utc
    hours, counts = np.unique(np.round(offset / (HOUR / 4)) / 4, return_counts=True)
    found = {float(h): int(n) for h, n in zip(hours, counts, strict=True)}
    said = ", ".join(f"{h:+g} h × {n}" for h, n in found.items())
    some = np.unique(np.linspace(0, len(utc) - 1, min(len(utc), 4000)).astype(np.int64))
    tried = (*(z for head, tail in FAMILIES.items() for z in (head, *tail)), *STEADY)
    fitting = [name for name in tried if _fits(ZoneInfo(name), utc[some], offset[some])]
    if not fitting:
        return Guess(None, f"offset to the epoch {said}: fits none of the zones that were tried"), found
    others = f"; {', '.join(fitting[1:])} fit as well" if fitting[1:] else ""
    if len(found) == 1:
        return Guess(None, f"offset to the epoch {said}: one offset only, so the zone cannot be told; "
                           f"{', '.join(fitting)} fit"), found
    return Guess(fitting[0], f"offset to the epoch {said}: {fitting[0]} in every row tried{others}"), found


def _fits(zone: ZoneInfo, utc: Int, offset: Int) -> bool:
    """True where all rows (but one in a thousand) have the zone's offset to the minute."""
    changes = zones.transitions(zone, int(utc.min()) - DAY, int(utc.max()) + DAY)
    offsets = np.array([zones.offset_at(zone, int(utc.min()) - DAY), *(c.after for c in changes)], np.int64)
    expected = offsets[np.searchsorted(np.array([c.at for c in changes], np.int64), utc, side="right")]
    return bool((np.abs(expected - offset) <= 60 * SECOND).mean() > 0.999)
